/** Runs a program of this repository with the Bun that runs the tests; ends it by its process id. */
import { until } from "./until.ts";

export class Program implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;

  /** `wrapper`: a command that runs another, such as `unshare --net`. */
  constructor(args: readonly string[], env: Record<string, string> = {}, wrapper: readonly string[] = []) {
    this.#child = Bun.spawn([...wrapper, process.execPath, ...args], {
      cwd: `${import.meta.dir}/../..`,
      env: { ...process.env, ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    void this.#collect("stdout");
    void this.#collect("stderr");
  }

  async #collect(from: "stdout" | "stderr"): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child[from]) this[from] += decoder.decode(chunk, { stream: true });
  }

  /** The port a server has printed: the last number of its first line. */
  async port(): Promise<number> {
    await until(() => this.stdout.includes("\n"), `the first line of output; stderr: ${this.stderr}`);
    return Number(/(\d+)\D*\n/.exec(this.stdout)?.[1]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** The signal it was ended by, once it has ended; null where it was none. */
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode as NodeJS.Signals | null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
