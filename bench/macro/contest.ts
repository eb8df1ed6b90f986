/** A workload between two checkouts of this library, and what came of it. For `bench/compare.ts`, which knows where they are. */
import { compare, type Comparison, type Spread, spreadOf } from "./statistics.ts";
import { ratios, type Samples } from "./summary.ts";
import type { Column, Workload } from "./workload.ts";

/** The names of the two peers. */
export const HERE = "here";
export const THERE = "there";

/** Our first server of the workload against itself; undefined where it has none. */
export function contest(workload: Workload): Workload | undefined {
  const ours = workload.peers.find(({ name }) => name === "asyncore");
  if (ours === undefined) return undefined;
  return {
    ...workload,
    peers: [
      { ...ours, name: THERE },
      { ...ours, name: HERE },
    ],
    baseline: THERE,
    targets: [],
  };
}

/** A figure in both. */
export interface Compared {
  readonly column: Column;
  readonly here: Spread;
  readonly there: Spread;
  /** Here to there, round by round. */
  readonly ratio: Spread;
  readonly verdict: Comparison;
}

/** A row for each column that both have. Shares of a CPU are left out: they say how busy the machine was. */
export function compared(workload: Workload, samples: ReadonlyMap<string, Samples>): readonly Compared[] {
  const [here, there] = [samples.get(HERE) ?? [], samples.get(THERE) ?? []];
  const spread = (of: Samples, figure: string): Spread =>
    spreadOf(of.flatMap((sample) => sample?.[figure] ?? []));
  return workload.columns.flatMap((column) => {
    const ratio = column.figure.endsWith("CpuShare") ? undefined : ratios(here, there, column.figure);
    if (ratio === undefined) return [];
    const { figure } = column;
    return [
      {
        column,
        here: spread(here, figure),
        there: spread(there, figure),
        ratio,
        verdict: compare(ratio),
      },
    ];
  });
}
