/**
 * What timeouts cost that never run out: the CPU time and the memory of 10,000 channels on which nothing happens, with
 * and without `idleTimeoutMs` and `lifetimeTimeoutMs`. There is no server and no load, so this is no workload of the
 * runner's; what comes of it has the shape of theirs.
 *
 * Each round has a fresh process (`idle-channels.ts`) for each variant, A B C D, and every second round in reverse. The
 * bytes of the timeouts are a difference within a round; the CPU time is all that the process took.
 */
import path from "node:path";

import type { StreamLimits } from "../../src/index.ts";
import type { Environment } from "./environment.ts";
import type { IdleReading, IdleRequest } from "./idle-channels.ts";
import { summarize, type Summary } from "./summary.ts";
import type { Column, Figures, Target, Workload } from "./workload.ts";

/** For `--only`. */
export const IDLE_TIMEOUTS = "idle-timeouts";
export const IDLE_TIMEOUTS_ROUNDS = 3;

/** One per cent of a CPU. */
const MOST_CPU_MS_PER_SECOND = 10;
const MOST_BYTES = 200;

const program = path.join(import.meta.dir, "idle-channels.ts");
const NONE = "asyncore, no timeouts";
const variants: Readonly<Record<string, Partial<StreamLimits>>> = {
  [NONE]: {},
  "asyncore, idle 60 s, lifetime 1 h": { idleTimeoutMs: 60_000, lifetimeTimeoutMs: 3_600_000 },
  "asyncore, idle 20 s, lifetime 1 h": { idleTimeoutMs: 20_000, lifetimeTimeoutMs: 3_600_000 },
  "asyncore, lifetime 1 h": { lifetimeTimeoutMs: 3_600_000 },
};

// Together well below the shortest timeout.
const FULL: Omit<IdleRequest, "limits"> = { channels: 10_000, restMs: 1000, windowMs: 10_000 };
const QUICK: Omit<IdleRequest, "limits"> = { channels: 10_000, restMs: 50, windowMs: 100 };
const DEADLINE_MS = 60_000;

const columns: readonly Column[] = [
  { figure: "cpuMsPerSecond", title: "CPU ms/s", digits: 2 },
  { figure: "heapBytesPerChannel", title: "heap bytes/channel", digits: 0 },
  { figure: "timeoutBytesPerChannel", title: "of it timeouts", digits: 0 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
];

const targets: readonly Target[] = Object.keys(variants)
  .filter((peer) => peer !== NONE)
  .flatMap((peer) => [
    { peer, figure: "cpuMsPerSecond", bound: "at most", value: MOST_CPU_MS_PER_SECOND },
    { peer, figure: "timeoutBytesPerChannel", bound: "at most", value: MOST_BYTES },
  ]);

const workload: Workload = {
  name: IDLE_TIMEOUTS,
  about: "10,000 channels on which nothing happens, with and without timeouts that never run out",
  client: { kind: "idle", connections: FULL.channels },
  peers: [],
  baseline: NONE,
  figure: "heapBytesPerChannel",
  columns,
  targets,
  rounds: IDLE_TIMEOUTS_ROUNDS,
};

/** @param options `quick`: a window so short that it shows only whether it works */
export async function measureIdleTimeouts(
  { pinned }: Pick<Environment, "pinned">,
  { rounds, quick }: { readonly rounds: number; readonly quick: boolean },
): Promise<Summary> {
  const prefix = pinned === undefined ? [] : ["taskset", "-c", String(pinned[0])];
  const names = Object.keys(variants);
  const samples = new Map<string, (Figures | undefined)[]>(names.map((name) => [name, []]));
  const broken: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const readings = new Map<string, IdleReading>();
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const request = { ...(quick ? QUICK : FULL), limits: variants[name] ?? {} };
      try {
        readings.set(name, await readIdleChannels(request, prefix));
      } catch (error) {
        broken.push(`${name}, round ${round + 1}: ${String(error)}`);
      }
    }
    for (const [name, kept] of samples) kept.push(figuresOf(readings.get(name), readings.get(NONE), name));
  }
  return summarize({ workload, samples, notes: [NOTE], broken }, !quick);
}

const NOTE =
  "one process, and sockets without a kernel: the figures are the library's and, of the CPU time, Bun's own when idle";

/** What the channels of one fresh process hold and take. @throws {Error} when it fails or does not end within a minute */
export async function readIdleChannels(
  request: IdleRequest,
  prefix: readonly string[] = [],
): Promise<IdleReading> {
  const child = Bun.spawn([...prefix, process.execPath, program, JSON.stringify(request)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: DEADLINE_MS,
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`idle-channels.ts ended with ${code}: ${err.trim()}`);
  return JSON.parse(out) as IdleReading;
}

function figuresOf(
  reading: IdleReading | undefined,
  none: IdleReading | undefined,
  name: string,
): Figures | undefined {
  if (reading === undefined) return undefined;
  if (none === undefined || name === NONE) return { ...reading };
  return { ...reading, timeoutBytesPerChannel: reading.heapBytesPerChannel - none.heapBytesPerChannel };
}
