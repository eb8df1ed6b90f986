/**
 * The micro benches by name, each run in a process of its own: what one teaches the JIT must not reach the next.
 * mitata prints its table; the figures also come back for `--json`.
 */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const SUFFIX = ".bench.ts";

/** Names of the files here, without the ending. */
export const microBenches: readonly string[] = readdirSync(import.meta.dir)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))
  .sort();

/** Nanoseconds of one bench. */
export interface MicroFigures {
  readonly name: string;
  readonly avg: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
}
export interface MicroResult {
  readonly name: string;
  readonly figures: readonly MicroFigures[];
  readonly failure?: string;
}

export async function runMicro(names: readonly string[]): Promise<MicroResult[]> {
  const results: MicroResult[] = [];
  for (const name of names) {
    const figuresFile = Bun.file(path.join(tmpdir(), `asyncore-bench-${process.pid}-${name}.json`));
    console.log(`micro ${name}`);
    const child = Bun.spawn(
      [process.execPath, path.join(import.meta.dir, name + SUFFIX), figuresFile.name ?? ""],
      {
        stdio: ["ignore", "inherit", "inherit"],
        timeout: 120_000,
      },
    );
    const code = await child.exited;
    if (code === 0) {
      results.push({ name, figures: (await figuresFile.json()) as MicroFigures[] });
      await figuresFile.delete();
    } else {
      results.push({ name, figures: [], failure: `ended with ${code}` });
    }
  }
  return results;
}
