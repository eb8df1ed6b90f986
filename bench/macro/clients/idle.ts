/**
 * Idle: opens many connections, leaves them alone, and asks the server for its memory before and after, each time
 * after a full collection, and for its CPU time in between. Then every connection sends eight bytes and must get them
 * back, which proves that all were served, and memory is asked for once more: what a connection costs that has been
 * used. A server that does not answer has no garbage to collect: its memory is read from /proc.
 */
import { readFileSync } from "node:fs";

import type { Socket } from "bun";

import {
  cpuBetween,
  openDescriptors,
  peakRss,
  readCpu,
  residentBytes,
  sparedDescriptors,
} from "../process-cpu.ts";
import { ServerProcess, within } from "../server-process.ts";
import type { ClientJob, Figures, RoundResult, RunResult, ServerCommand, Timing } from "../workload.ts";
import { connectAll } from "./connect.ts";

const SAMPLES = 4;
const SAMPLE_GAP_MS = 60;
const PING = Buffer.from("are you?");
/** Local ports of one address that are left to others. */
const RESERVED_PORTS = 4000;
/** Opened, used and closed before the first measurement, so that what is made once is not counted. */
const REHEARSAL = 256;

type IdleJob = Extract<ClientJob, { kind: "idle" }>;

/** One server after the other. */
export async function measureIdle(
  commands: readonly ServerCommand[],
  job: IdleJob,
  timing: Timing,
): Promise<RoundResult> {
  const results: Record<string, RunResult> = {};
  for (const { peer, command, answers } of commands) {
    try {
      const server = await ServerProcess.start(command);
      results[peer] = await idle(job, server, answers, timing);
      await server.stop();
    } catch (error) {
      results[peer] = { broken: error instanceof Error ? error.message : String(error) };
    }
  }
  return results;
}

async function idle(
  job: IdleJob,
  server: ServerProcess,
  answers: boolean,
  timing: Timing,
): Promise<RunResult> {
  const notes: string[] = [];
  const count = Math.min(job.connections, sparedDescriptors());
  if (count < job.connections)
    notes.push(`RLIMIT_NOFILE allows only ${count} connections of ${job.connections}`);

  const baseDescriptors = openDescriptors(server.pid);
  const rehearsal = await openCrowd(REHEARSAL, server.port);
  await rehearsal.pingAll();
  for (const wire of rehearsal.wires) wire.end();
  await descriptorsReach(server, (held) => held <= baseDescriptors);

  const before = await lowest(server, answers);
  const crowd = await openCrowd(count, server.port);
  await descriptorsReach(server, (held) => held >= baseDescriptors + count);
  const opened = await lowest(server, answers);
  const cpuMsPerSecond = await cpuOfNothing(server, timing.windowMs);
  await crowd.pingAll();
  const used = await lowest(server, answers);
  const heap: Figures =
    opened.heap === undefined || before.heap === undefined
      ? {}
      : { heapBytesPerConnection: (opened.heap - before.heap) / count };
  for (const wire of crowd.wires) wire.terminate();
  return {
    figures: {
      connections: count,
      bytesPerConnection: (opened.rss - before.rss) / count,
      ...heap,
      cpuMsPerSecond,
      bytesPerUsedConnection: (used.rss - before.rss) / count,
      peakRssBytes: peakRss(server.pid),
    },
    notes,
  };
}

// The allocator gives pages back when it likes; the least of several samples is nearest to what is really held.
async function lowest(
  server: ServerProcess,
  answers: boolean,
): Promise<{ rss: number; heap: number | undefined }> {
  let rss = Infinity;
  let heap: number | undefined;
  for (let sample = 0; sample < SAMPLES; sample++) {
    await Bun.sleep(SAMPLE_GAP_MS);
    if (!answers) {
      rss = Math.min(rss, residentBytes(server.pid));
      continue;
    }
    const memory = await server.memory();
    rss = Math.min(rss, memory.rss);
    if (memory.heap !== undefined) heap = Math.min(heap ?? Infinity, memory.heap);
  }
  return { rss, heap };
}

async function cpuOfNothing(server: ServerProcess, ms: number): Promise<number> {
  const before = readCpu(server.pid);
  const from = performance.now();
  await Bun.sleep(ms);
  const { totalUs } = cpuBetween(before, readCpu(server.pid));
  return totalUs / (performance.now() - from);
}

interface Crowd {
  readonly wires: readonly Socket<{ received: number }>[];
  /** Sends on every connection and waits for every reply. */
  pingAll(): Promise<void>;
}

async function openCrowd(count: number, port: number): Promise<Crowd> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let answered = 0;
  const wires = await connectAll<{ received: number }>(
    count,
    port,
    {
      data: (wire, chunk) => {
        const end = wire.data.received + chunk.length;
        if (end > PING.length || chunk.compare(PING, wire.data.received, end) !== 0) {
          reject(new Error("wrong bytes came back"));
          return;
        }
        wire.data.received = end;
        if (end === PING.length && ++answered === count) resolve();
      },
      close: () => {
        if (answered < count) reject(new Error("the server closed a connection"));
      },
      error: (_wire, error) => reject(error),
    },
    () => ({ received: 0 }),
    localAddressFor(count),
  );
  return {
    wires,
    async pingAll() {
      for (const wire of wires) wire.write(PING);
      await within(promise, "every connection to answer");
    },
  };
}

async function descriptorsReach(server: ServerProcess, reached: (held: number) => boolean): Promise<void> {
  for (let waited = 0; !reached(openDescriptors(server.pid)); waited += 20) {
    if (waited > 10_000) throw new Error("the server did not accept or close in 10 s what it should");
    await Bun.sleep(20);
  }
}

// One address has as many connections to the server as there are local ports; the rest come from 127.0.0.2, 3 …
function localAddressFor(count: number): (index: number) => string | undefined {
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "latin1")
    .trim()
    .split(/\s+/u)
    .map(Number);
  const ports = Math.max((range[1] ?? 0) - (range[0] ?? 0) - RESERVED_PORTS, 1000);
  if (count <= ports) return () => undefined;
  return (index) => `127.0.0.${2 + Math.floor(index / ports)}`;
}
