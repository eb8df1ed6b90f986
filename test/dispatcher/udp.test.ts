/** Datagram dispatchers: asyncore's hooks over UDP, in push and in poll mode, and beside CPython's own asyncore. */
import { describe, expect, test } from "bun:test";

import {
  type Address,
  AF_INET6,
  ChannelMap,
  Dispatcher,
  poll,
  type OSError,
  type Socket,
  SOCK_DGRAM,
} from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { UdpSocket } from "../../src/socket/udp.ts";
import { Program as Peer } from "../integration/support/program.ts";
import { asyncorePython } from "../oracle/harness.ts";
import { inMode, modes } from "../regress/modes.ts";
import { Probe, codeOf, deadAddress } from "../socket/udp-kit.ts";
import { Program } from "../support/program.ts";
import { turns, until } from "../support/until.ts";
import { WORDS } from "./udp-words.ts";

const hasLibc = libc() !== undefined;
const here = import.meta.dir;

/** A channel that writes down its hooks; bound to `address`, or not. */
class Channel extends Dispatcher {
  readonly events: string[] = [];
  constructor(map: ChannelMap, address?: Address) {
    super(undefined, map);
    this.createSocket({ type: SOCK_DGRAM });
    if (address !== undefined) this.bind(address);
  }
  get udp(): UdpSocket {
    if (this.socket instanceof UdpSocket) return this.socket;
    throw new TypeError("no UdpSocket");
  }
  override handleConnect(): void {
    this.events.push("connect");
  }
  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
  override handleError(error: unknown): void {
    this.events.push(`error ${(error as OSError).code}`);
    this.close();
  }
  override handleRead(): void | Promise<void> {
    for (let next = this.recvfrom(); next !== null; next = this.recvfrom())
      this.events.push(`read ${next[0].toString()}`);
  }
}

class Echo extends Channel {
  override handleRead(): void {
    let count = 0;
    for (let next = this.recvfrom(); next !== null; next = this.recvfrom()) {
      this.sendto(next[0], next[1]);
      count++;
    }
    this.events.push(`batch ${count}`);
  }
}

const onLoopback: Address = ["127.0.0.1", 0];

describe.each(modes)("a datagram Dispatcher, %s", (mode) => {
  test("Dispatcher.recvfrom() and sendto() serve whoever speaks; it is never connected", async () => {
    await inMode(mode, async (map) => {
      const server = new Echo(map, onLoopback);
      using ann = Probe.bound();
      using bob = Probe.bound();
      ann.socket.sendto("ann", server.getsockname());
      bob.socket.sendto("", server.getsockname());
      bob.socket.sendto("bob", server.getsockname());
      expect(await ann.texts(1)).toEqual(["ann"]);
      expect(await bob.texts(2)).toEqual(["", "bob"]);
      expect([server.connected, server.accepting, server.addr]).toEqual([false, false, onLoopback]);
      expect(server.events.every((event) => event.startsWith("batch"))).toBe(true);
      expect(() => server.getpeername()).toThrow(expect.objectContaining({ code: "ENOTCONN" }));
    });
  });

  test("Dispatcher.handleRead() is called once for a batch", async () => {
    await inMode(mode, async (map) => {
      const server = new Echo(map, onLoopback);
      using ann = Probe.bound();
      for (let i = 0; i < 40; i++) ann.socket.sendto(`${i}`, server.getsockname());
      expect(await ann.texts(40)).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`));
      // All were there when Bun looked; a loaded machine may have looked in between.
      expect(server.events.length).toBeLessThan(5);
    });
  });

  test("Dispatcher.recvfrom() hands out at most maxPerTurn a turn, and others have theirs in between", async () => {
    await inMode(mode, async (map) => {
      const order: string[] = [];
      class Named extends Channel {
        name = "";
        override handleRead(): void {
          let count = 0;
          while (this.recvfrom() !== null) count++;
          order.push(`${this.name}${count}`);
        }
      }
      const [a, b] = [new Named(map, onLoopback), new Named(map, onLoopback)];
      [a.name, b.name] = ["a", "b"];
      for (const channel of [a, b]) channel.udp.setReceiveLimits({ maxPerTurn: 10 });
      using sender = Probe.bound();
      for (let i = 0; i < 30; i++) for (const to of [a, b]) sender.socket.sendto("x", to.getsockname());
      await until(() => order.length === 6, "all batches");
      expect(order).toEqual(["a10", "b10", "a10", "b10", "a10", "b10"]);
    });
  });

  test("Dispatcher.handleRead() that takes one at a time is asked again at once, also for empty ones", async () => {
    await inMode(mode, async (map) => {
      class OneByOne extends Channel {
        count = 0;
        override handleRead(): void {
          if (this.recvfrom() !== null) this.count++;
        }
      }
      const server = new OneByOne(map, onLoopback);
      using ann = Probe.bound();
      const began = performance.now();
      for (let round = 1; round <= 5; round++) {
        for (let i = 0; i < 200; i++) ann.socket.sendto(i % 2 === 0 ? "" : "x", server.getsockname());
        await until(() => server.count === 200 * round, "all of them");
      }
      // With waits of 64 ms between the hooks it would be a minute.
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(server.events).toEqual([]);
    });
  });

  test("Dispatcher.recv() gives the payload, cut to size; an empty datagram is no end", async () => {
    await inMode(mode, async (map) => {
      class Reader extends Channel {
        override handleRead(): void {
          this.events.push(`read ${this.recv(4).toString()}`);
        }
      }
      const server = new Reader(map, onLoopback);
      using ann = Probe.bound();
      for (const text of ["abcdefgh", "", "ij"]) ann.socket.sendto(text, server.getsockname());
      await until(() => server.events.length === 3, "three reads");
      expect(server.events).toEqual(["read abcd", "read ", "read ij"]);
      expect(server.recv()).toHaveLength(0);
      expect(server.socket?.state).toBe("idle");
    });
  });

  test("Dispatcher.connect() calls handleConnect() after it has returned; what is sent at once goes at once", async () => {
    await inMode(mode, async (map) => {
      using peer = Probe.bound();
      const client = new Channel(map);
      client.connect(peer.address);
      client.events.push(`sent ${client.send("early")}`, String(client.connected));
      peer.socket.sendto("early answer", (await peer.next())[1]);
      await until(() => client.events.length > 3, "the answer");
      expect(client.events).toEqual(["sent 5", "false", "connect", "read early answer"]);
      expect([client.connected, client.connecting, client.addr]).toEqual([true, false, peer.address]);
      expect(client.getpeername()).toEqual(peer.address);
      expect(client.toString()).toContain(` connected 127.0.0.1:${peer.port} `);
    });
  });

  test("Dispatcher.connect() by name, with datagrams already there, calls handleConnect() first", async () => {
    await inMode(mode, async (map) => {
      using peer = Probe.bound();
      const client = new Channel(map, onLoopback);
      client.readable = () => client.socket?.state === "open";
      peer.socket.sendto("before", client.getsockname());
      await turns(5);
      client.connect(["localhost", peer.port]);
      await until(() => client.events.length === 2, "both hooks");
      expect(client.events).toEqual(["connect", "read before"]);
    });
  });

  test("Dispatcher.connect() that fails calls handleError(), and nothing else happens to the channel", async () => {
    await inMode(mode, async (map) => {
      class Patient extends Channel {
        override handleError(error: unknown): void {
          this.events.push(`error ${(error as OSError).code}`);
        }
      }
      const client = new Patient(map, onLoopback);
      client.connect(["255.255.255.255", 53]);
      expect(client.events).toEqual([]);
      await until(() => client.events.length > 0, "the error");
      expect([client.events, client.connected, client.connecting]).toEqual([["error EACCES"], false, false]);
      using peer = Probe.bound();
      client.connect(peer.address);
      await until(() => client.connected, "the connect");
      client.send("well");
      expect((await peer.next())[0]).toBe("well");
    });
  });

  test("Dispatcher: a refused datagram is the error of the connected channel that sent it, and of no other", async () => {
    await inMode(mode, async (map) => {
      class Patient extends Channel {
        override handleRead(): void {
          this.events.push(`read ${this.recv().toString()}`);
        }
        override handleError(error: unknown): void {
          this.events.push(`error ${(error as OSError).code}`);
        }
      }
      const server = new Echo(map, onLoopback);
      const [patient, closing] = [new Patient(map), new Channel(map)];
      const dead = deadAddress();
      for (const channel of [patient, closing]) channel.connect(dead);
      await until(() => patient.connected && closing.connected, "the connects");
      patient.send("x");
      closing.send("x");
      await until(() => patient.events.length > 1 && closing.events.length > 1, "the errors");
      expect(patient.events).toEqual(["connect", "error ECONNREFUSED"]);
      expect(closing.events).toEqual(["connect", "error ECONNREFUSED"]);
      expect([patient.connected, closing.connected, map.has(closing.channelDispatch.number)]).toEqual([
        true,
        false,
        false,
      ]);
      // It lives on, and hears who comes up there.
      using late = new Probe(dead);
      patient.send("again");
      late.socket.sendto("yes", (await late.next())[1]);
      await until(() => patient.events.length > 2, "the answer");
      expect(patient.events).toEqual(["connect", "error ECONNREFUSED", "read yes"]);
      expect(server.events).toEqual([]);
    });
  });

  test("Dispatcher.close() inside handleRead() drops what is queued; no hook runs after it", async () => {
    await inMode(mode, async (map) => {
      class Closing extends Channel {
        override handleRead(): void {
          this.events.push(`read ${String(this.recvfrom()?.[0])}`);
          this.close();
          this.events.push(codeOf(() => this.recvfrom()));
        }
      }
      const server = new Closing(map, onLoopback);
      const released: number[] = [];
      server.socket?.whenReleased((unsent) => released.push(unsent));
      using ann = Probe.bound();
      for (let i = 0; i < 50; i++) ann.socket.sendto(`${i}`, server.getsockname());
      await until(() => released.length > 0, "the release");
      await turns(5);
      expect([server.events, released, server.fileno(), map.size]).toEqual([["read 0", "EBADF"], [0], -1, 0]);
    });
  });

  test("Dispatcher.handleRead() that throws costs its own channel only", async () => {
    await inMode(mode, async (map) => {
      class Broken extends Channel {
        override handleRead(): void {
          throw Object.assign(new Error("bug"), { code: "BUG" });
        }
      }
      const broken = new Broken(map, onLoopback);
      const server = new Echo(map, onLoopback);
      using ann = Probe.bound();
      for (let i = 0; i < 10; i++) {
        ann.socket.sendto("x", broken.getsockname());
        ann.socket.sendto(`${i}`, server.getsockname());
      }
      expect(await ann.texts(10)).toHaveLength(10);
      await until(() => broken.events.length > 0, "the error");
      expect([broken.events, broken.socket?.state]).toEqual([["error BUG"], "closed"]);
    });
  });

  test("Dispatcher.handleRead() that is async holds the next one back", async () => {
    await inMode(mode, async (map) => {
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      class Slow extends Channel {
        override async handleRead(): Promise<void> {
          this.events.push(`begin ${String(this.recvfrom()?.[0])}`);
          await gate;
          this.events.push("end");
        }
      }
      const server = new Slow(map, onLoopback);
      using ann = Probe.bound();
      for (const text of ["1", "2", "3"]) ann.socket.sendto(text, server.getsockname());
      await until(() => server.events.length > 0, "the first");
      await turns(20);
      expect(server.events).toEqual(["begin 1"]);
      open();
      await until(() => server.events.length === 6, "the others");
      expect(server.events).toEqual(["begin 1", "end", "begin 2", "end", "begin 3", "end"]);
    });
  });

  test("Dispatcher.readable() false leaves datagrams waiting, bounded; wake() has them read", async () => {
    await inMode(mode, async (map) => {
      const server = new Channel(map, onLoopback);
      let reads = false;
      server.readable = () => reads;
      server.udp.setReceiveLimits({ maxQueuedBytes: 5 * 1025 });
      using ann = Probe.bound();
      for (let i = 0; i < 9; i++) ann.socket.sendto(`${i}`, server.getsockname());
      await until(() => server.udp.dropped === 4, "the queue to be full");
      expect(server.events).toEqual([]);
      reads = true;
      server.wake();
      await until(() => server.events.length === 5, "the reads");
      expect(server.events).toEqual(["read 0", "read 1", "read 2", "read 3", "read 4"]);
    });
  });

  test("Dispatcher.delChannel() and addChannel(): what came in between is read then", async () => {
    await inMode(mode, async (map) => {
      const server = new Channel(map, onLoopback);
      server.delChannel();
      using ann = Probe.bound();
      ann.socket.sendto("x", server.getsockname());
      await turns(10);
      expect(server.events).toEqual([]);
      server.addChannel(map);
      await until(() => server.events.length > 0, "the read");
      expect(server.events).toEqual(["read x"]);
    });
  });

  test("Dispatcher takes a datagram socket over, with what waits in it", async () => {
    await inMode(mode, async (map) => {
      const first = new Channel(map, onLoopback);
      first.readable = () => false;
      using ann = Probe.bound();
      ann.socket.sendto("x", first.getsockname());
      await turns(5);
      const socket = first.socket as Socket;
      class Second extends Dispatcher {
        got = "";
        override handleRead(): void {
          this.got += this.recv().toString();
        }
      }
      const second = new Second(socket, map);
      first.delChannel();
      await until(() => second.got === "x", "the read");
      expect([second.connected, second.addr]).toEqual([false, undefined]);
      // And a connected one, with its peer.
      socket.connect(ann.address);
      expect(socket.takeError()).toBeUndefined();
      const third = new Second(socket, map);
      expect([third.connected, third.addr]).toEqual([true, ann.address]);
    });
  });

  test("Dispatcher.handleWrite() is called while writable() says so, bound or not", async () => {
    await inMode(mode, async (map) => {
      using ann = Probe.bound();
      class Sender extends Channel {
        left = 3;
        override writable(): boolean {
          return this.left > 0;
        }
        override handleWrite(): void {
          this.events.push(`sent ${this.sendto(`${this.left--}`, ann.address)}`);
        }
      }
      const sender = new Sender(map);
      expect(await ann.texts(3)).toEqual(["3", "2", "1"]);
      expect(sender.events).toEqual(["sent 1", "sent 1", "sent 1"]);
    });
  });

  test("Dispatcher.send() of one channel's hook to a connected one that was refused does not break the hook", async () => {
    await inMode(mode, async (map) => {
      const peer = new Channel(map);
      peer.connect(deadAddress());
      await until(() => peer.connected, "the connect");
      class Teller extends Channel {
        override handleRead(): void {
          this.recvfrom();
          this.events.push(`sent ${peer.send("x")}`, `sent ${peer.send("x")}`);
        }
      }
      const teller = new Teller(map, onLoopback);
      using ann = Probe.bound();
      ann.socket.sendto("go", teller.getsockname());
      await until(() => peer.events.length > 1, "the error");
      expect(teller.events).toEqual(["sent 1", "sent 0"]);
      expect([teller.socket?.state, peer.events]).toEqual(["idle", ["connect", "error ECONNREFUSED"]]);
    });
  });
});

describe("a datagram Dispatcher", () => {
  test("Dispatcher.createSocket(AF_INET6, SOCK_DGRAM) is asyncore's call", async () => {
    const map = new ChannelMap();
    const server = new Dispatcher(undefined, map);
    server.createSocket(AF_INET6, SOCK_DGRAM);
    server.bind(["::1", 0]);
    expect([server.socket?.type, server.socket?.family, server.getsockname()[0]]).toEqual([
      SOCK_DGRAM,
      AF_INET6,
      "::1",
    ]);
    expect(() => server.listen()).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
    expect(server.accepting).toBe(false);
    server.close();
    expect(() => server.sendto("x", ["::1", 9])).toThrow(expect.objectContaining({ code: "EBADF" }));
    await turns(1);
  });

  test("Dispatcher without hooks of its own warns of nothing, and a default handleError() closes", async () => {
    const map = new ChannelMap();
    class Loud extends Dispatcher {
      readonly said: string[] = [];
      override logInfo(message: string, type?: string): void {
        this.said.push(`${type}: ${message}`);
      }
    }
    const channel = new Loud(undefined, map);
    channel.createSocket({ type: SOCK_DGRAM });
    channel.connect(deadAddress());
    await until(() => channel.connected, "the connect");
    channel.send("x");
    await until(() => channel.said.length > 1, "the unread error");
    expect(channel.said.slice(0, 2)).toEqual([
      "warning: unhandled connect event",
      "warning: unhandled read event",
    ]);
    void channel.handleError(new Error("stop"));
    expect([channel.socket?.state, map.size]).toEqual(["closed", 0]);
  });

  test("poll() looks once: what is there is read, and nothing waits", async () => {
    const map = new ChannelMap();
    await poll(0, map);
    const server = new Channel(map, onLoopback);
    await poll(0, map);
    expect(server.events).toEqual([]);
    using ann = Probe.bound();
    ann.socket.sendto("x", server.getsockname());
    await until(() => server.socket?.readReady === true, "the datagram");
    expect(server.events).toEqual([]);
    await poll(0, map);
    expect(server.events).toEqual(["read x"]);
    server.close();
  });

  for (const [how, ends] of [
    ["close", "it is closed"],
    ["leave", "it leaves its map"],
  ] as const) {
    test(`Dispatcher keeps the process alive until ${ends}`, async () => {
      await using child = new Program([`${here}/udp-life.ts`, how]);
      const port = await child.port();
      let isOver = false;
      void child.exited.then(() => (isOver = true));
      using ann = Probe.bound();
      await turns(50);
      expect(isOver).toBe(false);
      ann.socket.sendto("hello", ["127.0.0.1", port]);
      expect(await child.exited).toBe(0);
      await until(() => child.stdout.includes("got"), "its last line");
      expect([child.stdout.split("\n")[1], child.stderr]).toEqual(["got hello", ""]);
    });
  }

  test("UdpSocket that is dropped is closed by garbage collection, in every state", async () => {
    await using child = new Program(["test/socket/udp-dropped.ts"]);
    expect(await child.exited).toBe(0);
    await until(() => child.stdout.split("\n").length > 2, "its lines");
    expect([child.stdout, child.stderr]).toEqual(["collected\nbefore\n", ""]);
  });

  for (const size of [0, 1400]) {
    const why = hasLibc ? "" : " (SKIPPED: only with the C library is every datagram counted)";
    const name = `Dispatcher under a flood of ${size} bytes: timers fire, memory is bounded, all is handled or counted`;
    test.skipIf(!hasLibc)(`${name}${why}`, async () => {
      await using child = new Program([`${here}/udp-flooded.ts`, String(size)]);
      expect([await child.exited, child.stderr]).toEqual([0, ""]);
      await until(() => child.stdout.endsWith("\n"), "its answer");
      const said = JSON.parse(child.stdout) as Record<
        "mostBetween" | "handled" | "dropped" | "sent" | "grownMiB",
        number
      >;
      // 10 ms are 200 hooks, and a turn is 64. With the hook in Bun's callback it is thousands: Bun reads on meanwhile.
      expect(said.mostBetween).toBeLessThan(1000);
      expect(said.handled).toBeGreaterThan(1000);
      expect(said.dropped).toBeGreaterThan(0);
      expect(said.handled + said.dropped).toBe(said.sent);
      expect(said.grownMiB).toBeLessThan(64);
    });
  }

  const unshare = ["unshare", "--user", "--map-root-user", "--net"];
  const hasNamespaces =
    Bun.which("unshare") !== null &&
    Bun.which("ip") !== null &&
    Bun.spawnSync([...unshare, "true"]).exitCode === 0;
  const noNetwork = !hasNamespaces ? "no network namespaces here" : hasLibc ? "" : "needs the C library";
  const skipped = noNetwork === "" ? "" : ` (SKIPPED: ${noNetwork})`;
  test.skipIf(noNetwork !== "")(
    `Dispatcher on a network: full devices, link-local addresses, broadcast, multicast${skipped}`,
    async () => {
      await using child = new Program([`${here}/udp-network.ts`], {}, unshare);
      expect([await child.exited, child.stderr]).toEqual([0, ""]);
      await until(() => child.stdout.endsWith("\n"), "its answer");
      const said = JSON.parse(child.stdout) as Record<string, unknown>;
      expect(said).toMatchObject({
        unreachable: [["ENETUNREACH", "sendto ENETUNREACH"], false, "idle"],
        // The last send returned 0: not sent, not counted, and not writable until the drain.
        full: [true, 0, false, said["sentBytes"]],
        drained: [1, 2, true, ["write 1000", "write 1000"]],
        broadcast: [["subnet", ["10.9.0.1", expect.any(Number)]], 3],
        multicast: ["to all"],
        linkLocal: [true, "hello back", true],
        sixGroup: "group",
      });
    },
  );
});

// Programs of asyncore's, and ours: any two of them speak, and each logs what its hooks were told.
describe("beside CPython's asyncore", () => {
  const why = asyncorePython === undefined ? " (SKIPPED: no Python with asyncore)" : "";
  const both = test.skipIf(asyncorePython === undefined);

  type Log = readonly (readonly (string | number)[])[];
  const word = (data: Buffer): [number, string] => [data.length, data.subarray(0, 8).toString("hex")];

  class Ours extends Dispatcher {
    readonly told: (string | number)[][] = [];
    over = false;
    constructor(map: ChannelMap) {
      super(undefined, map);
      this.createSocket({ type: SOCK_DGRAM });
    }
    override handleConnect(): void {
      this.told.push(["connect"]);
    }
    override handleClose(): void {
      this.told.push(["close"]);
      this.close();
    }
    override handleError(error: unknown): void {
      this.told.push(["error", (error as OSError).code]);
      this.close();
    }
    override close(): void {
      this.over = true;
      super.close();
    }
  }
  class OurServer extends Ours {
    override handleRead(): void {
      const [data, address] = this.recvfrom() as [Buffer, Address];
      this.told.push(["read", ...word(data)]);
      this.sendto(data, address);
      if (data.toString() === "end") this.close();
    }
  }
  class OurClient extends Ours {
    readonly #words = [...WORDS];
    override handleConnect(): void {
      super.handleConnect();
      this.#say();
    }
    #say(): void {
      this.told.push(["sent", this.send(this.#words.shift() ?? "")]);
    }
    override handleRead(): void {
      this.told.push(["read", ...word(this.recv(this.#words.length % 3 === 0 ? 4 : 65_535))]);
      if (this.#words.length > 0) this.#say();
      else this.close();
    }
  }

  const python = (...args: string[]): Peer =>
    new Peer([asyncorePython ?? "", "-W", "ignore", `${here}/udp_peer.py`, ...args]);
  async function portOf(peer: Peer): Promise<number> {
    return (await peer.answer((one) => "port" in one, "its port"))["port"] as number;
  }
  async function logOf(peer: Peer): Promise<Log> {
    return (await peer.answer((one) => "log" in one, "its log"))["log"] as Log;
  }

  for (const mode of modes) {
    both(`Dispatcher speaks UDP as asyncore does, client and server, ${mode}${why}`, async () => {
      await inMode(mode, async (map) => {
        const logs: Record<"client" | "server", Log[]> = { client: [], server: [] };
        await using theirServer = python("server");
        const theirPort = await portOf(theirServer);
        await using theirClient = python("client", String(theirPort));
        logs.client.push(await logOf(theirClient));
        logs.server.push(await logOf(theirServer));

        await using theirOtherServer = python("server");
        const ourClient = new OurClient(map);
        ourClient.connect(["127.0.0.1", await portOf(theirOtherServer)]);
        await until(() => ourClient.over, "our client's end");
        logs.client.push(ourClient.told);
        logs.server.push(await logOf(theirOtherServer));

        const ourServer = new OurServer(map);
        ourServer.bind(onLoopback);
        await using theirOtherClient = python(
          "client",
          String((ourServer.getsockname() as [string, number])[1]),
        );
        logs.client.push(await logOf(theirOtherClient));
        await until(() => ourServer.over, "our server's end");
        logs.server.push(ourServer.told);

        expect(logs.client[0]).toHaveLength(2 * WORDS.length + 1);
        expect(logs.client[1]).toEqual(logs.client[0] as Log);
        expect(logs.client[2]).toEqual(logs.client[0] as Log);
        expect(logs.server[1]).toEqual(logs.server[0] as Log);
        expect(logs.server[2]).toEqual(logs.server[0] as Log);
        expect(logs.server[0]).toHaveLength(WORDS.length);
      });
    });

    both(`Dispatcher is told of a refused datagram as asyncore is, ${mode}${why}`, async () => {
      await inMode(mode, async (map) => {
        const [, port] = deadAddress() as [string, number];
        await using theirs = python("refused", String(port));
        class Refused extends Ours {
          override handleRead(): void {
            this.told.push(["read", ...word(this.recv(10))]);
          }
        }
        const ours = new Refused(map);
        ours.connect(["127.0.0.77", port]);
        // asyncore has called handle_connect() by now; here it comes after, as for every connect.
        const sent = ours.send("anybody?");
        await until(() => ours.over, "our error");
        expect([sent, ours.told]).toEqual([8, [["connect"], ["error", "ECONNREFUSED"]]]);
        expect(await logOf(theirs)).toEqual([["connect"], ["sent", 8], ["error", "ECONNREFUSED"]]);
      });
    });
  }
});
