import { describe, expect, test } from "bun:test";

import { StandInSocket } from "../../bench/micro/stand-in-socket.ts";
import type { Address } from "../../src/base/address.ts";
import { streamLimits } from "../../src/socket/limits.ts";
import { Dispatcher } from "../../src/index.ts";
import type { Socket } from "../../src/socket/socket.ts";
import { enterTurn, leaveTurn } from "../../src/socket/turn.ts";

/** A connection whose wire writes down what it is given, and takes as much as it is told to. */
class Recorder extends StandInSocket {
  readonly written: string[] = [];
  /** What the next writes take; after that all. */
  takes: number[] = [];

  constructor() {
    super();
    this.observe({ socketReady: () => undefined, socketChanged: () => undefined });
  }

  /** One turn in which `pieces` are sent. */
  turn(...pieces: (string | Buffer)[]): void {
    enterTurn();
    try {
      for (const piece of pieces) this.send(typeof piece === "string" ? Buffer.from(piece) : piece);
    } finally {
      leaveTurn();
    }
  }
  /** After these the next turn's first send is written at once. */
  loneTurns(): void {
    for (let count = 0; count < 8; count++) this.turn("-");
    this.written.length = 0;
  }
  drain(): void {
    this.wireDrained();
  }

  protected override wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(this.takes.shift() ?? length, length);
    if (taken > 0) this.written.push(Buffer.from(bytes.subarray(offset, offset + taken)).toString());
    return taken;
  }
  protected override wireShutdown(): void {
    this.written.push("FIN");
  }
}

describe("a stream with one send a turn", () => {
  test("has its ninth written at once, and not copied", () => {
    const socket = new Recorder();
    for (let count = 0; count < 8; count++) {
      enterTurn();
      socket.send(Buffer.from("-"));
      expect(socket.bufferedAmount).toBe(1);
      leaveTurn();
    }
    expect(socket.written).toHaveLength(8);
    enterTurn();
    expect(socket.send(Buffer.from("ninth"))).toBe(5);
    expect(socket.bufferedAmount).toBe(0);
    expect(socket.written.at(-1)).toBe("ninth");
    leaveTurn();
    expect(socket.written).toHaveLength(9);
  });

  test("that sends twice after all has two writes in order, and eight turns that collect", () => {
    const socket = new Recorder();
    socket.loneTurns();
    socket.turn("a", "b", "c");
    expect(socket.written).toEqual(["a", "bc"]);
    for (let count = 0; count < 20; count++) socket.turn("d", "e");
    expect(socket.written.slice(2)).toEqual(Array.from({ length: 20 }, () => "de"));
    socket.loneTurns();
    socket.turn("f", "g");
    expect(socket.written).toEqual(["f", "g"]);
  });

  test("loses nothing of a short write, and keeps no memory of the caller's", () => {
    const socket = new Recorder();
    socket.loneTurns();
    socket.takes = [3, 0];
    const bytes = Buffer.from("abcdef");
    socket.turn(bytes);
    bytes.fill("X");
    socket.turn("ghi");
    expect(socket.bufferedAmount).toBe(6);
    socket.drain();
    expect(socket.bufferedAmount).toBe(6);
    socket.drain();
    expect(socket.written.join("")).toBe("abcdefghi");
    expect(socket.bufferedAmount).toBe(0);
  });

  test("writes text and bytes in the order they were sent", () => {
    const socket = new Recorder();
    socket.loneTurns();
    enterTurn();
    socket.send("text ");
    socket.send(Buffer.from("bytes "));
    socket.send("text");
    leaveTurn();
    expect(socket.written).toEqual(["text bytes text"]);
  });

  test("that is shut down or closed in the same turn sends its FIN behind the bytes", () => {
    const socket = new Recorder();
    socket.loneTurns();
    enterTurn();
    socket.send(Buffer.from("last"));
    socket.close();
    leaveTurn();
    expect(socket.written).toEqual(["last", "FIN"]);
    socket.abort();
  });

  test("is told of a lost connection after the turn, and what it sent in it counts as not sent", async () => {
    const socket = new Recorder();
    let unsent = -1;
    socket.whenReleased((bytes) => {
      unsent = bytes;
    });
    socket.loneTurns();
    socket.takes = [-1, -1];
    enterTurn();
    expect(socket.send(Buffer.from("gone"))).toBe(4);
    // As if the first were still to be written: a hook that answers frame by frame goes on with the next frame.
    expect(socket.send(Buffer.from("more"))).toBe(4);
    leaveTurn();
    expect(() => socket.send(Buffer.from("too late"))).toThrow("ECONNRESET");
    socket.abort();
    await Promise.resolve();
    expect([unsent, socket.written]).toEqual([8, []]);
  });

  test.each([4, 40_000, 100_000])(
    "of %p bytes that finds the connection lost ends with close()",
    async (bytes) => {
      const socket = new Recorder();
      let unsent = -1;
      socket.whenReleased((count) => {
        unsent = count;
      });
      socket.limits = streamLimits({ maxBufferedBytes: 65_536, highWaterBytes: 1000, lowWaterBytes: 10 });
      socket.loneTurns();
      socket.takes = [-1, -1, -1];
      enterTurn();
      expect(socket.send(Buffer.alloc(bytes))).toBe(bytes);
      socket.close();
      leaveTurn();
      expect(socket.state).toBe("closed");
      await Promise.resolve();
      expect(unsent).toBe(bytes);
    },
  );

  test("has the cap of its queue", () => {
    const socket = new Recorder();
    socket.limits = streamLimits({ maxBufferedBytes: 1000, highWaterBytes: 100, lowWaterBytes: 10 });
    socket.loneTurns();
    socket.takes = [0];
    enterTurn();
    expect(() => socket.send(Buffer.alloc(1001))).toThrow("ENOBUFS");
    leaveTurn();
    expect(socket.state).toBe("ended");
    socket.abort();
  });

  test("outside of turns is written once by a microtask", async () => {
    const socket = new Recorder();
    socket.loneTurns();
    socket.send(Buffer.from("a"));
    socket.send(Buffer.from("b"));
    expect(socket.written).toEqual([]);
    await Promise.resolve();
    expect(socket.written).toEqual(["ab"]);
  });
});

describe("the connections of a listener", () => {
  /** What was queued after the send of each turn, of all connections. */
  const queued: number[] = [];
  class Echo extends Dispatcher {
    override handleRead(): void {
      const sent = this.send(this.recv());
      if (sent > 0) queued.push(this.bufferedAmount);
    }
    override handleClose(): void {
      this.close();
    }
  }
  class Server extends Dispatcher {
    constructor() {
      super();
      this.createSocket();
      this.bind(["127.0.0.1", 0]);
      this.listen();
    }
    override handleAccepted(socket: Socket): void {
      new Echo(socket);
    }
  }

  async function exchange(address: Address, count: number): Promise<void> {
    const { promise: over, resolve, reject } = Promise.withResolvers<void>();
    class Client extends Dispatcher {
      left = count;
      override handleConnect(): void {
        this.send("x");
      }
      override handleRead(): void {
        if (this.recv().length !== 1) return;
        if (--this.left > 0) this.send("x");
        else this.close();
      }
      override handleClose(): void {
        this.close();
      }
      override handleError(error: unknown): void {
        reject(error);
      }
    }
    const client = new Client();
    client.createSocket();
    client.connect(address);
    void client.closed.then(() => resolve());
    await over;
  }

  test("share what they have learned about their program, and another listener's learn for themselves", async () => {
    const servers = [new Server(), new Server()] as const;
    await exchange(servers[0].getsockname(), 10);
    expect(queued.splice(0)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    await exchange(servers[0].getsockname(), 1);
    expect(queued.splice(0)).toEqual([0]);
    await exchange(servers[1].getsockname(), 1);
    expect(queued.splice(0)).toEqual([1]);
    for (const server of servers) server.close();
  });
});
