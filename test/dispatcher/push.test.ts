import { afterEach, describe, expect, spyOn, test } from "bun:test";

import { type Address, ChannelMap, closeAll, Dispatcher, OSError, type Socket, streamLimits } from "asyncore";

import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

async function pair<S extends Dispatcher, C extends Dispatcher>(
  server: (socket: Socket, map: ChannelMap) => S,
  client: C,
): Promise<{ server: S; client: C }> {
  const listening = new Listening(map, server);
  connectTo(client, listening.address);
  await until(() => listening.accepted.length === 1 && client.connected, "the connection stands");
  listening.close();
  return { server: listening.accepted[0] as S, client };
}

describe("push mode", () => {
  test("Dispatcher.handleConnect() runs once, with connected false inside and true after", async () => {
    const seen: boolean[] = [];
    class Client extends Logged {
      override handleConnect(): void | Promise<void> {
        seen.push(this.connected, this.connecting);
        return super.handleConnect();
      }
    }
    const { client } = await pair((s, m) => new Logged(s, m), new Client(undefined, map));
    expect(seen).toEqual([false, true]);
    expect(client.connected).toBe(true);
    expect(client.connecting).toBe(false);
    expect(client.events).toEqual(["connect"]);
  });

  test("Dispatcher.handleConnect() runs also when readable() and writable() say no", async () => {
    class Shy extends Logged {
      override readable(): boolean {
        return false;
      }
      override writable(): boolean {
        return false;
      }
    }
    const { client } = await pair((s, m) => new Logged(s, m), new Shy(undefined, map));
    expect(client.events).toEqual(["connect"]);
  });

  test("Dispatcher.connect() reports a refused connection to handleError, after it has returned", async () => {
    const listening = new Listening(map);
    const { address } = listening;
    listening.close();
    const client = new Logged(undefined, map);
    client.createSocket();
    client.connect(address);
    expect(client.events).toEqual([]);
    await until(() => client.error !== undefined, "the error");
    const [host, port] = address as [string, number];
    expect(client.events).toEqual([`error connect ${host}:${port}: ECONNREFUSED connection refused`]);
    expect(client.error).toBeInstanceOf(OSError);
    expect(map.size).toBe(0);
  });

  test("Dispatcher.recv() returns an empty buffer at the end of the stream and calls handleClose() once", async () => {
    const log: string[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        log.push(`recv ${this.recv().length}`);
        log.push(`again ${this.recv().length}`);
      }
      override handleClose(): void {
        log.push("close");
      }
    }
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.close();
    await until(() => log.includes("close"), "the end of the stream");
    await turns(5);
    expect(log).toEqual(["close", "recv 0", "again 0"]);
  });

  test("Dispatcher.handleRead() runs again next turn while bytes are left", async () => {
    const reads: string[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        reads.push(this.recv(2).toString());
      }
    }
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("abcde");
    await until(() => reads.length === 3, "three reads");
    expect(reads).toEqual(["ab", "cd", "e"]);
  });

  test("Dispatcher.handleRead() that takes nothing is asked again, ever more rarely", async () => {
    let asked = 0;
    class Server extends Dispatcher {
      override handleRead(): void {
        asked++;
        if (asked === 6) this.recv();
      }
    }
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("x");
    await until(() => asked === 6, "it was asked until it read");
    await turns(5);
    expect(asked).toBe(6);
  });

  test("Dispatcher.readable() false holds reads back until wake()", async () => {
    let open = false;
    class Server extends Logged {
      override readable(): boolean {
        return open;
      }
    }
    const { server, client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("hello");
    await until(() => server.socket?.readReady === true, "the bytes have come");
    await turns(5);
    expect(server.events).toEqual([]);
    open = true;
    server.wake();
    await until(() => server.events.length > 0, "the read");
    expect(server.events).toEqual(["read 5"]);
  });

  test("Dispatcher.handleWrite() is asked for more as long as it sends and writable() says so", async () => {
    let pieces = 0;
    class Server extends Dispatcher {
      override writable(): boolean {
        return pieces < 5;
      }
      override handleWrite(): void {
        this.send(`piece ${++pieces};`);
      }
    }
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    await until(() => client.received.endsWith("piece 5;"), "all pieces");
    await turns(5);
    expect(pieces).toBe(5);
    expect(client.received).toBe("piece 1;piece 2;piece 3;piece 4;piece 5;");
  });

  test("Dispatcher.handleWrite() is not asked above the high water mark, and again at the low one", async () => {
    const asked: number[] = [];
    class Server extends Dispatcher {
      static override limits = streamLimits({ highWaterBytes: 1000, lowWaterBytes: 100 });
      override writable(): boolean {
        return asked.length < 400;
      }
      override handleWrite(): void {
        asked.push(this.bufferedAmount);
        this.send(Buffer.alloc(60_000, 1));
      }
    }
    class Client extends Dispatcher {
      bytes = 0;
      open = false;
      override readable(): boolean {
        return this.open;
      }
      override handleConnect(): void {}
      override handleRead(): void {
        this.bytes += this.recv().length;
      }
    }
    const { server, client } = await pair((s, m) => new Server(s, m), new Client(undefined, map));
    await until(() => server.bufferedAmount > 1000, "the kernel is full");
    const before = asked.length;
    await turns(20);
    expect(asked.length).toBe(before);
    client.open = true;
    client.wake();
    await until(() => client.bytes === 400 * 60_000, "everything came");
    expect(Math.max(...asked)).toBeLessThanOrEqual(1000);
  });

  test("Dispatcher.send() collects during a hook and writes once", async () => {
    const written: number[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        this.recv();
        for (let i = 0; i < 16; i++) this.send(`line ${i}\n`);
        written.push(this.bufferedAmount);
      }
    }
    const { server, client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("go");
    await until(() => client.received.endsWith("line 15\n"), "all lines");
    expect(written).toEqual([118]);
    expect(server.bufferedAmount).toBe(0);
    expect(client.events.filter((entry) => entry.startsWith("read"))).toEqual(["read 118"]);
  });

  test("Dispatcher.send() outside a hook is written by the end of the turn, without asking", async () => {
    const { server, client } = await pair((s, m) => new Logged(s, m), new Logged(undefined, map));
    server.send("one ");
    server.send("two");
    expect(server.bufferedAmount).toBe(7);
    await Promise.resolve();
    expect(server.bufferedAmount).toBe(0);
    await until(() => client.received === "one two", "both");
    expect(client.events).toEqual(["connect", "read 7"]);
  });

  test("Dispatcher.send() after the peer has reset calls handleClose() once and returns 0", async () => {
    const { server, client } = await pair((s, m) => new Logged(s, m), new Logged(undefined, map));
    client.abort();
    await until(() => server.events.length > 0, "the reset");
    expect(server.events).toEqual(["close"]);
  });

  test("Dispatcher.send() over the cap throws ENOBUFS in the channel's own hook and closes the channel", async () => {
    const thrown: unknown[] = [];
    class Server extends Logged {
      static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
      override handleRead(): void {
        this.recv();
        try {
          for (;;) this.send(Buffer.alloc(100_000, 7));
        } catch (error) {
          thrown.push(error);
          throw error;
        }
      }
    }
    class Client extends Dispatcher {
      override readable(): boolean {
        return false;
      }
      override handleConnect(): void {}
    }
    const { server, client } = await pair((s, m) => new Server(s, m), new Client(undefined, map));
    client.send("go");
    await until(() => server.error !== undefined, "the channel was told");
    expect(thrown).toEqual([server.error]);
    expect(server.error).toMatchObject({ code: "ENOBUFS", name: "OSError" });
    expect(server.events).toHaveLength(1);
    expect(map.has(server.channelDispatch.number)).toBe(false);
  });

  test("Dispatcher.send() over the cap outside any hook returns 0 and tells the channel's handleError", async () => {
    class Server extends Logged {
      static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
    }
    class Client extends Dispatcher {
      override readable(): boolean {
        return false;
      }
      override handleConnect(): void {}
    }
    const { server } = await pair((s, m) => new Server(s, m), new Client(undefined, map));
    const block = Buffer.alloc(100_000, 7);
    let last = block.length;
    for (let i = 0; i < 1000 && last > 0; i++) last = server.send(block);
    expect(last).toBe(0);
    expect(server.events).toEqual([]);
    await until(() => server.error !== undefined, "the channel was told");
    expect(server.error).toMatchObject({ code: "ENOBUFS" });
    expect(server.events).toHaveLength(1);
    expect(map.has(server.channelDispatch.number)).toBe(false);
  });

  test("Dispatcher.send() over the cap from another channel's hook fails only the full channel", async () => {
    class Stalled extends Logged {
      static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
    }
    class Silent extends Dispatcher {
      override readable(): boolean {
        return false;
      }
      override handleConnect(): void {}
    }
    const { server: stalled } = await pair((s, m) => new Stalled(s, m), new Silent(undefined, map));
    class Publisher extends Logged {
      override handleRead(): void {
        this.recv();
        const block = Buffer.alloc(100_000);
        for (let i = 0; i < 200; i++) stalled.send(block);
        this.send("published");
      }
    }
    const { server: publisher, client } = await pair(
      (s, m) => new Publisher(s, m),
      new Logged(undefined, map),
    );
    client.send("go");
    await until(() => client.received === "published" && stalled.error !== undefined, "both outcomes");
    expect(stalled.events).toHaveLength(1);
    expect(stalled.events[0]).toContain("ENOBUFS");
    expect(publisher.events).toEqual([]);
    expect(publisher.connected).toBe(true);
  });

  test("Dispatcher.close() inside a hook ends the hooks and still delivers what was sent", async () => {
    const log: string[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        log.push(this.recv(1).toString());
        this.send("bye");
        this.close();
      }
      override handleClose(): void {
        log.push("close");
      }
    }
    const { server, client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("abc");
    await until(() => client.events.includes("close"), "the server's FIN");
    expect(client.received).toBe("bye");
    await turns(5);
    expect(log).toEqual(["a"]);
    await until(() => server.socket?.state === "closed", "both FINs");
  });

  test("Dispatcher.close() before the connection stands is silent", async () => {
    const listening = new Listening(map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    client.close();
    await turns(10);
    expect(client.events).toEqual([]);
    expect(client.socket?.state).toBe("closed");
  });

  test("Dispatcher.close() before the connection stands still delivers what was sent", async () => {
    const listening = new Listening(map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    client.send("early bird");
    client.close();
    expect(client.closing).toBe(true);
    expect(() => client.send("late")).toThrow(expect.objectContaining({ code: "EBADF" }));
    await until(
      () => (listening.accepted[0] as Logged | undefined)?.events.includes("close") === true,
      "FIN",
    );
    expect((listening.accepted[0] as Logged).received).toBe("early bird");
    await until(() => client.socket?.state === "closed", "both FINs");
    expect(client.events).toEqual([]);
  });

  test("Dispatcher can be used again after close(): createSocket() gives it a new socket and number", async () => {
    const listening = new Listening(map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => client.connected, "the first connection");
    const { number } = client.channelDispatch;
    client.close();
    connectTo(client, listening.address);
    await until(() => client.connected, "the second connection");
    expect(client.channelDispatch.number).not.toBe(number);
    expect(client.events).toEqual(["connect", "connect"]);
  });

  test("Dispatcher.handleAccepted() that throws closes the peer and the listener only", async () => {
    class Server extends Listening {
      failed = "";
      override handleAccepted(): void {
        throw new Error("no");
      }
      override handleError(error: unknown): void {
        this.failed = String(error);
        this.close();
      }
    }
    const server = new Server(map);
    const client = connectTo(new Logged(undefined, map), server.address);
    await until(() => client.events.includes("close"), "the peer is closed");
    expect(server.failed).toBe("Error: no");
    expect(map.size).toBe(0);
  });

  test("Dispatcher defaults log the unhandled events as warnings", async () => {
    const messages: string[] = [];
    class Plain extends Dispatcher {
      static override ignoreLogTypes = new Set<string>();
      override logInfo(message: string, type?: string): void {
        messages.push(`${type}: ${message}`);
      }
    }
    class Server extends Plain {
      override handleRead(): void {
        this.recv();
      }
    }
    const plain = new Plain(undefined, map);
    plain.createSocket();
    plain.bind(["127.0.0.1", 0]);
    plain.listen();
    const silent = connectTo(new Plain(undefined, map), plain.getsockname());
    await until(() => messages.some((message) => message.includes("read event")), "the server's FIN came");
    plain.close();
    silent.close();
    expect(messages).toContain("warning: unhandled accepted event");
    expect(messages).toContain("warning: unhandled connect event");
    expect(messages).toContain("warning: unhandled read event");
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    messages.length = 0;
    client.close();
    await until(() => messages.length > 0, "the end of the stream");
    expect(messages).toEqual(["warning: unhandled close event"]);
  }, 20_000);

  test("Dispatcher.log() and logInfo() write as asyncore does, and leave warnings out", () => {
    const out = spyOn(process.stdout, "write").mockImplementation(() => true);
    const err = spyOn(process.stderr, "write").mockImplementation(() => true);
    try {
      const channel = new Dispatcher(undefined, map);
      channel.log("hit");
      channel.logInfo("for your information");
      channel.logInfo("look out", "warning");
      channel.logInfo("bad", "error");
      expect(err.mock.calls.map(([text]) => text)).toEqual(["log: hit\n"]);
      expect(out.mock.calls.map(([text]) => text)).toEqual(["info: for your information\n", "error: bad\n"]);
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
  });

  test("Dispatcher.handleError() logs the channel, the error and the user's frames, then closes", async () => {
    const messages: string[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        this.recv();
        throw new RangeError("too far");
      }
      override logInfo(message: string, type?: string): void {
        messages.push(`${type}: ${message}`);
      }
    }
    const { client } = await pair((s, m) => new Server(s, m), new Logged(undefined, map));
    client.send("x");
    await until(() => client.events.includes("close"), "the server closed");
    expect(messages[0]).toMatch(
      /^error: uncaptured exception, closing channel <Server connected 127\.0\.0\.1:\d+ #\d+> \(RangeError:too far \[.*push\.test\.ts\|handleRead\|\d+\]\)$/,
    );
    expect(messages[1]).toBe("warning: unhandled close event");
  });

  test("Dispatcher.bind() tells the port at once and listen() needs no turn", () => {
    const server = new Dispatcher(undefined, map);
    server.createSocket();
    server.bind(["127.0.0.1", 0]);
    const [host, port] = server.getsockname() as [string, number];
    expect(host).toBe("127.0.0.1");
    expect(port).toBeGreaterThan(0);
    const other = new Dispatcher(undefined, map);
    other.createSocket();
    expect(() => other.bind(["127.0.0.1", port] as Address)).toThrow(
      expect.objectContaining({ code: "EADDRINUSE", syscall: "bind", address: "127.0.0.1", port }),
    );
  });
});
