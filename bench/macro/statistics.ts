/** Median and spread of a handful of samples, and whether a promise holds for them. */
import type { Target } from "./workload.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The middle half lies between these. */
  readonly lower: number;
  readonly upper: number;
  readonly samples: readonly number[];
}

/** @throws {RangeError} without samples */
export function spreadOf(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
    lower: quantile(sorted, 0.25),
    upper: quantile(sorted, 0.75),
    samples,
  };
}

// Linear between neighbours, as numpy's default is.
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export type Verdict =
  | "met"
  | "met within the spread"
  | "missed"
  | "no verdict: the spread exceeds the difference"
  | "no verdict: the server had CPU to spare"
  | "no verdict: the generator held the other one back"
  | "no verdict: no figures"
  | "not judged";

/** A promise is met, or missed, when the middle half of the samples lies on that side of it. */
export function judge(spread: Spread, target: Target): Verdict {
  const atMost = target.bound === "at most";
  const worst = atMost ? spread.upper : -spread.lower;
  const best = atMost ? spread.lower : -spread.upper;
  const value = atMost ? target.value : -target.value;
  if (worst <= value) return "met";
  if (best > value) return "missed";
  return target.withinSpread === true
    ? "met within the spread"
    : "no verdict: the spread exceeds the difference";
}

export type Comparison = "more" | "less" | "no verdict: the spread exceeds the difference";

/** Fewer rounds say nothing: of four, all go one way by chance once in eight times. */
const FEWEST_ROUNDS = 5;

/**
 * Whether ratios of one thing to another, one for each round, say that it is more or less. They do when every round says
 * so, and their median is farther from 1 than their middle half is wide.
 */
export function compare({ median, min, max, lower, upper, samples }: Spread): Comparison {
  if (samples.length >= FEWEST_ROUNDS && Math.abs(median - 1) > upper - lower) {
    if (min > 1) return "more";
    if (max < 1) return "less";
  }
  return "no verdict: the spread exceeds the difference";
}
