/** The lab's part about the key-value example: what is made of its rounds, and, where there is a redis-server, a short run. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { measureResp, respNames, respSummary } from "../../bench/macro/resp.ts";
import { benchmarkResult, findRespTools, RespServer } from "../../bench/macro/resp-servers.ts";
import type { Environment } from "../../bench/macro/environment.ts";
import type { Figures, Target } from "../../bench/macro/workload.ts";
import { chartOf, hasFigures } from "../../bench/report/charts.ts";
import { pageOf } from "../../bench/report/page.ts";
import { writeReport } from "../../bench/report/report.ts";
import { figures, resultOf } from "./kit.ts";

const environment: Environment = {
  bun: "1.2.3",
  others: [],
  kernel: "6.7.8",
  cpu: "2 x a CPU",
  load: 0,
  commit: undefined,
  pinned: undefined,
  unpinned: "for a test",
};
const results = (...workloads: ReturnType<typeof respSummary>[]): Parameters<typeof pageOf>[0] => ({
  at: "2026-01-02T03:04:05.678Z",
  environment,
  quick: false,
  workloads,
  micro: [],
});

const [ours, theirs] = ["asyncore, GET -P 16", "redis-server, GET -P 16"];
const target: Target = {
  peer: ours,
  figure: "messagesPerSecond",
  against: theirs,
  bound: "at least",
  value: 1,
};
/** Rounds of which each has our CPU and redis-server's. */
function rounds(...pairs: readonly (readonly [number, number])[]): Parameters<typeof respSummary>[0] {
  const result = resultOf([], [], [target]);
  const column = (index: 0 | 1): Figures[] => pairs.map((pair) => figures(pair[index]));
  const samples = new Map([
    [ours, column(0)],
    [theirs, column(1)],
  ]);
  return { ...result, workload: { ...result.workload, baseline: "redis-server" }, samples };
}

describe("respSummary()", () => {
  test("has the ratio of each command to the same command of redis-server, round by round", () => {
    const summary = respSummary(rounds([10, 11], [100, 110], [20, 22]), true);
    for (const ratio of summary.peers[ours]?.ratio?.samples ?? []) expect(ratio).toBeCloseTo(1.1);
    expect(summary.peers[ours]?.ratio?.samples).toHaveLength(3);
    expect(summary.peers[theirs]?.ratio).toBeUndefined();
  });
  test("judges each promise, and gives no verdict where the spread exceeds the difference", () => {
    const verdict = (...pairs: (readonly [number, number])[]): unknown =>
      respSummary(rounds(...pairs), true).targets[0]?.verdict;
    expect(verdict([10, 11], [10, 12], [10, 11])).toBe("met");
    expect(verdict([11, 10], [12, 10], [11, 10])).toBe("missed");
    expect(verdict([11, 10], [10, 12], [10, 9])).toBe("no verdict: the spread exceeds the difference");
  });
});

describe("benchmarkResult()", () => {
  const head =
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms"\n';
  test("finds throughput and latencies in what redis-benchmark prints", () => {
    const row = '"PING_MBULK","123456.78","0.2","0.1","0.211","0.3","0.407"\n';
    const result = benchmarkResult(head + row);
    expect(result?.perSecond).toBe(123_456.78);
    expect(result?.p50Us).toBeCloseTo(211);
    expect(result?.p99Us).toBeCloseTo(407);
  });
  test("has the throughput alone where there are no latencies", () => {
    expect(benchmarkResult('"test","rps"\n"GET","5.50"\n')).toEqual({ perSecond: 5.5 });
  });
  test("is undefined where there is no result", () => {
    expect(benchmarkResult(`${head}"SET","0.00","0.1","0.1","0.1","0.1","0.1"\n`)).toBeUndefined();
    expect(benchmarkResult(head)).toBeUndefined();
    expect(benchmarkResult("")).toBeUndefined();
  });
});

describe("without redis-server", () => {
  const absent = (): Promise<ReturnType<typeof respSummary>[]> =>
    measureResp(environment, {
      wanted: (name) => name === "resp",
      rounds: 1,
      quick: false,
      tools: undefined,
    });
  test("every part says that it is absent, and why", async () => {
    const parts = await absent();
    expect(parts.map(({ name }) => name)).toEqual(respNames.filter((name) => name !== "resp"));
    for (const part of parts) {
      expect(hasFigures(part)).toBe(false);
      expect(part.broken).toEqual([]);
      expect(part.targets).toHaveLength(6);
      for (const { measured, verdict } of part.targets) {
        expect({ measured, verdict }).toEqual({ measured: undefined, verdict: "no verdict: no figures" });
      }
      expect(part.notes.join("")).toStartWith("absent: needs redis-server and redis-benchmark");
    }
  });
  test("the report has their names and the reason, and no picture", async () => {
    const parts = await absent();
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-resp-test-"));
    try {
      await writeReport(results(...parts, respSummary(rounds([10, 11]), true)), folder);
      const page = readFileSync(path.join(folder, "report.md"), "utf8");
      expect(page).toMatch(
        /\n## resp-16\n\nThe key-value example [^\n]+\.\n\n- absent: needs [^\n]+\n\n## resp-64\n/u,
      );
      expect(page).not.toContain("resp-16-dark.svg");
      const charts = readdirSync(folder).filter((file) => file.endsWith("-light.svg"));
      expect(charts.toSorted()).toEqual(["echo64-light.svg", "overview-light.svg"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const tools = findRespTools();
const missing = tools === undefined ? " (SKIPPED: no redis-server or no redis-benchmark)" : "";

describe.skipIf(tools === undefined)(`with redis-server${missing}`, () => {
  test("a quick run of one part has figures of every command on both, promises, and a chart", async () => {
    const wanted = (name: string): boolean => name === "resp-16";
    const parts = await measureResp(environment, { wanted, rounds: 1, quick: true });
    expect(parts.map(({ name, broken }) => [name, broken])).toEqual([["resp-16", []]]);
    const [part] = parts;
    if (part === undefined) throw new Error("no part");
    const names = ["PING", "SET", "GET"].flatMap((command) =>
      ["asyncore", "redis-server"].map((server) => `${server}, ${command} -P 16`),
    );
    expect(Object.keys(part.peers)).toEqual(names);
    for (const [name, { figures: measured, ratio }] of Object.entries(part.peers)) {
      expect(measured["messagesPerSecond"]?.median).toBeGreaterThan(0);
      expect(measured["cpuUsPerMessage"]?.median).toBeGreaterThan(0);
      const [p50, p99] = [measured["p50Us"]?.median ?? 0, measured["p99Us"]?.median ?? 0];
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
      // More than a megabyte: bytes, and not kilobytes.
      expect(measured["peakRssBytes"]?.median).toBeGreaterThan(1e6);
      expect(ratio === undefined).toBe(name.startsWith("redis-server"));
    }
    expect(part.targets).toHaveLength(6);
    expect(new Set(part.targets.map(({ verdict }) => verdict))).toEqual(new Set(["not judged"]));
    expect(pageOf(results(part))).toContain(
      "| resp-16 | asyncore, SET -P 16, messages/s : redis-server, SET -P 16, at least 1.00 |",
    );
    const { data } = chartOf(part) as { data: { values: { peer: string; ours: boolean }[] } };
    expect(data.values.filter((value) => value.ours)).toHaveLength(3);
  });
  test("a server that does not start is an error, not a wait", async () => {
    if (tools === undefined) throw new Error("skipped");
    const starting = RespServer.redis("redis-server", ["false"], tools);
    const failure = await starting.then(() => "started", String);
    expect(failure).toContain("redis-server ended with 1");
  });
});
