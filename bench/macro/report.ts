/**
 * The report of the macro benches: a table of medians per workload, ratios to the baseline with their spread, and
 * each promise with its verdict. Ratios are taken within a round, between runs at the same time.
 */
import type { Environment, WorkloadResult } from "./runner.ts";
import { judge, type Spread, spreadOf, type Verdict } from "./statistics.ts";
import type { Figures, Target, Workload } from "./workload.ts";

/** Above this share of a CPU the generator, not the server, may have set the throughput. */
const SATURATED = 0.95;
/** Below this share the server did not set the throughput: the generator, or another process, did. */
const SERVER_BOUND = 0.8;

export interface PeerSummary {
  readonly figures: Readonly<Record<string, Spread>>;
  /** Of the workload's figure, to the baseline's; undefined for the baseline itself. */
  readonly ratio: Spread | undefined;
}
export interface TargetSummary {
  readonly target: Target;
  readonly measured: Spread;
  readonly verdict: Verdict;
}
export interface Summary {
  readonly name: string;
  readonly about: string;
  readonly peers: Readonly<Record<string, PeerSummary>>;
  readonly targets: readonly TargetSummary[];
  readonly notes: readonly string[];
  readonly broken: readonly string[];
}

type Samples = readonly (Figures | undefined)[];

/** @param judged whether promises get a verdict: cold servers and two rounds deserve none */
export function summarize({ workload, samples, notes, broken }: WorkloadResult, judged: boolean): Summary {
  const of = (peer: string): Samples => samples.get(peer) ?? [];
  const peers: Record<string, PeerSummary> = {};
  const saturated: string[] = [];
  for (const peer of samples.keys()) {
    const good = of(peer).filter((sample) => sample !== undefined);
    if (good.length === 0) continue;
    const figures: Record<string, Spread> = {};
    for (const figure of Object.keys(good[0] ?? {})) {
      figures[figure] = spreadOf(good.map((sample) => sample[figure] ?? Number.NaN));
    }
    const isBaseline = peer === workload.baseline;
    peers[peer] = {
      figures,
      ratio: isBaseline ? undefined : ratios(of(peer), of(workload.baseline), workload.figure),
    };
    if ((figures["generatorCpuShare"]?.median ?? 0) > SATURATED) saturated.push(peer);
  }
  const targets: TargetSummary[] = [];
  for (const target of workload.targets) {
    const measured =
      target.against === undefined
        ? peers[target.peer]?.figures[target.figure]
        : ratios(of(target.peer), of(target.against), target.figure);
    if (measured === undefined) continue;
    let verdict: Verdict = judged ? judge(measured, target) : "not judged";
    // Throughput that something else held down can still prove a promise, but not disprove it.
    const spare = (peers[target.peer]?.figures["serverCpuShare"]?.median ?? 1) < SERVER_BOUND;
    if (verdict === "missed" && target.figure === "messagesPerSecond" && spare) {
      verdict = "no verdict: the server had CPU to spare";
    }
    targets.push({ target, measured, verdict });
  }
  const saturation =
    saturated.length === 0
      ? []
      : [
          `the generator's CPU was saturated with ${saturated.join(", ")}: messages/s are a lower bound there`,
        ];
  return {
    name: workload.name,
    about: workload.about,
    peers,
    targets,
    notes: [...notes, ...saturation],
    broken,
  };
}

function ratios(samples: Samples, baseline: Samples, figure: string): Spread | undefined {
  const pairs: number[] = [];
  for (const [round, sample] of samples.entries()) {
    const own = sample?.[figure];
    const other = baseline[round]?.[figure];
    if (own !== undefined && other !== undefined) pairs.push(own / other);
  }
  return pairs.length === 0 ? undefined : spreadOf(pairs);
}

export function printEnvironment(environment: Environment, quick: boolean): void {
  const { bun, node, python, kernel, cpu, load, pinned, unpinned } = environment;
  const others = `${node === undefined ? "" : `, Node ${node}`}${python === undefined ? "" : `, CPython ${python}`}`;
  console.log(`Bun ${bun}${others}, Linux ${kernel}, ${cpu}`);
  console.log(
    pinned === undefined
      ? `Not pinned (${unpinned ?? ""}): the scheduler moves server and generator, expect more spread.`
      : `Server on CPU ${pinned[0]}, load generator on CPU ${pinned[1]}.`,
  );
  if (load > 0.5) console.log(`The machine was busy at the start: load ${load.toFixed(2)}.`);
  if (quick)
    console.log(
      "Quick: short windows and servers that the JIT has not finished with: shows that it works, not how fast.",
    );
  console.log(
    "CPU is the server's, all threads; of the kernel's loopback work most is charged to whoever sends.\n",
  );
}

export function printSummary(summary: Summary, workload: Workload): void {
  console.log(`${summary.name}: ${summary.about}`);
  const header = ["", ...workload.columns.map(({ title }) => title), "ratio"];
  const rows = Object.entries(summary.peers).map(([name, { figures, ratio }]) => [
    name,
    ...workload.columns.map(({ figure, digits, per = 1 }) => {
      const median = figures[figure]?.median;
      if (median === undefined) return "-";
      const value = median / per;
      return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    }),
    name === workload.baseline ? "1" : (ratio?.median.toFixed(2) ?? "-"),
  ]);
  printTable([header, ...rows]);

  const column = workload.columns.find(({ figure }) => figure === workload.figure);
  const digits = column?.digits ?? 3;
  for (const [name, { figures, ratio }] of Object.entries(summary.peers)) {
    const spread = figures[workload.figure];
    if (spread === undefined) continue;
    const against = ratio === undefined ? "" : `; ratio to ${workload.baseline} ${describe(ratio, 3)}`;
    console.log(`  ${name}, ${column?.title ?? workload.figure}: ${describe(spread, digits)}${against}`);
  }
  for (const { target, measured, verdict } of summary.targets) {
    const what = target.against === undefined ? target.figure : `${target.figure} / ${target.against}`;
    const value = measured.median.toFixed(measured.median < 100 ? 3 : 0);
    console.log(`  target: ${target.peer} ${what} ${target.bound} ${target.value}: ${value}, ${verdict}`);
  }
  for (const note of summary.notes) console.log(`  note: ${note}`);
  for (const failure of summary.broken) console.log(`  BROKEN: ${failure}`);
  console.log("");
}

function describe({ median, min, max, lower, upper, samples }: Spread, digits: number): string {
  const [m, low, high, q1, q3] = [median, min, max, lower, upper].map((value) => value.toFixed(digits));
  return `${m} (${low}..${high}, middle half ${q1}..${q3}, ${samples.length} rounds)`;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0),
    );
    console.log(`  ${cells.join("  ")}`);
  }
}
