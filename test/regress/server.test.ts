// What serve() owes to connections when its limits, timeouts, throttles and drains meet.
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test } from "bun:test";

import { ChannelMap, Dispatcher, osError, type Socket, socketMap } from "asyncore";
import { encodeProxyHeader, serve, type ServeOptions, type Server } from "asyncore/server";

import { handOver } from "../../src/server/hot.ts";
import { servePlan } from "../../src/server/serve-options.ts";
import { server as identity } from "../support/certificates.ts";
import { turns, until } from "../support/until.ts";

const running: { drain(deadlineMs: number): Promise<unknown> }[] = [];
const peers: net.Socket[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(running.splice(0).map((server) => server.drain(0)));
});

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
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
  received: number;
  end: string | undefined;
}

function dial(server: { readonly address: unknown }): Peer {
  const [host, port] = server.address as [string, number];
  const socket = net.connect({ host, port });
  const peer: Peer = { socket, received: 0, end: undefined };
  socket.on("data", (chunk: Buffer) => (peer.received += chunk.length));
  socket.on("end", () => (peer.end ??= "end"));
  socket.on("error", (error: Error & { code?: string }) => (peer.end ??= error.code ?? "error"));
  socket.on("close", () => (peer.end ??= "close"));
  peers.push(socket);
  return peer;
}

describe("accepting goes on", () => {
  test("when there is room again and the rate is what holds it", async () => {
    const server = start({ maxConnections: 1, acceptsPerSecond: 2, acceptBurst: 1 }, Echo);
    const first = dial(server);
    await until(() => server.stats().accepted === 1);
    const second = dial(server);
    await until(() => server.stats().pauses.connections === 1);
    // Long before the half second is over after which another one may come.
    first.socket.destroy();
    await until(() => server.stats().active === 0);
    second.socket.write("x");
    await until(() => second.received === 1, "the answer to the second", 4000);
  });

  test("after suspend() and resume() while the rate is what holds it", async () => {
    const server = start({ acceptsPerSecond: 2, acceptBurst: 1 }, Echo);
    dial(server);
    await until(() => server.stats().accepted === 1);
    server.suspend();
    const second = dial(server);
    server.resume();
    second.socket.write("x");
    await until(() => second.received === 1, "the answer to the second", 4000);
  });
});

describe("limits", () => {
  test("handshakeTimeoutMs is that of the server's handshakes", async () => {
    const server = start({ tls: identity, limits: { handshakeTimeoutMs: 100 } }, Echo);
    const silent = dial(server);
    await until(() => silent.end !== undefined, "the end of the handshake", 3000);
    expect(server.stats().timeouts.handshake).toBe(1);
  });

  test("a connection in its handshake that is evicted is closed", async () => {
    const server = start(
      {
        tls: identity,
        proxyProtocol: { trusted: ["127.0.0.1"] },
        maxConnections: 1,
        whenFull: "evict",
        evictIdleMs: 0,
      },
      Echo,
    );
    const header = encodeProxyHeader({ source: ["192.0.2.1", 1], destination: ["192.0.2.9", 443] });
    const slow = dial(server);
    slow.socket.write(header);
    await until(() => server.stats().accepted === 1);
    // Its header has been read: the rest of it would make the channel's first bytes.
    await until(() => slow.socket.bytesWritten === header.length);
    await turns(50);
    const next = dial(server);
    next.socket.write(header);
    await until(() => server.stats().evicted.connections === 1);
    await until(() => slow.end !== undefined, "the end of who was evicted", 3000);
    expect(server.stats().active).toBe(1);
  });

  test("evictIdleMs below a second: who is active is not idle", async () => {
    const server = start({ maxConnections: 1, whenFull: "evict", evictIdleMs: 300 }, Echo);
    const active = dial(server);
    const writing = setInterval(() => active.socket.write("x"), 20);
    try {
      await until(() => active.received > 30);
      const next = dial(server);
      await until(() => next.end !== undefined || active.end !== undefined);
      expect([active.end, next.end]).toEqual([undefined, "ECONNRESET"]);
    } finally {
      clearInterval(writing);
    }
  });
});

describe("a handler whose constructor throws", () => {
  test("leaves nothing in the map", async () => {
    class Failing extends Dispatcher {
      ticks = 0;
      constructor(socket: Socket, map?: ChannelMap) {
        super(socket, map);
        throw new Error("no");
      }
    }
    const map = new ChannelMap();
    const server = start({ map }, Failing);
    const peer = dial(server);
    await until(() => peer.end !== undefined);
    await until(() => server.stats().active === 0);
    // The listener.
    expect(map.size).toBe(1);
  });
});

describe("minThroughput", () => {
  test("does not cut a close() that delivers, though its request was never said to be over", async () => {
    const size = 24 * 1024 * 1024;
    class Answer extends Dispatcher {
      override handleRead(): void {
        if (this.recv().length === 0) return;
        this.beginRequest();
        this.send(Buffer.alloc(size));
        this.close();
      }
    }
    const server = start({ minThroughput: { receiveBytesPerSecond: 10, windowMs: 200 } }, Answer);
    const peer = dial(server);
    peer.socket.write("x");
    await until(() => peer.received > 0);
    // Takes its time, but takes it.
    peer.socket.pause();
    await Bun.sleep(700);
    peer.socket.resume();
    await until(() => peer.end !== undefined);
    expect([peer.received, peer.end]).toEqual([size, "end"]);
  });

  test("does not hold the peer to a speed that the throttle does not let it have", async () => {
    class Upload extends Dispatcher {
      override handleConnect(): void {}
      override handleRead(): void {
        this.beginRequest();
        this.recv();
      }
      override handleClose(): void {
        this.close();
      }
    }
    // At the throttled speed it is five times as fast as it has to be.
    const server = start(
      {
        throttle: { readBytesPerSecond: 50_000, burstBytes: 10_000 },
        minThroughput: { receiveBytesPerSecond: 10_000, windowMs: 400 },
      },
      Upload,
    );
    const peer = dial(server);
    peer.socket.write(Buffer.alloc(200_000));
    await until(() => peer.end !== undefined || server.stats().bytesRead === 200_000);
    expect(peer.end).toBeUndefined();
    expect(server.stats().timeouts.slowReceive).toBe(0);
  });
});

describe("idle timeouts", () => {
  test("do not count the time that the throttle holds reading", async () => {
    const server = start(
      { throttle: { readBytesPerSecond: 50_000, burstBytes: 10_000 }, limits: { idleTimeoutMs: 300 } },
      Echo,
    );
    const peer = dial(server);
    peer.socket.write(Buffer.alloc(200_000));
    await until(() => peer.end !== undefined || server.stats().bytesRead === 200_000);
    expect(server.stats().timeouts.idle).toBe(0);
  });
});

describe("throttle()", () => {
  test("new rates while the old ones hold reading", async () => {
    const server = start({ throttle: { readBytesPerSecond: 100, burstBytes: 100 } }, Echo);
    const peer = dial(server);
    peer.socket.write(Buffer.alloc(1000));
    await until(() => server.stats().bytesRead === 1000);
    for (const channel of server.connections) channel.socket?.throttle({ readBytesPerSecond: 1e9 });
    peer.socket.write(Buffer.alloc(1000));
    await until(() => server.stats().bytesRead === 2000, "reading at the new rate", 3000);
  });

  test("new rates while the old ones hold writing", async () => {
    const server = start({ throttle: { writeBytesPerSecond: 100, burstBytes: 100 } }, Echo);
    const peer = dial(server);
    peer.socket.write(Buffer.alloc(1000));
    await until(() => peer.received >= 100);
    for (const channel of server.connections) channel.socket?.throttle({ writeBytesPerSecond: 1e9 });
    await until(() => peer.received === 1000, "writing at the new rate", 3000);
  });

  test("close() takes what the peer still sends, as without a throttle: the answer arrives", async () => {
    class Refuse extends Dispatcher {
      asked = false;
      override handleRead(): void {
        this.recv();
        if (this.asked) return;
        this.asked = true;
        // By then the throttle holds reading.
        this.callLater(20, () => {
          this.send("too large");
          this.close();
        });
      }
    }
    const server = start(
      { throttle: { readBytesPerSecond: 1000, burstBytes: 1000 }, limits: { lingerTimeoutMs: 500 } },
      Refuse,
    );
    const peer = dial(server);
    // Sends all, and only then reads.
    peer.socket.pause();
    peer.socket.write(Buffer.alloc(16 * 1024 * 1024), () => {
      peer.socket.resume();
      peer.socket.end();
    });
    await until(() => peer.end !== undefined);
    expect([peer.received, peer.end]).toEqual([9, "end"]);
  });
});

describe("drain()", () => {
  test("called again by a handleDrain() is the same drain", async () => {
    class Asking extends Echo {
      handleDrain(): void {
        void server.drain(50);
      }
    }
    const server: Server<Asking> = start({}, Asking);
    for (let i = 0; i < 3; i++) dial(server);
    await until(() => server.stats().accepted === 3);
    const report = await server.drain(5000);
    expect(report).toMatchObject({ closed: 0, aborted: 3 });
    expect(server.stats().timeouts.drain).toBe(3);
  });

  test("in a handler's constructor waits for that connection too", async () => {
    let drained: Promise<unknown> | undefined;
    let over = false;
    const map = new ChannelMap();
    class Last extends Echo {
      constructor(socket: Socket, into?: ChannelMap) {
        super(socket, into);
        drained ??= server.drain(300).then(() => {
          over = true;
        });
      }
    }
    const server: Server<Last> = start({ map }, Last);
    const peer = dial(server);
    await until(() => over);
    await drained;
    expect(map.size).toBe(0);
    await until(() => peer.end !== undefined, "the end of the connection", 3000);
  });

  test("a channel whose close() throws does not keep the others", async () => {
    let count = 0;
    class Odd extends Echo {
      readonly first = count++ === 0;
      override close(): void {
        if (this.first && this.connected) {
          this.delChannel();
          throw new Error("no");
        }
        super.close();
      }
    }
    const server = start({}, Odd);
    const odd = dial(server);
    await until(() => server.stats().accepted === 1);
    const other = dial(server);
    await until(() => server.stats().accepted === 2);
    const report = await server.drain(200);
    expect(report).toMatchObject({ closed: 1, aborted: 1 });
    await until(() => odd.end !== undefined && other.end === "end", "both ends", 3000);
  });
});

describe("options that are wrong", () => {
  test("leave nothing listening", () => {
    const probe = serve({ map: new ChannelMap() }, Echo);
    const [, port] = probe.address as [string, number];
    probe.suspend();
    void probe.drain(0);
    const options = { port, map: new ChannelMap(), maxQueuedBytes: -1 };
    expect(() => serve(options, Echo)).toThrow("maxQueuedBytes");
    expect(options.map.size).toBe(0);
    // In use if it does.
    running.push(serve({ port, map: new ChannelMap() }, Echo));
  });
});

describe("behind a proxy, with TLS", () => {
  const proxyProtocol = { trusted: ["127.0.0.1"] };

  test("options without a key are refused by serve() and by renewTls()", () => {
    expect(() => running.push(serve({ tls: {}, proxyProtocol, map: new ChannelMap() }, Echo))).toThrow(
      "a server needs a key",
    );
    const server = start({ tls: identity, proxyProtocol }, Echo);
    expect(() => server.renewTls({})).toThrow("a server needs a key");
  });

  test("a port check holds no place after it has left", async () => {
    const server = start({ tls: identity, proxyProtocol }, Echo);
    const check = dial(server);
    await until(() => server.stats().accepted === 1);
    check.socket.end();
    await until(() => server.stats().active === 0, "the place given back", 3000);
  });
});

describe("cut()", () => {
  test("releases a socket that was closed in its handshake with bytes to deliver", async () => {
    class Hasty extends Dispatcher {
      override handleRead(): void {
        this.recv();
        this.startTls(identity);
        this.send("bye");
        this.close();
        this.socket?.cut(osError("ENOBUFS", { syscall: "send" }));
      }
    }
    const server = start({}, Hasty);
    dial(server).socket.write("x");
    await until(() => server.stats().accepted === 1);
    await until(() => server.stats().active === 0 && server.connections.size === 0, "the release", 3000);
  });
});

describe("eviction", () => {
  test("of a channel that is in no map leaves no connection behind", async () => {
    class Away extends Echo {
      constructor(socket: Socket, map?: ChannelMap) {
        super(socket, map);
        this.delChannel();
      }
    }
    const server = start({ maxConnections: 1, whenFull: "evict", evictIdleMs: 0 }, Away);
    dial(server);
    await until(() => server.stats().accepted === 1);
    dial(server);
    await until(() => server.stats().accepted === 2);
    await until(() => server.connections.size === 1, "one connection", 3000);
  });
});

describe("new code", () => {
  test("gets the connections that stand, in the server's map and counted; those that close go on closing", async () => {
    class Old extends Echo {}
    class New extends Echo {}
    const map = new ChannelMap();
    const options = { map, limits: { idleTimeoutMs: 200 } };
    const server = start<Echo>(options, Old);
    const standing = dial(server);
    standing.socket.write("x");
    await until(() => standing.received === 1);
    const closing = dial(server);
    closing.socket.pause();
    await until(() => server.stats().accepted === 2);
    const [, second] = server.connections;
    second?.send(Buffer.alloc(20_000_000));
    second?.close();
    const before = socketMap.size;
    server.adopt(servePlan(options), New, (old) =>
      (handOver as (old: Dispatcher, handler: typeof New, map: ChannelMap) => New)(old, New, server.map),
    );
    expect(socketMap.size).toBe(before);
    // The listener, and the one that stands.
    expect(map.size).toBe(2);
    expect(second?.closing).toBe(true);
    await until(() => server.stats().timeouts.idle === 1, "the timeout", 3000);
  });
});

describe("suspend()", () => {
  test("says so where there is no C library", async () => {
    const program = `
      import { Dispatcher } from "asyncore";
      import { serve } from "asyncore/server";
      const server = serve({}, Dispatcher);
      try {
        server.suspend();
        console.log("suspended");
      } catch (error) {
        console.log(error.code);
      }
      await server.drain(0);`;
    const child = Bun.spawn([process.execPath, "-e", program], {
      cwd: import.meta.dir,
      env: { ...process.env, ASYNCORE_FFI: "0" },
      stdout: "pipe",
    });
    expect((await new Response(child.stdout).text()).trim()).toBe("ENOSYS");
  });
});

describe("a successor", () => {
  test("that was given a unix listener can be reached after the drain", async () => {
    const path = join(tmpdir(), `asyncore-successor-${process.pid}.sock`);
    const server = start({ unix: path }, Echo);
    const program = `
      import { Dispatcher } from "asyncore";
      import { serve } from "asyncore/server";
      class Answer extends Dispatcher {
        constructor(socket, map) {
          super(socket, map);
          this.send("successor");
          this.close();
        }
      }
      serve({ fd: 3 }, Answer);
      console.log("ready");`;
    const child = Bun.spawn([process.execPath, "-e", program], {
      cwd: import.meta.dir,
      stdio: ["ignore", "pipe", "inherit", server.fd],
    });
    try {
      await (child.stdout as ReadableStream<Uint8Array>).getReader().read();
      await server.drain(0);
      let answer = "";
      const socket = net.connect({ path });
      peers.push(socket);
      socket.on("error", (error) => (answer = String(error)));
      socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
      await until(() => answer !== "");
      expect(answer).toBe("successor");
    } finally {
      child.kill();
      await child.exited;
      await Bun.file(path)
        .unlink()
        .catch(() => undefined);
    }
  });
});

describe("deny", () => {
  test("is asked before the TLS handshake, which costs most", async () => {
    const server = start({ tls: identity, deny: ["127.0.0.0/8"] }, Echo);
    const denied = dial(server);
    await until(() => denied.end !== undefined, "the reset", 3000);
    expect(server.stats().refused.denied).toBe(1);
  });
});
