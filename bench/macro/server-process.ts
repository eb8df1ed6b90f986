/**
 * A server under test: started, asked for its port, told what to do, stopped, all within deadlines. It is the
 * child of the measuring process, so it ends with it. What a server does that it should not becomes an Error here.
 */
import type { MemoryReport } from "../peers/life.ts";

const DEADLINE_MS = 20_000;

export class ServerProcess {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncGenerator<string, void>;
  #port = 0;

  private constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#lines = linesOf(this.#child.stdout);
  }

  /** @throws {Error} when it ends, or has no port within the deadline */
  static async start(command: readonly string[]): Promise<ServerProcess> {
    const server = new ServerProcess(command);
    server.#port = Number(await server.#nextLine("its port"));
    return server;
  }

  get pid(): number {
    return this.#child.pid;
  }
  get port(): number {
    return this.#port;
  }

  /** Gives the command and waits for the answer. @throws {Error} when it ends, or none comes within the deadline */
  async ask(command: string): Promise<unknown> {
    void this.#child.stdin.write(`${command}\n`);
    void this.#child.stdin.flush();
    return JSON.parse(await this.#nextLine(`the answer to ${command}`));
  }
  /** Memory after a full collection. */
  async memory(): Promise<MemoryReport> {
    return (await this.ask("memory")) as MemoryReport;
  }

  /** Closes its standard input and waits. @throws {Error} when it had ended before, fails, or does not end */
  async stop(): Promise<void> {
    const early = this.#child.exitCode ?? this.#child.signalCode;
    if (early !== null) throw new Error(`the server ended by itself (${early})`);
    void this.#child.stdin.end();
    const code = await within(this.#child.exited, "the server to end").catch((error: unknown) => {
      this.#child.kill("SIGKILL");
      throw error;
    });
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  }

  async #nextLine(what: string): Promise<string> {
    const { value } = await within(this.#lines.next(), `the server to tell ${what}`);
    if (value === undefined) throw new Error(`the server ended before it told ${what}`);
    return value;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

/** @throws {Error} when `promise` has not settled within the deadline */
export function within<T>(promise: Promise<T>, what: string, deadlineMs: number = DEADLINE_MS): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what}`)), deadlineMs);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
