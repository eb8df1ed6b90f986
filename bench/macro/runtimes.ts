/** The interpreters that peers other than Bun's need, where this machine has them. */
import type { Runtime } from "./workload.ts";

export interface Interpreter {
  readonly program: string;
  readonly version: string;
}
export type Foreign = Exclude<Runtime, "bun">;

/** Why the peers of a runtime that was not found are left out. */
export const MISSING: Readonly<Record<Foreign, string>> = {
  node: "no node on PATH",
  python: "no Python with asyncore, which 3.11 was the last to have (set ASYNCORE_PYTHON)",
};

/** What is installed here; undefined where nothing is. */
export function findRuntimes(): Readonly<Record<Foreign, Interpreter | undefined>> {
  return {
    node: ask(Bun.which("node"), ["-p", "[process.execPath, process.versions.node].join('\\n')"]),
    // The interpreter's own path, and not a launcher's, which would be a process more.
    python: ask(process.env["ASYNCORE_PYTHON"] ?? Bun.which("python3"), [
      "-W",
      "ignore",
      "-c",
      "import sys, asyncore, asynchat; print(sys.executable, sys.version.split()[0], sep='\\n')",
    ]),
  };
}

function ask(command: string | null, args: readonly string[]): Interpreter | undefined {
  if (command === null || Bun.which(command) === null) return undefined;
  const { exitCode, stdout } = Bun.spawnSync([command, ...args], { stdin: "ignore", stderr: "ignore" });
  const [program = "", version = ""] = stdout.toString().split("\n");
  return exitCode === 0 ? { program, version } : undefined;
}
