import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { summarize } from "../../bench/macro/summary.ts";
import { chartOf, isOurs, overviewOf, themes } from "../../bench/report/charts.ts";
import { pageOf } from "../../bench/report/page.ts";
import { renderSvg } from "../../bench/report/render.ts";
import { writeReport } from "../../bench/report/report.ts";
import { type Results, withAgain, writeResults } from "../../bench/report/results.ts";
import { cpu, figures, resultOf } from "./kit.ts";

const summary = summarize(
  resultOf(
    [figures(10), figures(10), figures(10)],
    [figures(12.3), figures(12.1), figures(12.2)],
    [cpu("at most", 1.05)],
  ),
  true,
);
const results: Results = {
  at: "2026-01-02T03:04:05.678Z",
  environment: {
    bun: "1.2.3",
    others: ["Node 4.5.6"],
    kernel: "6.7.8",
    cpu: "2 x a CPU",
    load: 0.1,
    commit: "0123456789",
    pinned: [0, 1],
    unpinned: undefined,
  },
  quick: false,
  workloads: [summary],
  micro: [{ name: "send", figures: [{ name: "64 B", avg: 31.25, min: 20, p50: 30, p99: 250 }] }],
};

describe("withAgain()", () => {
  test("takes what was measured again, says so, and keeps the rest", () => {
    const other = { ...summary, name: "other" };
    const again: Results = {
      ...results,
      at: "2026-02-03T00:00:00.000Z",
      environment: { ...results.environment, commit: "abc" },
      workloads: [{ ...summary, about: "again", notes: ["a note"] }],
    };
    const both = withAgain({ ...results, workloads: [summary, other] }, again);
    expect(both.workloads.map(({ name, about, notes }) => [name, about, notes])).toEqual([
      ["echo64", "again", ["a note", "measured again by itself on 2026-02-03, commit abc"]],
      ["other", summary.about, summary.notes],
    ]);
    expect(both.environment.commit).toBe("0123456789");
  });
});

describe("pageOf()", () => {
  const page = pageOf(results);
  test("names the machine, the versions and the commit", () => {
    expect(page).toContain(
      "On 2026-01-02. Bun 1.2.3, Node 4.5.6, Linux 6.7.8, 2 x a CPU, commit 0123456789.",
    );
  });
  test("has every promise with what was measured and its verdict", () => {
    expect(page).toContain(
      "| echo64 | asyncore, server CPU per message : raw, at most 1.05 | 1.220 (1.215 to 1.225) | missed | 16 % |",
    );
  });
  test("has the single functions", () => {
    expect(page).toContain(
      "| ns | mean | p50 | p99 |\n| --- | ---: | ---: | ---: |\n| send: 64 B | 31.3 | 30.0 | 250 |",
    );
  });
  test("has a table and both charts of each workload, without columns that nobody has", () => {
    expect(page).toContain(
      "|  | messages/s | CPU us/message | ratio |\n| --- | ---: | ---: | ---: |\n" +
        "| raw | 100,000 | 10.00 | 1 |\n| asyncore | 81,967 | 12.20 | 1.22 (1.21 to 1.23) |\n",
    );
    expect(page).toContain('srcset="echo64-dark.svg"');
    expect(page).toContain('src="echo64-light.svg"');
  });
});

describe("chartOf()", () => {
  test("has the best at the top, whether less is better or more", () => {
    const order = (figure: string): unknown[] => {
      const { data } = chartOf({ ...summary, figure }) as { data: { values: { peer: string }[] } };
      return data.values.map(({ peer }) => peer);
    };
    expect(order("cpuUsPerMessage")).toEqual(["raw", "asyncore"]);
    expect(order("messagesPerSecond")).toEqual(["raw", "asyncore"]);
    const slow = summarize(resultOf([figures(20)], [figures(10)]), false);
    const { data } = chartOf(slow) as { data: { values: { peer: string }[] } };
    expect(data.values.map(({ peer }) => peer)).toEqual(["asyncore", "raw"]);
  });
});

test("isOurs() knows our servers from their names", () => {
  const ours = ["asyncore", "asyncore loop()", "asyncore, 10,000 idle"];
  const others = ["asyncio", "raw Bun.listen", "CPython asyncore, select"];
  expect([...ours, ...others].map(isOurs)).toEqual([true, true, true, false, false, false]);
});

describe("renderSvg()", () => {
  test("draws a bar for each peer in the colours of the theme, with its name and its figure", async () => {
    const drawn = await renderSvg(chartOf(summary), themes.light);
    expect(drawn).toStartWith("<svg");
    expect(drawn.split(`fill="${themes.light.ours}"`)).toHaveLength(2);
    expect(drawn.split(`fill="${themes.light.bar}"`)).toHaveLength(2);
    for (const text of ["echo64", "asyncore", "raw", "10.00", "12.20"]) expect(drawn).toContain(`>${text}<`);
  });
  test("draws in the dark with other colours", async () => {
    const [light, dark] = await Promise.all(
      [themes.light, themes.dark].map((theme) => renderSvg(overviewOf([summary]), theme)),
    );
    expect(dark).toContain(themes.dark.ours);
    expect(dark).not.toContain(themes.light.text);
    expect(light).not.toEqual(dark);
  });
});

test("writeResults() and writeReport() leave a file to read again, a page and its charts, and no stale ones", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "asyncore-report-"));
  try {
    const file = path.join(folder, "full.json");
    await writeResults(file, results);
    const read = (await Bun.file(file).json()) as Results;
    expect(read.workloads[0]?.peers["asyncore"]?.figures["cpuUsPerMessage"]?.samples).toEqual([
      12.3, 12.1, 12.2,
    ]);
    expect(read.environment).toEqual(results.environment);
    writeFileSync(path.join(folder, "gone-light.svg"), "");
    await writeReport(read, folder);
    expect(readdirSync(folder).toSorted()).toEqual([
      "echo64-dark.svg",
      "echo64-light.svg",
      "full.json",
      "overview-dark.svg",
      "overview-light.svg",
      "report.md",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
