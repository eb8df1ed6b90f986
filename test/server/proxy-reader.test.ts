import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import {
  type Address,
  ArgumentRangeError,
  ArgumentTypeError,
  Dispatcher,
  OSError,
  osError,
  SHUT_WR,
  type Socket,
} from "asyncore";
import {
  encodeProxyHeader,
  type ProxyHeader,
  type ProxyOutcome,
  proxyPolicy,
  type ProxyPolicyOptions,
  type ProxyProtocolError,
  ProxyReader,
} from "asyncore/server";
import { MemoryNetwork, type MemoryNetworkOptions, type MemorySocket } from "asyncore/testing";

const LINE = "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n";
const PROXY: Address = ["10.0.0.1", 4711];

/** A listener with a reader for each connection; `log` is what came of them. */
class Behind implements ProxyOutcome {
  readonly network: MemoryNetwork;
  readonly log: string[] = [];
  readonly readers: ProxyReader[] = [];
  header: ProxyHeader | undefined;
  error: ProxyProtocolError | undefined;
  socket: Socket | undefined;
  /** What was received behind the header. */
  received = "";
  readonly #listener: MemorySocket;
  #inside = false;

  constructor(policy: ProxyPolicyOptions, options?: MemoryNetworkOptions) {
    this.network = new MemoryNetwork(options);
    this.#listener = this.network.createSocket();
    this.#listener.bind(["10.0.0.9", 80]);
    this.#listener.listen(100);
    const accept = (): void => {
      for (let pair = this.#listener.accept(); pair !== undefined; pair = this.#listener.accept()) {
        [this.socket] = pair;
        this.#inside = true;
        this.readers.push(new ProxyReader(this.socket, proxyPolicy(policy), this));
        this.#inside = false;
      }
    };
    this.#listener.observe({ socketReady: accept, socketChanged: accept });
  }

  /** A client from `address` that sends `data` when it is connected. */
  connect(data: string | Uint8Array = "", address: Address = PROXY): MemorySocket {
    const client = this.network.createSocket();
    client.bind(address);
    client.connect(["10.0.0.9", 80]);
    const ignore = (): void => {};
    client.observe({ socketReady: ignore, socketChanged: ignore });
    if (data.length > 0) client.send(data);
    return client;
  }

  proxyRead(socket: Socket, header: ProxyHeader | undefined): void {
    expect([this.#inside, socket]).toEqual([false, this.socket as Socket]);
    this.header = header;
    this.log.push(header === undefined ? "direct" : `read ${String(header.source)}`);
    const take = (): void => {
      for (let chunk = socket.recv(); chunk !== undefined; chunk = socket.recv()) {
        if (chunk.length === 0) this.log.push("end");
        if (chunk.length === 0) break;
        this.received += String(chunk);
      }
    };
    socket.observe({ socketReady: take, socketChanged: take });
    take();
  }

  proxyFailed(socket: Socket, error: ProxyProtocolError): void {
    expect([this.#inside, socket]).toEqual([false, this.socket as Socket]);
    this.error = error;
    this.log.push(`${error.fault} ${socket.state}`);
  }

  async settle(ms = 0): Promise<void> {
    await this.network.clock.advance(ms);
  }
}

const trusted = { trusted: ["10.0.0.0/24"] };

describe("ProxyReader", () => {
  test("reads the header, sets the origin, and leaves what is behind it with the socket", async () => {
    const behind = new Behind(trusted);
    behind.connect(`${LINE}GET / HTTP/1.1\r\n`);
    await behind.settle();
    expect(behind.log).toEqual(["read 192.0.2.1,56324"]);
    expect(behind.received).toBe("GET / HTTP/1.1\r\n");
    expect(behind.socket?.origin).toEqual(["192.0.2.1", 56324]);
    expect(behind.socket?.getpeername()).toEqual(PROXY);
    expect(behind.network.clock.pending).toBe(0);
  });

  test.each([
    ["PROXY UNKNOWN\r\n", "proxy"],
    [encodeProxyHeader({ command: "local" }), "local"],
    [encodeProxyHeader({}), "proxy"],
  ] as const)("a header that names nobody leaves the peer the client: %j", async (header, command) => {
    const behind = new Behind(trusted);
    behind.connect(Buffer.concat([Buffer.from(header), Buffer.from("x")]));
    await behind.settle();
    expect([behind.log, behind.received, behind.socket?.origin]).toEqual([
      ["read undefined"],
      "x",
      undefined,
    ]);
    expect(behind.header?.command).toBe(command);
  });

  test("a server that speaks first may, once the header is there and nothing else", async () => {
    const behind = new Behind(trusted);
    const client = behind.connect(LINE);
    await behind.settle();
    expect(behind.log).toEqual(["read 192.0.2.1,56324"]);
    behind.socket?.send("220 ready\r\n");
    await behind.settle();
    expect(String(client.recv())).toBe("220 ready\r\n");
  });

  test("the end of the stream right behind the header is told to who takes the socket", async () => {
    const behind = new Behind(trusted);
    behind.connect(LINE).close();
    await behind.settle();
    expect(behind.log).toEqual(["read 192.0.2.1,56324", "end"]);
  });

  test("a header in any pieces and with any delays is read, and the rest is complete", async () => {
    const header = fc.constantFrom(
      Buffer.from(LINE),
      Buffer.from("PROXY UNKNOWN\r\n"),
      encodeProxyHeader({ source: "/a", destination: "/b", authority: "x".repeat(300), checksum: true }),
      encodeProxyHeader({ source: ["::1", 1], destination: ["::2", 2] }),
    );
    await fc.assert(
      fc.asyncProperty(header, fc.integer(), fc.integer({ min: 1, max: 40 }), async (bytes, seed, most) => {
        const faults = { pieceBytes: [1, most] as const, pieceDelayMs: [0, 3] as const };
        const behind = new Behind(trusted, { seed, faults });
        behind.connect(Buffer.concat([bytes, Buffer.from("behind the header".repeat(20))]));
        await behind.network.clock.runUntil(() => behind.received.length >= 340, "everything");
        expect(behind.received).toBe("behind the header".repeat(20));
        expect(behind.log).toHaveLength(1);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ["GET / HTTP/1.1\r\n\r\n", "MISSING", "EPROTO"],
    ["\x16\x03\x01\x02", "MISSING", "EPROTO"],
    ["PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n", "ADDRESS", "EPROTO"],
    ["PROXY TCP9 ", "LINE", "EPROTO"],
  ])("resets who sends %j", async (sent, fault, code) => {
    const behind = new Behind(trusted);
    const client = behind.connect(sent === "PROXY TCP9 " ? "PROXY TCP9 \n" : sent);
    await behind.settle();
    expect(behind.log).toEqual([`${fault} closed`]);
    expect(behind.error).toMatchObject({ code, address: "10.0.0.1", port: 4711 });
    expect(behind.error?.message).toStartWith("proxy 10.0.0.1:4711: ");
    expect(client.takeError()?.code).toBe("ECONNRESET");
    expect(behind.network.clock.pending).toBe(0);
  });

  test("the whole header has to come in time, however often a byte does", async () => {
    const behind = new Behind({ ...trusted, timeoutMs: 1000 });
    const client = behind.connect();
    for (const byte of LINE.slice(0, 19)) {
      await behind.settle(50);
      client.send(byte);
    }
    await behind.settle(49);
    expect(behind.log).toEqual([]);
    await behind.settle(1);
    expect(behind.log).toEqual(["TIMEOUT closed"]);
    expect(behind.error?.message).toBe(
      "proxy 10.0.0.1:4711: ETIMEDOUT TIMEOUT: too late after 19 bytes of the header",
    );
  });

  test("the deadline is 5 s, and none is left when the header has come", async () => {
    const late = new Behind(trusted);
    late.connect();
    await late.settle(4999);
    expect(late.log).toEqual([]);
    await late.settle(1);
    expect(late.log).toEqual(["TIMEOUT closed"]);
    const never = new Behind({ ...trusted, timeoutMs: Infinity });
    never.connect();
    await never.settle(1e9);
    expect([never.log, never.network.clock.pending]).toEqual([[], 0]);
  });

  test("a peer that leaves without a word is told apart from one that leaves inside the header", async () => {
    for (const [sent, log, code] of [
      ["", "CLOSED closed", "ECONNRESET"],
      ["PROXY T", "TRUNCATED closed", "EPROTO"],
    ] as const) {
      const behind = new Behind(trusted);
      const client = behind.connect(sent);
      await behind.settle();
      client.close();
      await behind.settle();
      expect([behind.log, behind.error?.code]).toEqual([[log], code]);
    }
  });

  test("a reset is told with its cause", async () => {
    const behind = new Behind(trusted);
    const client = behind.connect("PROXY T");
    await behind.settle();
    client.abort();
    await behind.settle();
    expect(behind.log).toEqual(["TRUNCATED closed"]);
    expect(behind.error?.cause).toBeInstanceOf(OSError);
    expect(behind.error?.cause).toMatchObject({ code: "ECONNRESET" });
  });

  test("an untrusted peer is refused unread, whatever it sends", async () => {
    for (const sent of [LINE, "GET / HTTP/1.1\r\n\r\n", ""]) {
      const behind = new Behind(trusted);
      const client = behind.connect(sent, ["203.0.113.7", 4711]);
      await behind.settle();
      expect(behind.log).toEqual(["UNTRUSTED closed"]);
      expect(behind.error?.message).toBe(
        "proxy 203.0.113.7:4711: EACCES UNTRUSTED: connections from here are refused",
      );
      expect([behind.socket?.bytesRead, behind.socket?.origin, client.takeError()?.code]).toEqual([
        0,
        undefined,
        "ECONNRESET",
      ]);
    }
  });

  test("direct: an untrusted peer is a client, and its header is what it says", async () => {
    const behind = new Behind({ ...trusted, untrusted: "direct" });
    behind.connect(LINE, ["203.0.113.7", 4711]);
    await behind.settle();
    expect(behind.log).toEqual(["direct"]);
    expect([behind.received, behind.socket?.origin]).toEqual([LINE, undefined]);
    expect(behind.network.clock.pending).toBe(0);
  });

  test("a header longer than the policy reads is refused", async () => {
    const header = encodeProxyHeader({
      source: ["192.0.2.1", 1],
      destination: ["192.0.2.9", 2],
      authority: "x".repeat(100),
    });
    for (const [maxHeaderBytes, log] of [
      [header.length - 1, "TOO_LONG closed"],
      [header.length, "read 192.0.2.1,1"],
    ] as const) {
      const behind = new Behind({ ...trusted, maxHeaderBytes });
      behind.connect(header);
      await behind.settle();
      expect(behind.log).toEqual([log]);
    }
  });

  test("whoever closes or takes the socket meanwhile is not told anything, and its timer does nothing", async () => {
    for (const end of [
      (behind: Behind) => behind.socket?.close(),
      (behind: Behind) => behind.socket?.abort(),
      (behind: Behind) => behind.readers[0]?.cancel(),
      (behind: Behind) => behind.socket?.observe({ socketReady: () => {}, socketChanged: () => {} }),
    ]) {
      const behind = new Behind(trusted);
      const client = behind.connect("PROXY ");
      await behind.settle();
      end(behind);
      if (client.state === "open") client.send("TCP4 rubbish\r\n");
      await behind.settle(60_000);
      expect(behind.log).toEqual([]);
    }
  });

  test("cancel() takes the timer away, leaves the socket alone, and may be called again", async () => {
    const behind = new Behind(trusted);
    behind.connect("PROXY ");
    await behind.settle();
    const [reader] = behind.readers;
    expect(behind.network.clock.pending).toBe(1);
    reader?.cancel();
    reader?.cancel();
    expect([behind.network.clock.pending, behind.socket?.state, behind.socket?.observer]).toEqual([
      0,
      "open",
      undefined,
    ]);
    behind.connect(LINE, ["10.0.0.2", 1]);
    await behind.settle();
    behind.readers[1]?.cancel();
    expect(behind.log).toEqual(["read 192.0.2.1,56324"]);
  });

  test("a peer on a unix socket is trusted where the list says so", async () => {
    for (const [list, log] of [
      [["unix"], "read 192.0.2.1,56324"],
      [["0.0.0.0/0"], "UNTRUSTED closed"],
    ] as const) {
      const [a, b] = [new MemoryNetwork(), []];
      const listener = a.createSocket(1);
      listener.bind("/run/s");
      listener.listen(1);
      const client = a.createSocket(1);
      client.connect("/run/s");
      client.send(LINE);
      await a.clock.runUntil(() => listener.readReady, "a connection");
      const [socket] = listener.accept() as readonly [Socket, Address];
      const log_: string[] = b;
      new ProxyReader(socket, proxyPolicy({ trusted: list }), {
        proxyRead: (_socket, header) => log_.push(`read ${String(header?.source)}`),
        proxyFailed: (failed, error) => log_.push(`${error.fault} ${failed.state}`),
      });
      await a.clock.advance(0);
      expect(log_).toEqual([log]);
    }
  });

  test("a peer whose address is not known any more is not trusted, whatever it has sent", async () => {
    const gone = (): never => {
      throw osError("ENOTCONN", { syscall: "getpeername" });
    };
    for (const getpeername of [gone, (): Address => ["", 0]]) {
      const network = new MemoryNetwork();
      const [a, b] = network.pair();
      Object.defineProperty(b, "getpeername", { value: getpeername });
      a.send(LINE);
      const log: string[] = [];
      new ProxyReader(b, proxyPolicy({ trusted: ["0.0.0.0/0", "unix"], untrusted: "direct" }), {
        proxyRead: () => log.push("read"),
        proxyFailed: (socket, error) => log.push(`${error.fault} ${socket.state}`),
      });
      await network.clock.advance(0);
      expect([log, b.origin]).toEqual([["CLOSED lingering"], undefined]);
    }
  });

  test("a header that was there before the reader is read, but not inside its constructor", async () => {
    const network = new MemoryNetwork();
    const [a, b] = network.pair();
    a.send(LINE);
    await network.clock.advance(0);
    expect(b.readReady).toBe(true);
    const log: string[] = [];
    new ProxyReader(b, proxyPolicy({ trusted: ["127.0.0.1"] }), {
      proxyRead: (socket) => log.push(`read ${socket.observer === undefined}`),
      proxyFailed: (_socket, error) => log.push(error.fault),
    });
    log.push("made");
    await Promise.resolve();
    expect(log).toEqual(["made", "read false"]);
    // Nobody took it: it is as it was.
    expect([b.observer, b.state]).toEqual([undefined, "open"]);
  });

  test("who ends without a word gets no reset", async () => {
    const behind = new Behind(trusted);
    const client = behind.connect();
    await behind.settle();
    client.shutdown(SHUT_WR);
    await behind.settle();
    expect(behind.log).toEqual(["CLOSED closed"]);
    expect([client.takeError(), client.readReady && client.recv()?.length]).toEqual([undefined, 0]);
  });
});

describe("ProxyReader and a Dispatcher", () => {
  test("the dispatcher that takes the socket has the client's address, and everything behind the header", async () => {
    const network = new MemoryNetwork();
    const log: string[] = [];
    class Served extends Dispatcher {
      override handleRead(): void {
        const chunk = this.recv();
        if (chunk.length > 0) log.push(`${String(this.addr)} ${String(chunk)}`);
      }
      override handleClose(): void {
        log.push("close");
        this.close();
      }
    }
    const policy = proxyPolicy(trusted);
    class Server extends Dispatcher implements ProxyOutcome {
      override handleAccepted(socket: Socket): void {
        new ProxyReader(socket, policy, this);
      }
      proxyRead(socket: Socket): void {
        new Served(socket);
      }
      proxyFailed(_socket: Socket, error: ProxyProtocolError): void {
        log.push(error.fault);
      }
    }
    const server = new Server(network.createSocket());
    server.bind(["10.0.0.9", 80]);
    server.listen();
    const client = network.createSocket();
    client.bind(PROXY);
    client.connect(["10.0.0.9", 80]);
    client.send(`${LINE}one`);
    await network.clock.runUntil(() => log.length === 1, "the first bytes");
    client.send("two");
    await network.clock.runUntil(() => log.length === 2, "the next");
    client.close();
    await network.clock.runUntil(() => log.length === 3, "the end");
    expect(log).toEqual(["192.0.2.1,56324 one", "192.0.2.1,56324 two", "close"]);
    server.close();
  });
});

describe("proxyPolicy()", () => {
  test("fills in the defaults", () => {
    const policy = proxyPolicy({ trusted: ["10.0.0.0/8"] });
    expect(policy).toMatchObject({ untrusted: "refuse", timeoutMs: 5000, maxHeaderBytes: undefined });
    expect([Object.isFrozen(policy), policy.trusted.has(["10.1.1.1", 1])]).toEqual([true, true]);
  });

  test.each([
    [{ trusted: ["10.0.0.0/33"] }, ArgumentRangeError],
    [{ trusted: "10.0.0.0/8" }, ArgumentTypeError],
    [{ trusted: [], untrusted: "optional" }, ArgumentRangeError],
    [{ trusted: [], timeoutMs: 0 }, ArgumentRangeError],
    [{ trusted: [], timeoutMs: Number.NaN }, ArgumentRangeError],
    [{ trusted: [], timeoutMs: "5" }, ArgumentRangeError],
    [{ trusted: [], maxHeaderBytes: 5 }, ArgumentRangeError],
  ])("proxyPolicy(%j) throws", (options, kind) => {
    expect(() => proxyPolicy(options as ProxyPolicyOptions)).toThrow(kind);
  });
});
