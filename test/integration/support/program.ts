/** A child process that is told what to do in JSON lines on stdin and answers in JSON lines on stdout. */
import { within } from "../../support/until.ts";

/** One line of an answer. */
export type Answer = Readonly<Record<string, unknown>>;

export class Program implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #answers: Answer[] = [];
  #waiting: (() => void)[] = [];
  #ended = false;
  readonly #name: string;

  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#name = command.slice(1).join(" ");
    this.#child = Bun.spawn([...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, ...env },
    });
    void this.#listen();
  }

  /** A TypeScript program of the peers folder, run by this Bun. */
  static bun(file: string, args: readonly string[] = [], env?: Readonly<Record<string, string>>): Program {
    return new Program([process.execPath, `${import.meta.dirname}/../peers/${file}`, ...args], env);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Has the process ended? */
  get ended(): boolean {
    return this.#ended;
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#answers.push(parse(line));
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  tell(command: object): void {
    void this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    void this.#child.stdin.flush();
  }

  /** The first answer that `isIt` accepts; it is taken away. */
  async answer(isIt: (answer: Answer) => boolean, what: string, deadlineMs?: number): Promise<Answer> {
    return within(this.#find(isIt), `${what} from ${this.#name}`, deadlineMs);
  }

  async #find(isIt: (answer: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const at = this.#answers.findIndex(isIt);
      if (at >= 0) return this.#answers.splice(at, 1)[0] as Answer;
      if (this.#ended) {
        throw new Error(`${this.#name} ended without the answer; it said ${JSON.stringify(this.#answers)}`);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** The exit code, once the process has ended by itself. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill(9);
    await this.#child.exited;
  }
}

// A line that is no JSON is a program's mistake worth seeing.
function parse(line: string): Answer {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return { text: line };
  }
}
