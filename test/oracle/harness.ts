/** Runs the two programs of the oracle, and what they are compared by. Used by `oracle.test.ts` and `record.ts`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { python } from "../integration/support/python.ts";
import type { Scenario } from "./oracle-rt.ts";

/** Files of `scenarios/`, each a pair of programs. */
export const groups = [
  "connects",
  "endings",
  "hooks",
  "accepts",
  "passes",
  "urgent",
  "withsend",
  "chat",
  "exits",
  "events",
  "defaults",
  "closeall",
  "files",
] as const;
export type Group = (typeof groups)[number];

/** A family and a kind of loop: `tcp4 select`. */
export const variants = [
  "tcp4 select",
  "tcp4 poll",
  "tcp6 select",
  "tcp6 poll",
  "unix select",
  "unix poll",
] as const;
export type Variant = (typeof variants)[number];

/** In which variants a group is run. A FIFO is of no family. */
export function runsIn(group: Group, variant: Variant): boolean {
  return group !== "files" || variant.startsWith("tcp4");
}

/** By group and scenario. */
export type Logs = Record<string, Record<string, readonly string[]>>;
/** A line of what is committed: a scenario's log, and in which variants it came out. */
export interface Recorded {
  readonly name: string;
  readonly on: readonly Variant[];
  readonly log: readonly string[];
}

/** A Python that has asyncore, if there is one here. */
export const asyncorePython: string | undefined = hasAsyncore() ? python : undefined;

function hasAsyncore(): boolean {
  if (python === undefined) return false;
  return Bun.spawnSync([python, "-W", "ignore", "-c", "import asyncore, asynchat"]).exitCode === 0;
}

/** The names of a group's scenarios. */
export async function namesOf(group: Group): Promise<string[]> {
  const module = (await import(`./scenarios/${group}.ts`)) as {
    readonly scenarios: Readonly<Record<string, Scenario>>;
  };
  return Object.keys(module.scenarios);
}

async function run(command: readonly string[], variant: Variant): Promise<Logs> {
  const directory = mkdtempSync(join(tmpdir(), "oracle-"));
  const own = groups.filter((group) => runsIn(group, variant));
  try {
    const child = Bun.spawn([...command, ...variant.split(" "), directory, ...own], { stderr: "pipe" });
    const [out, complaints] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} ${variant}: ${complaints}`);
    return JSON.parse(out) as Logs;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Every scenario on CPython's asyncore. */
export const runPython = (executable: string, variant: Variant): Promise<Logs> =>
  run([executable, "-B", "-W", "ignore", join(import.meta.dir, "oracle_rt.py"), process.execPath], variant);

/** Every scenario on `asyncore/classic`. */
export const runOurs = (variant: Variant): Promise<Logs> =>
  run([process.execPath, join(import.meta.dir, "run.ts")], variant);

/** `work` for every variant at once: they mostly wait. */
export async function forEachVariant<T>(work: (variant: Variant) => Promise<T>): Promise<Map<Variant, T>> {
  return new Map(await Promise.all(variants.map(async (variant) => [variant, await work(variant)] as const)));
}

const recordedFile = (group: Group): string => join(import.meta.dir, "recorded", `${group}.jsonl`);

/** The logs that are committed, as one variant's. */
export async function readRecorded(variant: Variant): Promise<Logs> {
  const logs: Logs = {};
  for (const group of groups) {
    const own: Record<string, readonly string[]> = {};
    logs[group] = own;
    for (const line of (await Bun.file(recordedFile(group)).text()).trim().split("\n")) {
      const { name, on, log } = JSON.parse(line) as Recorded;
      if (on.includes(variant)) own[name] = log;
    }
  }
  return logs;
}

/** Writes what CPython says in all variants; a log that several share is written once. */
export async function writeRecorded(all: ReadonlyMap<Variant, Logs>): Promise<void> {
  for (const group of groups) {
    const recorded: { name: string; on: Variant[]; log: readonly string[] }[] = [];
    for (const name of await namesOf(group)) {
      const logs: typeof recorded = [];
      for (const variant of variants.filter((one) => runsIn(group, one))) {
        const log = all.get(variant)?.[group]?.[name] ?? [];
        const same = logs.find((one) => Bun.deepEquals(one.log, log));
        if (same === undefined) logs.push({ name, on: [variant], log });
        else same.on.push(variant);
      }
      recorded.push(...logs);
    }
    await Bun.write(recordedFile(group), recorded.map((one) => `${JSON.stringify(one)}\n`).join(""));
  }
}
