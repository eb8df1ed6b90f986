// StreamChannel over connections in memory, under a virtual clock.
import { describe, expect, test } from "bun:test";

import {
  AF_INET,
  ChannelMap,
  closeAll,
  loop,
  OSError,
  poll,
  type Socket,
  StreamChannel,
  streamLimits,
} from "asyncore";
import { type LinkOptions, linkOf, MemoryNetwork } from "asyncore/testing";

import { MemorySocket } from "../../src/socket/memory.ts";
import { turns } from "../support/until.ts";
import { Lab, Peer } from "./lab.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

interface Ends {
  readonly lab: Lab;
  readonly channel: StreamChannel;
  /** The other end reads everything. */
  readonly peer: Peer;
  readonly socket: Socket;
  readonly far: Socket;
}

function ends(options: LinkOptions = {}): Ends {
  const lab = new Lab();
  const [socket, far] = lab.pair(options);
  return { lab, channel: new StreamChannel(socket, lab.map), peer: new Peer(far, lab.map), socket, far };
}

/** Runs what is due, and what follows from it. */
async function settle(lab: Lab): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await turns(3);
    await lab.clock.advance(1);
  }
}

/** Advances step by step, so that what a timer begins can end before the next. */
async function advance(lab: Lab, ms: number): Promise<void> {
  for (let end = lab.clock.now() + ms; lab.clock.now() < end;) {
    await lab.clock.advance(100);
    await turns(1);
  }
}

/** Reads to the end: the text, and the code of the error if there was one. */
async function readAll(channel: StreamChannel): Promise<[string, string]> {
  let text = "";
  try {
    for await (const chunk of channel) text += chunk.toString();
  } catch (error) {
    return [text, (error as OSError).code];
  }
  return [text, "end"];
}

/** Whether `promise` has settled, and how. */
function watch(promise: Promise<unknown>): { state: string } {
  const watched = { state: "pending" };
  promise.then(
    () => (watched.state = "done"),
    (error: unknown) => (watched.state = (error as OSError).code),
  );
  return watched;
}

describe("StreamChannel[Symbol.asyncIterator]()", () => {
  test("gives every chunk and ends at the peer's FIN; the channel is closed then, with what was written delivered", async () => {
    const { lab, channel, peer } = ends();
    const reading = readAll(channel);
    await settle(lab);
    peer.send("one ");
    await settle(lab);
    peer.send("two");
    await settle(lab);
    channel.send("answer");
    linkOf(peer.socket as Socket).end(peer.socket as Socket);
    expect(await lab.value(reading)).toEqual(["one two", "end"]);
    expect(channel.connected).toBe(false);
    expect((await lab.failure(channel.write("too late"))).code).toBe("ECONNABORTED");
    await settle(lab);
    expect([peer.received, peer.events]).toEqual(["answer", ["end"]]);
    expect(await lab.value(channel.closed)).toEqual({ unsentBytes: 0 });
    expect(lab.map.size).toBe(0);
  });

  test("gives what came before it began, in order", async () => {
    const { lab, channel, peer } = ends({ faults: { pieceBytes: 2 } });
    peer.send("abcdef");
    peer.close();
    await settle(lab);
    const chunks: string[] = [];
    await lab.value(
      (async () => {
        for await (const chunk of channel) chunks.push(chunk.toString());
      })(),
    );
    expect(chunks).toEqual(["ab", "cd", "ef"]);
  });

  test("ends at once, and again, after the end", async () => {
    const { lab, channel, peer } = ends();
    peer.close();
    expect(await lab.value(readAll(channel))).toEqual(["", "end"]);
    expect(await lab.value(readAll(channel))).toEqual(["", "end"]);
    expect(await lab.value(channel.read())).toBeNull();
  });

  test("throws the loss after what came before it, and the channel is closed", async () => {
    const { lab, channel, peer } = ends();
    const reading = readAll(channel);
    peer.send("before");
    await settle(lab);
    peer.abort();
    expect(await lab.value(reading)).toEqual(["before", "ECONNRESET"]);
    expect(await lab.value(channel.closed)).toEqual({ unsentBytes: 0 });
    expect(await readAll(channel)).toEqual(["", "ECONNRESET"]);
    expect(lab.map.size).toBe(0);
  });

  test("throws a loss that came before anybody read, after all that came before it; the socket does not wait", async () => {
    const { lab, channel, peer } = ends({ faults: { pieceBytes: 1 } });
    peer.send("abcdefgh");
    await settle(lab);
    expect(channel.socket?.bytesRead).toBe(0);
    peer.abort();
    await lab.value(channel.closed);
    expect(channel.socket?.state).toBe("closed");
    expect(await readAll(channel)).toEqual(["abcdefgh", "ECONNRESET"]);
  });

  test("loses nothing and takes nothing ahead while nobody asks", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 4 * KIB });
    peer.send(Buffer.alloc(MIB, "x"));
    await settle(lab);
    expect(channel.socket?.bytesRead).toBe(0);
    // What the kernels and the socket hold; the rest stays with the sender.
    expect(far.bufferedAmount).toBeGreaterThan(MIB - 32 * KIB);
    const before = far.bufferedAmount;
    await lab.clock.advance(10_000);
    expect(far.bufferedAmount).toBe(before);
    peer.close();
    let bytes = 0;
    await lab.value(
      (async () => {
        for await (const chunk of channel) bytes += chunk.length;
      })(),
    );
    expect(bytes).toBe(MIB);
  });

  test("left by break closes: what was written is delivered, then FIN", async () => {
    const { lab, channel, peer } = ends();
    peer.send("first");
    await settle(lab);
    for await (const chunk of channel) {
      channel.send(`got ${chunk.toString()}`);
      break;
    }
    expect(channel.closing).toBe(true);
    await settle(lab);
    expect([peer.received, peer.events]).toEqual(["got first", ["end"]]);
    await lab.value(channel.closed);
  });

  test("left by an exception closes too", async () => {
    const { lab, channel, peer } = ends();
    peer.send("first");
    await settle(lab);
    const throwing = async (): Promise<void> => {
      for await (const chunk of channel) throw new Error(chunk.toString());
    };
    expect((await lab.failure(throwing())).message).toBe("first");
    expect(channel.closing).toBe(true);
  });

  test("takes no chunk when return() comes while it waits: next() is done", async () => {
    const { lab, channel, peer } = ends();
    const iterator = channel.chunks({ preventClose: true });
    const next = iterator.next();
    await settle(lab);
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    peer.send("later");
    await settle(lab);
    expect((await lab.value(channel.read()))?.toString()).toBe("later");
  });

  test("throws ECONNABORTED when the channel is closed here: cut short is not ended", async () => {
    for (const how of ["close", "abort"] as const) {
      const { lab, channel, peer } = ends();
      const reading = readAll(channel);
      await settle(lab);
      peer.send("some");
      await settle(lab);
      channel[how]();
      expect(await lab.value(reading)).toEqual(["some", "ECONNABORTED"]);
      expect(await readAll(channel)).toEqual(["", "ECONNABORTED"]);
    }
  });

  test("a second consumer is refused with EBUSY, and the first is not disturbed", async () => {
    const { lab, channel, peer } = ends();
    const reading = readAll(channel);
    await settle(lab);
    expect(await readAll(channel)).toEqual(["", "EBUSY"]);
    expect((await lab.failure(channel.read())).code).toBe("EBUSY");
    expect(() => channel.readableStream).toThrow("EBUSY");
    peer.send("all");
    await settle(lab);
    // Between two chunks it is still the first one's.
    expect(await readAll(channel)).toEqual(["", "EBUSY"]);
    peer.close();
    expect(await lab.value(reading)).toEqual(["all", "end"]);
  });

  test("two next() at once are two consumers", async () => {
    const { lab, channel, peer } = ends();
    const iterator = channel.chunks();
    const first = iterator.next();
    expect((await lab.failure(iterator.next())).code).toBe("EBUSY");
    peer.send("x");
    expect((await lab.value(first)).value?.toString()).toBe("x");
  });
});

describe("StreamChannel.chunks()", () => {
  test("with preventClose leaves the channel as it is, and nothing is lost between two loops", async () => {
    const { lab, channel, peer } = ends({ faults: { pieceBytes: 4 } });
    peer.send("head");
    peer.send("body");
    await settle(lab);
    for await (const chunk of channel.chunks({ preventClose: true })) {
      expect(chunk.toString()).toBe("head");
      break;
    }
    expect(channel.connected).toBe(true);
    peer.close();
    expect(await lab.value(readAll(channel))).toEqual(["body", "end"]);
  });

  test("with preventClose leaves it to the program to answer after the peer's FIN", async () => {
    const { lab, channel, peer } = ends();
    peer.send("question");
    linkOf(peer.socket as Socket).end(peer.socket as Socket);
    const answer = async (): Promise<void> => {
      let length = 0;
      for await (const chunk of channel.chunks({ preventClose: true })) length += chunk.length;
      await channel.write(`${length} bytes`);
      await channel.end();
    };
    await lab.value(answer());
    await settle(lab);
    expect([peer.received, peer.events]).toEqual(["8 bytes", ["end"]]);
    expect(await lab.value(channel.closed)).toEqual({ unsentBytes: 0 });
  });
});

describe("StreamChannel.read()", () => {
  test("rejects with whatever ended the connection, waiting or later", async () => {
    for (const waits of [true, false]) {
      const { lab, channel, socket } = ends();
      const reading = waits ? lab.outcome(channel.read()) : undefined;
      await turns(2);
      (socket as MemorySocket).linkClosed(new OSError("ETIMEDOUT", { syscall: "recv" }));
      await turns(4);
      expect([waits, socket.state]).toEqual([waits, "closed"]);
      if (reading !== undefined) expect(((await reading).error as OSError).code).toBe("ETIMEDOUT");
      expect((await lab.failure(channel.read())).code).toBe("ETIMEDOUT");
    }
  });

  test("takes nothing for a handleRead() that nobody asked for", async () => {
    const { lab, channel, peer } = ends();
    peer.send("x");
    await settle(lab);
    void channel.handleRead();
    expect(channel.socket?.bytesRead).toBe(0);
    expect(String(await lab.value(channel.read()))).toBe("x");
  });

  test("gives one chunk at a time, then null", async () => {
    const { lab, channel, peer } = ends({ faults: { pieceBytes: 3 } });
    peer.send("abcdef");
    peer.close();
    const read = async (): Promise<string | undefined> => (await lab.value(channel.read()))?.toString();
    expect([await read(), await read(), await read(), await read()]).toEqual([
      "abc",
      "def",
      undefined,
      undefined,
    ]);
  });

  test("two at once are refused", async () => {
    const { lab, channel, peer } = ends();
    const first = channel.read();
    expect((await lab.failure(channel.read())).code).toBe("EBUSY");
    peer.send("x");
    expect((await lab.value(first))?.toString()).toBe("x");
  });

  test("waits for a connection that is under way, and rejects when that fails", async () => {
    const network = new MemoryNetwork();
    const lab = new Lab();
    const listening = lab.listen("10.0.0.1");
    const opening = new StreamChannel((lab.options.createSocket as (o: object) => Socket)({}), lab.map);
    opening.connect(["10.0.0.1", 80]);
    const read = watch(opening.read());
    const write = watch(opening.write("early"));
    await settle(lab);
    expect([listening.accepted[0]?.received, write.state, read.state]).toEqual(["early", "done", "pending"]);

    const failing = new StreamChannel(network.createSocket(AF_INET), lab.map);
    failing.connect(["10.0.0.2", 80]);
    const failures = [watch(failing.read()), watch(failing.write("x")), watch(failing.end())];
    await network.clock.advance(1);
    await turns(4);
    expect(failures.map(({ state }) => state)).toEqual(["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"]);
    expect((await lab.failure(failing.read())).code).toBe("ECONNREFUSED");
  });
});

describe("StreamChannel.write()", () => {
  test("resolves at once below the high water mark, else when the queue has fallen to the low one", async () => {
    const { lab, channel, socket, far } = ends({ capacityBytes: 1000 });
    linkOf(far).stall(far);
    socket.limits = streamLimits({ highWaterBytes: 1000, lowWaterBytes: 100 });
    expect(watch(channel.write(Buffer.alloc(1000)))).toEqual({ state: "pending" });
    await settle(lab);
    // The kernels have the first thousand.
    const second = watch(channel.write(Buffer.alloc(999)));
    await settle(lab);
    expect([second.state, socket.bufferedAmount]).toEqual(["done", 999]);
    const third = watch(channel.write(Buffer.alloc(1)));
    await settle(lab);
    expect([third.state, socket.bufferedAmount]).toEqual(["pending", 1000]);
    let least = Infinity;
    void (async () => {
      while (third.state === "pending") {
        least = Math.min(least, socket.bufferedAmount);
        await turns(1);
      }
    })();
    linkOf(far).setFaults(socket, { writeBytes: 50 });
    linkOf(far).unstall(far);
    await settle(lab);
    expect(third.state).toBe("done");
    expect(least).toBeLessThanOrEqual(1000);
    expect(socket.bufferedAmount).toBeLessThanOrEqual(100);
  });

  test("keeps the order of many that nobody awaits", async () => {
    const { lab, channel, peer } = ends({ capacityBytes: 100 });
    let expected = "";
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 500; i++) {
      expected += `${i} `;
      writes.push(channel.write(`${i} `));
    }
    await lab.value(Promise.all(writes));
    await lab.value(channel.end());
    await settle(lab);
    expect(peer.received).toBe(expected);
  });

  test("sends more than 1 MiB piece by piece, so that the queue stays small, and what follows after it", async () => {
    const { lab, channel, peer, socket } = ends();
    let most = 0;
    const send = socket.send.bind(socket);
    socket.send = (data) => {
      const sent = send(data);
      most = Math.max(most, socket.bufferedAmount);
      return sent;
    };
    const text = Array.from({ length: 400_000 }, (_, i) => `${i} `).join("");
    expect(text.length).toBeGreaterThan(2.5 * MIB);
    const writes = [
      channel.write(text),
      channel.write("tail"),
      channel.write(Buffer.from(text)),
      channel.end(),
    ];
    expect((await lab.failure(channel.write("too late"))).code).toBe("EPIPE");
    await lab.value(Promise.all(writes));
    await settle(lab);
    expect(peer.received === `${text}tail${text}`).toBe(true);
    expect(peer.events).toEqual(["end"]);
    expect(most).toBeLessThanOrEqual(MIB + 64 * KIB);
    expect(most).toBeGreaterThan(512 * KIB);
  });

  test("after one that went piece by piece sends at once again, and counts anew", async () => {
    const { lab, channel, socket } = ends();
    socket.limits = streamLimits({ maxBufferedBytes: 4 * MIB });
    for (let i = 0; i < 3; i++) await lab.value(channel.write(Buffer.alloc(3 * MIB)));
    const before = socket.bytesSent;
    void channel.write("now");
    expect(socket.bytesSent).toBe(before + 3);
    await lab.value(Promise.all([channel.write(Buffer.alloc(3 * MIB)), channel.write("behind")]));
  });

  test("rejects with ENOBUFS when writes that nobody awaits pass the cap: the connection is reset", async () => {
    const { lab, channel, peer, socket } = ends();
    socket.limits = streamLimits({ maxBufferedBytes: 256 * KIB });
    linkOf(peer.socket as Socket).stall(peer.socket as Socket);
    const reading = watch(channel.read());
    const writes = Array.from({ length: 40 }, () => watch(channel.write(Buffer.alloc(16 * KIB))));
    await turns(4);
    expect(new Set(writes.map(({ state }) => state))).toEqual(new Set(["done", "ENOBUFS"]));
    expect(reading.state).toBe("ENOBUFS");
    linkOf(peer.socket as Socket).unstall(peer.socket as Socket);
    await settle(lab);
    expect(peer.events).toEqual(["ECONNRESET"]);
    expect((await lab.failure(channel.write("x"))).code).toBe("ENOBUFS");
  });

  test("rejects with ENOBUFS when too much waits behind one that goes piece by piece", async () => {
    const { lab, channel, peer, socket } = ends();
    socket.limits = streamLimits({ maxBufferedBytes: 4 * MIB });
    linkOf(peer.socket as Socket).stall(peer.socket as Socket);
    const large = watch(channel.write(Buffer.alloc(3 * MIB)));
    const small = Array.from({ length: 17 }, () => watch(channel.write(Buffer.alloc(64 * KIB))));
    await settle(lab);
    expect(small.slice(-1)[0]?.state).toBe("ENOBUFS");
    expect(large.state).toBe("ENOBUFS");
    expect(socket.state).toBe("closed");
  });

  test("rejects with the loss, waiting or later, and the reader gets what came before it", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 64 * KIB });
    peer.send("last words");
    await settle(lab);
    linkOf(far).stall(far);
    const writes = [watch(channel.write(Buffer.alloc(256 * KIB))), watch(channel.write("more"))];
    await settle(lab);
    expect(writes.map(({ state }) => state)).toEqual(["pending", "pending"]);
    peer.abort();
    await settle(lab);
    expect(writes.map(({ state }) => state)).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect((await lab.failure(channel.write("x"))).code).toBe("ECONNRESET");
    expect((await lab.failure(channel.end())).code).toBe("ECONNRESET");
    expect(await lab.value(readAll(channel))).toEqual(["last words", "ECONNRESET"]);
  });

  test("rejects with ECONNABORTED when the channel is closed here, waiting or later", async () => {
    for (const how of ["close", "abort"] as const) {
      const { lab, channel } = ends();
      const write = watch(channel.write(Buffer.alloc(256 * KIB)));
      await turns(1);
      channel[how]();
      await turns(2);
      expect([how, write.state]).toEqual([how, "ECONNABORTED"]);
      expect((await lab.failure(channel.write("x"))).code).toBe("ECONNABORTED");
      expect((await lab.failure(channel.end())).code).toBe("ECONNABORTED");
    }
  });

  test("rejects what is neither text nor bytes, no socket, no connection, and after end()", async () => {
    const { lab, channel } = ends();
    const wrong = [1, null, {}, undefined] as unknown as string[];
    for (const data of wrong)
      expect((await lab.failure(channel.write(data))).code).toBe("ERR_INVALID_ARG_TYPE");
    await lab.value(channel.end());
    expect((await lab.failure(channel.write("x"))).code).toBe("EPIPE");
    const none = new StreamChannel(undefined, lab.map);
    expect((await lab.failure(none.write("x"))).code).toBe("ENOTCONN");
    expect((await lab.failure(none.end())).code).toBe("ENOTCONN");
    const idle = new StreamChannel((lab.options.createSocket as (o: object) => Socket)({}), lab.map);
    expect((await lab.failure(idle.write("x"))).code).toBe("ENOTCONN");
  });
});

describe("StreamChannel.end()", () => {
  test("resolves when the FIN is out, and not before", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 4 * KIB });
    linkOf(far).stall(far);
    channel.send(Buffer.alloc(8 * KIB, "x"));
    const end = watch(channel.end());
    expect(channel.end()).toBe(channel.end());
    await lab.clock.advance(10_000);
    expect([end.state, peer.events]).toEqual(["pending", []]);
    linkOf(far).unstall(far);
    await settle(lab);
    expect([end.state, peer.received.length, peer.events]).toEqual(["done", 8 * KIB, ["end"]]);
  });

  test("leaves the reading as it is; FIN both ways closes", async () => {
    const { lab, channel, far } = ends();
    const answering = new StreamChannel(far, lab.map);
    await lab.value(channel.end());
    await settle(lab);
    expect(await lab.value(answering.read())).toBeNull();
    await lab.value(answering.write("answer"));
    await lab.value(answering.end());
    expect(String(await lab.value(channel.read()))).toBe("answer");
    expect(await lab.value(channel.read())).toBeNull();
    await lab.value(Promise.all([channel.closed, answering.closed]));
    expect([channel.socket?.state, answering.socket?.state]).toEqual(["closed", "closed"]);
  });

  test("before the connection stands follows what was written then", async () => {
    const lab = new Lab();
    const listening = lab.listen("10.0.0.1");
    const channel = new StreamChannel((lab.options.createSocket as (o: object) => Socket)({}), lab.map);
    channel.connect(["10.0.0.1", 80]);
    void channel.write("early");
    const end = watch(channel.end());
    await settle(lab);
    expect(end.state).toBe("done");
    expect([listening.accepted[0]?.received, listening.accepted[0]?.events]).toEqual(["early", ["end"]]);
  });

  test("resolves when close() comes first and everything got out, rejects when it did not", async () => {
    const { lab, channel, far } = ends({ capacityBytes: 4 * KIB });
    linkOf(far).stall(far);
    channel.send(Buffer.alloc(8 * KIB));
    const end = watch(channel.end());
    channel.close();
    await settle(lab);
    expect(end.state).toBe("pending");
    linkOf(far).unstall(far);
    await lab.value(channel.closed);
    await turns(1);
    expect(end.state).toBe("done");

    const cut = ends({ capacityBytes: 4 * KIB });
    linkOf(cut.far).stall(cut.far);
    cut.channel.send(Buffer.alloc(8 * KIB));
    const never = watch(cut.channel.end());
    cut.channel.close();
    await cut.lab.clock.advance(60_000);
    await turns(2);
    expect(never.state).toBe("ECONNABORTED");
  });

  test("rejects with ECONNABORTED when abort() comes first, with the loss when that does", async () => {
    const { lab, channel, far } = ends({ capacityBytes: 4 * KIB });
    linkOf(far).stall(far);
    channel.send(Buffer.alloc(8 * KIB));
    const end = watch(channel.end());
    await turns(1);
    channel.abort();
    await turns(1);
    expect(end.state).toBe("ECONNABORTED");

    const lost = ends({ capacityBytes: 4 * KIB });
    linkOf(lost.far).stall(lost.far);
    lost.channel.send(Buffer.alloc(8 * KIB));
    const other = watch(lost.channel.end());
    await settle(lost.lab);
    lost.peer.abort();
    await settle(lost.lab);
    expect(other.state).toBe("ECONNRESET");
    void lab;
  });

  test("writes and sends FIN at once where nothing is queued, and asks nothing meanwhile where something is", async () => {
    const { channel, socket } = ends();
    channel.send("x");
    void channel.end();
    expect(socket.bufferedAmount).toBe(0);
    expect(() => socket.send("y")).toThrow("EPIPE");

    class Counting extends StreamChannel {
      asked = 0;
      override handleWrite(): void {
        this.asked++;
        void super.handleWrite();
      }
    }
    const lab = new Lab();
    const [near, far] = lab.pair({ capacityBytes: 4 * KIB });
    linkOf(far).stall(far);
    const waiting = new Counting(near, lab.map);
    const other = new Peer(far, lab.map);
    waiting.send(Buffer.alloc(8 * KIB));
    const end = watch(waiting.end());
    await advance(lab, 10_000);
    expect([end.state, waiting.asked]).toEqual(["pending", 0]);
    linkOf(far).unstall(far);
    await settle(lab);
    expect([end.state, other.received.length]).toEqual(["done", 8 * KIB]);
  });

  test("rejects when a write has met a reset, before that is told", async () => {
    const { lab, channel, peer } = ends();
    peer.abort();
    channel.send("meets it");
    channel.socket?.flush();
    expect((await lab.failure(channel.end())).code).toBe("ECONNRESET");
  });

  test("rejects when the rest of the queue meets a reset", async () => {
    const lab = new Lab();
    const socket = MemorySocket.open(lab.network, AF_INET, ["127.0.0.1", 1], ["127.0.0.1", 2]);
    let taken = 0;
    const nothing = (): void => {};
    socket.wire = {
      write: () => taken,
      shutdown: nothing,
      pause: nothing,
      resume: nothing,
      close: nothing,
      terminate: nothing,
    };
    const channel = new StreamChannel(socket, lab.map);
    channel.send("never");
    const end = watch(channel.end());
    await turns(4);
    taken = -1;
    socket.linkDrained();
    await turns(4);
    expect([end.state, socket.bufferedAmount]).toEqual(["ECONNRESET", 0]);
  });

  test("is not taken in by a reset that a write met first, which empties the queue", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 4 * KIB });
    linkOf(far).stall(far);
    channel.send(Buffer.alloc(8 * KIB));
    const end = watch(channel.end());
    await turns(1);
    peer.abort();
    channel.send("meets the reset");
    channel.socket?.flush();
    await settle(lab);
    expect(end.state).toBe("ECONNRESET");
  });
});

describe("StreamChannel.readableStream", () => {
  test("is a byte stream of the chunks, without a copy where a chunk has its memory to itself", async () => {
    const { lab, channel, peer } = ends();
    const given: ArrayBufferLike[] = [];
    const recv = channel.recv.bind(channel);
    channel.recv = (...args) => {
      const chunk = recv(...args);
      // A socket's chunk of Bun's is like this.
      const own = Buffer.from(new Uint8Array(chunk).buffer);
      if (own.length > 0) given.push(own.buffer);
      return own;
    };
    peer.send("hello");
    peer.close();
    const stream = channel.readableStream;
    expect(channel.readableStream).toBe(stream);
    await settle(lab);
    expect(given).toEqual([]);
    const reader = stream.getReader();
    const first = await lab.value(reader.read());
    expect(Buffer.from(first.value as Uint8Array).toString()).toBe("hello");
    // Taken over, not copied.
    expect((given[0] as ArrayBuffer).detached).toBe(true);
    expect(await lab.value(reader.read())).toEqual({ done: true, value: undefined });
  });

  test("does not take the memory of a chunk that shares it", async () => {
    const { lab, channel, peer } = ends();
    const shared = Buffer.from("left|right");
    let calls = 0;
    channel.recv = () => [shared.subarray(0, 5), shared.subarray(5)][calls++] ?? Buffer.alloc(0);
    peer.send("anything");
    await settle(lab);
    const reader = channel.readableStream.getReader();
    const first = await lab.value(reader.read());
    expect(Buffer.from(first.value as Uint8Array).toString()).toBe("left|");
    expect(shared.toString()).toBe("left|right");
  });

  test("fills memory that is brought along, and gives it back at the end", async () => {
    const { lab, channel, peer } = ends();
    peer.send("hello");
    peer.close();
    await settle(lab);
    const reader = channel.readableStream.getReader({ mode: "byob" });
    const first = await lab.value(reader.read(new Uint8Array(3)));
    const second = await lab.value(reader.read(new Uint8Array(10)));
    const third = await lab.value(reader.read(new Uint8Array(10)));
    const text = [first, second].map(({ value }) => Buffer.from(value as Uint8Array).toString());
    expect([text, third.done, third.value?.length]).toEqual([["hel", "lo"], true, 0]);
  });

  test("asks for nothing while nobody reads from it: the peer waits", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 4 * KIB });
    void channel.readableStream;
    peer.send(Buffer.alloc(MIB));
    await lab.clock.advance(1000);
    expect(channel.socket?.bytesRead).toBe(0);
    expect(far.bufferedAmount).toBeGreaterThan(MIB - 32 * KIB);
  });

  test("fails with the loss, after what came before it", async () => {
    const { lab, channel, peer } = ends();
    peer.send("before");
    await settle(lab);
    peer.abort();
    await settle(lab);
    const reader = channel.readableStream.getReader();
    expect(Buffer.from((await lab.value(reader.read())).value as Uint8Array).toString()).toBe("before");
    expect((await lab.failure(reader.read())).code).toBe("ECONNRESET");
  });

  test("cancelled closes the channel, and leaves it to nobody else", async () => {
    const { lab, channel, peer } = ends();
    channel.send("bye");
    const stream = channel.readableStream;
    expect(await readAll(channel)).toEqual(["", "EBUSY"]);
    await lab.value(stream.cancel());
    expect(channel.closing).toBe(true);
    await settle(lab);
    expect([peer.received, peer.events]).toEqual(["bye", ["end"]]);
  });
});

describe("StreamChannel.writableStream", () => {
  test("is ready as the water marks have it", async () => {
    const { lab, channel, socket, far } = ends({ capacityBytes: 1000 });
    socket.limits = streamLimits({ highWaterBytes: 1000, lowWaterBytes: 0 });
    linkOf(far).stall(far);
    expect(channel.writableStream).toBe(channel.writableStream);
    const writer = channel.writableStream.getWriter();
    await lab.value(writer.ready);
    await lab.value(writer.write(Buffer.alloc(900)));
    await lab.value(writer.ready);
    const write = watch(writer.write(Buffer.alloc(1100)));
    const ready = watch(writer.ready);
    await settle(lab);
    expect([write.state, ready.state, socket.bufferedAmount]).toEqual(["pending", "pending", 1000]);
    linkOf(far).unstall(far);
    await settle(lab);
    expect([write.state, ready.state, socket.bufferedAmount]).toEqual(["done", "done", 0]);
  });

  test("closed sends FIN after everything, and resolves when it is out", async () => {
    const { lab, channel, peer, far } = ends({ capacityBytes: 1000 });
    linkOf(far).stall(far);
    const writer = channel.writableStream.getWriter();
    void writer.write("x".repeat(5000));
    const close = watch(writer.close());
    await settle(lab);
    expect(close.state).toBe("pending");
    linkOf(far).unstall(far);
    await settle(lab);
    expect([close.state, peer.received.length, peer.events]).toEqual(["done", 5000, ["end"]]);
  });

  test("aborted resets the connection", async () => {
    const { lab, channel, peer } = ends();
    await lab.value(channel.writableStream.abort(new Error("no more")));
    await settle(lab);
    expect(peer.events).toEqual(["ECONNRESET"]);
    expect(channel.socket?.state).toBe("closed");
  });

  test("fails with the loss, also while nobody writes", async () => {
    const { lab, channel, peer } = ends();
    const writer = channel.writableStream.getWriter();
    const closed = watch(writer.closed);
    const ready = watch(writer.ready);
    await settle(lab);
    expect([closed.state, ready.state]).toEqual(["pending", "done"]);
    peer.abort();
    await settle(lab);
    expect(closed.state).toBe("ECONNRESET");
    expect((await lab.failure(writer.write("x"))).code).toBe("ECONNRESET");
  });

  test("refuses what is neither text nor bytes", async () => {
    const { lab, channel } = ends();
    const writer = channel.writableStream.getWriter();
    writer.closed.catch(() => {
      // It fails with the write.
    });
    expect((await lab.failure(writer.write(1 as unknown as string))).code).toBe("ERR_INVALID_ARG_TYPE");
  });

  test("pipes from a readable view of another channel: 8 MiB arrive", async () => {
    const one = ends();
    const [near, far] = one.lab.pair();
    const other = new StreamChannel(near, one.lab.map);
    const sink = new StreamChannel(far, one.lab.map);
    const data = Buffer.alloc(8 * MIB, "0123456789abcdef");
    one.peer.send(data);
    one.peer.close();
    const piping = one.channel.readableStream.pipeTo(other.writableStream);
    const chunks: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of sink) chunks.push(chunk);
    })();
    await one.lab.value(Promise.all([piping, reading]));
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });
});

describe("StreamChannel in poll mode, while a pass waits that has asked before", () => {
  async function polled(body: (ends: Ends) => Promise<void>): Promise<void> {
    const map = new ChannelMap();
    const made = ends({ capacityBytes: 4 * KIB });
    made.channel.delChannel();
    await poll(0, map);
    made.channel.addChannel(map);
    const stop = new AbortController();
    const looping = loop({ map, timeout: 60, signal: stop.signal });
    await settle(made.lab);
    try {
      await body(made);
    } finally {
      stop.abort();
      closeAll(map);
      await looping;
    }
  }

  test("read() gets its chunk", () =>
    polled(async ({ lab, channel, peer }) => {
      const read = channel.read();
      await settle(lab);
      peer.send("x");
      expect(String(await lab.value(read))).toBe("x");
    }));

  test("write() is told of room, and of a loss", () =>
    polled(async ({ lab, channel, peer, far }) => {
      linkOf(far).stall(far);
      const first = watch(channel.write(Buffer.alloc(256 * KIB)));
      await settle(lab);
      expect(first.state).toBe("pending");
      linkOf(far).unstall(far);
      await settle(lab);
      expect(first.state).toBe("done");
      linkOf(far).stall(far);
      const second = watch(channel.write(Buffer.alloc(256 * KIB)));
      await turns(10);
      peer.abort();
      await settle(lab);
      expect(second.state).toBe("ECONNRESET");
    }));

  test("end() is told when the queue is empty", () =>
    polled(async ({ lab, channel, peer, far }) => {
      linkOf(far).stall(far);
      channel.send(Buffer.alloc(8 * KIB));
      await settle(lab);
      const end = watch(channel.end());
      await settle(lab);
      expect(end.state).toBe("pending");
      linkOf(far).unstall(far);
      await settle(lab);
      expect([end.state, peer.received.length]).toEqual(["done", 8 * KIB]);
    }));
});

describe("StreamChannel", () => {
  test("[Symbol.asyncDispose]() closes and waits for the release", async () => {
    const { lab, channel, peer } = ends();
    const use = async (): Promise<void> => {
      await using mine = channel;
      await mine.write("hello");
    };
    await lab.value(use());
    expect(channel.socket?.state).toBe("closed");
    expect([peer.received, peer.events]).toEqual(["hello", ["end"]]);
  });

  test("tells the error of a hook to whoever awaits, and closes", async () => {
    class Broken extends StreamChannel {
      override handleExpt(): void {}
      override handleConnect(): void {
        throw new Error("not today");
      }
    }
    const lab = new Lab();
    lab.listen("10.0.0.1");
    const channel = new Broken((lab.options.createSocket as (o: object) => Socket)({}), lab.map);
    channel.connect(["10.0.0.1", 80]);
    expect((await lab.failure(channel.read())).message).toBe("not today");
    expect(channel.connected).toBe(false);
  });

  test("begins anew with another socket", async () => {
    const { lab, channel, peer } = ends();
    const reading = readAll(channel);
    peer.send("one");
    await settle(lab);
    const [near, far] = lab.pair();
    channel.setSocket(near);
    expect(await lab.value(reading)).toEqual(["one", "ECONNABORTED"]);
    const next = new StreamChannel(far, lab.map);
    await lab.value(next.write("two"));
    await lab.value(next.end());
    expect((await lab.value(channel.read()))?.toString()).toBe("two");
    expect(await lab.value(channel.read())).toBeNull();
    await lab.value(channel.write("three"));
    await lab.value(channel.end());
    expect(await lab.value(readAll(next))).toEqual(["three", "end"]);
  });

  test("leaves no timer and no channel behind", async () => {
    const { lab, channel, peer } = ends();
    await lab.value(channel.write("x"));
    await lab.value(channel[Symbol.asyncDispose]());
    peer.close();
    await settle(lab);
    expect([lab.clock.pending, lab.map.size]).toEqual([0, 0]);
  });
});
