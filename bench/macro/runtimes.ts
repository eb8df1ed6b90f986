/** What peers other than Bun's need, where this machine has it: interpreters, and programs built by `install.sh`. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import type { Runtime } from "./workload.ts";

export interface Interpreter {
  readonly program: string;
  /** As the report shows it: "CPython 3.11.2". */
  readonly version: string;
}
export type Foreign = Exclude<Runtime, "bun" | "built">;

/** Where `bench/peers/install.sh` puts what it builds. */
export const buildFolder: string = path.join(import.meta.dir, "../peers/build");

/** Why the peers of a runtime that was not found are left out. */
export const MISSING: Readonly<Record<Exclude<Runtime, "bun">, string>> = {
  node: "no node on PATH",
  python: "no Python with asyncore, which 3.11 was the last to have (set ASYNCORE_PYTHON)",
  uvloop: "no Python with uvloop (bench/peers/install.sh)",
  twisted: "no Python with Twisted (bench/peers/install.sh)",
  built: "not built here (bench/peers/install.sh)",
};

/** What is installed here; undefined where nothing is. */
export function findRuntimes(): Readonly<Record<Foreign, Interpreter | undefined>> {
  const node = ask(Bun.which("node"), ["-p", "[process.execPath, process.versions.node].join('\\n')"]);
  return {
    node: node && { ...node, version: `Node ${node.version}` },
    python: findPython("asyncore, asynchat", "'CPython ' + sys.version.split()[0]"),
    uvloop: findPython("uvloop", "'uvloop ' + uvloop.__version__"),
    twisted: findPython("twisted", "'Twisted ' + twisted.__version__"),
  };
}

/** The tools that built what `install.sh` built: "Go 1.19.8", a line each. */
export function builtWith(): readonly string[] {
  const versions = path.join(buildFolder, "versions");
  return existsSync(versions) ? readFileSync(versions, "utf8").split("\n").filter(Boolean) : [];
}

// The distribution's own comes before another one on PATH: it is built with profiles, and has the distribution's packages.
function findPython(modules: string, version: string): Interpreter | undefined {
  const question = `import sys, ${modules}; print(sys.executable, ${version}, sep='\\n')`;
  for (const python of [process.env["ASYNCORE_PYTHON"], "/usr/bin/python3", Bun.which("python3")]) {
    const found = ask(python, ["-W", "ignore", "-c", question]);
    if (found !== undefined) return found;
  }
  return undefined;
}

// The interpreter's own path, and not a launcher's, which would be a process more.
function ask(command: string | null | undefined, args: readonly string[]): Interpreter | undefined {
  if (command === null || command === undefined || Bun.which(command) === null) return undefined;
  const { exitCode, stdout } = Bun.spawnSync([command, ...args], { stdin: "ignore", stderr: "ignore" });
  const [program = "", version = ""] = stdout.toString().split("\n");
  return exitCode === 0 ? { program, version } : undefined;
}
