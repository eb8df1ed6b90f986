import { describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Dispatcher } from "asyncore";

import { mkfifo } from "./file-kit.ts";
import { until } from "../support/until.ts";

const index = JSON.stringify(join(import.meta.dirname, "../../src/index.ts"));

/** cat(1). */
const COPY = 'require("node:fs").createReadStream(process.argv.at(-1)).pipe(process.stdout)';

/** A child that logs to a FIFO, which is read only when the test says so. */
class Child implements AsyncDisposable {
  said = "";
  readonly #folder: string = mkdtempSync(join(tmpdir(), "asyncore-log-"));
  readonly #process: Bun.Subprocess<"pipe", number, "pipe">;
  /** The test's end of the child's stdout. Nobody reads it until {@link read}. */
  readonly fifo: string = join(this.#folder, "out");

  constructor(program: string) {
    mkfifo(this.fifo);
    // Open for both, so that it neither waits for a reader nor ends.
    const fd = openSync(this.fifo, "r+");
    this.#process = Bun.spawn([process.execPath, "-e", program], {
      stdin: "pipe",
      stdout: fd,
      stderr: "pipe",
    });
    void this.#listen();
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr) this.said += decoder.decode(chunk, { stream: true });
  }

  tell(line: string): void {
    void this.#process.stdin.write(`${line}\n`);
    void this.#process.stdin.flush();
  }

  /** From now on somebody reads: what came so far, growing. */
  read(): { text: string } {
    const got = { text: "" };
    const reader = Bun.spawn([process.execPath, "-e", COPY, this.fifo], { stdout: "pipe" });
    this.#reader = reader;
    void (async (): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const chunk of reader.stdout) got.text += decoder.decode(chunk, { stream: true });
    })();
    return got;
  }
  #reader: Bun.Subprocess | undefined;

  get exited(): Promise<number> {
    return this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.kill(9);
    this.#process.kill(9);
    await this.#process.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describe("Dispatcher.log() and logInfo()", () => {
  test("Dispatcher.log() writes to standard error, logInfo() to standard output, warnings are left out", () => {
    const out = spyOn(process.stdout, "write").mockReturnValue(true);
    const err = spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const channel = new Dispatcher();
      channel.log("hit");
      channel.logInfo("hello");
      channel.logInfo("left out", "warning");
      channel.logInfo("bad", "error");
      const text = (calls: readonly unknown[][]): unknown[] => calls.map((call) => call[0]);
      expect(text(err.mock.calls)).toEqual(["log: hit\n"]);
      expect(text(out.mock.calls)).toEqual(["info: hello\n", "error: bad\n"]);
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
  });

  test("Dispatcher.ignoreLogTypes decides per class what logInfo() leaves out", () => {
    class Chatty extends Dispatcher {
      static override ignoreLogTypes: ReadonlySet<string> = new Set(["info"]);
    }
    const out = spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      new Chatty().logInfo("left out");
      new Chatty().logInfo("shown", "warning");
      expect(out.mock.calls.map((call) => String(call[0]))).toEqual(["warning: shown\n"]);
    } finally {
      out.mockRestore();
    }
  });

  test("Dispatcher.logInfo() neither blocks nor grows without bound when nobody reads standard output", async () => {
    await using child = new Child(`
      import { Dispatcher } from ${index};
      const channel = new Dispatcher();
      const line = "x".repeat(1000);
      const before = process.memoryUsage().rss;
      let written = 0;
      const burst = () => {
        for (let i = 0; i < 1000; i++) channel.logInfo(written++ + " " + line);
        if (written < 200_000) { setImmediate(burst); return; }
        const grown = Math.round((process.memoryUsage().rss - before) / 2 ** 20);
        console.error("written " + written + " grown " + grown);
      };
      process.stdin.on("data", (chunk) => {
        if (String(chunk).startsWith("go")) burst();
        else { channel.logInfo("the last line"); console.error("logged"); }
      });
      console.error("ready");
    `);
    await until(() => child.said.includes("ready"), "the child is ready");
    child.tell("go");
    // 200 MB were logged while nobody read: it came to an end, so it did not block.
    await until(() => child.said.includes("grown"), "the child has logged all", 20_000);
    const [, written, grown] = /written (\d+) grown (\d+)/.exec(child.said) ?? [];
    expect(written).toBe("200000");
    // At most about a mebibyte is kept, beside what the heap of such a loop takes.
    expect(Number(grown)).toBeLessThan(100);
    // Once there is room again the number of lines that are missing is told.
    const got = child.read();
    const arrived = (): number => got.text.split("\n").filter((line) => line.startsWith("info: ")).length;
    let last = -1;
    let quiet = 0;
    await until(
      () => {
        quiet = arrived() === last ? quiet + 1 : 0;
        last = arrived();
        return quiet > 50;
      },
      "the pipe has run dry",
      20_000,
    );
    child.tell("last");
    await until(() => got.text.includes("the last line"), "the last line");
    const dropped = Number(/warning: (\d+) log lines were dropped/.exec(got.text)?.[1] ?? 0);
    expect(dropped).toBeGreaterThan(150_000);
    expect(arrived() - 1 + dropped).toBe(200_000);
  });

  test("Dispatcher.logInfo() does not end the process when the reader of standard output is gone", async () => {
    const program = `
      import { Dispatcher } from ${index};
      const channel = new Dispatcher();
      process.stdin.once("data", () => {
        for (let i = 0; i < 50; i++) channel.logInfo("x".repeat(3000));
        setTimeout(() => { console.error("survived"); process.exit(7); }, 50);
      });
      console.error("ready");
    `;
    const child = Bun.spawn([process.execPath, "-e", program], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    let said = "";
    const listened = (async (): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const chunk of child.stderr) said += decoder.decode(chunk, { stream: true });
    })();
    await until(() => said.includes("ready"), "the child is ready");
    await child.stdout.cancel();
    void child.stdin.write("go\n");
    void child.stdin.flush();
    const code = await child.exited;
    await listened;
    expect([code, said]).toEqual([7, "ready\nsurvived\n"]);
  });
});
