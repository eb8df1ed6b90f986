// connect(), StreamChannel and ReconnectingClient over real sockets, in push and in poll mode.
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import {
  type Address,
  ChannelMap,
  connect,
  ConnectFailedError,
  Dispatcher,
  type OSError,
  reconnect,
  SO_RCVBUF,
  SO_SNDBUF,
  type Socket,
  SOL_SOCKET,
  StreamChannel,
  TLSError,
} from "asyncore";

import { inMode, modes } from "../regress/modes.ts";
import * as certificates from "../support/certificates.ts";
import { Program } from "../support/program.ts";
import { until, untilSteady, within } from "../support/until.ts";

const MIB = 1024 * 1024;
const hasProc = process.platform === "linux";
const descriptors = (): number => readdirSync("/proc/self/fd").length;

/** Serves every connection with `serve`, whose failures are in `failures`. */
class Server extends Dispatcher {
  readonly channels: StreamChannel[] = [];
  readonly failures: unknown[] = [];
  readonly #serve: (channel: StreamChannel) => Promise<void>;
  readonly #into: ChannelMap;

  constructor(
    map: ChannelMap,
    address: Address,
    serve: (channel: StreamChannel) => Promise<void>,
    backlog = 64,
  ) {
    super(undefined, map);
    this.#into = map;
    this.#serve = serve;
    this.createSocket(typeof address === "string" ? 1 : address[0].includes(":") ? 10 : 2);
    this.bind(address);
    this.listen(backlog);
  }
  override handleAccepted(socket: Socket): void {
    const channel = new StreamChannel(socket, this.#into);
    this.channels.push(channel);
    this.#serve(channel).catch((error: unknown) => this.failures.push(error));
  }
  get port(): number {
    return (this.getsockname() as readonly [string, number])[1];
  }
}

async function echo(channel: StreamChannel): Promise<void> {
  for await (const chunk of channel) await channel.write(chunk);
}

async function text(channel: StreamChannel): Promise<string> {
  let received = "";
  for await (const chunk of channel) received += chunk.toString();
  return received;
}

/** A listener whose queue is full: the kernel leaves the next connects without an answer. */
async function blackHole(map: ChannelMap, host: string): Promise<{ port: number } & Disposable> {
  const listener = new Dispatcher(undefined, map);
  listener.readable = () => false;
  listener.createSocket();
  listener.bind([host, 0]);
  listener.listen(1);
  const [, port] = listener.getsockname() as readonly [string, number];
  const fillers: Dispatcher[] = [];
  const fill = (): Dispatcher => {
    const filler = new StreamChannel(undefined, map);
    filler.createSocket();
    filler.connect([host, port]);
    fillers.push(filler);
    return filler;
  };
  // As many as it takes: how many a backlog of 1 means is the kernel's business. Two in a row that hang are proof enough.
  for (let hanging = 0; hanging < 2;) {
    const filler = fill();
    await untilSteady(() => Number(filler.connected), "the connect to stand or to hang");
    hanging = filler.connected ? 0 : hanging + 1;
  }
  return {
    port,
    [Symbol.dispose]() {
      for (const filler of fillers) filler.abort();
      listener.close();
    },
  };
}

async function failureOf(promise: Promise<unknown>): Promise<OSError> {
  try {
    await within(promise, "the failure");
  } catch (error) {
    return error as OSError;
  }
  throw new Error("it did not fail");
}

for (const mode of modes) {
  describe(`in ${mode} mode`, () => {
    test("an echo: connect(), write(), end(), for await, on both sides", () =>
      inMode(mode, async (map) => {
        const server = new Server(map, ["127.0.0.1", 0], echo);
        const channel = await within(connect(["127.0.0.1", server.port], { map }), "the connection");
        const reading = text(channel);
        await channel.write("hello ");
        await channel.write("world");
        await within(channel.end(), "the FIN");
        expect(await within(reading, "the echo")).toBe("hello world");
        expect(await within(channel.closed, "the release")).toEqual({ unsentBytes: 0 });
        expect([server.failures, server.channels[0]?.connected]).toEqual([[], false]);
      }));

    test(
      "64 MiB to a slow consumer: the sender waits, memory is bounded, nothing is lost",
      () =>
        inMode(mode, async (map) => {
          const total = 64 * MIB;
          const piece = Buffer.alloc(256 * 1024, "0123456789abcdef");
          const sent = createHash("sha256");
          let accepted = 0;
          let most = 0;
          const server = new Server(map, ["127.0.0.1", 0], async (channel) => {
            for (; accepted < total; accepted += piece.length) {
              piece.writeUInt32BE(accepted, 0);
              sent.update(piece);
              await channel.write(piece);
              most = Math.max(most, channel.bufferedAmount);
            }
            await channel.end();
          });
          // What the kernels hold is not the measure: little.
          server.setsockopt(SOL_SOCKET, SO_SNDBUF, 64 * 1024);
          const channel = new StreamChannel(undefined, map);
          channel.createSocket();
          channel.setsockopt(SOL_SOCKET, SO_RCVBUF, 64 * 1024);
          channel.connect(server.getsockname());
          await within(channel.opened, "the connection");

          const received = createHash("sha256");
          let bytes = 0;
          let pauses = 0;
          for await (const chunk of channel) {
            received.update(chunk);
            bytes += chunk.length;
            if (bytes < (pauses + 1) * 8 * MIB) continue;
            // A consumer that takes its time: everything comes to rest, and what is under way is little.
            pauses++;
            await untilSteady(() => accepted, "the sender waits", 20_000);
            expect(accepted - bytes).toBeLessThan(4 * MIB);
          }
          expect([bytes, pauses]).toEqual([total, 8]);
          expect(most).toBeLessThan(512 * 1024);
          expect(received.digest("hex")).toBe(sent.digest("hex"));
          expect(server.failures).toEqual([]);
        }),
      60_000,
    );

    test("what is awaited comes although a pass waits for longer", () =>
      inMode(mode, async (map) => {
        const server = new Server(map, ["127.0.0.1", 0], () => Promise.resolve());
        const channel = await within(connect(server.getsockname(), { map }), "the connection");
        await until(() => server.channels.length === 1, "the other end");
        const far = server.channels[0] as StreamChannel;
        for (let round = 0; round < 5; round++) {
          // The pass that waits now, for up to 5 s, has asked before read(), write() and end() were called.
          await untilSteady(() => map.size, "a pass that waits");
          const read = far.read();
          await channel.write(`round ${round}`);
          expect(String(await within(read, "the chunk", 2000))).toBe(`round ${round}`);
        }
        const write = channel.write(Buffer.alloc(8 * MIB));
        const end = channel.end();
        await untilSteady(() => channel.bufferedAmount, "the peer waits");
        let received = 0;
        const reading = (async () => {
          for (let chunk = await far.read(); chunk !== null; chunk = await far.read())
            received += chunk.length;
        })();
        await within(Promise.all([write, end, reading]), "all of it", 4000);
        expect(received).toBe(8 * MIB);
      }));

    test("by name: ::1 refuses, 127.0.0.1 accepts", () =>
      inMode(mode, async (map) => {
        const server = new Server(map, ["127.0.0.1", 0], echo);
        const tried: string[] = [];
        class Told extends StreamChannel {
          override handleConnect(): void {
            tried.push(this.getpeername()[0]);
          }
        }
        const channel = await within(
          connect({ host: "localhost", port: server.port }, { map, channel: Told }),
          "the connection",
        );
        expect(tried).toEqual(["127.0.0.1"]);
        expect(channel).toBeInstanceOf(Told);
        channel.close();
        const nobody = server.port;
        server.close();
        await within(server.closed, "the listener's end");
        const error = await failureOf(connect(["localhost", nobody], { map }));
        expect(error).toBeInstanceOf(ConnectFailedError);
        expect((error as ConnectFailedError).errors.map(({ address, code }) => [address, code])).toEqual([
          ["::1", expect.stringMatching(/^(ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT)$/)],
          ["127.0.0.1", "ECONNREFUSED"],
        ]);
      }));

    test("over a unix socket, from a path, with its errors", () =>
      inMode(mode, async (map) => {
        const folder = mkdtempSync(path.join(tmpdir(), "asyncore-client-"));
        try {
          const file = path.join(folder, "echo");
          const server = new Server(map, file, echo);
          for (const target of [file, { path: file }]) {
            const channel = await within(connect(target, { map }), "the connection");
            await channel.write("unix");
            await channel.end();
            expect(await within(text(channel), "the echo")).toBe("unix");
          }
          server.close();
          const error = await failureOf(connect(file, { map }));
          expect([error.code, error.address]).toEqual(["ENOENT", file]);
          expect(error.message).toBe(`connect ${file}: ENOENT no such file or directory`);
        } finally {
          rmSync(folder, { recursive: true });
        }
      }));

    test("with a PROXY header, then TLS for the host's name", () =>
      inMode(mode, async (map) => {
        const header = "PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\n";
        const secure = new Server(map, ["127.0.0.1", 0], echo);
        secure.startTls(certificates.server);
        const headers: string[] = [];
        // Takes the header off, and passes the rest on.
        const relay = new Server(map, ["127.0.0.1", 0], async (near) => {
          let head = Buffer.alloc(0);
          while (head.length < header.length)
            head = Buffer.concat([head, (await near.read()) ?? Buffer.alloc(0)]);
          headers.push(head.subarray(0, header.length).toString());
          const far = await connect(secure.getsockname(), { map });
          await far.write(head.subarray(header.length));
          await Promise.all([
            near.readableStream.pipeTo(far.writableStream),
            far.readableStream.pipeTo(near.writableStream),
          ]);
        });
        const protocols: (string | undefined)[] = [];
        const names = (): (string | undefined)[] =>
          secure.channels.map(({ socket }) => socket?.tls?.serverName);
        class Told extends StreamChannel {
          override handleConnect(): void {
            protocols.push(this.socket?.tls?.protocol);
          }
        }
        const channel = await within(
          connect(["localhost", relay.port], {
            map,
            channel: Told,
            families: [4],
            proxyHeader: header,
            tls: { ca: certificates.ca },
          }),
          "the connection",
        );
        expect(channel.socket?.tls?.authorized).toBe(true);
        expect(protocols).toEqual(["TLSv1.3"]);
        await channel.write("secret");
        expect(String(await within(channel.read(), "the echo"))).toBe("secret");
        expect(headers).toEqual([header]);
        expect(names()).toEqual(["localhost"]);
        await within(channel[Symbol.asyncDispose](), "the end");
        expect([relay.failures, secure.failures]).toEqual([[], []]);
      }));
  });
}

describe("connect() with TLS", () => {
  test("rejects with the TLSError of the handshake and leaves nothing: wrong name, stranger, no TLS there", async () => {
    const map = new ChannelMap();
    class Secure extends Server {
      readonly identity: typeof certificates.server;
      constructor(identity: typeof certificates.server) {
        super(map, ["127.0.0.1", 0], echo);
        this.identity = identity;
        this.startTls(identity);
      }
      override handleError(): void {}
    }
    const plain = new Server(map, ["127.0.0.1", 0], async (channel) => {
      await channel.write("this is no TLS, and long enough to be seen as such\n");
      await text(channel);
    });
    const cases = [
      [new Secure(certificates.other), "ERR_TLS_CERT_ALTNAME_INVALID"],
      [new Secure(certificates.stranger), "DEPTH_ZERO_SELF_SIGNED_CERT"],
      [plain, /./],
    ] as const;
    const open = new Server(map, ["127.0.0.1", 0], echo);
    for (const [server, reason] of cases) {
      const error = await failureOf(
        connect(["localhost", server.port], { map, families: [4], tls: { ca: certificates.ca } }),
      );
      expect(error).toBeInstanceOf(TLSError);
      if (typeof reason === "string") expect((error as TLSError).reason).toBe(reason);
      server.close();
    }
    const wrong = await failureOf(connect(["127.0.0.1", open.port], { map, tls: { key: "x" } }));
    expect([wrong instanceof TLSError, (wrong as TLSError).phase]).toEqual([true, "options"]);
    open.close();
    await until(
      () => [...map.values()].every((channel) => !(channel instanceof StreamChannel)),
      "all are gone",
    );
  });

  test("gives a handshake that does not end ETIMEDOUT at the deadline, or the signal's reason", async () => {
    const map = new ChannelMap();
    const silent = new Server(map, ["127.0.0.1", 0], async (channel) => {
      await text(channel);
    });
    const stop = new AbortController();
    const aborted = failureOf(connect(["127.0.0.1", silent.port], { map, tls: true, signal: stop.signal }));
    const late = await failureOf(connect(["127.0.0.1", silent.port], { map, tls: true, deadlineMs: 200 }));
    expect([late.code, late instanceof ConnectFailedError]).toEqual(["ETIMEDOUT", true]);
    const reason = new Error("enough");
    stop.abort(reason);
    expect((await aborted) as unknown).toBe(reason);
    // Both were connected, and are cut.
    await until(() => silent.channels.length === 2, "both");
    for (const channel of silent.channels) await within(channel.closed, "the server's end of it");
    silent.close();
  });
});

describe("connect() leaves no descriptor", () => {
  const skip = hasProc ? "" : " (SKIPPED: reads /proc, which only Linux has)";

  test.skipIf(!hasProc)(`of the losers, after a black hole${skip}`, async () => {
    const map = new ChannelMap();
    using hole = await blackHole(map, "127.0.0.2");
    const server = new Server(map, ["127.0.0.1", hole.port], echo);
    await untilSteady(descriptors, "a steady number of descriptors");
    const before = descriptors();
    const began = performance.now();
    const channel = await within(
      connect(["db.example", hole.port], { map, families: [4], lookup: () => ["127.0.0.2", "127.0.0.1"] }),
      "the connection",
    );
    expect(performance.now() - began).toBeGreaterThan(245);
    expect(channel.getpeername()).toEqual(["127.0.0.1", hole.port]);
    // This one, and the server's end of it.
    await until(() => server.channels.length === 1 && descriptors() <= before + 2, "the loser is gone");
    expect(descriptors()).toBe(before + 2);
    channel.close();
    await within(channel.closed, "the end");
    await until(() => descriptors() === before, "all descriptors are back");
    server.close();
  });

  test.skipIf(!hasProc)(`after many that were aborted or timed out at any moment${skip}`, async () => {
    const map = new ChannelMap();
    using hole = await blackHole(map, "127.0.0.2");
    const server = new Server(map, ["127.0.0.1", hole.port], echo);
    await untilSteady(descriptors, "a steady number of descriptors");
    const before = descriptors();
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const signal = i % 2 === 0 ? AbortSignal.timeout(i * 6) : undefined;
        try {
          const channel = await connect(["db.example", hole.port], {
            map,
            families: [4],
            lookup: () => (i % 3 === 0 ? ["127.0.0.2", "127.0.0.1"] : ["127.0.0.2"]),
            ...(signal === undefined ? { deadlineMs: i * 6 } : { signal }),
          });
          channel.abort();
          return "connected";
        } catch (error) {
          return (error as Error).name;
        }
      }),
    );
    expect(outcomes).toContain("TimeoutError");
    expect(outcomes).toContain("ConnectFailedError");
    expect(["TimeoutError", "ConnectFailedError", "connected"]).toEqual(expect.arrayContaining(outcomes));
    await until(() => descriptors() <= before, "all descriptors are back");
    // Of the channels that were to connect none is in the map.
    expect([...map.values()].filter(({ socket }) => socket === undefined)).toEqual([]);
    for (const channel of server.channels) await within(channel.closed, "the server's end of it");
    server.close();
  });
});

describe("connect()", () => {
  test("connects from localAddress", async () => {
    const map = new ChannelMap();
    const server = new Server(map, ["127.0.0.1", 0], echo);
    const channel = await within(
      connect(["localhost", server.port], { map, localAddress: "127.0.0.7" }),
      "the connection",
    );
    expect(channel.getsockname()[0]).toBe("127.0.0.7");
    await until(() => server.channels.length === 1, "the server's end");
    expect(server.channels[0]?.getpeername()[0]).toBe("127.0.0.7");
    await within(channel[Symbol.asyncDispose](), "the end");
    const error = await failureOf(connect(["127.0.0.1", server.port], { map, localAddress: "192.0.2.1" }));
    expect(error.code).toBe("EADDRNOTAVAIL");
    server.close();
  });

  // The namespace is the test's own, so nothing is sent anywhere.
  const unshare = ["unshare", "--user", "--map-root-user", "--net"];
  const hasNamespaces = Bun.which("unshare") !== null && Bun.spawnSync([...unshare, "true"]).exitCode === 0;
  const why = hasNamespaces ? "" : " (SKIPPED: no network namespaces here)";
  test.skipIf(!hasNamespaces)(`without a network tells ENETUNREACH and every address${why}`, async () => {
    await using client = new Program([`${import.meta.dir}/unreachable.ts`], {}, unshare);
    expect([await client.exited, client.stderr]).toEqual([0, ""]);
    await until(() => client.stdout.endsWith("\n"), "its answer");
    expect(JSON.parse(client.stdout)).toEqual({
      code: "ENETUNREACH",
      addresses: ["2001:db8::1", "192.0.2.1", "127.0.0.1"],
    });
  });
});

describe("the process", () => {
  test("is held while a connect is under way, also by a slow look-up, and ends after it", async () => {
    const source = `
      import { connect } from "asyncore";
      const lookup = () => new Promise(() => undefined);
      connect(["db.example", 9], { lookup, deadlineMs: 300 }).catch((error) => console.log(error.code));`;
    await using program = new Program(["-e", source]);
    expect([await program.exited, program.stderr]).toEqual([0, ""]);
    await until(() => program.stdout !== "", "its answer");
    expect(program.stdout).toBe("ETIMEDOUT\n");
  });

  test("is held while a client waits to connect again, and ends when it is closed", async () => {
    const source = `
      import { connect, Dispatcher, reconnect } from "asyncore";
      const listener = new Dispatcher();
      listener.createSocket();
      listener.bind(["127.0.0.1", 0]);
      const client = reconnect(listener.getsockname(), { initialDelayMs: 20, maxDelayMs: 20, random: () => 0.9 });
      listener.close();
      client.handleRetry = () => {
        console.log(client.failures);
        if (client.failures === 5) client.close();
      };`;
    await using program = new Program(["-e", source]);
    expect([await program.exited, program.stderr]).toEqual([0, ""]);
    await until(() => program.stdout.includes("5"), "its last line");
    expect(program.stdout).toBe("1\n2\n3\n4\n5\n");
  });
});

describe("ReconnectingClient", () => {
  test("comes back when its server does, on the same port", async () => {
    const map = new ChannelMap();
    let server = new Server(map, ["127.0.0.1", 0], echo);
    const { port } = server;
    const answers: string[] = [];
    const reasons: unknown[] = [];
    await using client = reconnect(["127.0.0.1", port], { map, initialDelayMs: 10, maxDelayMs: 50 });
    client.handleConnect = async (channel) => {
      await channel.write("hello");
      for await (const chunk of channel) answers.push(chunk.toString());
    };
    client.handleDisconnect = (_channel, _closed, reason) => void reasons.push((reason as OSError).code);
    await until(() => answers.length === 1, "the first answer");
    for (let round = 2; round <= 4; round++) {
      server.close();
      for (const channel of server.channels) channel.abort();
      await until(() => client.failures >= 2, "failures");
      server = new Server(map, ["127.0.0.1", port], echo);
      await until(() => answers.length === round, "the next answer");
    }
    server.close();
    client.close();
    await within(client.closed, "the end");
    expect(client.channel).toBeUndefined();
    expect(reasons).toEqual(["ECONNRESET", "ECONNRESET", "ECONNRESET", "ECONNABORTED"]);
  });
});
