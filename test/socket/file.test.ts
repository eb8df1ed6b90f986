import { describe, expect, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { OSError, SO_ERROR, SO_RCVBUF, SOL_SOCKET, streamLimits } from "asyncore";

import { FileSocket } from "../../src/socket/file.ts";
import { fileCalls } from "../../src/socket/file-poll.ts";
import { type LibcFile, POLLIN } from "../../src/socket/libc-file.ts";
import {
  drainNow,
  Fds,
  hasFiles,
  isNonBlocking,
  isOpen,
  makePipe,
  openCount,
  setBlocking,
} from "../dispatcher/file-kit.ts";
import { Program } from "../support/program.ts";
import { turns, until } from "../support/until.ts";

function codeOf(action: () => unknown): string {
  try {
    action();
    return "nothing";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Counts what it is told; acts on nothing. */
class Told {
  count = 0;
  socketReady(): void {
    this.count++;
  }
  socketChanged(): void {
    this.count++;
  }
}

const onlyFast = streamLimits({ closeTimeoutMs: 50 });

describe.if(hasFiles)("FileSocket", () => {
  test("Bun says that a socket over an epoll set closed when something in the set is ready, and not before", async () => {
    const { c } = fileCalls() as { c: LibcFile };
    using pipe = makePipe();
    const set = c.createSet();
    c.addTo(set, pipe.read, 7);
    c.ask(set, pipe.read, 7, POLLIN);
    const events: string[] = [];
    const connect = Bun.connect as unknown as (options: object) => Promise<unknown>;
    const log = (what: string) => (): void => void events.push(what);
    const socket = { open: log("open"), data: log("data"), drain: log("drain"), close: log("close") };
    await connect({ fd: c.duplicate(set), allowHalfOpen: true, socket });
    await turns(20);
    expect(events).toEqual(["open"]);
    writeSync(pipe.write, "x");
    await until(() => events.length > 1, "the wake-up");
    expect(events).toEqual(["open", "close"]);
    expect(c.takeEvents(set)).toEqual([[7, POLLIN]]);
    c.close(set);
  });

  test("FileSocket() duplicates the descriptor, makes the open file non-blocking, and close() releases its own", async () => {
    const before = openCount();
    {
      using pipe = makePipe();
      const socket = new FileSocket(pipe.read);
      const fd = socket.fileno();
      expect(fd).not.toBe(pipe.read);
      expect([isOpen(fd), isNonBlocking(pipe.read), socket.mode]).toEqual([true, true, "r"]);
      socket.observe(new Told());
      socket.close();
      expect([isOpen(fd), isOpen(pipe.read), socket.fileno()]).toEqual([false, true, -1]);
      writeSync(pipe.write, "still");
      expect(drainNow(pipe.read).toString()).toBe("still");
      expect(socket.state).toBe("lingering");
      await until(() => socket.state === "closed");
    }
    expect(openCount()).toBe(before);
  });

  test("FileSocket() refuses what is no open descriptor", () => {
    const before = openCount();
    expect(codeOf(() => new FileSocket(-1))).toBe("EBADF");
    expect(codeOf(() => new FileSocket(99_999))).toBe("EBADF");
    expect(codeOf(() => new FileSocket(1.5))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => new FileSocket(NaN))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => new FileSocket(2 ** 40))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => new FileSocket("1" as unknown as number))).toBe("ERR_INVALID_ARG_TYPE");
    expect(openCount()).toBe(before);
  });

  test("FileSocket fails with ENOTSOCK where only a socket will do, with EBADF once closed", () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.read);
    const calls: (() => unknown)[] = [
      () => socket.bind("/x"),
      () => socket.listen(1),
      () => socket.accept(),
      () => socket.connect("/x"),
      () => socket.shutdown(1),
      () => socket.getsockname(),
      () => socket.getpeername(),
      () => socket.getsockopt(SOL_SOCKET, SO_RCVBUF),
      () => socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 1),
    ];
    expect(new Set(calls.map(codeOf))).toEqual(new Set(["ENOTSOCK"]));
    expect(socket.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
    socket.close();
    calls.push(
      () => socket.getsockopt(SOL_SOCKET, SO_ERROR),
      () => socket.recv(),
      () => socket.send("x"),
    );
    expect(new Set(calls.map(codeOf))).toEqual(new Set(["EBADF"]));
    socket.close();
    socket.abort();
  });

  test("FileSocket.recv() takes what it is asked for and leaves the rest in the pipe", () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.read);
    expect(socket.recv()).toBeUndefined();
    writeSync(pipe.write, "abcdef");
    expect(socket.recv(2)?.toString()).toBe("ab");
    expect(socket.readReady).toBe(true);
    expect(codeOf(() => socket.recv(-1))).toBe("ERR_OUT_OF_RANGE");
    expect(socket.recv(0)).toBeUndefined();
    expect(socket.bytesRead).toBe(2);
    socket.close();
    expect(drainNow(pipe.read).toString()).toBe("cdef");
  });

  test("FileSocket.recv() does not wait in a blocking descriptor", () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.read);
    setBlocking(pipe.read);
    expect(socket.recv()).toBeUndefined();
    socket.close();
  });

  test("FileSocket.send() does not wait in a descriptor that somebody made blocking", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    setBlocking(pipe.write);
    expect(socket.send(Buffer.alloc(1_000_000))).toBe(1_000_000);
    expect(socket.bufferedAmount).toBeGreaterThan(800_000);
    expect(isNonBlocking(pipe.write)).toBe(true);
    socket.abort();
  });

  test("FileSocket.send() stops at the water marks, goes on when the reader reads, and loses nothing", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    const told = new Told();
    socket.observe(told);
    new FileSocket(pipe.read).close();
    const sent = Buffer.alloc(1_000_003, "0123456789abc");
    socket.send(sent);
    expect(socket.writeReady).toBe(false);
    await turns(5);
    expect(told.count).toBe(0);
    const received: Buffer[] = [];
    await until(() => {
      received.push(drainNow(pipe.read));
      return socket.bufferedAmount === 0;
    }, "all written");
    received.push(drainNow(pipe.read));
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect([socket.writeReady, socket.bytesSent]).toEqual([true, sent.length]);
    expect(told.count).toBeGreaterThan(0);
    socket.close();
  });

  test("FileSocket.send() over the cap throws ENOBUFS and ends it", () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    socket.limits = streamLimits({ maxBufferedBytes: 100_000 });
    expect(codeOf(() => socket.send(Buffer.alloc(200_000)))).toBe("ENOBUFS");
    expect([socket.fileno(), socket.state]).toEqual([-1, "ended"]);
    socket.close();
  });

  test("FileSocket.close() writes what was sent, and then only releases the descriptor", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    const fd = socket.fileno();
    new FileSocket(pipe.read).close();
    socket.send(Buffer.alloc(300_000, "x"));
    socket.close();
    expect([socket.state, isOpen(fd)]).toEqual(["flushing", true]);
    let count = 0;
    await until(() => {
      count += drainNow(pipe.read).length;
      return socket.state === "closed";
    }, "closed");
    expect([count + drainNow(pipe.read).length, isOpen(fd)]).toEqual([300_000, false]);
  });

  test("FileSocket.close() gives up when nobody reads for closeTimeoutMs", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    socket.limits = onlyFast;
    socket.send(Buffer.alloc(300_000, "x"));
    socket.close();
    await until(() => socket.state === "closed", "the deadline");
    expect(socket.fileno()).toBe(-1);
  });

  test("FileSocket.close() gives up when the reader goes", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    socket.send(Buffer.alloc(300_000, "x"));
    socket.close();
    pipe.close(pipe.read);
    await until(() => socket.state === "closed", "EPIPE");
  });

  test("FileSocket tells EPIPE once where nobody reads", async () => {
    using pipe = makePipe();
    const socket = new FileSocket(pipe.write);
    socket.observe(new Told());
    pipe.close(pipe.read);
    await until(() => socket.readReady, "it is told");
    expect(codeOf(() => socket.recv())).toBe("EPIPE");
    expect([socket.readReady, socket.recv()?.length]).toEqual([false, 0]);
    socket.send("lost");
    socket.flush();
    expect(codeOf(() => socket.send("x"))).toBe("EPIPE");
    socket.close();
  });

  test("FileSocket writes and reads a regular file, at its offset", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-file-"));
    const file = path.join(folder, "data");
    writeFileSync(file, "head ");
    using fds = new Fds(openSync(file, "r"), openSync(file, "a"));
    const writer = new FileSocket(fds.write);
    writer.send("tail ");
    writer.send(Buffer.alloc(3_000_000, "."));
    writer.close();
    await until(() => writer.state === "closed", "written");
    expect(readFileSync(file).length).toBe(3_000_010);
    const reader = new FileSocket(fds.read);
    reader.observe(new Told());
    expect(reader.readReady).toBe(true);
    expect(reader.recv(10)?.toString()).toBe("head tail ");
    let rest = 0;
    for (let chunk = reader.recv(); chunk !== undefined && chunk.length > 0; chunk = reader.recv()) {
      rest += chunk.length;
    }
    expect([rest, reader.recv()?.length, reader.readReady]).toEqual([3_000_000, 0, false]);
    reader.close();
    rmSync(folder, { recursive: true });
  });

  test("FileSocket of a directory fails with EISDIR when it is read", () => {
    using fds = new Fds(openSync("/", "r"), openSync("/dev/null", "w"));
    const socket = new FileSocket(fds.read);
    expect(() => socket.recv()).toThrow(OSError);
    socket.close();
  });

  test("FileSocket that is dropped is closed by garbage collection", async () => {
    await using child = new Program(["test/socket/file-dropped.ts"]);
    expect([await child.exited, child.stdout, child.stderr]).toEqual([0, "collected\n", ""]);
  });

  test("FileSocket works on when descriptors had run out for a while", async () => {
    await using child = new Program(["test/socket/file-emfile.ts"]);
    expect([await child.exited, child.stdout, child.stderr]).toEqual([0, "EMFILE\nread 5\n", ""]);
  });

  test("FileSocket() says ENOSYS without the C library", async () => {
    const code = `import { FileSocket } from "./src/socket/file.ts";
      try { new FileSocket(0); } catch (error) { console.log(error.code); }`;
    await using child = new Program(["-e", code], { ASYNCORE_FFI: "0" });
    expect([await child.exited, child.stdout]).toEqual([0, "ENOSYS\n"]);
  });
});
