/** serve(): one call to a running server, over real sockets. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";

import { afterEach, describe, expect, test } from "bun:test";

import { type Address, AsyncChat, ChannelMap, Dispatcher, type OSError, type Socket } from "asyncore";
import { encodeProxyHeader, serve, type ServeOptions, type Server } from "asyncore/server";

import { ca, other, server as identity } from "../support/certificates.ts";
import { turns, until } from "../support/until.ts";

const running: { drain(deadlineMs: number): Promise<unknown> }[] = [];
const peers: net.Socket[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(running.splice(0).map((server) => server.drain(0)));
});

/** Answers with what it is sent. */
class Echo extends Dispatcher {
  lost: OSError | undefined;
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(lost?: OSError): void {
    this.lost = lost;
    this.close();
  }
}

function start<Channel extends Dispatcher>(
  options: ServeOptions,
  handler: new (socket: Socket, map?: ChannelMap) => Channel,
): Server<Channel> {
  const server = serve({ map: new ChannelMap(), ...options }, handler);
  running.push(server);
  return server;
}

interface Peer {
  readonly socket: net.Socket;
  text(): string;
  /** How it ended: undefined while it has not. */
  end(): string | undefined;
}

function watched(socket: net.Socket): Peer {
  let text = "";
  let end: string | undefined;
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("end", () => (end ??= "end"));
  socket.on("error", (error: Error & { code?: string }) => (end ??= error.code ?? "error"));
  socket.on("close", () => (end ??= "close"));
  peers.push(socket);
  return { socket, text: () => text, end: () => end };
}

function connectTo(server: { readonly address: Address }, localAddress?: string): Peer {
  const [host, port] = server.address as [string, number];
  return watched(net.connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) }));
}

async function echoed(peer: Peer, text = "hello", answer = text): Promise<void> {
  const before = peer.text().length;
  peer.socket.write(text);
  await until(() => peer.text().length === before + answer.length, `the answer to ${text}`);
}

describe("serve()", () => {
  test("address, connections and stats tell what there is", async () => {
    const server = start({}, Echo);
    const [host, port] = server.address as [string, number];
    expect(host).toBe("127.0.0.1");
    expect(port).toBeGreaterThan(0);
    const peer = connectTo(server);
    await echoed(peer);
    expect(server.connections.size).toBe(1);
    const [channel] = server.connections;
    expect(channel).toBeInstanceOf(Echo);
    expect(server.connections.has(channel as Echo)).toBe(true);
    expect(server.stats()).toMatchObject({ accepted: 1, active: 1, bytesRead: 5, bytesSent: 5 });
    peer.socket.end();
    await until(() => server.connections.size === 0);
    expect(server.stats()).toMatchObject({
      accepted: 1,
      active: 0,
      bytesRead: 5,
      bytesSent: 5,
      bytesUnsent: 0,
    });
  });

  test("a unix path is bound, and removed by drain()", async () => {
    const folder = mkdtempSync(join(tmpdir(), "serve-"));
    try {
      const path = join(folder, "s");
      const server = start({ unix: path }, Echo);
      expect(server.address).toBe(path);
      await echoed(watched(net.connect(path)));
      await server.drain(1000);
      expect(existsSync(path)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a handler whose constructor throws costs its own connection", async () => {
    let count = 0;
    class Picky extends Echo {
      constructor(socket: Socket, map?: ChannelMap) {
        super(socket, map);
        if (++count === 1) throw new Error("not this one");
      }
    }
    const server = start({}, Picky);
    const first = connectTo(server);
    await until(() => first.end() !== undefined);
    await echoed(connectTo(server));
    await until(() => server.stats().active === 1);
  });

  test("drain() delivers what is queued, and reports", async () => {
    class Bulk extends Echo {
      override handleRead(): void {
        this.recv();
        this.send(Buffer.alloc(4 * 1024 * 1024, "x"));
      }
    }
    const server = start({}, Bulk);
    const peer = connectTo(server);
    peer.socket.pause();
    peer.socket.write("go");
    const idle = connectTo(server);
    await until(() => [...server.connections].some((channel) => channel.bufferedAmount > 0));
    await until(() => server.connections.size === 2);
    const draining = server.drain(10_000);
    expect(server.drain(20_000)).toBe(draining);
    expect(() => server.address).toThrow("EBADF");
    peer.socket.resume();
    const report = await draining;
    expect(report).toMatchObject({ closed: 2, aborted: 0, unsentBytes: 0 });
    await until(() => peer.end() === "end" && idle.end() === "end");
    expect(peer.text()).toHaveLength(4 * 1024 * 1024);
  });

  test("drain() resets at the deadline what does not end, and counts what was lost", async () => {
    class Bulk extends Echo {
      override handleRead(): void {
        this.recv();
        this.send(Buffer.alloc(16 * 1024 * 1024, "x"));
      }
    }
    const server = start({}, Bulk);
    const peer = connectTo(server);
    peer.socket.pause();
    peer.socket.write("go");
    await until(() => [...server.connections].some((channel) => channel.bufferedAmount > 0));
    const report = await server.drain(50);
    expect(report.closed).toBe(0);
    expect(report.aborted).toBe(1);
    expect(report.unsentBytes).toBeGreaterThan(1024 * 1024);
    expect(server.stats().timeouts.drain).toBe(1);
    expect(server.stats().bytesUnsent).toBe(report.unsentBytes);
  });

  test("drain() asks a channel that has a handleDrain() of its own", async () => {
    class Polite extends Echo {
      handleDrain(): void {
        this.send("bye");
        this.close();
      }
    }
    const server = start({}, Polite);
    const peer = connectTo(server);
    await echoed(peer);
    const report = await server.drain(5000);
    expect(report).toMatchObject({ closed: 1, aborted: 0, unsentBytes: 0 });
    await until(() => peer.end() === "end");
    expect(peer.text()).toBe("hellobye");
  });

  test("await using drains", async () => {
    let peer: Peer;
    {
      await using server = serve({ map: new ChannelMap() }, Echo);
      peer = connectTo(server);
      await echoed(peer);
    }
    await until(() => peer.end() === "end");
  });

  test("suspend() leaves connections in the kernel, and resume() takes them", async () => {
    const server = start({}, Echo);
    server.suspend();
    const peer = connectTo(server);
    await until(() => peer.socket.readyState === "open");
    peer.socket.write("early");
    await turns(20);
    expect(server.connections.size).toBe(0);
    server.resume();
    await until(() => peer.text() === "early");
  });

  test("maxConnections: pause, refuse, evict", async () => {
    const paused = start({ maxConnections: 1 }, Echo);
    const first = connectTo(paused);
    await echoed(first);
    const second = connectTo(paused);
    second.socket.write("later");
    await turns(20);
    expect(paused.stats().pauses.connections).toBe(1);
    first.socket.end();
    await until(() => second.text() === "later");

    const refusing = start({ maxConnections: 1, whenFull: "refuse" }, Echo);
    await echoed(connectTo(refusing));
    const refused = connectTo(refusing);
    await until(() => refused.end() !== undefined);
    expect(refusing.stats().refused.connections).toBe(1);

    const evicting = start({ maxConnections: 1, whenFull: "evict", evictIdleMs: 0 }, Echo);
    const old = connectTo(evicting);
    await echoed(old);
    const [channel] = evicting.connections;
    const fresh = connectTo(evicting);
    await until(() => old.end() === "ECONNRESET");
    await echoed(fresh);
    expect(evicting.stats().evicted.connections).toBe(1);
    expect(channel?.lost?.code).toBe("ECONNABORTED");
  });

  test("maxPerAddress and lists of networks", async () => {
    const server = start({ maxPerAddress: 1, deny: ["127.0.0.3/32"] }, Echo);
    await echoed(connectTo(server));
    const second = connectTo(server);
    await until(() => second.end() !== undefined);
    await echoed(connectTo(server, "127.0.0.2"));
    const denied = connectTo(server, "127.0.0.3");
    await until(() => denied.end() !== undefined);
    expect(server.stats().refused).toMatchObject({ perAddress: 1, denied: 1 });
  });

  test("acceptsPerSecond puts accepting off, and nobody is lost", async () => {
    const server = start({ acceptsPerSecond: 50, acceptBurst: 2 }, Echo);
    const all = Array.from({ length: 8 }, () => connectTo(server));
    await Promise.all(all.map((peer) => echoed(peer)));
    expect(server.stats().pauses.rate).toBeGreaterThan(0);
    expect(server.stats().accepted).toBe(8);
  });

  test("limits and throttle are the connections'", async () => {
    const server = start(
      { limits: { idleTimeoutMs: 50 }, throttle: { writeBytesPerSecond: 1_000_000 } },
      Echo,
    );
    const peer = connectTo(server);
    await echoed(peer);
    await until(() => peer.end() === "end", "the idle connection to be closed");
    expect(server.stats().timeouts.idle).toBe(1);
  });

  test("a peer that takes nothing of what it is owed is too slow", async () => {
    class Bulk extends Echo {
      override handleRead(): void {
        this.recv();
        this.send(Buffer.alloc(16 * 1024 * 1024, "x"));
      }
    }
    const server = start({ minThroughput: { sendBytesPerSecond: 1000, windowMs: 100 } }, Bulk);
    const peer = connectTo(server);
    peer.socket.pause();
    peer.socket.write("go");
    await until(() => server.stats().timeouts.slowSend === 1);
    await until(() => server.connections.size === 0);
  });

  test("a peer that sends its request too slowly is cut, and one that owes none is not", async () => {
    class Asking extends Echo {
      override handleRead(): void {
        const text = this.recv().toString();
        if (text.startsWith("begin")) this.beginRequest();
        if (text.endsWith("end")) this.endRequest();
      }
    }
    const server = start({ minThroughput: { receiveBytesPerSecond: 1000, windowMs: 100 } }, Asking);
    const idle = connectTo(server);
    idle.socket.write("begin and end");
    const slow = connectTo(server);
    slow.socket.write("begin");
    await until(() => slow.end() !== undefined, "the slow one to be cut");
    expect(server.stats().timeouts.slowReceive).toBe(1);
    expect(server.connections.size).toBe(1);
    expect(idle.end()).toBeUndefined();
  });

  test("over maxQueuedBytes the longest queue goes, and the others stay", async () => {
    class Asked extends Echo {
      override handleRead(): void {
        this.send(Buffer.alloc(Number(this.recv().toString()), "x"));
      }
    }
    const server = start({ maxQueuedBytes: 48 * 1024 * 1024 }, Asked);
    const small = connectTo(server);
    small.socket.pause();
    small.socket.write(String(12 * 1024 * 1024));
    await until(() => [...server.connections].some((channel) => channel.bufferedAmount > 0));
    const large = connectTo(server);
    large.socket.pause();
    large.socket.write(String(60 * 1024 * 1024));
    await until(() => server.stats().evicted.queues === 1);
    await until(() => server.connections.size === 1);
    small.socket.resume();
    await until(() => small.text().length === 12 * 1024 * 1024);
  });

  test("over maxQueuedBytes with refuse it is the one that sends that goes", async () => {
    class Asked extends Echo {
      override handleRead(): void {
        this.send(Buffer.alloc(Number(this.recv().toString()), "x"));
      }
    }
    const server = start({ maxQueuedBytes: 48 * 1024 * 1024, whenQueuesFull: "refuse" }, Asked);
    const large = connectTo(server);
    large.socket.pause();
    large.socket.write(String(40 * 1024 * 1024));
    await until(() => [...server.connections].some((channel) => channel.bufferedAmount > 0));
    const sender = connectTo(server);
    sender.socket.pause();
    sender.socket.write(String(24 * 1024 * 1024));
    await until(() => server.stats().accepted === 2 && server.connections.size === 1);
    expect(server.stats().evicted.queues).toBe(0);
    large.socket.resume();
    await until(() => large.text().length === 40 * 1024 * 1024);
  });

  test("limits.maxCollectBytes bounds the lines of AsyncChat", async () => {
    class Lines extends AsyncChat {
      constructor(socket: Socket, map?: ChannelMap) {
        super(socket, map);
        this.setTerminator("\n");
      }
      override collectIncomingData(): void {}
      override foundTerminator(): void {
        this.push("line");
      }
    }
    const server = start({ limits: { maxCollectBytes: 100 } }, Lines);
    const peer = connectTo(server);
    await echoed(peer, "x\n", "line");
    peer.socket.write("x".repeat(101));
    await until(() => peer.end() !== undefined, "the long line to be refused");
  });

  test("who opens connections and never shakes hands keeps nobody out", async () => {
    const server = start({ tls: identity }, Echo);
    const [host, port] = server.address as [string, number];
    const silent = Array.from({ length: 1100 }, () => connectTo(server, "127.0.0.2"));
    await until(() => silent.every(({ socket }) => socket.readyState !== "opening"), "the silent ones");
    const began = performance.now();
    await echoed(watched(tls.connect({ host, port, ca, servername: "localhost" })));
    // Far from the ten seconds that a handshake may take.
    expect(performance.now() - began).toBeLessThan(5_000);
    await until(() => server.stats().handshakeFailures >= 1100 - 1024);
  });

  test("handshakes that startTls() began are counted when they fail", async () => {
    class Start extends Echo {
      override handleRead(): void {
        this.recv();
        this.send("go");
        this.startTls(identity);
      }
      override handleError(): void {
        this.close();
      }
    }
    const server = start({}, Start);
    const peer = connectTo(server);
    await echoed(peer, "STARTTLS", "go");
    peer.socket.write("no handshake");
    await until(() => server.stats().handshakeFailures === 1);
  });

  test("tls, and a renewed certificate", async () => {
    const server = start({ tls: identity }, Echo);
    const [host, port] = server.address as [string, number];
    const secure = (servername: string): Peer => watched(tls.connect({ host, port, ca, servername }));
    await echoed(secure("localhost"));
    const garbage = connectTo(server);
    garbage.socket.write("GET / HTTP/1.1\r\n\r\n");
    await until(() => server.stats().handshakeFailures === 1);
    server.renewTls(other);
    await echoed(secure("other.example"));
    expect(server.stats().accepted).toBe(2);
  });

  test("a PROXY header, then TLS, also in one segment", async () => {
    class Named extends Echo {
      override handleRead(): void {
        this.send(`${String(this.addr)} ${this.recv().toString()}`);
      }
    }
    const server = start({ tls: identity, proxyProtocol: { trusted: ["127.0.0.1"] } }, Named);
    const [host, port] = server.address as [string, number];
    const header = encodeProxyHeader({ source: ["192.0.2.1", 1234], destination: ["192.0.2.9", 443] });
    // In front of the server: puts the header and the ClientHello into one write.
    const front = net.createServer((client) => {
      const up = net.connect({ host, port });
      let first = true;
      client.on("data", (chunk: Buffer) => {
        up.write(first ? Buffer.concat([header, chunk]) : chunk);
        first = false;
      });
      up.on("data", (chunk: Buffer) => client.write(chunk));
      for (const [one, two] of [
        [client, up],
        [up, client],
      ] as const) {
        one.on("error", () => two.destroy());
        one.on("close", () => two.destroy());
      }
    });
    await new Promise<void>((resolve) => {
      front.listen(0, "127.0.0.1", resolve);
    });
    try {
      const to = (front.address() as net.AddressInfo).port;
      const peer = watched(tls.connect({ host, port: to, ca, servername: "localhost" }));
      peer.socket.write("hi");
      await until(() => peer.text() === "192.0.2.1,1234 hi");
      const direct = connectTo(server);
      direct.socket.write("PROXY nonsense\r\n");
      await until(() => server.stats().proxyErrors === 1);
      await until(() => direct.end() !== undefined);
    } finally {
      front.close();
    }
  });
});

describe("misuse of serve()", () => {
  test.each<[string, ServeOptions, string]>([
    ["two places", { port: 1, unix: "/tmp/x" }, "one of hostname and port, unix, or fd"],
    ["a descriptor that is none", { fd: -1 }, "fd is a descriptor"],
    ["a descriptor that does not listen", { fd: 0 }, "ENOTSOCK"],
    ["tls without a key", { tls: {} }, "a server needs a key"],
    ["marks that do not fit", { limits: { lowWaterBytes: 10, highWaterBytes: 5 } }, "water marks"],
    ["a bad network", { deny: ["nonsense"] }, "nonsense"],
    ["no proxies", { proxyProtocol: { trusted: ["x"] } }, "x"],
    ["a bad throttle", { throttle: { readBytesPerSecond: 0 } }, "byte rate"],
    ["a signal that cannot be caught", { drainOn: ["SIGKILL"] }, "SIGKILL"],
    ["a bad drain", { drainTimeoutMs: -1 }, "drainTimeoutMs"],
    ["a bad port", { port: 70_000 }, "70000"],
    ["an option that is none", { maxConnection: 1 } as ServeOptions, "no option maxConnection"],
    ["a limit that is none", { limits: { idleTimeout: 1 } as object }, "no limit idleTimeout"],
    ["a budget that is none", { maxQueuedBytes: -1 }, "maxQueuedBytes"],
  ])("%s", (_name, options, message) => {
    expect(() => start(options, Echo)).toThrow(message);
  });

  test("a drain of no time", () => {
    const server = start({}, Echo);
    expect(() => server.drain(Number.NaN)).toThrow("milliseconds");
  });

  test("a handler that is none", () => {
    for (const handler of [undefined, {}, class {}, () => undefined]) {
      expect(() => serve({ port: 0 }, handler as unknown as typeof Echo)).toThrow("extends Dispatcher");
    }
  });

  test("a busy address", () => {
    const server = start({}, Echo);
    const [hostname, port] = server.address as [string, number];
    expect(() => start({ hostname, port }, Echo)).toThrow("EADDRINUSE");
  });
});
