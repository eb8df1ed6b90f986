/**
 * The key-value server of the examples beside the real redis-server, both asked by redis-benchmark. A program of its own,
 * for the load is not ours:
 *
 *   bun bench/macro/resp.ts [--rounds 5] [--keys 100000] [--only set] [--pipeline 16] [--quick]      (3 minutes)
 *
 * Each round starts both servers anew, on one CPU and one port each and without persistence; redis-benchmark has another
 * CPU where there are two. After a warm-up each command is asked for in short runs, A B B A …, so that what else the
 * machine does meets both alike, and a round's ratio is of what came in the same seconds. `rps` is requests for each
 * second of redis-benchmark's own clock; `CPU` is what a request cost the server, kernel included. Where a server had
 * CPU to spare the throughput is redis-benchmark's and not the server's. Missed promises do not fail; errors do.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { RespConnection } from "../../test/support/resp.ts";
import { until } from "../../test/support/until.ts";
import { findEnvironment } from "./environment.ts";
import { cpuBetween, readCpu } from "./process-cpu.ts";
import { judge, type Spread, spreadOf } from "./statistics.ts";

const PIPELINES = [1, 16, 64];
const TESTS = ["ping_mbulk", "set", "get"];
/** Requests of one run, a quarter of a second on a quiet machine. */
const REQUESTS: Readonly<Record<number, number>> = { 1: 15_000, 16: 150_000, 64: 300_000 };
const RUNS = 4;
/** Before them, pipelined: the JIT counts calls, and one at a time would take it long. */
const WARMUP_REQUESTS = 100_000;
/** What is promised: at least so much of redis-server's throughput. */
const LEAST = 1;
/** Below this share of a CPU the server did not set the throughput. */
const SERVER_BOUND = 0.8;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    keys: { type: "string" },
    only: { type: "string", multiple: true, default: TESTS },
    pipeline: { type: "string", multiple: true, default: PIPELINES.map(String) },
    quick: { type: "boolean", default: false },
  },
});
const rounds = values.quick ? 1 : Number(values.rounds);
const redisServer = Bun.which("redis-server");
const redisBenchmark = Bun.which("redis-benchmark");
if (redisServer === null || redisBenchmark === null) {
  console.error("resp: needs redis-server and redis-benchmark (Debian's redis-server and redis-tools)");
  process.exit(2);
}
const { pinned, unpinned, bun, cpu, kernel, load } = findEnvironment();
const [serverCpu, clientCpu] = pinned ?? [];
const onCpu = (number: number | undefined): string[] =>
  number === undefined ? [] : ["taskset", "-c", String(number)];

interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}
/** Of several runs together. */
interface Total {
  requests: number;
  seconds: number;
  cpuUs: number;
  clientCpuUs: number;
}

async function start(name: string, command: readonly string[], port: number): Promise<Server> {
  const child = Bun.spawn([...onCpu(serverCpu), ...command], {
    env: { ...process.env, PORT: String(port), HOST: "127.0.0.1" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  started.push(child);
  let answered = false;
  while (!answered) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    using connection = new RespConnection({ port });
    connection.send("PING\r\n");
    await until(() => connection.ended || connection.received !== "", `${name} answers`);
    answered = connection.received === "+PONG\r\n";
    if (!answered) await Bun.sleep(10);
  }
  return { name, pid: child.pid, port };
}

/** One run of redis-benchmark. @throws {Error} an error among the replies */
async function run(
  server: Server,
  test: string,
  pipeline: number,
  requests: number,
  total?: Total,
): Promise<void> {
  const shape = ["-t", test, "-P", String(pipeline), "-n", String(requests)];
  const keys = values.keys === undefined ? [] : ["-r", values.keys];
  const command = [redisBenchmark ?? "", "-p", String(server.port), "--csv", ...shape, ...keys];
  const before = readCpu(server.pid);
  const child = Bun.spawn([...onCpu(clientCpu), ...command], { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const { totalUs } = cpuBetween(before, readCpu(server.pid));
  const rps = Number(/^"[^"]*","([\d.]+)"/mu.exec(out.slice(out.indexOf("\n") + 1))?.[1]);
  if (code !== 0 || !(rps > 0)) throw new Error(`${server.name}, ${test}: ${out}${err}`);
  if (total === undefined) return;
  total.requests += requests;
  total.seconds += requests / rps;
  total.cpuUs += totalUs;
  total.clientCpuUs += Number(child.resourceUsage()?.cpuTime.total ?? 0);
}

async function measure(servers: readonly Server[], test: string, pipeline: number): Promise<Total[]> {
  const requests = Math.ceil((REQUESTS[pipeline] ?? 100_000) / (values.quick ? 20 : 1));
  const totals = servers.map(() => ({ requests: 0, seconds: 0, cpuUs: 0, clientCpuUs: 0 }));
  for (const server of servers) {
    await run(server, test, 16, values.quick ? 2000 : WARMUP_REQUESTS);
    await run(server, test, pipeline, Math.ceil(requests / 2));
  }
  for (let lap = 0; lap < RUNS; lap++) {
    for (const index of lap % 2 === 0 ? [0, 1] : [1, 0]) {
      await run(servers[index] as Server, test, pipeline, requests, totals[index]);
    }
  }
  return totals;
}

const started: Bun.Subprocess[] = [];
const folder = mkdtempSync(path.join(tmpdir(), "asyncore-resp-"));
const samples = new Map<string, [ours: Total, redis: Total][]>();
console.log(`Bun ${bun}, Linux ${kernel}, ${cpu}, load ${load.toFixed(1)}`);
console.log(
  pinned === undefined
    ? `not pinned: ${unpinned}`
    : `servers on CPU ${serverCpu}, redis-benchmark on ${clientCpu}`,
);
try {
  for (let round = 0; round < rounds; round++) {
    const base = 20_000 + Math.floor(Math.random() * 5000) * 2;
    const example = path.join(import.meta.dir, "../../examples/redis.ts");
    const volatile = ["--save", "", "--appendonly", "no", "--dir", folder];
    const servers = [
      await start("redis.ts", [process.execPath, example], base),
      await start("redis-server", [redisServer, "--port", String(base + 1), ...volatile], base + 1),
    ];
    for (const pipeline of values.pipeline.map(Number)) {
      for (const test of values.only) {
        const name = `${test} -P ${pipeline}`;
        const [ours, redis] = await measure(servers, test, pipeline);
        if (ours !== undefined && redis !== undefined)
          samples.set(name, [...(samples.get(name) ?? []), [ours, redis]]);
      }
    }
    await stopAll();
  }
} finally {
  await stopAll();
  rmSync(folder, { recursive: true });
}
report();

async function stopAll(): Promise<void> {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
}

function report(): void {
  const head = [
    "",
    "rps ours",
    "redis",
    "ratio (middle half)",
    "CPU us ours",
    "redis",
    "redis : ours",
    "share ours",
    "client",
  ];
  const rows: string[][] = [head];
  for (const [name, pairs] of samples) {
    const of = (figure: (total: Total) => number, side: 0 | 1): number =>
      spreadOf(pairs.map((pair) => figure(pair[side]))).median;
    const rps = ({ requests, seconds }: Total): number => requests / seconds;
    const cpuUs = (total: Total): number => total.cpuUs / total.requests;
    const share = (total: Total): number => total.cpuUs / total.seconds / 1e6;
    const clientShare = (total: Total): number => total.clientCpuUs / total.seconds / 1e6;
    const ratio = spreadOf(pairs.map(([ours, redis]) => rps(ours) / rps(redis)));
    const cpuRatio = spreadOf(pairs.map(([ours, redis]) => cpuUs(redis) / cpuUs(ours)));
    rows.push([
      name,
      ...[of(rps, 0), of(rps, 1)].map((number) => number.toFixed(0)),
      `${shown(ratio)} ${verdict(ratio, of(share, 0))}`,
      ...[of(cpuUs, 0), of(cpuUs, 1)].map((number) => number.toFixed(2)),
      shown(cpuRatio),
      ...[of(share, 0), of(clientShare, 0)].map((number) => number.toFixed(2)),
    ]);
  }
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  "));
}

function shown({ median, lower, upper }: Spread): string {
  return `${median.toFixed(2)} (${lower.toFixed(2)} to ${upper.toFixed(2)})`;
}

function verdict(ratio: Spread, share: number): string {
  if (values.quick) return "not judged";
  const target = { peer: "redis.ts", figure: "rps", bound: "at least", value: LEAST } as const;
  const said = judge(ratio, target);
  return said !== "met" && share < SERVER_BOUND ? `${said} (redis-benchmark was the slower)` : said;
}
