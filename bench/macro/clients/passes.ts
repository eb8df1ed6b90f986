/**
 * Passes: no connections of ours. Each server opens idle channels for itself and makes passes of its loop over them when
 * told; what a pass costs is its CPU time. All servers hold the same number and take turns in short slices.
 */
import { cpuBetween, readCpu, sparedDescriptors } from "../process-cpu.ts";
import { ServerProcess } from "../server-process.ts";
import type { Figures, RoundResult, RunResult, ServerCommand, Timing } from "../workload.ts";

const SLICE_MS = 50;
/** At each number of channels, before it counts. */
const LEAD_IN_MS = 30;

interface Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly cost: { readonly channels: number; cpuUs: number; passes: number }[];
  readonly notes: string[];
  broken: string | undefined;
  /** It cannot hold so many channels. */
  full: boolean;
}

export async function measurePasses(
  commands: readonly ServerCommand[],
  channels: readonly number[],
  timing: Timing,
): Promise<RoundResult> {
  const contenders: Contender[] = [];
  const results: Record<string, RunResult> = {};
  for (const { peer, command } of commands) {
    try {
      const server = await ServerProcess.start(command);
      contenders.push({ name: peer, server, cost: [], notes: [], broken: undefined, full: false });
    } catch (error) {
      results[peer] = { broken: messageOf(error) };
    }
  }
  const able = (): Contender[] => contenders.filter(({ broken, full }) => broken === undefined && !full);
  for (const contender of able()) await attempt(contender, () => run(contender, timing.warmupMs));
  for (const count of channels) {
    for (const contender of able()) await attempt(contender, () => grow(contender, count));
    for (let lap = 0; lap * SLICE_MS < timing.windowMs; lap++) {
      const laps = lap % 2 === 0 ? able() : able().toReversed();
      for (const contender of laps) await attempt(contender, () => measureSlice(contender));
    }
  }
  for (const contender of contenders) {
    await attempt(contender, () => contender.server.stop());
    const { name, broken, notes } = contender;
    results[name] = broken === undefined ? { figures: figuresOf(contender), notes } : { broken };
  }
  return results;
}

// One server's failure is its own result, and the others go on.
async function attempt(contender: Contender, action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    contender.broken ??= messageOf(error);
  }
}

async function run({ server }: Contender, ms: number): Promise<number> {
  const { passes } = (await server.ask(`passes ${ms}`)) as { passes: number };
  return passes;
}

async function grow(contender: Contender, channels: number): Promise<void> {
  const spared = sparedDescriptors();
  const { unable } =
    channels > spared
      ? { unable: `RLIMIT_NOFILE allows only ${spared}` }
      : ((await contender.server.ask(`idle ${channels}`)) as { unable?: string });
  if (unable !== undefined) {
    contender.full = true;
    contender.notes.push(`${contender.name}, ${channels} channels: ${unable}`);
    return;
  }
  contender.cost.push({ channels, cpuUs: 0, passes: 0 });
  await run(contender, LEAD_IN_MS);
}

async function measureSlice(contender: Contender): Promise<void> {
  const { server } = contender;
  const before = readCpu(server.pid);
  const passes = await run(contender, SLICE_MS);
  const after = readCpu(server.pid);
  const cost = contender.cost.at(-1);
  if (cost === undefined) return;
  cost.cpuUs += cpuBetween(before, after).totalUs;
  cost.passes += passes;
}

function figuresOf({ cost }: Contender): Figures {
  const figures: Record<string, number> = {};
  for (const { channels, cpuUs, passes } of cost) figures[`usPerPass${channels}`] = cpuUs / passes;
  const [least, most] = [cost[0], cost.at(-1)];
  if (least !== undefined && most !== undefined && most.channels > least.channels) {
    const [from, to] = [least.cpuUs / least.passes, most.cpuUs / most.passes];
    figures["growth"] = to / from;
    figures["nsPerChannel"] = ((to - from) * 1000) / (most.channels - least.channels);
  }
  return figures;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
