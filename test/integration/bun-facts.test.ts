// What this library relies on that Bun does not document, so that a new Bun that does it differently is noticed
// here and not in the field. That end() loses data is pinned by `raw-loses.test.ts`.
import { describe, expect, test } from "bun:test";

import { AF_INET } from "asyncore";

import { type Libc, libc } from "../../src/socket/libc.ts";
import { handlers, RawPeer, type RawSocket } from "./support/raw.ts";
import { until } from "../support/until.ts";

const c = libc() as Libc;
const needsLibc = test.skipIf(libc() === undefined);
const reason = libc() === undefined ? " (SKIPPED: needs the C library)" : "";

type Events = string[];
type ByFd = (options: object) => Promise<unknown>;
type ListenByFd = (options: object) => { stop(): void; readonly fd: number };

const logged: Bun.SocketHandler<Events> = {
  open: (wire) => void wire.data.push("open"),
  data: (wire, chunk) => void wire.data.push(`data ${chunk.length}`),
  drain: (wire) => void wire.data.push("drain"),
  end: (wire) => void wire.data.push("end"),
  close: (wire, error) => {
    const code = (error as { code?: string } | undefined)?.code;
    wire.data.push(code === undefined ? "close" : `close ${code}`);
  },
  error: (_wire, error) => {
    throw error;
  },
  connectError: (wire, error) =>
    void wire.data.push(`connectError ${String((error as { code?: string }).code)}`),
};

/** A socket(2) whose connect to a port is under way. */
function connecting(port: number): number {
  const fd = c.socket(AF_INET, 1);
  const target = { kind: "inet", host: "127.0.0.1", port, literal: true } as const;
  expect(c.connect(fd, c.sockaddr(AF_INET, target))).toBeUndefined();
  return fd;
}

const listening = (socket: Bun.SocketHandler<Events>, data: Events): Bun.TCPSocketListener<Events> =>
  Bun.listen<Events>({ hostname: "127.0.0.1", port: 0, allowHalfOpen: true, data, socket });

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe("Bun.connect({fd})", () => {
  needsLibc(
    `Bun.connect() of a connecting descriptor tells open, then drain when it stands${reason}`,
    async () => {
      using server = listening(logged, []);
      const events: Events = [];
      const fd = connecting(server.port);
      await (Bun.connect as unknown as ByFd)({ fd, data: events, socket: logged, allowHalfOpen: true });
      await until(() => events.length >= 2, "the outcome");
      expect(events).toEqual(["open", "drain"]);
    },
  );

  needsLibc(
    `Bun.connect() of a connecting descriptor tells open, then close with the error when it fails${reason}`,
    async () => {
      const server = listening(logged, []);
      const { port } = server;
      server.stop();
      const events: Events = [];
      const fd = connecting(port);
      await (Bun.connect as unknown as ByFd)({ fd, data: events, socket: logged, allowHalfOpen: true });
      await until(() => events.length >= 2, "the outcome");
      expect(events).toEqual(["open", "close ECONNREFUSED"]);
    },
  );
});

/** A listening socket(2) on a free port that nobody accepts from. */
function kernelListener(backlog: number): { fd: number; port: number } {
  const fd = c.socket(AF_INET, 1);
  const any = { kind: "inet", host: "127.0.0.1", port: 0, literal: true } as const;
  c.bind(fd, c.sockaddr(AF_INET, any), ["127.0.0.1", 0]);
  c.listen(fd, backlog);
  const [, port] = c.getsockname(fd) as [string, number];
  return { fd, port };
}

describe("Bun.connect({fd}) while the outcome is open", () => {
  needsLibc(
    `Bun.connect() of a descriptor tells no drain before the connection stands${reason}`,
    async () => {
      const { fd: listener, port } = kernelListener(1);
      // A queue of one takes two; who comes then gets no answer.
      const waiting = [connecting(port), connecting(port)];
      const events: Events = [];
      const adopt = { fd: connecting(port), data: events, socket: logged, allowHalfOpen: true };
      await (Bun.connect as unknown as ByFd)(adopt);
      await until(() => events.length > 0, "open");
      for (let i = 0; i < 50; i++) await turn();
      expect(events).toEqual(["open"]);
      const accepted: Events = [];
      const listen = Bun.listen as unknown as ListenByFd;
      const server = listen({ fd: c.duplicate(listener), data: accepted, socket: logged });
      // The kernel asks again after a second.
      await until(() => events.length > 1, "the outcome");
      expect(events).toEqual(["open", "drain"]);
      server.stop();
      for (const fd of [listener, ...waiting]) c.close(fd);
    },
  );
});

describe("Bun.listen({fd})", () => {
  needsLibc(
    `Listener.stop() on a duplicate leaves connections and their bytes waiting in the kernel${reason}`,
    async () => {
      const { fd, port } = kernelListener(16);
      const accepted: Events = [];
      const listen = Bun.listen as unknown as ListenByFd;
      const options = { data: accepted, socket: logged, allowHalfOpen: true };
      listen({ fd: c.duplicate(fd), ...options }).stop();

      const peers = await Promise.all([1, 2, 3].map(() => RawPeer.connect(["127.0.0.1", port])));
      for (const peer of peers) peer.send("waits");
      for (let i = 0; i < 5; i++) await turn();
      expect(accepted).toEqual([]);
      expect(peers.map((peer) => peer.events)).toEqual([["open"], ["open"], ["open"]]);

      const again = listen({ fd: c.duplicate(fd), ...options });
      await until(() => accepted.filter((event) => event === "data 5").length === 3, "the connections");
      again.stop();
      c.close(fd);
      for (const peer of peers) peer[Symbol.dispose]();
    },
  );

  test("Listener.data is what every accepted socket begins with", async () => {
    const shared: Events = [];
    const seen: boolean[] = [];
    using server = listening({ ...logged, open: (wire) => void seen.push(wire.data === shared) }, shared);
    using one = await RawPeer.connect(["127.0.0.1", server.port]);
    using two = await RawPeer.connect(["127.0.0.1", server.port]);
    await until(() => seen.length === 2, "both");
    expect(one.events.concat(two.events)).toEqual(["open", "open"]);
    expect(seen).toEqual([true, true]);
  });
});

describe("drain, pause and FIN", () => {
  test("Socket.pause() brings a drain that nothing asked for, which does no harm", async () => {
    const events: Events = [];
    let accepted: Bun.Socket<Events> | undefined;
    const open = (wire: Bun.Socket<Events>): void => {
      accepted = wire;
      wire.pause();
    };
    using server = listening({ ...logged, open }, events);
    using peer = await RawPeer.connect(["127.0.0.1", server.port]);
    await until(() => events.includes("drain"), "the drain");
    expect(accepted?.write("works")).toBe(5);
    accepted?.resume();
    peer.send("both ways");
    await until(() => peer.received === "works" && events.includes("data 9"), "the bytes");
    expect(events.filter((event) => event !== "drain")).toEqual(["data 9"]);
  });

  test("Socket.pause() hides the peer's FIN until resume()", async () => {
    const events: Events = [];
    let accepted: Bun.Socket<Events> | undefined;
    const open = (wire: Bun.Socket<Events>): void => {
      accepted = wire;
      wire.pause();
    };
    using server = listening({ ...logged, open }, events);
    using peer = await RawPeer.connect(["127.0.0.1", server.port], { halfCloses: true });
    await until(() => accepted !== undefined, "the connection");
    for (let i = 0; i < 10; i++) await turn();
    expect(events.filter((event) => event !== "drain")).toEqual([]);
    accepted?.resume();
    await until(() => events.includes("end"), "the FIN");
    expect(peer.ended).toBe(false);
    accepted?.terminate();
  });

  test("Socket.shutdown() makes the peer's FIN a close without an end before it", async () => {
    const events: Events = [];
    using server = listening({ ...logged, open: (wire) => wire.shutdown() }, events);
    using peer = await RawPeer.connect(["127.0.0.1", server.port], { answersFin: true });
    await until(() => events.includes("close"), "the close");
    expect(events.filter((event) => event !== "drain")).toEqual(["close"]);
    expect(peer.events[1]).toBe("fin");
  });

  test("Socket.end() is a close(2): the peer's bytes that were not read become a reset", async () => {
    let accepted: RawSocket | undefined;
    using server = Bun.listen<RawPeer>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      data: new RawPeer(),
      socket: {
        ...handlers,
        open: (wire) => {
          accepted = wire;
          wire.pause();
        },
      },
    });
    using peer = await RawPeer.connect(["127.0.0.1", server.port]);
    await until(() => accepted !== undefined, "the connection");
    peer.send("unread");
    await until(() => peer.wire?.bytesWritten === 6, "the bytes");
    accepted?.end();
    await until(() => peer.closed, "the reset");
    expect(peer.events).toEqual(["open", "closed ECONNRESET"]);
  });
});

describe("turns", () => {
  test("setImmediate() runs after the batch of socket callbacks, microtasks after each of them", async () => {
    const order: string[] = [];
    const data = (): void => {
      order.push("data");
      queueMicrotask(() => order.push("microtask"));
      if (order.length === 1) setImmediate(() => order.push("immediate"));
    };
    using server = listening({ ...logged, data }, []);
    const peers: RawPeer[] = [];
    for (let i = 0; i < 20; i++) peers.push(await RawPeer.connect(["127.0.0.1", server.port]));
    for (const peer of peers) peer.send("x");
    await until(() => order.length === 41, "all");
    expect(order).toEqual([...Array.from({ length: 20 }, () => ["data", "microtask"]).flat(), "immediate"]);
    for (const peer of peers) peer[Symbol.dispose]();
  });

  test("data brings a buffer of its own each time", async () => {
    const chunks: Buffer[] = [];
    using server = listening({ ...logged, data: (_wire, chunk) => void chunks.push(chunk) }, []);
    using peer = await RawPeer.connect(["127.0.0.1", server.port]);
    peer.send("one");
    await until(() => chunks.length === 1, "the first");
    peer.send("two");
    await until(() => chunks.length === 2, "the second");
    expect(chunks.map(String)).toEqual(["one", "two"]);
    expect(chunks[0]?.buffer === chunks[1]?.buffer).toBe(false);
    expect(chunks.map((chunk) => [chunk.byteOffset, chunk.buffer.byteLength])).toEqual([
      [0, 3],
      [0, 3],
    ]);
  });

  test("Socket.write() has copied the bytes when it returns", async () => {
    using server = listening(
      {
        ...logged,
        open: (wire) => {
          const bytes = Buffer.from("before");
          wire.write(bytes, 0, 6);
          bytes.fill("x");
          wire.shutdown();
        },
      },
      [],
    );
    using peer = await RawPeer.connect(["127.0.0.1", server.port]);
    await until(() => peer.ended, "the end");
    expect(peer.received).toBe("before");
  });

  test("Socket.terminate() and end() call close before they return", async () => {
    const events: Events = [];
    let accepted = 0;
    const open = (wire: Bun.Socket<Events>): void => {
      events.push("before");
      if (accepted++ === 0) wire.terminate();
      else wire.end();
      events.push("after");
    };
    using server = listening({ ...logged, open }, events);
    using one = await RawPeer.connect(["127.0.0.1", server.port]);
    using two = await RawPeer.connect(["127.0.0.1", server.port]);
    await until(() => one.ended && two.ended, "both ends");
    expect(events).toEqual(["before", "close", "after", "before", "close", "after"]);
  });
});
