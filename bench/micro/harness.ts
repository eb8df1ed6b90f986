/**
 * What every micro bench file uses: `bench` registers a function after having run it until the JIT is done with it,
 * for mitata's own warm-up is too short for that and the first bench of a file would pay for all; `finish` runs what
 * was registered, writes the figures where `run-all.ts` asked, and returns them to files with a table of their own.
 */
import { bench as register, run } from "mitata";

import type { MicroFigures } from "./run-all.ts";

const WARMUP_MS = 150;

export async function bench(name: string, body: () => unknown): Promise<void> {
  const end = performance.now() + WARMUP_MS;
  while (performance.now() < end) {
    const result = body();
    if (result instanceof Promise) await result;
  }
  register(name, body);
}

export async function finish(): Promise<readonly MicroFigures[]> {
  const { benchmarks } = await run({ throw: true });
  const figures: MicroFigures[] = [];
  for (const { runs } of benchmarks) {
    for (const { name, stats } of runs) {
      if (stats === undefined) continue;
      const { avg, min, p50, p99 } = stats;
      figures.push({ name, avg, min, p50, p99 });
    }
  }
  const file = process.argv[2];
  if (file !== undefined) await Bun.write(file, JSON.stringify(figures));
  return figures;
}
