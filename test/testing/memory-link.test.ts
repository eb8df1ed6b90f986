import { describe, expect, test } from "bun:test";

import type { Socket } from "../../src/index.ts";
import type { MemorySocket } from "../../src/socket/memory.ts";
import {
  type Faults,
  linkOf,
  memoryPair,
  type MemoryNetworkOptions,
  VirtualClock,
} from "../../src/testing/index.ts";

/** A pair whose second socket logs what it gets, and when. */
function setup(options: MemoryNetworkOptions = {}): {
  clock: VirtualClock;
  a: MemorySocket;
  b: MemorySocket;
  log: string[];
} {
  const clock = new VirtualClock();
  const [a, b] = memoryPair({ clock, ...options });
  const log: string[] = [];
  return { clock, a, b: read(b, log, clock), log };
}

function read<S extends Socket>(socket: S, log: string[], clock: VirtualClock): S {
  const look = (): void => {
    while (socket.readReady) {
      try {
        const chunk = socket.recv();
        if (chunk === undefined) return;
        log.push(`${clock.now()} ${chunk.length === 0 ? "end" : String(chunk)}`);
      } catch (error) {
        log.push(`${clock.now()} ${(error as { code: string }).code}`);
      }
    }
  };
  socket.observe({ socketReady: look, socketChanged: () => queueMicrotask(look) });
  return socket;
}

const big = (bytes: number): Buffer => Buffer.alloc(bytes, "x");

describe("memoryPair()", () => {
  test("both sockets are open and know each other's names", () => {
    const [a, b] = memoryPair();
    expect([a.state, b.state, a.fileno()]).toEqual(["open", "open", -1]);
    expect(a.getpeername()).toEqual(b.getsockname());
    expect(b.getpeername()).toEqual(a.getsockname());
  });

  test("a write is short at the capacity, and drain follows when the receiver takes", async () => {
    const { clock, a, b, log } = setup({ capacityBytes: 10 });
    b.observe(undefined);
    a.send("0123456789abc");
    a.flush();
    expect(a.bufferedAmount).toBe(3);
    read(b, log, clock);
    await clock.runAll();
    expect(log).toEqual(["0 0123456789", "0 abc"]);
    expect(a.bufferedAmount).toBe(0);
  });

  const cases: [string, MemoryNetworkOptions, string[]][] = [
    ["nothing", {}, ["0 abcdef"]],
    ["latencyMs", { latencyMs: 7 }, ["7 abcdef"]],
    ["writeBytes", { faults: { writeBytes: 4, drainDelayMs: 1 } }, ["0 abcd", "1 ef"]],
    [
      "writeBytes and drainDelayMs",
      { faults: { writeBytes: 2, drainDelayMs: 5 } },
      ["0 ab", "5 cd", "10 ef"],
    ],
    ["pieceBytes", { faults: { pieceBytes: 4 } }, ["0 abcd", "0 ef"]],
    ["pieceBytes and pieceDelayMs", { faults: { pieceBytes: 3, pieceDelayMs: 2 } }, ["0 abc", "2 def"]],
    ["finAfterBytes", { faults: { finAfterBytes: 4 } }, ["0 abcd", "0 end"]],
    ["rstAfterBytes", { faults: { rstAfterBytes: 4 } }, ["0 abcd", "0 ECONNRESET", "0 end"]],
    ["rstAfterBytes: 0", { faults: { rstAfterBytes: 0 } }, ["0 ECONNRESET", "0 end"]],
  ];
  test.each(cases)("%s shapes what arrives", async (_name, options, expected) => {
    const { clock, a, log } = setup(options);
    a.send("abcdef");
    await clock.runAll();
    expect(log).toEqual(expected);
    expect(clock.pending).toBe(0);
  });

  test("finAfterBytes is not known to the sender, whose own FIN adds nothing", async () => {
    const { clock, a, log } = setup({ faults: { finAfterBytes: 2 } });
    a.send("abcdef");
    await clock.advance(1);
    a.send("more");
    a.shutdown(1);
    await clock.advance(1);
    expect([a.state, a.bufferedAmount]).toEqual(["open", 0]);
    expect(log).toEqual(["0 ab", "0 end"]);
  });
});

describe("linkOf()", () => {
  test("throws ENOTCONN for a socket without a memory connection", () => {
    expect(() => linkOf({} as Socket)).toThrow("ENOTCONN");
  });

  test("reset() resets both at a moment of the clock; delivered and arrived bytes come first", async () => {
    const { clock, a, b, log } = setup({ latencyMs: 5 });
    const other: string[] = [];
    read(a, other, clock);
    clock.setTimer(() => linkOf(a).reset(), 20);
    a.send("early");
    clock.setTimer(() => {
      a.send("under way");
      a.flush();
    }, 18);
    await clock.runAll();
    expect(log).toEqual(["5 early", "23 under way", "25 ECONNRESET", "25 end"]);
    expect(other).toEqual(["25 ECONNRESET", "25 end"]);
    expect([a.state, b.state]).toEqual(["ended", "ended"]);
    expect(linkOf(b).live).toBe(false);
  });

  test("end() is a FIN that the sender did not send", async () => {
    const { clock, a, log } = setup();
    a.send("so far");
    clock.setTimer(() => linkOf(a).end(a), 3);
    await clock.runAll();
    expect(log).toEqual(["0 so far", "3 end"]);
    expect(a.state).toBe("open");
  });

  test("stall() makes the receiver hang until unstall()", async () => {
    const { clock, a, b, log } = setup({ capacityBytes: 4 });
    linkOf(b).stall(b);
    a.send("abcdef");
    a.shutdown(1);
    await clock.advance(100);
    expect([log, a.bufferedAmount]).toEqual([[], 2]);
    linkOf(a).unstall(b);
    await clock.runAll();
    expect(log).toEqual(["100 abcd", "100 ef", "100 end"]);
  });

  test("setFaults() changes one direction from now on", async () => {
    const { clock, a, b, log } = setup();
    const faults: Faults = { pieceBytes: 1 };
    linkOf(a).setFaults(a, faults);
    const other: string[] = [];
    read(a, other, clock);
    a.send("ab");
    b.send("cd");
    await clock.runAll();
    expect([log, other]).toEqual([["0 a", "0 b"], ["0 cd"]]);
  });
});

describe("a memory connection is like TCP's:", () => {
  test("a paused receiver does not see FIN, but does see RST, and gets what came before it", async () => {
    const clock = new VirtualClock();
    const [a, b] = memoryPair({ clock });
    a.send("one");
    await clock.advance(1);
    a.send("two");
    a.shutdown(1);
    await clock.advance(1);
    // Nobody observes b: it paused after the first chunk.
    expect([b.state, b.eof]).toEqual(["open", false]);
    a.abort();
    await clock.runAll();
    expect(b.state).toBe("ended");
    expect([String(b.recv()), String(b.recv())]).toEqual(["one", "two"]);
    expect(() => b.recv()).toThrow("ECONNRESET");
  });

  test("an abort loses what the receiver's kernel has not got", async () => {
    const { clock, a, b, log } = setup({ capacityBytes: 100, windowBytes: 30 });
    linkOf(b).stall(b);
    a.send(big(100));
    a.flush();
    a.abort();
    await clock.runAll();
    expect(log).toEqual([`0 ${"x".repeat(30)}`, "0 ECONNRESET", "0 end"]);
  });

  test("close(2) with unread bytes resets and loses: why close() reads on until the peer's FIN", async () => {
    const clock = new VirtualClock();
    const [a, b] = memoryPair({ clock, capacityBytes: 100, windowBytes: 30 });
    const log: string[] = [];
    read(b, log, clock);
    linkOf(b).stall(b);
    b.send("first");
    await clock.advance(1);
    b.send("unread");
    await clock.advance(1);
    a.send(big(100));
    a.flush();
    // What a program does that only knows write() and close().
    a.wire?.close();
    linkOf(b).unstall(b);
    await clock.runAll();
    expect(log).toEqual([`2 ${"x".repeat(30)}`, "2 ECONNRESET", "2 end"]);
  });

  test("bytes that meet a closed socket come back as RST: EPIPE after its FIN", async () => {
    const { clock, a, b, log } = setup();
    a.send("bye");
    a.flush();
    a.wire?.shutdown();
    a.wire?.close();
    await clock.advance(1);
    expect(log).toEqual(["0 bye", "0 end"]);
    b.send("hello?");
    await clock.advance(1);
    expect(b.state).toBe("ended");
    expect(log).toEqual(["0 bye", "0 end", "1 EPIPE"]);
  });

  test("a write that meets a reset before its event does: the reset is told all the same", async () => {
    const { clock, a, b, log } = setup();
    a.abort();
    b.send("x");
    b.flush();
    await clock.runAll();
    expect(log).toEqual(["0 ECONNRESET", "0 end"]);
    expect([b.state, clock.pending]).toEqual(["ended", 0]);
  });

  test("spurious drains are harmless", async () => {
    const { clock, a, b, log } = setup({ faults: { spuriousDrains: true } });
    a.observe(undefined);
    b.send("for nobody");
    a.send("ab");
    await clock.runAll();
    expect(log).toEqual(["0 ab"]);
  });
});
