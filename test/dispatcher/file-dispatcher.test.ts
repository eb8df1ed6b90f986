import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  promises,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { ChannelMap, closeAll, loop, OSError, SO_ERROR, SO_RCVBUF, SOL_SOCKET, streamLimits } from "asyncore";

import { FileDispatcher, type FileLike } from "../../src/dispatcher/file-dispatcher.ts";
import { turns, until, within } from "../support/until.ts";
import {
  drainNow,
  hasFiles,
  isOpen,
  makeFifo,
  makePipe,
  makePty,
  openCount,
  threadCount,
} from "./file-kit.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

/** Logs its hooks and closes at the end. */
class LoggedFile extends FileDispatcher {
  readonly events: string[] = [];
  received = "";
  override handleRead(): void {
    const chunk = this.recv();
    if (chunk.length === 0) return;
    this.received += chunk.toString();
    this.events.push(`read ${chunk.length}`);
  }
  override handleClose(reason?: OSError): void {
    this.events.push(reason === undefined ? "close" : `close ${reason.code}`);
    this.close();
  }
  override handleError(error: unknown): void {
    this.events.push(`error ${(error as OSError).message}`);
    this.close();
  }
}

describe.if(hasFiles)("FileDispatcher", () => {
  test("FileDispatcher is connected, reads a pipe as it comes, and closes at its end", async () => {
    using pipe = makePipe();
    const channel = new LoggedFile(pipe.read, map);
    expect([channel.connected, channel.addr, map.size]).toEqual([true, undefined, 1]);
    await turns(5);
    expect(channel.events).toEqual([]);
    writeSync(pipe.write, "hello");
    await until(() => channel.events.length === 1);
    writeSync(pipe.write, "more");
    pipe.close(pipe.write);
    await until(() => map.size === 0, "the end");
    expect(channel.events).toEqual(["read 5", "read 4", "close"]);
    expect(isOpen(pipe.read)).toBe(true);
  });

  test("FileDispatcher.handleClose() runs once also when it does not close", async () => {
    using pipe = makePipe();
    class Stays extends LoggedFile {
      override handleClose(): void {
        this.events.push("close");
      }
    }
    const channel = new Stays(pipe.read, map);
    pipe.close(pipe.write);
    await until(() => channel.events.length > 0, "the end");
    await turns(10);
    expect([channel.events, channel.recv().length]).toEqual([["close"], 0]);
  });

  test("FileDispatcher.close() leaves the caller's descriptor open and usable", async () => {
    const before = openCount();
    {
      using pipe = makePipe();
      const reader = new LoggedFile(pipe.read, map);
      const writer = new LoggedFile(pipe.write, map);
      writer.send("one");
      await until(() => reader.received === "one", "the first bytes");
      reader.close();
      writer.close();
      expect(openCount()).toBe(before + 2);
      writeSync(pipe.write, "two");
      expect(drainNow(pipe.read).toString()).toBe("two");
    }
    expect(openCount()).toBe(before);
  });

  test("FileDispatcher.readable() false leaves the bytes in the pipe, and the writer feels it", async () => {
    using pipe = makePipe();
    let open = false;
    class Shy extends LoggedFile {
      override readable(): boolean {
        return open;
      }
    }
    const reader = new Shy(pipe.read, map);
    const writer = new LoggedFile(pipe.write, map);
    writer.send("x".repeat(300_000));
    await turns(20);
    expect(reader.events).toEqual([]);
    // All that the pipe holds and not a byte more.
    expect(writer.bufferedAmount).toBe(300_000 - 65_536);
    open = true;
    reader.wake();
    await until(() => reader.received.length === 300_000, "all of it");
    expect(writer.bufferedAmount).toBe(0);
  });

  test("FileDispatcher.handleWrite() is not asked over high water, and again at low water", async () => {
    using pipe = makePipe();
    let left = 40;
    class Writer extends LoggedFile {
      override writable(): boolean {
        return left > 0;
      }
      override handleWrite(): void {
        left--;
        this.send(Buffer.alloc(16_384));
      }
    }
    const writer = new Writer(pipe.write, map);
    await until(() => writer.bufferedAmount >= 65_536, "high water");
    await turns(10);
    const stoppedAt = left;
    expect(stoppedAt).toBeGreaterThan(20);
    const reader = new LoggedFile(pipe.read, map);
    await until(() => reader.received.length === 40 * 16_384, "the rest");
    expect(left).toBe(0);
  });

  test("FileDispatcher.send() over the cap reports ENOBUFS and ends the channel", async () => {
    using pipe = makePipe();
    class Small extends LoggedFile {
      static override limits = streamLimits({ maxBufferedBytes: 10_000, highWaterBytes: 5000 });
    }
    const writer = new Small(pipe.write, map);
    expect(writer.send(Buffer.alloc(100_000))).toBe(0);
    await until(() => map.size === 0, "the channel ends");
    expect(writer.events.length).toBe(1);
    expect(writer.events[0]).toContain("ENOBUFS");
  });

  test("FileDispatcher.handleClose() gets EPIPE when the reader goes, idle or writing", async () => {
    for (const writing of [false, true]) {
      using pipe = makePipe();
      const writer = new LoggedFile(pipe.write, map);
      if (writing) writer.send(Buffer.alloc(200_000));
      await turns(5);
      pipe.close(pipe.read);
      await until(() => map.size === 0, "the loss");
      expect(writer.events).toEqual(["close EPIPE"]);
    }
  });

  test("FileDispatcher.send() where nobody reads returns, and handleClose() follows", async () => {
    using pipe = makePipe();
    pipe.close(pipe.read);
    class Deaf extends LoggedFile {
      override writable(): boolean {
        return false;
      }
    }
    const writer = new Deaf(pipe.write, map);
    expect(writer.send(Buffer.alloc(50_000))).toBe(50_000);
    await until(() => map.size === 0, "the loss");
    expect(writer.events).toEqual(["close EPIPE"]);
  });

  test("FileDispatcher reads and writes a FIFO", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-fifo-"));
    using fifo = makeFifo(path.join(folder, "fifo"));
    const reader = new LoggedFile(fifo.read, map);
    const writer = new LoggedFile(fifo.write, map);
    writer.send("through a FIFO");
    await until(() => reader.received === "through a FIFO", "the bytes");
    writer.close();
    fifo.close(fifo.write);
    await until(() => reader.events.includes("close"), "the end");
    rmSync(folder, { recursive: true });
  });

  test("FileDispatcher reads and writes both ends of a pty; the end of the slave is EIO, as in Python", async () => {
    using pty = makePty();
    const master = new LoggedFile(pty.read, map);
    const slave = new LoggedFile(pty.write, map);
    master.send("typed\n");
    await until(() => slave.received === "typed\n", "the line");
    slave.send("shown\n");
    await until(() => master.received.endsWith("shown\r\n"), "the output");
    slave.close();
    pty.close(pty.write);
    await until(() => !master.connected, "the hang-up");
    expect(master.events.at(-1)).toBe("error read: EIO i/o error");
  });

  test("FileDispatcher writes to a terminal that shows nothing without holding up the process", async () => {
    using pty = makePty();
    const slave = new LoggedFile(pty.write, map);
    slave.send("x".repeat(500_000));
    await turns(5);
    expect(slave.bufferedAmount).toBeGreaterThan(0);
    const master = new LoggedFile(pty.read, map);
    await until(() => master.received.length === 500_000, "all of it");
  });

  test("FileDispatcher reads a regular file to its end", async () => {
    const fd = openSync(import.meta.path, "r");
    const channel = new LoggedFile({ fd }, map);
    closeSync(fd);
    await until(() => map.size === 0, "the end");
    expect(channel.received).toBe(await Bun.file(import.meta.path).text());
    expect(channel.events.at(-1)).toBe("close");
  });

  test("FileDispatcher parks no thread: with idle pipes open, files are read by fs and by Bun", async () => {
    await promises.readFile(import.meta.path);
    await Bun.file(import.meta.path).text();
    const threads = threadCount();
    using stack = new DisposableStack();
    const channels: LoggedFile[] = [];
    for (let i = 0; i < 8; i++) {
      const pipe = stack.use(makePipe());
      channels.push(new LoggedFile(pipe.read, map));
      const full = stack.use(makePipe());
      const writer = new LoggedFile(full.write, map);
      writer.send(Buffer.alloc(200_000));
      channels.push(writer);
    }
    await turns(20);
    expect(threadCount()).toBeLessThanOrEqual(threads);
    for (let i = 0; i < 20; i++) {
      await within(promises.readFile(import.meta.path), "readFile()");
      await within(Bun.file(import.meta.path).text(), "Bun.file()");
    }
    expect(channels.flatMap((channel) => channel.events)).toEqual([]);
    for (const channel of channels) channel.abort();
  });

  test("FileDispatcher in poll mode waits in loop() and is dispatched there only", async () => {
    using pipe = makePipe();
    const polled = new ChannelMap();
    const channel = new LoggedFile(pipe.read, polled);
    setTimeout(() => {
      writeSync(pipe.write, "later");
      pipe.close(pipe.write);
    }, 10);
    await within(loop({ map: polled }), "the end of the loop");
    expect(channel.events).toEqual(["read 5", "close"]);
  });

  test("FileDispatcher's socket questions are answered with typed errors", () => {
    using pipe = makePipe();
    const channel = new LoggedFile(pipe.read, map);
    expect(channel.socket?.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
    const code = (action: () => unknown): string => {
      try {
        action();
        return "nothing";
      } catch (error) {
        expect(error).toBeInstanceOf(OSError);
        return (error as OSError).code;
      }
    };
    expect(code(() => channel.getpeername())).toBe("ENOTSOCK");
    expect(code(() => channel.getsockname())).toBe("ENOTSOCK");
    expect(code(() => channel.shutdown(1))).toBe("ENOTSOCK");
    expect(code(() => channel.listen())).toBe("ENOTSOCK");
    expect(code(() => channel.socket?.getsockopt(SOL_SOCKET, SO_RCVBUF))).toBe("ENOTSOCK");
    channel.setReuseAddr();
    expect(String(channel)).toMatch(/^<LoggedFile connected #\d+>$/);
    channel.close();
    expect(code(() => channel.recv())).toBe("EBADF");
    expect(code(() => channel.send("x"))).toBe("EBADF");
    channel.close();
  });

  test("FileDispatcher() refuses what has no descriptor and registers nothing", () => {
    const refused = (file: unknown): string => {
      try {
        new FileDispatcher(file as FileLike, map);
        return "nothing";
      } catch (error) {
        return `${(error as Error).constructor.name} ${(error as OSError).code}`;
      }
    };
    expect(refused(-1)).toBe("OSError EBADF");
    expect(refused(99_999)).toBe("OSError EBADF");
    expect(refused({ fileno: () => 99_999 })).toBe("OSError EBADF");
    for (const wrong of ["0", null, undefined, {}, [], { fd: "0" }, { fileno: () => "0" }]) {
      expect(refused(wrong)).toBe("ArgumentTypeError ERR_INVALID_ARG_TYPE");
    }
    expect(refused(1.5)).toBe("ArgumentRangeError ERR_OUT_OF_RANGE");
    expect(map.size).toBe(0);
  });

  test.each([
    ["Bun's sockets", [process.execPath, `${import.meta.dir}/file-stdio.ts`]],
    ...(Bun.which("cat") === null
      ? []
      : [
          [
            "pipes",
            ["sh", "-c", `cat | "${process.execPath}" "${import.meta.dir}/file-stdio.ts" | cat`],
          ] as const,
        ]),
  ] as readonly (readonly [string, readonly string[]])[])(
    "FileDispatcher serves stdin and stdout that are %s",
    async (_what, command) => {
      const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      const text = "hello, standard streams\n".repeat(100_000);
      void child.stdin.write(text);
      void child.stdin.end();
      const output = await within(new Response(child.stdout).text(), "the output");
      expect([output === text.toUpperCase(), await child.exited]).toEqual([true, 0]);
    },
  );
});

// The same scenarios as in file-dispatcher.py.
class Scenario extends FileDispatcher {
  readonly #name: string;
  readonly #log: string[];
  readonly #takes: number;
  readonly #reads: boolean;
  #out: Buffer;

  constructor(
    fd: number,
    into: ChannelMap,
    name: string,
    log: string[],
    { takes = 65_536, out = "", reads = true }: { takes?: number; out?: string; reads?: boolean } = {},
  ) {
    super(fd, into);
    this.#name = name;
    this.#log = log;
    this.#takes = takes;
    this.#out = Buffer.from(out);
    this.#reads = reads;
  }
  override readable(): boolean {
    return this.#reads;
  }
  override writable(): boolean {
    return this.#out.length > 0;
  }
  override handleRead(): void {
    const count = this.recv(this.#takes).length;
    this.#log.push(`${this.#name} read ${count}`);
  }
  override handleWrite(): void {
    const count = this.send(this.#out.subarray(0, 3));
    this.#out = this.#out.subarray(count);
    this.#log.push(`${this.#name} write ${count}`);
  }
  override handleClose(): void {
    this.#log.push(`${this.#name} close`);
    this.close();
  }
  override handleError(error: unknown): void {
    this.#log.push(`${this.#name} error ${(error as OSError).errno}`);
    this.close();
  }
}

const passes = (into: ChannelMap, count: number): Promise<void> => loop({ map: into, count, timeout: 0.05 });

const ours: Record<string, (log: string[]) => Promise<void>> = {
  async both_ends(log) {
    using pipe = makePipe();
    const into = new ChannelMap();
    new Scenario(pipe.read, into, "r", log, { takes: 2 });
    const writer = new Scenario(pipe.write, into, "w", log, { out: "abcdefgh", reads: false });
    for (let i = 0; i < 8; i++) {
      if (i === 5) {
        writer.close();
        pipe.close(pipe.write);
      }
      await passes(into, 1);
      log.push(".");
    }
  },
  async reader_gone_while_idle(log) {
    using pipe = makePipe();
    const into = new ChannelMap();
    new Scenario(pipe.write, into, "w", log);
    pipe.close(pipe.read);
    await passes(into, 3);
  },
  async regular_file(log) {
    const into = new ChannelMap();
    const fd = openSync(scratch, constants.O_RDONLY);
    new Scenario(fd, into, "f", log, { takes: 4 });
    closeSync(fd);
    await passes(into, 5);
  },
  async terminal(log) {
    using pty = makePty();
    const into = new ChannelMap();
    new Scenario(pty.read, into, "p", log);
    writeSync(pty.write, "hi\n");
    await passes(into, 1);
    pty.close(pty.write);
    await passes(into, 2);
  },
};
const scratch = path.join(mkdtempSync(path.join(tmpdir(), "asyncore-file-")), "data");
writeFileSync(scratch, "0123456789");
afterAll(() => rmSync(path.dirname(scratch), { recursive: true }));

describe.if(hasFiles && Bun.which("python3") !== null)("FileDispatcher beside CPython", () => {
  // The body is run also where the tests are not.
  const python = Bun.which("python3");
  const command = [python ?? "", "-W", "ignore", `${import.meta.dir}/file-dispatcher.py`, scratch];
  const run = python === null ? undefined : Bun.spawnSync(command);
  // Python 3.12 has no asyncore.
  const theirs = run?.exitCode === 0 ? (JSON.parse(run.stdout.toString()) as Record<string, string[]>) : {};

  for (const [name, play] of Object.entries(ours)) {
    test.if(run?.exitCode === 0)(`FileDispatcher runs the hooks of CPython in "${name}"`, async () => {
      const log: string[] = [];
      await play(log);
      expect(log).toEqual(theirs[name] as string[]);
    });
  }

  // Here a write goes out at the end of the turn and not inside send(): the first is still taken.
  test.if(run?.exitCode === 0)("FileDispatcher tells a reader that has gone one write later", async () => {
    expect(theirs["reader_gone_while_writing"]).toEqual(["w close", "w write 0"]);
    using pipe = makePipe();
    const log: string[] = [];
    new Scenario(pipe.write, map, "w", log, { out: "abcdefgh", reads: false });
    pipe.close(pipe.read);
    await until(() => log.includes("w close"), "the loss");
    expect(log).toEqual(["w write 3", "w close", "w write 0"]);
  });

  // asyncore calls handle_close() inside send(); here a send outside a hook leaves that to an event, as for sockets.
  test.if(run?.exitCode === 0)(
    "FileDispatcher tells a send on a read end after it has returned",
    async () => {
      expect(theirs["write_to_a_read_end"]).toEqual(["r close", "sent 0"]);
      using pipe = makePipe();
      const log: string[] = [];
      const reader = new Scenario(pipe.read, map, "r", log, { out: "abc" });
      await turns(5);
      log.push(`sent ${reader.send("x")}`);
      await until(() => log.includes("r close"), "the end");
      expect(log).toEqual(["sent 0", "r close"]);
    },
  );
});
