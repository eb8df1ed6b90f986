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
  | "missed"
  | "no verdict: the spread exceeds the difference"
  | "no verdict: the server had CPU to spare"
  | "not judged";

/** A promise is met, or missed, when the middle half of the samples lies on that side of it. */
export function judge(spread: Spread, target: Target): Verdict {
  const atMost = target.bound === "at most";
  const worst = atMost ? spread.upper : -spread.lower;
  const best = atMost ? spread.lower : -spread.upper;
  const value = atMost ? target.value : -target.value;
  if (worst <= value) return "met";
  return best > value ? "missed" : "no verdict: the spread exceeds the difference";
}
