/**
 * What timeouts cost that never run out: the CPU time and the memory of a process with 10,000 channels on which nothing
 * happens, with and without `idleTimeoutMs` and `lifetimeTimeoutMs`. A program of its own, for there is no load:
 *
 *   bun bench/macro/idle-timeouts.ts [--seconds 10] [--rounds 5] [--channels 10000]     (below 18 seconds)
 *
 * Each figure comes from fresh processes, A B C A B C …, and is the median. The channels stand on sockets without a
 * kernel, so that nothing is counted but the library. Ends with 1 where a promise is broken: at most 1 % of a CPU more
 * than without, and at most 200 bytes for each channel.
 */
import { heapStats } from "bun:jsc";
import { parseArgs } from "node:util";

import { ChannelMap, Dispatcher, streamLimits, type StreamLimits } from "../../src/index.ts";
import { StandInSocket } from "../micro/stand-in-socket.ts";
import { spreadOf } from "./statistics.ts";

const MOST_CPU_PERCENT = 1;
const MOST_BYTES = 200;

const variants: Record<string, Partial<StreamLimits>> = {
  "no timeouts": {},
  "idle 60 s, lifetime 1 h": { idleTimeoutMs: 60_000, lifetimeTimeoutMs: 3_600_000 },
  "idle 20 s, lifetime 1 h": { idleTimeoutMs: 20_000, lifetimeTimeoutMs: 3_600_000 },
  "lifetime 1 h": { lifetimeTimeoutMs: 3_600_000 },
};

interface Sample {
  readonly cpuPercent: number;
  readonly bytesEach: number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
    channels: { type: "string", default: "10000" },
    variant: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const count = Number(values.channels);

if (values.variant === undefined) await compare();
else console.log(JSON.stringify(await measure(variants[values.variant] ?? {})));
process.exit();

/** In a process of its own. */
async function measure(limits: Partial<StreamLimits>): Promise<Sample> {
  class Idle extends Dispatcher {
    static override limits: StreamLimits = streamLimits(limits);
    override handleRead(): void {}
  }
  const make = (map: ChannelMap): Idle => new Idle(new StandInSocket(), map);
  // What is made once is not the channels'.
  const map = new ChannelMap();
  for (let index = 0; index < 100; index++) make(map);
  await settled();
  const before = heapBytes();
  const channels = Array.from({ length: count }, () => make(map));
  await settled();
  const bytesEach = (heapBytes() - before) / count;
  const start = process.cpuUsage();
  const startedAt = performance.now();
  await new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
  const { user, system } = process.cpuUsage(start);
  const cpuPercent = (user + system) / 10 / (performance.now() - startedAt);
  if (channels.some(({ connected }) => !connected)) throw new Error("a channel has closed");
  return { cpuPercent, bytesEach };
}

/** Until the first turn of every channel is over, in which its timeouts begin. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function heapBytes(): number {
  for (let round = 0; round < 3; round++) Bun.gc(true);
  return heapStats().heapSize;
}

async function compare(): Promise<void> {
  const samples = new Map(Object.keys(variants).map((name) => [name, [] as Sample[]]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, kept] of samples) {
      const args = ["--variant", name, "--seconds", values.seconds, "--channels", values.channels];
      const child = Bun.spawn([process.execPath, import.meta.path, ...args], { stderr: "inherit" });
      kept.push(JSON.parse(await new Response(child.stdout).text()) as Sample);
    }
  }
  const figure = (name: string, of: keyof Sample): number =>
    spreadOf((samples.get(name) ?? []).map((sample) => sample[of])).median;
  const [none = ""] = samples.keys();
  console.log(`${count} idle channels, ${seconds} s, median of ${values.rounds}`);
  for (const name of samples.keys()) {
    const cpu = figure(name, "cpuPercent");
    const bytes = figure(name, "bytesEach");
    const moreCpu = cpu - figure(none, "cpuPercent");
    const moreBytes = bytes - figure(none, "bytesEach");
    const kept = moreCpu < MOST_CPU_PERCENT && moreBytes <= MOST_BYTES;
    const more = name === none ? "" : `, ${moreBytes.toFixed(0)} B and ${moreCpu.toFixed(3)} % more`;
    console.log(
      `${name.padEnd(26)} ${cpu.toFixed(3)} % CPU, ${bytes.toFixed(0)} B each${more}${kept ? "" : "  TOO MUCH"}`,
    );
    if (!kept) process.exitCode = 1;
  }
}
