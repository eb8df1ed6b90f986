/** The machine and the programs, for the head of a report. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import path from "node:path";

import { builtWith, findRuntimes } from "./runtimes.ts";

export interface Environment {
  readonly bun: string;
  /** The other runtimes and tools: "Node 20.20.2". */
  readonly others: readonly string[];
  readonly kernel: string;
  readonly cpu: string;
  /** Of one minute, at the start. */
  readonly load: number;
  /** The checkout's, with "+" where files differ from it; undefined outside a repository. */
  readonly commit: string | undefined;
  /** CPU of the server and of the generator; undefined when they cannot be pinned. */
  readonly pinned: readonly [number, number] | undefined;
  /** Why not. */
  readonly unpinned: string | undefined;
}

export function findEnvironment(): Environment {
  const allowed = allowedCpus();
  const taskset = Bun.which("taskset");
  const [serverCpu, generatorCpu] = allowed;
  const pinned =
    taskset !== null && serverCpu !== undefined && generatorCpu !== undefined
      ? ([serverCpu, generatorCpu] as const)
      : undefined;
  const found = Object.values(findRuntimes()).flatMap((runtime) => runtime?.version ?? []);
  return {
    bun: Bun.version,
    others: [...found, ...builtWith()],
    kernel: release(),
    cpu: `${allowed.length} x ${cpus()[0]?.model ?? "unknown"}`,
    load: loadavg()[0] ?? 0,
    commit: commitOf(path.join(import.meta.dir, "../..")),
    pinned,
    unpinned: pinned === undefined ? (taskset === null ? "no taskset here" : "only one CPU here") : undefined,
  };
}

/** A short name of the commit that is checked out in `folder`; undefined where there is none. */
export function commitOf(folder: string): string | undefined {
  const git = (...args: string[]): string | undefined => {
    if (Bun.which("git") === null) return undefined;
    const { exitCode, stdout } = Bun.spawnSync(["git", "-C", folder, ...args], { stderr: "ignore" });
    return exitCode === 0 ? stdout.toString().trim() : undefined;
  };
  const commit = git("rev-parse", "--short=10", "HEAD");
  if (commit === undefined) return undefined;
  return git("status", "--porcelain", "--untracked-files=no", "--", "src", "bench") === ""
    ? commit
    : `${commit}+`;
}

function allowedCpus(): number[] {
  const line = /^Cpus_allowed_list:\s+(.+)$/mu.exec(readFileSync("/proc/self/status", "latin1"));
  const list: number[] = [];
  for (const part of (line?.[1] ?? "0").split(",")) {
    const [first = 0, last = first] = part.split("-").map(Number);
    for (let cpu = first; cpu <= last; cpu++) list.push(cpu);
  }
  return list;
}
