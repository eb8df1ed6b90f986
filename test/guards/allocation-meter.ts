/**
 * Counts what is allocated: the cells of the heap by type, before and after. In a process whose garbage is never
 * collected every cell that was ever made is still there, so the count is exact, whatever the machine does meanwhile and
 * however far the JIT is. The memory behind a typed array is no cell, but its view is one.
 */
import { heapStats } from "bun:jsc";

/** How many cells of each type. */
export type Cells = Readonly<Record<string, number>>;

/** What a process that counts has to be started with. */
export const METER_ENV: Readonly<Record<string, string>> = { BUN_JSC_useGC: "0" };

/** The engine makes these for code and for shapes of objects, when it sees fit, and not once for each run. */
const ENGINES = /CodeBlock$|Executable$|^Structure|^PropertyTable$|^SymbolTable$|^StructureRareData$/;

function cells(): Cells {
  const { objectTypeCounts } = heapStats();
  return objectTypeCounts;
}

/**
 * What one run of `body` allocates, by type, to a hundredth: code that runs for the first times makes some cells, but not
 * the more of them the longer it runs. `body` may return a promise; waiting for it is counted, three cells.
 */
export async function allocatedBy(runs: number, body: () => unknown): Promise<Cells> {
  const made = async (count: number): Promise<Cells> => {
    const before = cells();
    for (let run = 0; run < count; run++) {
      const result = body();
      if (result instanceof Promise) await result;
    }
    const after = cells();
    return Object.fromEntries(Object.entries(after).map(([type, all]) => [type, all - (before[type] ?? 0)]));
  };
  await made(runs / 10);
  // Two looks at the heap make some themselves.
  const looks = await made(0);
  const all = await made(runs);
  const each: Record<string, number> = {};
  for (const [type, count] of Object.entries(all)) {
    const hundredths = Math.round(((count - (looks[type] ?? 0)) / runs) * 100);
    if (hundredths !== 0 && !ENGINES.test(type)) each[type] = hundredths / 100;
  }
  return each;
}
