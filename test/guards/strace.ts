/**
 * A server program of the benches or of this folder under strace(1), and the system calls it made between two marks:
 * bytes that a client sends and that are seen when the server receives them.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { until, within } from "../support/until.ts";

const ROOT = path.join(import.meta.dirname, "../..");
/** How much of what is received is shown. */
const SHOWN_BYTES = 16;

/** Why there is no strace here that may trace; undefined where there is. */
export const noStrace: string | undefined = (() => {
  if (Bun.which("strace") === null) return "SKIPPED: no strace here";
  const { exitCode } = Bun.spawnSync(["strace", "-f", "-o", "/dev/null", "true"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  return exitCode === 0 ? undefined : "SKIPPED: strace may not trace here";
})();

/** One call. */
export interface Call {
  readonly name: string;
  /** By the thread that runs the program's JavaScript. */
  readonly main: boolean;
  /** There was nothing to do for it: EAGAIN. */
  readonly inVain: boolean;
}

/** The calls of a stretch of a program. */
export class Calls {
  readonly #calls: readonly Call[];

  constructor(calls: readonly Call[]) {
    this.#calls = calls;
  }

  /** How many calls of these names the program's own thread made. */
  of(names: readonly string[]): number {
    return this.#calls.filter(({ name, main }) => main && names.includes(name)).length;
  }

  /** How many of them found nothing to receive, or no room to send. */
  inVain(names: readonly string[]): number {
    return this.#calls.filter(({ name, main, inVain }) => main && inVain && names.includes(name)).length;
  }

  /** How many calls of other names the program's own thread made, or with `ofAllThreads` any. */
  except(names: readonly string[], ofAllThreads: boolean = false): number {
    return this.#calls.filter(({ name, main }) => (main || ofAllThreads) && !names.includes(name)).length;
  }

  /** By name, for the message of a test that fails. */
  toString(): string {
    const counts: Record<string, number> = {};
    for (const { name, main } of this.#calls) {
      const key = main ? name : `${name} of other threads`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return JSON.stringify(counts);
  }
}

/** Whether a line of strace's is the reception of `mark`. */
function receives(mark: string | number): (line: string) => boolean {
  if (typeof mark === "string") return (line) => line.includes(`"${mark}`);
  return (line) => line.endsWith(` = ${mark}`) && line.includes("recv");
}

export class Traced implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  #said = "";

  /** `program`: its path in the repository, and its arguments. Its first line ends with its port; it ends when its input does. */
  constructor(...program: readonly string[]) {
    this.#folder = mkdtempSync(path.join(tmpdir(), "asyncore-strace-"));
    const options = ["-f", "-qq", "-s", String(SHOWN_BYTES), "-o", this.#file];
    this.#child = Bun.spawn(["strace", ...options, process.execPath, ...program], {
      cwd: ROOT,
      stdio: ["pipe", "pipe", "inherit"],
    });
    void this.#listen();
  }

  get #file(): string {
    return path.join(this.#folder, "calls");
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) this.#said += decoder.decode(chunk, { stream: true });
  }

  async port(): Promise<number> {
    await until(() => this.#said.includes("\n"), "the port", 20_000);
    return Number(/(\d+)\n/.exec(this.#said)?.[1]);
  }

  /**
   * Ends the program. `first` and `last`: how what it receives begins; or, for what is encrypted or has no room for a mark,
   * how many bytes one call receives.
   *
   * @returns its calls, from when it received `first` until it received `last`
   */
  async between(first: string | number, last: string | number): Promise<Calls> {
    void this.#child.stdin.end();
    await within(this.#child.exited, "the end of the program");
    const lines = readFileSync(this.#file, "latin1").split("\n");
    const from = lines.findIndex(receives(first));
    const to = lines.findIndex(receives(last));
    if (from < 0 || to < from) throw new Error(`no ${first} … ${last} among ${lines.length} system calls`);
    const [main] = (lines[from] as string).split(" ", 1);
    const calls: Call[] = [];
    for (const line of lines.slice(from, to)) {
      // Where another thread's call has cut one in two, the half counts that has the result. Signals are no calls.
      if (line.endsWith("<unfinished ...>")) continue;
      const [, thread, name] = /^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)/.exec(line) ?? [];
      if (name !== undefined)
        calls.push({ name, main: thread === main, inVain: line.includes(" = -1 EAGAIN ") });
    }
    return new Calls(calls);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    void this.#child.stdin.end();
    try {
      await within(this.#child.exited, "the end of the program");
    } finally {
      rmSync(this.#folder, { recursive: true });
    }
  }
}
