/** The scripted peer (`peer.ts`) as a program of ours sees it. */
import { join } from "node:path";

import type { Answer, Command } from "./protocol.ts";

/** The peer's process: one line out, one line back. */
export class PeerProcess {
  readonly answers: Answer[] = [];
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit"> = Bun.spawn(
    [process.execPath, join(import.meta.dir, "peer.ts")],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  #waiting: (() => void) | undefined;

  constructor() {
    void this.#read();
  }
  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.answers.push(JSON.parse(line) as Answer);
      this.#waiting?.();
    }
  }
  tell(command: Command): void {
    void this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    void this.#process.stdin.flush();
  }
  async answer(): Promise<Answer> {
    while (this.answers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.answers.shift() as Answer;
  }
  async end(): Promise<void> {
    await this.#process.stdin.end();
    await this.#process.exited;
  }
}
