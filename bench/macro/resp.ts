/**
 * The key-value server of the examples beside the real redis-server, both asked by redis-benchmark: a part of the report
 * for each number of requests that a connection sends at a time. The load is not ours, so this is no workload of the
 * runner's; what comes of it has the shape of theirs.
 *
 * Each round starts both servers anew, on one CPU and one port each and without persistence; redis-benchmark has another
 * CPU where there are two. After a warm-up each command is asked for in short runs, A B B A …, so that what else the
 * machine does meets both alike, and a round's ratio is of what came in the same seconds. Throughput is by
 * redis-benchmark's own clock; where a server had CPU to spare it is redis-benchmark's and not the server's. So are the
 * latencies, each the median of the runs; of requests sent together each has that of all. The peak memory is a server's
 * since its start, hence never less than with the command before.
 */
import type { Environment } from "./environment.ts";
import {
  findRespTools,
  type RespLoad,
  RespServer,
  RespTotal,
  type RespTools,
  runRespLoad,
} from "./resp-servers.ts";
import type { WorkloadResult } from "./runner.ts";
import { spreadOf } from "./statistics.ts";
import { ratios, type Samples, summarize, type Summary } from "./summary.ts";
import { cpuAtMost, throughputAtLeast } from "./targets.ts";
import type { Column, Figures, Peer, Target, Workload } from "./workload.ts";

/** All parts together, for `--only`. */
export const RESP = "resp";
const OURS = "asyncore";
const REDIS = "redis-server";
export const RESP_ROUNDS = 5;

/** What is asked for, and redis-benchmark's name for it. */
const COMMANDS: Readonly<Record<string, string>> = { PING: "ping_mbulk", SET: "set", GET: "get" };
/** redis-benchmark's own default. */
const CONNECTIONS = 50;
/** Of one run, under half a second on a quiet machine: enough for its connects not to count. */
const REQUESTS: Readonly<Record<number, number>> = { 1: 20_000, 16: 200_000, 64: 500_000 };
const RUNS = 4;
/**
 * Of ours before the first run, one request at a time. The JIT counts calls, and goes on compiling for some two hundred
 * thousand chunks and a thousand connections; every run makes new ones.
 */
const WARMUP = { runs: 60, requests: 4000 } as const;
const QUICK_REQUESTS = 2000;
const QUICK_RUNS = 1;

interface Part {
  readonly name: string;
  readonly about: string;
  readonly pipeline: number;
}
const parts: readonly Part[] = Object.keys(REQUESTS).map((key) => {
  const pipeline = Number(key);
  const many = pipeline === 1 ? "one request at a time" : `${pipeline} requests at a time`;
  return {
    name: `${RESP}-${pipeline}`,
    about: `the key-value example and redis-server, redis-benchmark's ${CONNECTIONS} connections with ${many}`,
    pipeline,
  };
});
/** Names for `--only`. */
export const respNames: readonly string[] = [RESP, ...parts.map(({ name }) => name)];

const columns: readonly Column[] = [
  { figure: "messagesPerSecond", title: "requests/s", digits: 0 },
  { figure: "p50Us", title: "p50 us", digits: 0 },
  { figure: "p99Us", title: "p99", digits: 0 },
  { figure: "cpuUsPerMessage", title: "CPU us/request", digits: 3 },
  { figure: "userUsPerMessage", title: "user", digits: 3 },
  { figure: "systemUsPerMessage", title: "system", digits: 3 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
  { figure: "serverCpuShare", title: "CPUs: server", digits: 2 },
  { figure: "generatorCpuShare", title: "generator", digits: 2 },
];
const FIGURE = "messagesPerSecond";

/** Which parts, and how long. */
export interface RespOptions {
  /** Of {@link respNames}. */
  readonly wanted: (name: string) => boolean;
  readonly rounds: number;
  /** Short runs of cold servers: whether it works. */
  readonly quick: boolean;
  /** Default: what is installed here. */
  readonly tools?: RespTools | undefined;
}

/** A summary for each part that is wanted; without figures, and with the reason, where there is no redis-server. */
export async function measureResp({ pinned }: Environment, options: RespOptions): Promise<Summary[]> {
  const wanted = parts.filter(({ name }) => options.wanted(RESP) || options.wanted(name));
  const tools = "tools" in options ? options.tools : findRespTools();
  const [serverCpu, generatorCpu] = (pinned ?? [undefined, undefined]).map(onCpu);
  const results = wanted.map(resultOf);
  if (tools === undefined) {
    return results.map((result) => respSummary({ ...result, notes: [ABSENT] }, !options.quick));
  }
  const rig: Rig = {
    tools,
    serverCpu: serverCpu ?? [],
    generatorCpu: generatorCpu ?? [],
    quick: options.quick,
  };
  for (let round = 1; round <= options.rounds; round++) {
    try {
      const figures = await runRound(rig, wanted);
      for (const [index, { samples }] of results.entries()) {
        for (const [peer, sample] of Object.entries(figures[index] ?? {})) {
          samples.set(peer, [...(samples.get(peer) ?? []), sample]);
        }
      }
    } catch (error) {
      for (const { broken } of results) broken.push(`round ${round}: ${String(error)}`);
    }
  }
  const notes = [
    `${REDIS} ${tools.version}, without persistence`,
    "the load is redis-benchmark's, which notices error replies and checks nothing else",
  ];
  return results.map((result) => respSummary({ ...result, notes }, !options.quick));
}

const ABSENT = "absent: needs redis-server and redis-benchmark (Debian's redis-server and redis-tools)";

interface Result extends WorkloadResult {
  readonly samples: Map<string, (Figures | undefined)[]>;
  readonly broken: string[];
}

const peerOf = (server: string, command: string, pipeline: number): Peer => ({
  name: `${server}, ${command} -P ${pipeline}`,
  program: "",
});

// The load is what "echo" says: every connection sends, waits until all has come back, sends the next.
function resultOf({ name, about, pipeline }: Part): Result {
  const targets: Target[] = Object.keys(COMMANDS).flatMap((command) => {
    const [ours, theirs] = [peerOf(OURS, command, pipeline), peerOf(REDIS, command, pipeline)];
    return [throughputAtLeast(1, ours, theirs), cpuAtMost(1, ours, theirs)];
  });
  const workload: Workload = {
    name,
    about,
    columns,
    targets,
    baseline: REDIS,
    figure: FIGURE,
    peers: [],
    rounds: RESP_ROUNDS,
    client: { kind: "echo", connections: CONNECTIONS, bytes: 0 },
  };
  return { workload, samples: new Map(), notes: [], broken: [] };
}

/** As {@link summarize}, with each command's ratio to the same command of redis-server. */
export function respSummary(result: WorkloadResult, judged: boolean): Summary {
  const summary = summarize(result, judged);
  const of = (peer: string): Samples => result.samples.get(peer) ?? [];
  const peers = Object.entries(summary.peers).map(([peer, { figures }]) => {
    const isOurs = peer.startsWith(OURS);
    const ratio = isOurs ? ratios(of(peer), of(peer.replace(OURS, REDIS)), FIGURE) : undefined;
    return [peer, { figures, ratio }] as const;
  });
  return { ...summary, peers: Object.fromEntries(peers) };
}

interface Rig {
  readonly tools: RespTools;
  /** What comes before a command line. */
  readonly serverCpu: readonly string[];
  readonly generatorCpu: readonly string[];
  readonly quick: boolean;
}

function onCpu(cpu: number | undefined): readonly string[] {
  return cpu === undefined ? [] : ["taskset", "-c", String(cpu)];
}

/** By part, then by peer. */
async function runRound(rig: Rig, wanted: readonly Part[]): Promise<Record<string, Figures>[]> {
  await using ours = await RespServer.ours(OURS, rig.serverCpu);
  await using redis = await RespServer.redis(REDIS, rig.serverCpu, rig.tools);
  const servers = [ours, redis];
  if (!rig.quick) {
    const { runs, requests } = WARMUP;
    const tests = Object.values(COMMANDS);
    for (let index = 0; index < runs; index++) {
      await run(rig, ours, { test: tests[index % tests.length] ?? "", pipeline: 1, requests });
    }
  }
  const figures: Record<string, Figures>[] = [];
  for (const { pipeline } of wanted) {
    const byPeer: Record<string, Figures> = {};
    for (const [command, test] of Object.entries(COMMANDS)) {
      const totals = await runInTurn(rig, servers, test, pipeline);
      for (const [index, total] of totals.entries()) {
        const server = servers[index]?.name ?? "";
        byPeer[peerOf(server, command, pipeline).name] = figuresOf(total);
      }
    }
    figures.push(byPeer);
  }
  return figures;
}

async function runInTurn(
  rig: Rig,
  servers: readonly RespServer[],
  test: string,
  pipeline: number,
): Promise<RespTotal[]> {
  const requests = rig.quick ? QUICK_REQUESTS : (REQUESTS[pipeline] ?? QUICK_REQUESTS);
  const contenders = servers.map((server) => ({ server, total: new RespTotal() }));
  if (!rig.quick) {
    for (const { server } of contenders) await run(rig, server, { test, pipeline, requests });
  }
  for (let lap = 0; lap < (rig.quick ? QUICK_RUNS : RUNS); lap++) {
    for (const { server, total } of lap % 2 === 0 ? contenders : contenders.toReversed()) {
      await run(rig, server, { test, pipeline, requests }, total);
    }
  }
  return contenders.map(({ total }) => total);
}

function run(
  { tools, generatorCpu }: Rig,
  server: RespServer,
  load: Omit<RespLoad, "connections">,
  total?: RespTotal,
): Promise<void> {
  return runRespLoad(tools, generatorCpu, server, { ...load, connections: CONNECTIONS }, total);
}

function figuresOf(total: RespTotal): Figures {
  const { requests, seconds, cpuUs, userUs, systemUs, generatorUs, peakRssBytes } = total;
  // As in `slices.ts`: the split is coarse, its sum is scaled to the exact total.
  const scale = userUs + systemUs > 0 ? cpuUs / (userUs + systemUs) : 0;
  return {
    messagesPerSecond: requests / seconds,
    cpuUsPerMessage: cpuUs / requests,
    userUsPerMessage: (userUs * scale) / requests,
    systemUsPerMessage: (systemUs * scale) / requests,
    serverCpuShare: cpuUs / 1e6 / seconds,
    generatorCpuShare: generatorUs / 1e6 / seconds,
    peakRssBytes,
    ...medianOf("p50Us", total.p50Us),
    ...medianOf("p99Us", total.p99Us),
  };
}

// An old redis-benchmark tells no latencies.
function medianOf(name: string, samples: readonly number[]): Figures {
  return samples.length === 0 ? {} : { [name]: spreadOf(samples).median };
}
