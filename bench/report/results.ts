/** The results of a run as a file. */
import { mkdirSync } from "node:fs";
import path from "node:path";

import type { Environment } from "../macro/environment.ts";
import type { Summary } from "../macro/summary.ts";
import type { MicroResult } from "../micro/run-all.ts";

export const resultsFolder: string = path.join(import.meta.dir, "../results");

export interface Results {
  /** When the file was written; ISO 8601. */
  readonly at: string;
  readonly environment: Environment;
  readonly quick: boolean;
  readonly workloads: readonly Summary[];
  readonly micro: readonly MicroResult[];
}

/** One workload a line, numbers to five digits. */
export async function writeResults(file: string, results: Results): Promise<void> {
  const line = (value: unknown): string =>
    JSON.stringify(value, (_key, item: unknown) =>
      typeof item === "number" && !Number.isInteger(item) ? Number(item.toPrecision(5)) : item,
    );
  const list = (values: readonly unknown[]): string => `[\n${values.map(line).join(",\n")}\n]`;
  const { workloads, micro, ...head } = results;
  const members = Object.entries(head).map(([name, value]) => `"${name}": ${line(value)}`);
  members.push(`"workloads": ${list(workloads)}`, `"micro": ${list(micro)}`);
  mkdirSync(path.dirname(file), { recursive: true });
  await Bun.write(file, `{\n${members.join(",\n")}\n}\n`);
}

/** `results`, with the workloads of `again` in the place of those of the same name, or behind all; they say when they were measured. */
export function withAgain(results: Results, again: Results): Results {
  const { commit = "unknown" } = again.environment;
  const note = `measured again by itself on ${again.at.slice(0, 10)}, commit ${commit}`;
  const renewed = new Map(again.workloads.map((one) => [one.name, { ...one, notes: [...one.notes, note] }]));
  const kept = results.workloads.map((one) => renewed.get(one.name) ?? one);
  const known = new Set(kept.map(({ name }) => name));
  const added = [...renewed.values()].filter(({ name }) => !known.has(name));
  return { ...results, workloads: [...kept, ...added] };
}
