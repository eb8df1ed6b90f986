/**
 * One round of a workload that exchanges messages. All its servers are up, and the load goes round in short slices,
 * A B A B …, one server at a time and every second lap in reverse: what else the machine does meets all of them alike,
 * which whole runs one after the other could not promise. CPU time is read at both ends of each slice.
 */
import type { Latency } from "./latency.ts";
import { cpuBetween, peakRss, readCpu } from "./process-cpu.ts";
import { ServerProcess } from "./server-process.ts";
import type { Figures, RunResult, ServerCommand, Timing } from "./workload.ts";

/** Load before the first reading of a slice: caches fill, the server falls into step. */
const LEAD_IN_MS = 10;
/** Times `warmupMs`. */
const LONGEST_WARMUP = 6;

/** Load on one server. */
export interface PausableLoad {
  /** What the reports count: a reply, a line, a datagram. */
  readonly bytesPerMessage: number;
  /** Bytes that came back and were right. */
  readonly bytes: number;
  /** From sending a message, or what it travels in, to its last byte back. */
  readonly latency?: Latency;
  /** What the reader of the report must know, and figures that only this load has; asked at the end. */
  readonly notes?: readonly string[];
  readonly figures?: Figures;
  /** Rejects when the run is worthless: wrong bytes, a lost connection. */
  readonly failed: Promise<never>;
  open(connections: number, port: number): Promise<void>;
  start(): void;
  /** Resolves when everything sent has come back. */
  pause(): Promise<void>;
  close(): void;
}

interface Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly load: PausableLoad;
  readonly compiles: boolean;
  readonly total: {
    ms: number;
    messages: number;
    cpuUs: number;
    userUs: number;
    systemUs: number;
    ownUs: number;
  };
  broken: string | undefined;
}

export async function measureInSlices(
  commands: readonly ServerCommand[],
  connections: number,
  makeLoad: (command: ServerCommand) => PausableLoad,
  timing: Timing,
): Promise<Record<string, RunResult>> {
  const results: Record<string, RunResult> = {};
  const contenders: Contender[] = [];
  await Promise.all(
    commands.map(async (command) => {
      const { peer, compiles } = command;
      try {
        const server = await ServerProcess.start(command.command);
        const load = makeLoad(command);
        await load.open(connections, server.port);
        const total = { ms: 0, messages: 0, cpuUs: 0, userUs: 0, systemUs: 0, ownUs: 0 };
        contenders.push({ name: peer, server, load, compiles, total, broken: undefined });
      } catch (error) {
        results[peer] = { broken: messageOf(error) };
      }
    }),
  );
  const order = commands.map(({ peer }) => peer);
  contenders.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));

  const { sliceMs } = timing;
  for (let lap = 0; lap * sliceMs < timing.warmupMs * LONGEST_WARMUP; lap++) {
    const enough = lap * sliceMs >= timing.warmupMs;
    for (const contender of inTurn(contenders, lap)) {
      const { load, compiles } = contender;
      if (enough && !compiles) continue;
      if (enough && load.bytes >= timing.warmupMessages * load.bytesPerMessage) continue;
      await attempt(contender, () => runFor(load, sliceMs));
    }
  }
  for (let lap = 0; lap * sliceMs < timing.windowMs; lap++) {
    for (const contender of inTurn(contenders, lap)) {
      await attempt(contender, () => measureSlice(contender, sliceMs));
    }
  }
  for (const contender of contenders) {
    const { name, load, server } = contender;
    const peak = contender.broken === undefined ? peakRss(server.pid) : 0;
    load.close();
    await attempt(contender, () => server.stop());
    if (contender.total.messages < 1) contender.broken ??= "no message came back";
    results[name] =
      contender.broken === undefined
        ? { figures: figuresOf(contender, peak), notes: load.notes ?? [] }
        : { broken: contender.broken };
  }
  return results;
}

function inTurn(contenders: readonly Contender[], lap: number): readonly Contender[] {
  const sound = contenders.filter(({ broken }) => broken === undefined);
  return lap % 2 === 0 ? sound : sound.toReversed();
}

// One server's failure is its own result, and the others go on.
async function attempt(contender: Contender, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    contender.broken ??= messageOf(error);
  }
}

async function runFor(load: PausableLoad, ms: number): Promise<void> {
  load.start();
  await Promise.race([Bun.sleep(ms), load.failed]);
  await load.pause();
}

async function measureSlice({ load, server, total }: Contender, sliceMs: number): Promise<void> {
  load.start();
  await Promise.race([Bun.sleep(LEAD_IN_MS), load.failed]);
  const before = readingOf(load, server);
  if (load.latency !== undefined) load.latency.counting = true;
  await Promise.race([Bun.sleep(sliceMs), load.failed]);
  if (load.latency !== undefined) load.latency.counting = false;
  const after = readingOf(load, server);
  await load.pause();
  const cpu = cpuBetween(before.cpu, after.cpu);
  total.ms += after.at - before.at;
  total.messages += (after.bytes - before.bytes) / load.bytesPerMessage;
  total.cpuUs += cpu.totalUs;
  total.userUs += cpu.userUs;
  total.systemUs += cpu.systemUs;
  total.ownUs += after.ownUs - before.ownUs;
}

function readingOf(
  load: PausableLoad,
  server: ServerProcess,
): {
  at: number;
  bytes: number;
  ownUs: number;
  cpu: ReturnType<typeof readCpu>;
} {
  const own = process.cpuUsage();
  const at = performance.now();
  return { at, bytes: load.bytes, ownUs: own.user + own.system, cpu: readCpu(server.pid) };
}

function figuresOf({ load, total }: Contender, peakRssBytes: number): Figures {
  const { ms, messages, cpuUs, userUs, systemUs, ownUs } = total;
  // The kernel samples the split a hundred times a second; the sum of the slices is scaled to the exact total.
  const scale = userUs + systemUs > 0 ? cpuUs / (userUs + systemUs) : 0;
  const { latency } = load;
  const latencies =
    latency === undefined || latency.count === 0
      ? {}
      : {
          p50Us: latency.quantile(0.5),
          p99Us: latency.quantile(0.99),
          p999Us: latency.quantile(0.999),
        };
  return {
    messagesPerSecond: (messages / ms) * 1000,
    bytesPerSecond: ((messages * load.bytesPerMessage) / ms) * 1000,
    cpuUsPerMessage: cpuUs / messages,
    // What one CPU of the server's could do, whether the generator kept it busy or not.
    messagesPerCpuSecond: (messages / cpuUs) * 1e6,
    userUsPerMessage: (userUs * scale) / messages,
    systemUsPerMessage: (systemUs * scale) / messages,
    serverCpuShare: cpuUs / 1000 / ms,
    generatorCpuShare: ownUs / 1000 / ms,
    peakRssBytes,
    ...latencies,
    ...load.figures,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
