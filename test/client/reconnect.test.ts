// ReconnectingClient under a virtual clock with a seeded source of chance.
import { describe, expect, spyOn, test } from "bun:test";

import {
  ChannelMap,
  type Closed,
  closeAll,
  Dispatcher,
  ExitNow,
  loop,
  type OSError,
  poll,
  reconnect,
  ReconnectingClient,
  type ReconnectOptions,
  type Socket,
  StreamChannel,
} from "asyncore";
import { Random } from "asyncore/testing";

import { turns } from "../support/until.ts";
import { Lab, type LabOptions, type Listening } from "./lab.ts";

const HOST = "192.0.2.1";
const target = { host: "db.example", port: 80 };
const four: LabOptions = { a: { addresses: [HOST] }, aaaa: { addresses: [] } };

/** Writes down what happens and when, times rounded to the millisecond. */
class Logged<C extends Dispatcher = StreamChannel> extends ReconnectingClient<C> {
  readonly events: string[] = [];
  readonly channels: C[] = [];
  readonly delays: number[] = [];
  readonly lab: Lab;

  constructor(lab: Lab, options: ReconnectOptions<C> = {}) {
    const random = new Random(1);
    super(target, { ...lab.options, random: () => random.fraction(), ...options });
    this.lab = lab;
  }
  #log(event: string): void {
    this.events.push(`${Math.round(this.lab.clock.now())} ${event}`);
  }
  override handleConnect(channel: C): void | Promise<void> {
    this.channels.push(channel);
    this.#log("connect");
  }
  override handleDisconnect(channel: C, closed: Closed, reason: unknown): void {
    const why = reason === undefined ? "" : (reason as Error).message;
    const unsent = closed.unsentBytes === 0 ? "" : `${closed.unsentBytes} unsent`;
    this.#log(`disconnect ${this.channels.indexOf(channel)} ${channel.socket?.state} ${unsent}${why}`.trim());
  }
  override handleRetry(delayMs: number, reason: unknown): void | Promise<void> {
    this.delays.push(delayMs);
    this.#log(
      `retry in ${Math.round(delayMs)} ${reason === undefined ? "" : (reason as OSError).code}`.trim(),
    );
  }
  override handleGiveUp(reason: unknown): void | Promise<void> {
    this.#log(`give up ${reason === undefined ? "" : (reason as OSError).code}`.trim());
  }
  override handleError(error: unknown): void {
    this.#log(`error ${(error as Error).message}`);
  }
}

/** Advances step by step, so that what a timer begins can end before the next. */
async function advance(lab: Lab, ms: number): Promise<void> {
  const end = lab.clock.now() + ms;
  while (lab.clock.now() < end) {
    await lab.clock.advance(Math.min(10, end - lab.clock.now()));
    await turns(3);
  }
}

const accepted = (listening: Listening): number => listening.accepted.length;

describe("ReconnectingClient", () => {
  test("connects, and again with a fresh channel when the connection is lost or ends", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    const client = new Logged(lab, { resetAfterMs: 0, initialDelayMs: 100 });
    await advance(lab, 10);
    expect(client.events).toEqual(["0 connect"]);
    const [first] = client.channels;
    expect(client.channel).toBe(first as StreamChannel);
    listening.accepted[0]?.abort();
    await advance(lab, 110);
    expect(client.events.map((event) => event.replace(/^\d+ /, ""))).toEqual([
      "connect",
      "disconnect 0 closed",
      `retry in ${Math.round(client.delays[0] ?? 0)}`,
      "connect",
    ]);
    expect(client.channels[1]).not.toBe(first);
    expect(client.channel).toBe(client.channels[1] as StreamChannel);
    // Closed by its own program.
    client.channel?.close();
    await advance(lab, 120);
    expect([client.channels.length, accepted(listening)]).toEqual([3, 3]);
    client.close();
    await lab.value(client.closed);
  });

  test("waits the seeded back-off, exactly, between attempts that fail", async () => {
    const lab = new Lab(four);
    const random = new Random(42);
    const expected = Array.from({ length: 8 }, (_, i) => random.fraction() * Math.min(30_000, 500 * 2 ** i));
    const seeded = new Random(42);
    const client = new Logged(lab, { random: () => seeded.fraction() });
    await lab.clock.runUntil(() => client.delays.length === 8, "eight failures", 200_000);
    expect(client.delays).toEqual(expected);
    const tries = lab.log.filter((line) => line.includes("try")).map((line) => Number(line.split(" ")[0]));
    let at = 0;
    for (const [i, time] of tries.slice(0, 8).entries()) {
      expect(time).toBeCloseTo(at, 6);
      at += expected[i] ?? 0;
    }
    expect(client.events[0]).toBe(`0 retry in ${Math.round(expected[0] ?? 0)} ECONNREFUSED`);
    client.close();
    await lab.value(client.closed);
  });

  test("makes no storm against a server that accepts and closes at once", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    listening.handleAccepted = (socket) => socket.close();
    class Reading extends Logged {
      override async handleConnect(channel: StreamChannel): Promise<void> {
        void super.handleConnect(channel);
        for await (const chunk of channel) expect(chunk.length).toBe(0);
      }
    }
    const client = new Reading(lab, { initialDelayMs: 100, maxDelayMs: 10_000 });
    await lab.clock.advance(600_000);
    const connects = client.events.filter((event) => event.endsWith(" connect")).length;
    // On average half the bound: 7 until the bound is 10 s, then one in about 5 s.
    expect(connects).toBeGreaterThan(60);
    expect(connects).toBeLessThan(180);
    expect(client.failures).toBe(connects);
    client.close();
    await lab.value(client.closed);
  }, 60_000);

  test("begins the back-off anew after a connection that lived resetAfterMs, and not before", async () => {
    const lab = new Lab(four);
    const client = new Logged(lab, { resetAfterMs: 5000, random: () => 0.5 });
    await lab.clock.runUntil(() => client.delays.length === 4, "four failures");
    expect(client.delays).toEqual([250, 500, 1000, 2000]);
    const listening = lab.listen(HOST);
    await lab.clock.runUntil(() => client.channels.length === 1, "a connection");
    await advance(lab, 4000);
    listening.accepted[0]?.abort();
    await lab.clock.runUntil(() => client.channels.length === 2, "another");
    expect(client.delays[4]).toBe(4000);
    await advance(lab, 5000);
    listening.accepted[1]?.abort();
    await lab.clock.runUntil(() => client.channels.length === 3, "another");
    expect(client.delays[5]).toBe(250);
    expect(client.failures).toBe(1);
    client.close();
    await lab.value(client.closed);
  });

  test("has one connection at a time: the next attempt waits until the last socket is released", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    const client = new Logged(lab, { random: () => 0 });
    await advance(lab, 1);
    // A peer that does not answer our FIN.
    const peer = listening.accepted[0];
    if (peer !== undefined) peer.handleClose = () => undefined;
    client.channel?.close();
    await advance(lab, 4000);
    expect([client.channels.length, lab.held, client.channel?.closing]).toEqual([1, 1, true]);
    await advance(lab, 2000);
    expect([client.channels.length, lab.held]).toEqual([2, 1]);
    client.close();
    await lab.value(client.closed);
  });

  test("gives up after maxAttempts failures in a row, short-lived connections included", async () => {
    const lab = new Lab(four);
    const client = new Logged(lab, { maxAttempts: 3, random: () => 0.5 });
    await lab.value(client.closed);
    expect(client.events).toEqual([
      "0 retry in 250 ECONNREFUSED",
      "250 retry in 500 ECONNREFUSED",
      "750 give up ECONNREFUSED",
    ]);
    expect([lab.held, lab.map.size, lab.clock.pending]).toEqual([0, 0, 0]);

    const short = new Lab(four);
    const listening = short.listen(HOST);
    listening.handleAccepted = (socket) => socket.abort();
    const other = new Logged(short, { maxAttempts: 1 });
    await short.value(other.closed);
    expect(other.events).toEqual(["0 connect", "0 disconnect 0 closed", "0 give up"]);
  });

  test("close() stops it wherever it is, for good, and leaves nothing", async () => {
    const stops: Record<string, (lab: Lab, client: Logged) => Promise<void>> = {
      "at once": () => Promise.resolve(),
      "in the first turn": () => turns(1),
      "looking up": (lab) => lab.clock.advance(10),
      connecting: (lab) => lab.clock.advance(50),
      connected: async (lab) => {
        await lab.clock.advance(300);
        await turns(3);
      },
      waiting: async (lab, client) => {
        lab.listen("192.0.2.99");
        await lab.clock.runUntil(() => client.channel !== undefined, "a connection");
        client.channel?.abort();
        await lab.clock.runUntil(() => client.delays.length > 0, "the wait");
      },
    };
    for (const by of ["close", "signal", "closeAll", "dispose"]) {
      for (const [when, reach] of Object.entries(stops)) {
        const lab = new Lab({ a: { at: 20, addresses: [HOST] }, aaaa: { addresses: [] }, latency4Ms: 100 });
        const listening = lab.listen(HOST);
        const stop = new AbortController();
        const client = new Logged(lab, { signal: stop.signal });
        await reach(lab, client);
        if (by === "close") client.close();
        else if (by === "signal") stop.abort();
        else if (by === "closeAll") closeAll(lab.map);
        else void client[Symbol.asyncDispose]();
        const connects = client.channels.length;
        await lab.value(client.closed);
        expect([by, when, client.channel, lab.held]).toEqual([by, when, undefined, 0]);
        client.close();
        listening.close();
        await advance(lab, 60_000);
        expect([by, when, client.channels.length]).toEqual([by, when, connects]);
        expect([by, when, lab.clock.pending]).toEqual([by, when, 0]);
        const left = [...lab.map.values()].filter((channel) => channel instanceof StreamChannel);
        expect(left).toEqual([]);
      }
    }
  }, 30_000);

  test("close() takes back the timer of the wait, and the listener of the signal", async () => {
    const lab = new Lab(four);
    const { signal } = new AbortController();
    const removed = spyOn(signal, "removeEventListener");
    const client = new Logged(lab, { random: () => 0.9, signal });
    await lab.clock.runUntil(() => client.delays.length === 3, "a wait");
    expect(lab.clock.pending).toBe(1);
    client.close();
    await client.closed;
    expect(lab.clock.pending).toBe(0);
    expect(removed).toHaveBeenCalledTimes(1);
  });

  test("close() in the turn in which a connection stands closes it, however far connect() has got", async () => {
    for (let turn = 0; turn < 16; turn++) {
      const lab = new Lab(four);
      lab.listen(HOST);
      class Closing extends StreamChannel {
        override async handleConnect(): Promise<void> {
          for (let i = 0; i < turn; i++) await Promise.resolve();
          client.close();
        }
      }
      const client: Logged<Closing> = new Logged<Closing>(lab, { channel: Closing });
      await lab.value(client.closed);
      expect([turn, lab.held, client.channel]).toEqual([turn, 0, undefined]);
    }
  });

  test("close() right after the connection has gone still tells what handleConnect() failed with", async () => {
    const lab = new Lab(four);
    lab.listen(HOST);
    class Reading extends Logged {
      override async handleConnect(channel: StreamChannel): Promise<void> {
        void super.handleConnect(channel);
        for await (const chunk of channel) channel.send(chunk);
      }
    }
    const client = new Reading(lab);
    await advance(lab, 1);
    client.channel?.abort();
    client.close();
    await lab.value(client.closed);
    expect(client.events).toEqual([
      "0 connect",
      "1 disconnect 0 closed recv: ECONNABORTED the channel was closed here",
    ]);
  });

  test("close() delivers what was written", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    const client = new Logged(lab);
    await advance(lab, 1);
    client.channel?.send("last words");
    client.close();
    await lab.value(client.closed);
    expect([listening.accepted[0]?.received, listening.accepted[0]?.events]).toEqual(["last words", ["end"]]);
  });

  test("does nothing with a signal that was aborted before", async () => {
    const lab = new Lab(four);
    const client = new Logged(lab, { signal: AbortSignal.abort() });
    await lab.value(client.closed);
    expect([client.events, lab.log, lab.map.size]).toEqual([[], [], 0]);
  });

  test("makes channels of the class given, or as makeChannel() says, in the map given", async () => {
    class Echo extends Dispatcher {
      override handleConnect(): void {}
      override handleClose(): void {
        this.close();
      }
    }
    const lab = new Lab(four);
    lab.listen(HOST);
    const client = new Logged<Echo>(lab, { channel: Echo });
    await advance(lab, 1);
    expect(client.channel).toBeInstanceOf(Echo);
    expect([...lab.map.values()]).toContain(client.channel as Echo);
    client.close();
    await lab.value(client.closed);

    class Numbered extends Logged<Echo> {
      made = 0;
      override makeChannel(): Echo {
        this.made++;
        return new Echo(undefined, this.lab.map);
      }
    }
    const numbered = new Numbered(lab, { resetAfterMs: 0, random: () => 0 });
    await advance(lab, 1);
    numbered.channel?.close();
    await advance(lab, 20);
    expect([numbered.made, numbered.channel instanceof Echo]).toEqual([2, true]);
    expect(numbered.events[0]).toMatch(/ connect$/);
    numbered.close();
    await lab.value(numbered.closed);
  });

  test("keeps loop() going between connections, and closeAll() ends both", async () => {
    const lab = new Lab(four);
    const map = new ChannelMap();
    await poll(0, map);
    const client = new Logged(lab, { map, initialDelayMs: 1000, random: () => 0.5 });
    let over = false;
    const looping = loop({ map, timeout: 0.005 }).then(() => (over = true));
    await lab.clock.advance(100);
    expect([client.delays.length, over, map.size]).toEqual([1, false, 1]);
    closeAll(map);
    await looping;
    await lab.value(client.closed);
    expect(client.events).toEqual(["0 retry in 500 ECONNREFUSED"]);
  });

  test("uses hooks that are set on it, and gives its default hooks to reconnect()", async () => {
    const lab = new Lab(four);
    lab.listen(HOST);
    const client = reconnect(target, lab.options);
    const told: unknown[] = [];
    client.handleConnect = (channel) => void told.push(channel);
    await advance(lab, 1);
    expect(told).toEqual([client.channel]);
    expect(told[0]).toBeInstanceOf(StreamChannel);
    expect(String(client)).toBe("<ReconnectingClient connected db.example:80>");
    client.close();
    await lab.value(client.closed);
  });
});

describe("a hook of a ReconnectingClient that fails", () => {
  test("handleConnect(): costs the connection, through the channel's handleError()", async () => {
    const lab = new Lab(four);
    lab.listen(HOST);
    let failing: "throw" | "reject" | "" = "throw";
    class Failing extends Logged {
      override handleConnect(channel: StreamChannel): void | Promise<void> {
        void super.handleConnect(channel);
        if (failing === "throw") throw new Error("not today");
        if (failing === "reject") return Promise.reject(new Error("not today either"));
        return undefined;
      }
    }
    const client = new Failing(lab, { random: () => 0.5 });
    await advance(lab, 1);
    failing = "reject";
    await lab.clock.runUntil(() => client.channels.length === 2, "the next connection");
    failing = "";
    await lab.clock.runUntil(() => client.channels.length === 3, "the next connection");
    const [first, second] = client.channels as [StreamChannel, StreamChannel];
    expect((await lab.failure(first.read())).message).toBe("not today");
    expect((await lab.failure(second.read())).message).toBe("not today either");
    expect(client.channel?.connected).toBe(true);
    expect(client.events).toEqual([
      "0 connect",
      "0 disconnect 0 closed not today",
      "0 retry in 250 undefined",
      "250 connect",
      "250 disconnect 1 closed not today either",
      "250 retry in 500 undefined",
      "750 connect",
    ]);
    client.close();
    await lab.value(client.closed);
  });

  test("handleConnect() after its connection is over: the reason is told, and logged nowhere", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    class Reading extends Logged {
      override async handleConnect(channel: StreamChannel): Promise<void> {
        void super.handleConnect(channel);
        for await (const chunk of channel) channel.send(chunk);
      }
    }
    const client = new Reading(lab, { random: () => 0.5 });
    await advance(lab, 1);
    const stderr = spyOn(process.stderr, "write").mockImplementation(() => true);
    try {
      listening.accepted[0]?.abort();
      await lab.clock.runUntil(() => client.channels.length === 2, "the next connection");
      expect(stderr).not.toHaveBeenCalled();
    } finally {
      stderr.mockRestore();
    }
    expect(client.events[1]).toBe("1 disconnect 0 closed recv: ECONNRESET connection reset by peer");
    expect(client.events[2]).toBe("1 retry in 250 ECONNRESET");
    client.close();
    await lab.value(client.closed);
    expect(client.events.at(-1)).toBe(
      "251 disconnect 1 closed recv: ECONNABORTED the channel was closed here",
    );
  });

  test("handleConnect() that goes on after its connection holds the next attempt back, but not close()", async () => {
    const lab = new Lab(four);
    const listening = lab.listen(HOST);
    const sessions: PromiseWithResolvers<void>[] = [];
    class Busy extends Logged {
      override handleConnect(channel: StreamChannel): Promise<void> {
        void super.handleConnect(channel);
        const session = Promise.withResolvers<void>();
        sessions.push(session);
        return session.promise;
      }
    }
    const client = new Busy(lab, { random: () => 0 });
    await advance(lab, 1);
    listening.accepted[0]?.abort();
    await advance(lab, 10_000);
    expect([client.channels.length, client.channel]).toEqual([1, undefined]);
    sessions[0]?.resolve();
    await advance(lab, 10);
    expect(client.channels.length).toBe(2);
    client.close();
    await lab.value(client.closed);
    expect(client.events.at(-1)).toMatch(/ disconnect 1 closed$/);
    // Nobody waits for it any more, and it must not vanish.
    const stderr = spyOn(process.stderr, "write").mockImplementation(() => true);
    try {
      sessions[1]?.reject(new Error("very late"));
      await turns(2);
      const [line] = stderr.mock.calls[0] ?? [];
      expect(String(line)).toInclude("<Busy db.example:80> (Error:very late");
    } finally {
      stderr.mockRestore();
    }
  });

  test("the others: handleError() gets it, and the client goes on", async () => {
    class Failing extends Logged {
      override handleRetry(delayMs: number, reason: unknown): void | Promise<void> {
        void super.handleRetry(delayMs, reason);
        if (this.delays.length === 1) throw new Error("thrown");
        return Promise.reject(new Error("rejected"));
      }
      override handleGiveUp(reason: unknown): void {
        void super.handleGiveUp(reason);
        throw new Error("at the end");
      }
    }
    const lab = new Lab(four);
    const client = new Failing(lab, { maxAttempts: 3, random: () => 0.5 });
    await lab.value(client.closed);
    expect(client.events).toEqual([
      "0 retry in 250 ECONNREFUSED",
      "0 error thrown",
      "250 retry in 500 ECONNREFUSED",
      "250 error rejected",
      "750 give up ECONNREFUSED",
      "750 error at the end",
    ]);
  });

  test("with ExitNow leaves the loop", async () => {
    const lab = new Lab(four);
    const map = new ChannelMap();
    await poll(0, map);
    class Leaving extends Logged {
      override handleRetry(): void {
        throw new ExitNow("enough");
      }
    }
    const client = new Leaving(lab, { map });
    const looping = loop({ map, timeout: 0.005 });
    const left = looping.catch((error: unknown) => error);
    await lab.clock.advance(10);
    expect(await left).toBeInstanceOf(ExitNow);
    client.close();
    await lab.value(client.closed);
  });

  test("and has no handler of its own is logged, as is giving up", async () => {
    const written: string[] = [];
    const stdout = spyOn(process.stdout, "write").mockImplementation((text: unknown) => {
      written.push(String(text));
      return true;
    });
    try {
      const lab = new Lab(four);
      const client = reconnect(target, { ...lab.options, maxAttempts: 2, random: () => 0 });
      client.handleRetry = () => {
        throw new TypeError("oops");
      };
      await lab.value(client.closed);
    } finally {
      stdout.mockRestore();
    }
    expect(written.join("")).toBe(
      "error: a hook failed (TypeError: oops)\n" +
        "error: giving up after 2 failures (ConnectFailedError: connect db.example:80: ECONNREFUSED " +
        "connection refused (connect 192.0.2.1:80: ECONNREFUSED connection refused))\n",
    );
  });
});

describe("new ReconnectingClient() refuses", () => {
  const socketless = (): Socket => {
    throw new Error("unreachable");
  };
  test.each([
    ["no target", undefined, {}, "ERR_INVALID_ARG_TYPE"],
    ["port 0", ["x", 0], {}, "ERR_OUT_OF_RANGE"],
    ["a short head start", target, { attemptDelayMs: 10 }, "ERR_OUT_OF_RANGE"],
    ["no attempts", target, { maxAttempts: 0 }, "ERR_OUT_OF_RANGE"],
    ["a negative life", target, { resetAfterMs: -1 }, "ERR_OUT_OF_RANGE"],
    ["a factor below 1", target, { factor: 0 }, "ERR_OUT_OF_RANGE"],
    ["a first wait over the longest", target, { initialDelayMs: 2, maxDelayMs: 1 }, "ERR_OUT_OF_RANGE"],
    ["an instance for a channel", target, { channel: new StreamChannel() }, "ERR_INVALID_ARG_TYPE"],
    ["no class of channels", target, { channel: Map }, "ERR_INVALID_ARG_TYPE"],
  ])("%s, and leaves nothing in the map", (_what, to, options, code) => {
    const map = new ChannelMap();
    const make = (): unknown =>
      new ReconnectingClient(to as typeof target, {
        ...(options as ReconnectOptions),
        map,
        createSocket: socketless,
      });
    expect(make).toThrow(expect.objectContaining({ code }));
    expect(map.size).toBe(0);
  });
});
