/**
 * From samples to a summary: medians and spreads by peer, ratios to the baseline, and each promise with its verdict.
 * Ratios are taken within a round, between runs at the same time. A summary holds all that a report shows.
 */
import type { WorkloadResult } from "./runner.ts";
import { judge, type Spread, spreadOf, type Verdict } from "./statistics.ts";
import type { Column, Figures, Target } from "./workload.ts";

/** Above this share of a CPU the generator, not the server, may have set the throughput. */
const SATURATED = 0.95;
/** Below this share the server did not set the throughput: the generator, or another process, did. */
const SERVER_BOUND = 0.8;
const THROUGHPUTS: ReadonlySet<string> = new Set(["messagesPerSecond", "bytesPerSecond"]);

export interface PeerSummary {
  readonly figures: Readonly<Record<string, Spread>>;
  /** Of the workload's figure, to the baseline's; undefined for the baseline itself. */
  readonly ratio?: Spread | undefined;
}
export interface TargetSummary {
  readonly target: Target;
  /** Undefined where a peer was left out or broke. */
  readonly measured: Spread | undefined;
  readonly verdict: Verdict;
}
export interface Summary {
  readonly name: string;
  readonly about: string;
  readonly baseline: string;
  readonly figure: string;
  readonly columns: readonly Column[];
  readonly peers: Readonly<Record<string, PeerSummary>>;
  readonly targets: readonly TargetSummary[];
  readonly notes: readonly string[];
  readonly broken: readonly string[];
}

/** Of one peer, an entry per round; undefined where the run broke. */
export type Samples = readonly (Figures | undefined)[];

/** @param judged whether promises get a verdict: cold servers and two rounds deserve none */
export function summarize({ workload, samples, notes, broken }: WorkloadResult, judged: boolean): Summary {
  const of = (peer: string): Samples => samples.get(peer) ?? [];
  const peers: Record<string, PeerSummary> = {};
  const saturated: string[] = [];
  for (const peer of samples.keys()) {
    const good = of(peer).filter((sample) => sample !== undefined);
    if (good.length === 0) continue;
    const figures: Record<string, Spread> = {};
    for (const figure of new Set(good.flatMap((sample) => Object.keys(sample)))) {
      // Not every round need have it: a slow subscriber may not have been cut in all.
      figures[figure] = spreadOf(good.flatMap((sample) => sample[figure] ?? []));
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
    targets.push({ target, measured, verdict: verdictOf(target, measured, peers, judged) });
  }
  const saturation =
    saturated.length === 0
      ? []
      : [
          `the generator's CPU was saturated with ${saturated.join(", ")}: messages/s are a lower bound there`,
        ];
  const { name, about, baseline, figure, columns } = workload;
  return { name, about, baseline, figure, columns, peers, targets, notes: [...notes, ...saturation], broken };
}

function verdictOf(
  target: Target,
  measured: Spread | undefined,
  peers: Readonly<Record<string, PeerSummary>>,
  judged: boolean,
): Verdict {
  if (!judged) return "not judged";
  if (measured === undefined) return "no verdict: no figures";
  const verdict = judge(measured, target);
  if (!THROUGHPUTS.has(target.figure)) return verdict;
  // Throughput that something else held down can prove a promise of the one it was held down of, and disprove none …
  const heldBack = (peer: string): boolean =>
    (peers[peer]?.figures["serverCpuShare"]?.median ?? 1) < SERVER_BOUND;
  if (verdict === "missed" && heldBack(target.peer)) return "no verdict: the server had CPU to spare";
  // … and none either in comparison with one that could have done more.
  const other = target.against;
  const met = verdict === "met" || verdict === "met within the spread";
  if (!met || other === undefined) return verdict;
  const saturated = (peers[other]?.figures["generatorCpuShare"]?.median ?? 0) > SATURATED;
  return saturated || heldBack(other) ? "no verdict: the generator held the other one back" : verdict;
}

/** Of a figure, round by round where both have it; undefined where none is. */
export function ratios(samples: Samples, baseline: Samples, figure: string): Spread | undefined {
  const pairs: number[] = [];
  for (const [round, sample] of samples.entries()) {
    const own = sample?.[figure];
    const other = baseline[round]?.[figure];
    if (own !== undefined && other !== undefined) pairs.push(own / other);
  }
  return pairs.length === 0 ? undefined : spreadOf(pairs);
}
