/**
 * Channels on which nothing happens, in a process of its own: what they hold and what doing nothing takes. Started by
 * `idle-timeouts.ts` with an {@link IdleRequest} as its only argument; tells an {@link IdleReading} on its standard output.
 *
 * The channels stand on sockets without a kernel, so that nothing is counted but the library.
 */
import { heapStats } from "bun:jsc";

import { ChannelMap, Dispatcher, streamLimits, type StreamLimits } from "../../src/index.ts";
import { StandInSocket } from "../micro/stand-in-socket.ts";
import { peakRss } from "./process-cpu.ts";

export interface IdleRequest {
  readonly channels: number;
  readonly limits: Partial<StreamLimits>;
  /** Before the window: until the compiler and the collector have done what making the channels left them. */
  readonly restMs: number;
  /** No timeout of `limits` may run out before its end. */
  readonly windowMs: number;
}

export interface IdleReading {
  /** Of one CPU, all threads. */
  readonly cpuMsPerSecond: number;
  /** Of the JS heap, after a full collection. */
  readonly heapBytesPerChannel: number;
  readonly peakRssBytes: number;
}

/** Made before the first reading: what is made once is not the channels'. */
const FIRST = 100;

if (import.meta.main) {
  console.log(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? "") as IdleRequest)));
  process.exit();
}

async function measure({ channels: count, limits, restMs, windowMs }: IdleRequest): Promise<IdleReading> {
  class Idle extends Dispatcher {
    static override limits: StreamLimits = streamLimits(limits);
    override handleRead(): void {}
  }
  const map = new ChannelMap();
  const make = (): Idle => new Idle(new StandInSocket(), map);
  for (let index = 0; index < FIRST; index++) make();
  await settled();
  const before = heapBytes();
  const channels = Array.from({ length: count }, make);
  await settled();
  const heapBytesPerChannel = (heapBytes() - before) / count;
  await Bun.sleep(restMs);
  const start = process.cpuUsage();
  const startedAt = performance.now();
  await Bun.sleep(windowMs);
  const { user, system } = process.cpuUsage(start);
  const cpuMsPerSecond = (user + system) / (performance.now() - startedAt);
  if (channels.some(({ connected }) => !connected)) throw new Error("a channel has closed");
  return { cpuMsPerSecond, heapBytesPerChannel, peakRssBytes: peakRss(process.pid) };
}

/** Until the first turn of every channel is over, in which its timeouts begin. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function heapBytes(): number {
  for (let round = 0; round < 3; round++) Bun.gc(true);
  return heapStats().heapSize;
}
