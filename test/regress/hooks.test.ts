// Hooks that take their time, fail, meet other channels' troubles, or leave things as they are.
import { describe, expect, spyOn, test } from "bun:test";

import {
  AsyncChat,
  ChannelMap,
  closeAll,
  compactTraceback,
  Dispatcher,
  loop,
  type OSError,
  poll,
  SHUT_WR,
  type Socket,
  streamLimits,
} from "asyncore";

import { RawPeer } from "../integration/support/raw.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

/** Greets who connects. */
class Greeting extends Logged {
  constructor(socket: Socket, map: ChannelMap) {
    super(socket, map);
    this.send("welcome");
  }
}

/** A promise and what settles it. */
class Gate {
  open: () => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly passed: Promise<void>;
  constructor() {
    this.passed = new Promise((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
  }
}

/** What is written to standard error meanwhile, instead of it. */
function captureErrors(): { lines: string[] } & Disposable {
  const lines: string[] = [];
  const write = spyOn(process.stderr, "write").mockImplementation((text: unknown) => {
    lines.push(String(text));
    return true;
  });
  return { lines, [Symbol.dispose]: () => write.mockRestore() };
}

/** The accepting ends of `listening`, once `count` have come. */
async function acceptedBy<T extends Dispatcher>(listening: Listening, count: number): Promise<T[]> {
  await until(() => listening.accepted.length === count, "the connections are accepted");
  return listening.accepted as T[];
}

for (const mode of modes) {
  describe(`${mode} mode`, () => {
    test("Dispatcher.createSocket() starts with a clean slate when the async hook that calls it goes on", () =>
      inMode(mode, async (map) => {
        const gate = new Gate();
        const first = new Listening(map);
        const second = new Listening(map, (socket, into) => new Greeting(socket, into));
        class Client extends Logged {
          override async handleClose(): Promise<void> {
            this.createSocket();
            this.connect(second.address);
            await gate.passed;
          }
        }
        const client = connectTo(new Client(undefined, map), first.address);
        const [server] = await acceptedBy(first, 1);
        server?.close();
        await until(
          () => client.received === "welcome",
          "a read while the old socket's hook is pending",
          1000,
        );
        gate.open();
        await turns(5);
        expect(client.events).toEqual(["connect", "connect", "read 7"]);
      }));

    for (const outcome of ["resolves", "rejects"]) {
      test(`Dispatcher.createSocket() starts with a clean slate when an async hook of the old socket ${outcome} late`, () =>
        inMode(mode, async (map) => {
          using errors = captureErrors();
          const gate = new Gate();
          class Client extends Logged {
            reads = 0;
            override handleRead(): void | Promise<void> {
              this.events.push(`read ${this.recv().length}`);
              if (++this.reads === 1) return gate.passed;
            }
          }
          const listening = new Listening(map, (socket, into) => new Greeting(socket, into));
          const client = connectTo(new Client(undefined, map), listening.address);
          await until(() => client.reads === 1, "the hook is pending");
          connectTo(client, listening.address);
          await until(() => client.reads === 2, "a read while the old socket's hook is pending", 1000);
          if (outcome === "rejects") gate.fail(new Error("too late"));
          else gate.open();
          await turns(5);
          expect(client.events).toEqual(["connect", "read 7", "connect", "read 7"]);
          expect(client.connected).toBe(true);
          expect(errors.lines.join("").includes("too late")).toBe(outcome === "rejects");
          const [, server] = await acceptedBy(listening, 2);
          server?.send("more");
          await until(() => client.events.at(-1) === "read 4", "reads go on");
        }));
    }

    test("Dispatcher.createSocket() starts with a clean slate when an async handleError() of the old socket rejects late", () =>
      inMode(mode, async (map) => {
        using errors = captureErrors();
        const gate = new Gate();
        class Client extends Logged {
          override handleConnect(): void {
            this.events.push("connect");
            if (this.error === undefined) throw new Error("first");
          }
          override handleError(error: unknown): Promise<void> {
            this.error = error;
            return gate.passed;
          }
        }
        const listening = new Listening(map);
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.error !== undefined, "handleError() is pending");
        connectTo(client, listening.address);
        await until(() => client.connected && client.events.length === 2, "the second connection");
        gate.fail(new Error("too late"));
        await turns(5);
        expect(errors.lines.join("")).toContain("too late");
        expect(client.socket?.state).toBe("open");
        const servers = await acceptedBy(listening, 2);
        servers[1]?.send("more");
        await until(() => client.received === "more", "reads go on", 1000);
      }));

    test("AsyncChat.pushWithProducer() sends nothing to the next connection when a piece comes late", () =>
      inMode(mode, async (map) => {
        const gate = new Gate();
        async function* source(): AsyncGenerator<string> {
          await gate.passed;
          yield "meant for the first";
        }
        class Client extends AsyncChat {
          override handleConnect(): void {}
        }
        const listening = new Listening(map);
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.connected, "the first connection");
        client.pushWithProducer(source());
        await turns(5);
        client.close();
        connectTo(client, listening.address);
        await until(() => client.connected, "the second connection");
        gate.open();
        await turns(5);
        client.push("meant for the second");
        const servers = await acceptedBy<Logged>(listening, 2);
        await until(() => servers[1]?.received !== "", "what the second gets", 1000);
        await turns(5);
        expect(servers.map((server) => server.received)).toEqual(["", "meant for the second"]);
      }));

    test("Dispatcher.handleWrite() is asked again when it sent nothing the first time and writable() still says so", () =>
      inMode(mode, async (map) => {
        class Client extends Logged {
          sent = 0;
          prepared: Buffer | undefined;
          override writable(): boolean {
            return this.sent < 3;
          }
          override handleWrite(): void {
            if (this.prepared === undefined) {
              this.prepared = Buffer.alloc(10, "x");
              return;
            }
            this.send(this.prepared);
            this.prepared = undefined;
            this.sent++;
          }
        }
        const listening = new Listening(map);
        connectTo(new Client(undefined, map), listening.address);
        const [server] = await acceptedBy<Logged>(listening, 1);
        await until(() => server?.received.length === 30, "all three pieces");
      }));

    test("Dispatcher.handleAccepted() costs only the listener its error when it throws after handing over", () =>
      inMode(mode, async (map) => {
        const errors: unknown[] = [];
        class Server extends Listening {
          override handleAccepted(socket: Socket): void {
            super.handleAccepted(socket);
            throw new Error("a line of the log");
          }
          override handleError(error: unknown): void {
            errors.push(error);
          }
        }
        const listening = new Server(map);
        const client = connectTo(new Logged(undefined, map), listening.address);
        const [server] = await acceptedBy<Logged>(listening, 1);
        client.send("hello");
        await until(() => server?.received === "hello", "the channel reads");
        expect(errors).toEqual([new Error("a line of the log")]);
        expect(server?.connected).toBe(true);
      }));

    test("Dispatcher.handleAccepted() ends the connection when it throws without handing over", () =>
      inMode(mode, async (map) => {
        class Server extends Listening {
          override handleAccepted(): void {
            throw new Error("no");
          }
          override handleError(): void {}
        }
        const client = connectTo(new Logged(undefined, map), new Server(map).address);
        await until(() => client.events.includes("close"), "the end");
      }));

    test("Dispatcher.send() over the cap fails only the full channel when another channel's async hook meets it", () =>
      inMode(mode, async (map) => {
        const returned: number[] = [];
        const all: Logged[] = [];
        class Member extends Logged {
          static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
          override async handleRead(): Promise<void> {
            this.recv();
            await turns(1);
            for (const one of all) if (one !== this) returned.push(one.send(Buffer.alloc(16 << 20)));
            this.send("published");
          }
        }
        const listening = new Listening(map, (socket, into) => {
          const member = new Member(socket, into);
          all.push(member);
          return member;
        });
        using _slow = await RawPeer.connect(listening.address, { paused: true });
        await acceptedBy(listening, 1);
        using publisher = await RawPeer.connect(listening.address);
        await acceptedBy(listening, 2);
        publisher.send("go");
        await until(() => publisher.received === "published" && all[0]?.error !== undefined, "both outcomes");
        await turns(5);
        expect(returned).toEqual([0]);
        expect(all[0]?.error).toMatchObject({ code: "ENOBUFS" });
        expect(all.map((one) => one.events.length)).toEqual([1, 0]);
        expect(all[1]?.connected).toBe(true);
      }));

    for (const [gone, go] of [
      ["closed", (channel: Dispatcher) => channel.close()],
      ["shut down its sending", (channel: Dispatcher) => channel.shutdown(SHUT_WR)],
    ] as const) {
      test(`Dispatcher.send() returns 0 in another channel's hook when the channel has ${gone}`, () =>
        inMode(mode, async (map) => {
          const outcomes: unknown[] = [];
          class Member extends Logged {
            override handleRead(): void {
              this.recv();
              for (const one of listening.accepted) if (one !== this) outcomes.push(one.send("news"));
            }
          }
          const listening: Listening = new Listening(map, (socket, into) => new Member(socket, into));
          using _silent = await RawPeer.connect(listening.address);
          const [left] = await acceptedBy<Member>(listening, 1);
          const client = connectTo(new Logged(undefined, map), listening.address);
          const [, member] = await acceptedBy<Member>(listening, 2);
          go(left as Member);
          client.send("go");
          await until(() => outcomes.length > 0 || member?.error !== undefined, "the hook has sent");
          expect(member?.error).toBeUndefined();
          expect(outcomes).toEqual([0]);
          expect(left?.events).toEqual([]);
        }));
    }

    test("Dispatcher.send() throws EBADF in the channel's own hook and in plain code when it has closed", () =>
      inMode(mode, async (map) => {
        const codes: string[] = [];
        const attempt = (channel: Dispatcher): void => {
          try {
            channel.send("x");
          } catch (error) {
            codes.push((error as OSError).code);
          }
        };
        class Server extends Logged {
          override handleRead(): void {
            this.close();
            attempt(this);
          }
        }
        const listening = new Listening(map, (socket, into) => new Server(socket, into));
        const client = connectTo(new Logged(undefined, map), listening.address);
        client.send("go");
        await until(() => codes.length === 1, "the hook has tried");
        attempt(listening.accepted[0] as Dispatcher);
        expect(codes).toEqual(["EBADF", "EBADF"]);
      }));

    test("Dispatcher.handleError() gets it when a hook returns a thenable whose then() throws, and the others' output goes out", () =>
      inMode(mode, async (map) => {
        const trap = {
          // oxlint-disable-next-line unicorn/no-thenable -- what this is about
          then(): void {
            throw new Error("boom");
          },
        };
        class Trapped extends Logged {
          override handleRead(): Promise<void> {
            this.recv();
            return trap as unknown as Promise<void>;
          }
        }
        const listening = new Listening(map, (socket, into) => new Trapped(socket, into));
        const first = connectTo(new Logged(undefined, map), listening.address);
        const [trapped] = await acceptedBy<Trapped>(listening, 1);
        first.send("go");
        await until(() => trapped?.error !== undefined, "handleError()");
        expect(trapped?.events).toEqual(["error boom"]);
        const other = new Listening(map);
        const client = connectTo(new Logged(undefined, map), other.address);
        client.send("from another");
        const [server] = await acceptedBy<Logged>(other, 1);
        await until(() => server?.received === "from another", "its output");
        expect(client.bufferedAmount).toBe(0);
      }));

    test("Dispatcher.delChannel() leaves the new owner its events when the socket was handed to another channel", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = connectTo(new Logged(undefined, map), listening.address);
        const [before] = await acceptedBy<Logged>(listening, 1);
        const after = new Logged(before?.socket, map);
        before?.delChannel();
        client.send("hello");
        await until(() => after.received === "hello", "the new owner reads", 1000);
      }));

    test("Dispatcher.handleWrite() runs at full speed when a byte is left unread", () =>
      inMode(mode, async (map) => {
        class Server extends Dispatcher {
          writes = 0;
          override handleRead(): void {}
          override handleWrite(): void {
            this.writes++;
            this.send(Buffer.alloc(1000));
          }
        }
        const listening = new Listening(map, (socket, into) => new Server(socket, into));
        using peer = await RawPeer.connect(listening.address);
        const [server] = await acceptedBy<Server>(listening, 1);
        peer.send("x");
        await until(() => server?.socket?.readReady === true, "the byte has come");
        const before = server?.writes ?? 0;
        await turns(200);
        // At 64 ms a write, or one of 1, 2, 4 … 64 ms, it would be a handful.
        expect((server?.writes ?? 0) - before).toBeGreaterThan(40);
        server?.abort();
      }));

    test("Dispatcher.handleRead() is asked at once again when it left bytes unread before, and has taken them since", () =>
      inMode(mode, async (map) => {
        class Server extends Dispatcher {
          takes = false;
          asked = 0;
          override handleRead(): void {
            this.asked++;
            if (this.takes) this.recv();
          }
        }
        const listening = new Listening(map, (socket, into) => new Server(socket, into));
        const client = connectTo(new Logged(undefined, map), listening.address);
        const [server] = (await acceptedBy<Server>(listening, 1)) as [Server];
        client.send("one");
        await until(() => server.asked >= 9, "it is asked every 64 ms only");
        server.takes = true;
        await until(() => server.socket?.bytesRead === 3, "it has taken them");
        server.takes = false;
        const before = server.asked;
        const began = performance.now();
        client.send("two");
        // At once, next turn, 1 ms, 2 ms; not at once, 64 ms, 64 ms, 64 ms.
        await until(() => server.asked >= before + 4, "asked four times");
        expect(performance.now() - began).toBeLessThan(100);
      }));
  });
}

describe("poll mode", () => {
  test("poll() ends with its own timeout when another pass of the map waits", async () => {
    const map = new ChannelMap();
    new Listening(map);
    const running = loop({ map });
    await turns(10);
    let ended = 0;
    for (const timeout of [0, 0.02]) void poll(timeout, map).then(() => ended++);
    try {
      await until(() => ended === 2, "both have ended", 500);
    } finally {
      closeAll(map);
      await running;
    }
  });

  test("loop() makes as many passes as it was asked for when another loop() of the map waits", async () => {
    const map = new ChannelMap();
    new Listening(map);
    const running = loop({ map });
    await turns(10);
    let ended = false;
    void loop({ map, count: 2, timeout: 0.02 }).then(() => (ended = true));
    try {
      await until(() => ended, "two passes", 500);
    } finally {
      closeAll(map);
      await running;
    }
  });

  for (const which of [0, 1]) {
    const began = which === 0 ? "later" : "before";
    test(`loop() ends when its signal says so and another pass of the map that began ${began} waits`, async () => {
      const map = new ChannelMap();
      new Listening(map);
      const ended: number[] = [];
      const stops = [new AbortController(), new AbortController()] as const;
      const loops = stops.map(({ signal }, i) =>
        loop({ map, timeout: 30, signal }).then(() => {
          ended.push(i);
        }),
      );
      await turns(10);
      stops[which]?.abort();
      try {
        await until(() => ended.length > 0, `loop ${which} has ended`, 500);
        await turns(5);
        expect(ended).toEqual([which]);
      } finally {
        closeAll(map);
        await Promise.all(loops);
      }
    });
  }

  test("loop() serves a channel when another pass of the map has met it first", async () => {
    const map = new ChannelMap();
    const servers = new ChannelMap();
    const listening = new Listening(servers, (socket, into) => new Greeting(socket, into));
    new Listening(map);
    const running = loop({ map });
    await turns(10);
    class Asked extends Logged {
      override readable(): boolean {
        return true;
      }
    }
    const client = connectTo(new Asked(undefined, map), listening.address);
    await poll(0, map);
    try {
      await until(() => client.received === "welcome", "the loop has read", 500);
    } finally {
      closeAll(map);
      closeAll(servers);
      await running;
    }
  });

  test("loop() does not spin when a class overrides readable() only", () =>
    inMode("poll", async (map) => {
      class Client extends Logged {
        asked = 0;
        told = 0;
        override readable(): boolean {
          this.asked++;
          return true;
        }
        override logInfo(): void {
          this.told++;
        }
      }
      const listening = new Listening(map);
      const client = connectTo(new Client(undefined, map), listening.address);
      await until(() => client.connected, "connected");
      await acceptedBy(listening, 1);
      await turns(10);
      const before = client.asked;
      await turns(200);
      expect(client.asked - before).toBeLessThan(5);
      expect(client.told).toBeLessThan(5);
    }));
});

describe("compactTraceback()", () => {
  // 256 KB that a pattern which tries every parenthesis with every number takes minutes for.
  const hostile = `bad request:\n    at ${" (".repeat(64 * 1024)}${":1".repeat(64 * 1024)}x`;
  const lines = `    at ${" (".repeat(1000)}${":1".repeat(1000)}x\n`.repeat(64);

  for (const [what, make] of [
    ["quotes 256 KB of a peer's", () => new Error(hostile)],
    ["quotes 64 lines of a peer's", () => new Error(`bad request:\n${lines}`)],
    [
      "was given another message than its stack begins with",
      () => {
        const error = new Error(`bad request:\n${lines}`);
        void error.stack;
        error.message = "bad request";
        return error;
      },
    ],
  ] as const) {
    test(`compactTraceback() is fast and finds the frame when the error ${what}`, () => {
      const error = make();
      const began = performance.now();
      const { at, type } = compactTraceback(error);
      expect(performance.now() - began).toBeLessThan(500);
      expect(type).toBe("Error");
      expect(at?.file).toBe(import.meta.path);
    });
  }

  test("compactTraceback() finds the innermost frame when there are hundreds", () => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 1000;
    try {
      function innermost(): never {
        throw new Error("deep");
      }
      // A call in an expression: one in tail position would leave no frame.
      const outer = (depth: number): number => (depth === 0 ? innermost() : 1 + outer(depth - 1));
      let error: unknown;
      try {
        outer(500);
      } catch (caught) {
        error = caught;
      }
      expect((error as Error).stack?.split("\n").length).toBeGreaterThan(400);
      expect(compactTraceback(error).at?.function).toBe("innermost");
    } finally {
      Error.stackTraceLimit = limit;
    }
  });

  test("Dispatcher.handleError() is fast when the error quotes 256 KB of a peer's", () =>
    inMode("push", async (map) => {
      let took = -1;
      class Server extends Dispatcher {
        override logInfo(): void {}
        override handleRead(): void {
          throw new Error(this.recv().toString() + hostile);
        }
        override handleError(error: unknown): void {
          const began = performance.now();
          void super.handleError(error);
          took = performance.now() - began;
        }
      }
      const listening = new Listening(map, (socket, into) => new Server(socket, into));
      const client = connectTo(new Logged(undefined, map), listening.address);
      client.send("x");
      await until(() => took >= 0, "handleError()");
      expect(took).toBeLessThan(500);
    }));
});
