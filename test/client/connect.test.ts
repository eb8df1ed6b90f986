// connect() on networks in memory, under a virtual clock: what is tried when, and that nothing is left.
import { describe, expect, test } from "bun:test";

import {
  ChannelMap,
  closeAll,
  connect,
  ConnectFailedError,
  type ConnectOptions,
  type ConnectTarget,
  Dispatcher,
  OSError,
  poll,
  type Socket,
  StreamChannel,
  streamLimits,
} from "asyncore";

import { turns } from "../support/until.ts";
import { Lab, type LabOptions, Peer } from "./lab.ts";

const SIX = "2001:db8::1";
const SIX_TOO = "2001:db8::2";
const FOUR = "192.0.2.1";
const FOUR_TOO = "192.0.2.2";
const target: ConnectTarget = { host: "db.example", port: 80 };

const both: LabOptions = { a: { addresses: [FOUR, FOUR_TOO] }, aaaa: { addresses: [SIX, SIX_TOO] } };

function dial(lab: Lab, options: ConnectOptions = {}, to: ConnectTarget = target): Promise<StreamChannel> {
  return connect(to, { ...lab.options, ...options });
}

const peerOf = (channel: Dispatcher): unknown => channel.getpeername();

/** Nothing of a connect that is over is left: no socket, no timer, no channel. */
async function expectNothingLeft(lab: Lab): Promise<void> {
  expect(lab.held).toBe(0);
  expect([...lab.map.values()].filter((channel) => channel instanceof StreamChannel)).toEqual([]);
  await lab.clock.advance(1);
  expect(lab.clock.pending).toBe(0);
}

describe("connect() tries", () => {
  test("both families at once, and IPv6 first", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    lab.listen(FOUR);
    const channel = await lab.value(dial(lab));
    expect(channel).toBeInstanceOf(StreamChannel);
    expect(peerOf(channel)).toEqual([SIX, 80]);
    expect(lab.log).toEqual(["0 ask 6", "0 ask 4", "0 try 2001:db8::1", "0 abort 6", "0 abort 4"]);
    expect(lab.held).toBe(1);
  });

  test("the other families turn when an attempt is slow, 250 ms later, and keeps whichever stands first", async () => {
    const lab = new Lab({ ...both, latency6Ms: 200 });
    const slow = lab.listen(SIX);
    lab.listen(FOUR);
    const channel = await lab.value(dial(lab));
    expect(peerOf(channel)).toEqual([FOUR, 80]);
    expect(lab.clock.now()).toBe(250);
    expect(lab.log.filter((line) => line.includes("try"))).toEqual([
      "0 try 2001:db8::1",
      "250 try 192.0.2.1",
    ]);
    expect(lab.held).toBe(1);
    // The loser, which had reached its server, is reset there.
    await lab.clock.advance(1000);
    expect(slow.accepted.map(({ events }) => events)).toEqual([["ECONNRESET"]]);
  });

  test("keeps a slow first attempt that stands before the second", async () => {
    const lab = new Lab({ ...both, latency6Ms: 150, latency4Ms: 100 });
    lab.listen(SIX);
    const second = lab.listen(FOUR);
    const channel = await lab.value(dial(lab));
    expect(peerOf(channel)).toEqual([SIX, 80]);
    expect(lab.clock.now()).toBe(300);
    expect(lab.sockets.map(({ state }) => state)).toEqual(["open", "closed"]);
    await lab.clock.advance(1000);
    expect(second.accepted).toEqual([]);
  });

  test("all addresses in turns, exactly attemptDelayMs apart, when nobody answers", async () => {
    const lab = new Lab(both);
    for (const host of [SIX, SIX_TOO, FOUR, FOUR_TOO]) lab.swallow(host);
    const error = await lab.failure(dial(lab, { attemptDelayMs: 300, deadlineMs: 5000 }));
    expect(lab.log.filter((line) => line.includes("try"))).toEqual([
      "0 try 2001:db8::1",
      "300 try 192.0.2.1",
      "600 try 2001:db8::2",
      "900 try 192.0.2.2",
    ]);
    expect(lab.clock.now()).toBe(5000);
    expect(error).toBeInstanceOf(ConnectFailedError);
    expect([error.code, error.address, error.port]).toEqual(["ETIMEDOUT", "db.example", 80]);
    expect(error.message).toInclude(`connect [${SIX}]:80: ETIMEDOUT`);
    const { errors } = error as ConnectFailedError;
    expect(errors.map(({ code, address }) => `${address} ${code}`)).toEqual([
      `${SIX} ETIMEDOUT`,
      `${FOUR} ETIMEDOUT`,
      `${SIX_TOO} ETIMEDOUT`,
      `${FOUR_TOO} ETIMEDOUT`,
    ]);
    await expectNothingLeft(lab);
  });

  test("the next address at once when one is refused", async () => {
    const lab = new Lab({ ...both, latency6Ms: 10, latency4Ms: 10 });
    lab.listen(FOUR_TOO);
    const channel = await lab.value(dial(lab));
    expect(peerOf(channel)).toEqual([FOUR_TOO, 80]);
    expect(lab.log.filter((line) => line.includes("try"))).toEqual([
      "0 try 2001:db8::1",
      "10 try 192.0.2.1",
      "20 try 2001:db8::2",
      "30 try 192.0.2.2",
    ]);
  });

  test("the next address at once when a socket cannot even be made, bound or connected", async () => {
    const lab = new Lab(both);
    lab.listen(FOUR);
    const made: number[] = [];
    const createSocket: ConnectOptions["createSocket"] = (options) => {
      made.push(options.family ?? 0);
      if (made.length === 1) throw new OSError("EAFNOSUPPORT", { syscall: "socket" });
      return (lab.options.createSocket as (o: typeof options) => Socket)(options);
    };
    const channel = await lab.value(dial(lab, { createSocket }));
    expect(peerOf(channel)).toEqual([FOUR, 80]);
    expect(lab.clock.now()).toBe(0);
  });

  test("IPv4 alone at once when there is no IPv6 address, or the resolver fails there", async () => {
    for (const aaaa of [{ addresses: [] }, { error: "EAI_AGAIN" }]) {
      const lab = new Lab({ a: { addresses: [FOUR] }, aaaa });
      lab.listen(FOUR);
      const channel = await lab.value(dial(lab));
      expect(peerOf(channel)).toEqual([FOUR, 80]);
      expect(lab.clock.now()).toBe(0);
    }
  });

  test("IPv4 50 ms after its answer when that for IPv6 is late, and IPv6 as soon as its turn comes", async () => {
    const lab = new Lab({ a: { at: 20, addresses: [FOUR, FOUR_TOO] }, aaaa: { at: 200, addresses: [SIX] } });
    lab.swallow(FOUR);
    lab.listen(SIX);
    const channel = await lab.value(dial(lab));
    expect(peerOf(channel)).toEqual([SIX, 80]);
    expect(lab.log.slice(2)).toEqual([
      "70 try 192.0.2.1",
      "320 try 2001:db8::1",
      "320 abort 6",
      "320 abort 4",
    ]);
    expect(lab.held).toBe(1);
  });

  test("IPv6 when its answer comes within those 50 ms", async () => {
    const lab = new Lab({ a: { at: 20, addresses: [FOUR] }, aaaa: { at: 60, addresses: [SIX] } });
    lab.listen(FOUR);
    lab.listen(SIX);
    const channel = await lab.value(dial(lab, { resolutionDelayMs: 50 }));
    expect(peerOf(channel)).toEqual([SIX, 80]);
    expect(lab.clock.now()).toBe(60);
  });

  test("what a late answer brings when everything before it has failed", async () => {
    const lab = new Lab({ a: { at: 0, addresses: [FOUR] }, aaaa: { at: 5000, addresses: [SIX] } });
    lab.listen(SIX);
    const channel = await lab.value(dial(lab));
    expect(peerOf(channel)).toEqual([SIX, 80]);
    expect(lab.clock.now()).toBe(5000);
  });

  test("only the families asked for, in that order", async () => {
    const lab = new Lab(both);
    lab.listen(FOUR);
    lab.listen(SIX);
    const channel = await lab.value(dial(lab, { families: [4, 6] }));
    expect(peerOf(channel)).toEqual([FOUR, 80]);
    const alone = new Lab(both);
    const error = await alone.failure(dial(alone, { families: [4] }));
    expect(alone.log.filter((line) => line.includes("ask"))).toEqual(["0 ask 4"]);
    expect((error as ConnectFailedError).errors.map(({ address }) => address)).toEqual([FOUR, FOUR_TOO]);
  });

  test("only addresses of the family of localAddress, from there", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    lab.listen(FOUR);
    const channel = await lab.value(dial(lab, { localAddress: "192.0.2.77" }));
    expect(peerOf(channel)).toEqual([FOUR, 80]);
    expect(channel.getsockname()[0]).toBe("192.0.2.77");
    expect(lab.log.filter((line) => line.includes("ask"))).toEqual(["0 ask 4"]);
  });

  test("one address after the other with an infinite head start, and sets no endless timer", async () => {
    const lab = new Lab({ ...both, latency6Ms: 1000 });
    lab.listen(FOUR_TOO);
    const delays: number[] = [];
    const setTimer = lab.clock.setTimer.bind(lab.clock);
    lab.clock.setTimer = (callback, delayMs) => {
      delays.push(delayMs);
      return setTimer(callback, delayMs);
    };
    const channel = await lab.value(dial(lab, { attemptDelayMs: Infinity, deadlineMs: Infinity }));
    expect(peerOf(channel)).toEqual([FOUR_TOO, 80]);
    expect(lab.log.filter((line) => line.includes("try"))).toEqual([
      "0 try 2001:db8::1",
      "1000 try 192.0.2.1",
      "1000 try 2001:db8::2",
      "2000 try 192.0.2.2",
    ]);
    expect(Math.max(...delays)).toBeLessThan(2 ** 31);
  });

  test("a numeric address without a look-up", async () => {
    for (const to of [{ host: SIX, port: 80 }, [SIX, 80] as const]) {
      const lab = new Lab(both);
      lab.listen(SIX);
      const channel = await lab.value(dial(lab, {}, to));
      expect(peerOf(channel)).toEqual([SIX, 80]);
      expect(lab.log).toEqual(["0 try 2001:db8::1"]);
    }
  });
});

describe("connect() rejects", () => {
  test("with every attempt when all failed, and the most telling code", async () => {
    const lab = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [SIX] } });
    const error = await lab.failure(dial(lab));
    expect(error).toBeInstanceOf(OSError);
    expect(error).toBeInstanceOf(ConnectFailedError);
    expect(error.code).toBe("ECONNREFUSED");
    expect(error.message).toBe(
      "connect db.example:80: ECONNREFUSED connection refused " +
        "(connect [2001:db8::1]:80: ECONNREFUSED connection refused; " +
        "connect 192.0.2.1:80: ECONNREFUSED connection refused)",
    );
    expect((error as ConnectFailedError).errors.map(({ address, port }) => [address, port])).toEqual([
      [SIX, 80],
      [FOUR, 80],
    ]);
    await expectNothingLeft(lab);
  });

  test("with the answer of a server rather than an unreachable network", async () => {
    const lab = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [SIX] } });
    const unreachable = (code: string, family: number): ConnectOptions["createSocket"] => {
      return (options) => {
        if (options.family === family) throw new OSError(code, { syscall: "connect" });
        return (lab.options.createSocket as (o: typeof options) => Socket)(options);
      };
    };
    for (const family of [2, 10]) {
      const createSocket = unreachable("ENETUNREACH", family);
      const error = await lab.failure(dial(lab, createSocket === undefined ? {} : { createSocket }));
      expect(error.code).toBe("ECONNREFUSED");
    }
  });

  test("with the resolver's error when the name is unknown, or cannot be looked up now", async () => {
    const cases = [
      [{ error: "ENOTFOUND" }, { error: "ENOTFOUND" }, "ENOTFOUND", 2],
      [{ error: "ENOTFOUND" }, { error: "EAI_AGAIN" }, "EAI_AGAIN", 1],
      [{ error: "EAI_AGAIN" }, { error: "ENOTFOUND" }, "EAI_AGAIN", 1],
      [{ addresses: [] }, { addresses: [] }, "ENOTFOUND", 0],
      [{ addresses: [] }, { error: "ENOTFOUND" }, "ENOTFOUND", 1],
    ] as const;
    for (const [a, aaaa, code, count] of cases) {
      const lab = new Lab({ a, aaaa });
      const error = await lab.failure(dial(lab));
      expect([error.code, (error as ConnectFailedError).errors.length]).toEqual([code, count]);
      await expectNothingLeft(lab);
    }
  });

  test("without naming a family the name does not have, but with a look-up that failed", async () => {
    const absent = new Lab({ a: { addresses: [FOUR] }, aaaa: { error: "ENOTFOUND" } });
    const first = (await absent.failure(dial(absent))) as ConnectFailedError;
    expect(first.errors.map(({ code }) => code)).toEqual(["ECONNREFUSED"]);
    const failing = new Lab({ a: { addresses: [FOUR] }, aaaa: { error: "EAI_AGAIN" } });
    const second = (await failing.failure(dial(failing))) as ConnectFailedError;
    expect(second.errors.map(({ code }) => code).toSorted()).toEqual(["EAI_AGAIN", "ECONNREFUSED"]);
    expect(second.code).toBe("ECONNREFUSED");
  });

  test("with a resolver that throws, rejects with anything, or answers nonsense", async () => {
    const lookups = {
      throws: () => {
        throw new Error("out of order");
      },
      rejects: () => Promise.reject(new Error("out of order")),
      "other family": (_host: string, family: number) => [family === 4 ? SIX : FOUR],
      name: () => ["db2.example"],
      "no text": () => [undefined as unknown as string],
    };
    for (const [kind, lookup] of Object.entries(lookups)) {
      const lab = new Lab();
      const error = (await lab.failure(dial(lab, { lookup }))) as ConnectFailedError;
      expect([kind, error.code, error.errors.length]).toEqual([kind, "EAI_FAIL", 2]);
      expect(error.errors[0]?.cause).toBeInstanceOf(Error);
    }
  });

  test("with ETIMEDOUT when the look-up takes too long, and ignores its answer", async () => {
    const lab = new Lab({ a: { at: 2000, addresses: [FOUR] }, aaaa: { at: 2000, addresses: [SIX] } });
    lab.listen(SIX);
    const error = await lab.failure(dial(lab, { deadlineMs: 1500 }));
    expect([error.code, (error as ConnectFailedError).errors.length, lab.clock.now()]).toEqual([
      "ETIMEDOUT",
      0,
      1500,
    ]);
    expect(lab.log).toEqual(["0 ask 6", "0 ask 4", "1500 abort 6", "1500 abort 4"]);
    await lab.clock.runAll();
    expect(lab.sockets).toEqual([]);
    await expectNothingLeft(lab);
  });

  test("with ETIMEDOUT after the connectTimeoutMs of the channel's class, which the attempts have too", async () => {
    class Hasty extends StreamChannel {
      static override limits = streamLimits({ connectTimeoutMs: 700 });
    }
    const lab = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [] } });
    lab.swallow(FOUR);
    const error = await lab.failure(connect(target, { ...lab.options, channel: Hasty }));
    expect([error.code, lab.clock.now()]).toEqual(["ETIMEDOUT", 700]);
    expect(lab.sockets.map(({ limits }) => limits)).toEqual([Hasty.limits]);
    const patient = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [] } });
    patient.swallow(FOUR);
    await patient.failure(connect(target, { ...patient.options, channel: Hasty, deadlineMs: Infinity }));
    expect(patient.clock.now()).toBe(700);
  });

  test("with the signal's reason, whenever it is aborted, and leaves nothing", async () => {
    const reason = new Error("changed my mind");
    for (const at of [0, 10, 20, 60, 71, 200, 320, 400]) {
      const lab = new Lab({
        a: { at: 20, addresses: [FOUR, FOUR_TOO] },
        aaaa: { at: 200, addresses: [SIX] },
        latency6Ms: 50,
      });
      lab.swallow(FOUR);
      lab.listen(SIX);
      const stop = new AbortController();
      lab.clock.setTimer(() => stop.abort(reason), at);
      const error = await lab.failure(dial(lab, { signal: stop.signal }));
      expect([at, error as unknown]).toEqual([at, reason]);
      expect(lab.clock.now()).toBe(at);
      const channels = [...lab.map.values()].filter((channel) => channel instanceof StreamChannel);
      expect([at, lab.held, channels]).toEqual([at, 0, []]);
      await lab.clock.advance(60_000);
      expect([at, lab.held]).toEqual([at, 0]);
    }
  });

  test("with the signal's reason when it is aborted in the turn in which an attempt wins", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    const stop = new AbortController();
    const { createSocket } = lab.options;
    const winning: typeof createSocket = (options) => {
      const socket = (createSocket as (o: typeof options) => Socket)(options);
      const observe = socket.observe.bind(socket);
      let observed = false;
      socket.observe = (observer) => {
        if (observed || observer === undefined) {
          observe(observer);
          return;
        }
        observed = true;
        observe({
          socketChanged: () => observer.socketChanged(),
          socketReady() {
            observer.socketReady();
            stop.abort(new Error("too late"));
          },
        });
      };
      return socket;
    };
    const error = await lab.failure(dial(lab, { signal: stop.signal, createSocket: winning }));
    expect(error.message).toBe("too late");
    expect(lab.held).toBe(0);
  });

  test("and takes its listener from the signal, as it does when it resolves", async () => {
    const lab = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [] } });
    const stop = new AbortController();
    let listeners = 0;
    const { signal } = stop;
    const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
    const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
    signal.addEventListener = (...args: unknown[]) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--;
      remove(...args);
    };
    await lab.failure(dial(lab, { signal }));
    expect(listeners).toBe(0);
    lab.listen(FOUR);
    await lab.value(dial(lab, { signal }));
    expect(listeners).toBe(0);
  });

  test("with the error of an address that cannot be bound, and leaves no socket", async () => {
    const lab = new Lab(both);
    const { createSocket } = lab.options;
    const error = await lab.failure(
      dial(lab, {
        localAddress: "192.0.2.9",
        createSocket(options) {
          const socket = (createSocket as (o: typeof options) => Socket)(options);
          socket.bind = () => {
            throw new OSError("EADDRINUSE", { syscall: "bind" });
          };
          return socket;
        },
      }),
    );
    expect([error.code, lab.sockets.length, lab.held]).toEqual(["EADDRINUSE", 2, 0]);
  });

  test("at once when the signal was aborted before, without asking anybody", async () => {
    const lab = new Lab(both);
    const error = await lab.failure(dial(lab, { signal: AbortSignal.abort() }));
    expect(error.name).toBe("AbortError");
    expect(lab.log).toEqual([]);
  });

  test("is not moved by a signal that is aborted after it has resolved", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    const stop = new AbortController();
    const channel = await lab.value(dial(lab, { signal: stop.signal }));
    stop.abort();
    expect(channel.connected).toBe(true);
    expect(lab.held).toBe(1);
    await lab.clock.advance(1);
    expect(lab.clock.pending).toBe(0);
  });
});

describe("connect() gives the socket to", () => {
  class Told extends Dispatcher {
    readonly events: string[] = [];
    override handleConnect(): void | Promise<void> {
      this.events.push(`connect ${this.connected} ${this.connecting} ${this.channelDispatch.active}`);
    }
    override handleRead(): void {
      this.events.push(`read ${this.recv().toString()}`);
    }
    override handleClose(): void {
      this.events.push("close");
      this.close();
    }
    override handleError(error: unknown): void {
      this.events.push(`error ${(error as Error).message}`);
      this.close();
    }
  }

  test("a channel of the class given, whose handleConnect() is the first of its hooks", async () => {
    const lab = new Lab(both);
    const listening = lab.listen(SIX);
    listening.handleAccepted = (socket) => {
      new Peer(socket, lab.map).send("welcome");
    };
    const channel = await lab.value(connect(target, { ...lab.options, channel: Told }));
    expect(channel).toBeInstanceOf(Told);
    expect(channel.events).toEqual(["connect false true true"]);
    expect([channel.connected, channel.connecting, channel.addr]).toEqual([true, false, [SIX, 80]]);
    await lab.clock.runUntil(() => channel.events.length === 2, "the greeting");
    expect(channel.events[1]).toBe("read welcome");
  });

  test("the channel given, which is in its map from the start", async () => {
    const lab = new Lab({ ...both, latency6Ms: 10 });
    lab.listen(SIX);
    const map = new ChannelMap();
    const channel = new Told(undefined, map);
    const { map: _unused, ...options } = lab.options;
    const connecting = connect(target, { ...options, channel });
    await turns(1);
    expect([map.size, channel.connecting, channel.connected]).toEqual([1, true, false]);
    const opened = channel.opened;
    expect(await lab.value(connecting)).toBe(channel);
    expect(await opened).toBe(channel);
    expect([map.size, channel.connecting, channel.connected]).toEqual([1, false, true]);
  });

  test("the channel given, and leaves it as it was when it fails, so that it can be tried again", async () => {
    const lab = new Lab({ a: { addresses: [FOUR] }, aaaa: { addresses: [] } });
    const channel = new Told(undefined, lab.map);
    expect((await lab.failure(connect(target, { ...lab.options, channel }))).code).toBe("ECONNREFUSED");
    expect([lab.map.size, channel.connecting, channel.socket, channel.events]).toEqual([
      0,
      false,
      undefined,
      [],
    ]);
    lab.listen(FOUR);
    await lab.value(connect(target, { ...lab.options, channel }));
    expect(channel.events).toEqual(["connect false true true"]);
  });

  test("nobody when the channel is closed meanwhile: by itself, or by closeAll()", async () => {
    for (const how of ["close", "abort", "closeAll"] as const) {
      const lab = new Lab({ ...both, latency6Ms: 10 });
      lab.listen(SIX);
      const channel = new Told(undefined, lab.map);
      const connecting = connect(target, { ...lab.options, channel });
      lab.clock.setTimer(() => {
        if (how === "closeAll") closeAll(lab.map);
        else channel[how]();
      }, 5);
      expect([how, (await lab.failure(connecting)).code]).toEqual([how, "ECANCELED"]);
      expect(lab.clock.now()).toBe(5);
      expect(channel.events).toEqual([]);
      await lab.clock.advance(1000);
      expect(lab.held).toBe(0);
    }
  });

  test("nobody when the channel has got another socket meanwhile", async () => {
    const lab = new Lab({ ...both, latency6Ms: 10 });
    lab.listen(SIX);
    const channel = new Told(undefined, lab.map);
    const connecting = connect(target, { ...lab.options, channel });
    const own = (lab.options.createSocket as (options: object) => Socket)({});
    lab.clock.setTimer(() => channel.setSocket(own), 5);
    expect((await lab.failure(connecting)).code).toBe("EISCONN");
    expect(channel.socket).toBe(own);
    expect(lab.sockets.map(({ state }) => state).toSorted()).toEqual(["closed", "idle"]);
    expect(lab.map.get(channel.channelDispatch.number)).toBe(channel);
  });

  test("a channel that is closed, resolving all the same, when its handleConnect() closes it", async () => {
    class Curt extends Told {
      override handleConnect(): void {
        void super.handleConnect();
        this.close();
      }
    }
    const lab = new Lab(both);
    lab.listen(SIX);
    const channel = await lab.value(connect(target, { ...lab.options, channel: Curt }));
    expect([channel.connected, channel.closing]).toEqual([false, true]);
  });

  test("a channel whose handleConnect() throws: rejects so, after handleError(), if that has closed it", async () => {
    class Failing extends Told {
      override handleConnect(): void {
        this.send(Buffer.alloc(256 * 1024, "last words"));
        throw new Error("not today");
      }
    }
    class Stubborn extends Failing {
      override handleError(error: unknown): void {
        this.events.push(`error ${(error as Error).message}`);
      }
    }
    const lab = new Lab(both);
    const listening = lab.listen(SIX);
    const channel = new Failing(undefined, lab.map);
    const error = await lab.failure(connect(target, { ...lab.options, channel }));
    expect(error.message).toBe("not today");
    expect(channel.events).toEqual(["error not today"]);
    const received = (): number => listening.accepted[0]?.received.length ?? 0;
    await lab.clock.runUntil(() => received() === 256 * 1024, "what was sent");
    const kept = await lab.value(connect(target, { ...lab.options, channel: Stubborn }));
    expect([kept.events, kept.connected]).toEqual([["error not today"], true]);
  });

  test("a channel whose connection is lost at once: rejects with the loss, which handleError() gets too", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    const channel = new Told(undefined, lab.map);
    const connecting = connect(target, { ...lab.options, channel });
    const outcome = lab.outcome(connecting);
    // In the turn between the race and the channel's own.
    const addChannel = channel.addChannel.bind(channel);
    channel.addChannel = (map) => {
      addChannel(map);
      channel.socket?.send(Buffer.alloc(8));
      Object.assign(channel.socket ?? {}, {
        takeError: () => new OSError("ECONNRESET", { syscall: "recv" }),
      });
    };
    const { error } = await outcome;
    expect((error as OSError).code).toBe("ECONNRESET");
    expect(channel.events).toEqual(["error recv: ECONNRESET connection reset by peer"]);
  });

  test("a channel whose hook waits for a pass: aborted before that, the channel is aborted", async () => {
    const map = new ChannelMap();
    await poll(0, map);
    for (const how of ["abort the signal", "close", "pass"] as const) {
      const lab = new Lab(both);
      lab.listen(SIX);
      const stop = new AbortController();
      const channel = new Told(undefined, map);
      const options = { ...lab.options, map, channel, deadlineMs: 2000 };
      const connecting = connect(target, { ...options, signal: stop.signal });
      await lab.clock.advance(1);
      expect([channel.events, channel.connecting]).toEqual([[], true]);
      if (how === "pass") {
        // The deadline is over: the connection stands.
        await lab.clock.advance(5000);
        await poll(0, map);
      } else if (how === "close") channel.close();
      else stop.abort(new Error("too late"));
      lab.clock.setTimer(() => undefined, 20_000);
      const { error } = await lab.outcome(connecting);
      if (how === "pass") {
        expect([error, channel.events, channel.connected]).toEqual([
          undefined,
          ["connect false true true"],
          true,
        ]);
        channel.abort();
      } else {
        expect((error as Error).message).toInclude(how === "close" ? "ECANCELED" : "too late");
        expect([channel.events, channel.socket?.state, lab.held]).toEqual([[], "closed", 0]);
      }
      expect(map.size).toBe(0);
    }
  });

  test("a PROXY header comes first, whatever handleConnect() sends", async () => {
    class Greeting extends Told {
      override handleConnect(): void {
        this.send("hello");
      }
    }
    const lab = new Lab(both);
    const listening = lab.listen(SIX);
    await lab.value(connect(target, { ...lab.options, channel: Greeting, proxyHeader: "PROXY UNKNOWN\r\n" }));
    await lab.clock.runUntil(() => listening.accepted[0]?.received.endsWith("hello") === true, "both");
    expect(listening.accepted[0]?.received).toBe("PROXY UNKNOWN\r\nhello");
  });

  test("no channel when a kind of socket has no TLS", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    const error = await lab.failure(dial(lab, { tls: {} }));
    expect(error.code).toBe("EOPNOTSUPP");
    expect(lab.held).toBe(0);
  });
});

describe("connect() refuses", () => {
  const idle = new Dispatcher();
  const used = new StreamChannel();
  const busy = new StreamChannel();
  busy.connecting = true;
  used.createSocket();
  used.close();
  const cases: readonly (readonly [string, unknown, object, string])[] = [
    ["no target", undefined, {}, "ERR_INVALID_ARG_TYPE"],
    ["a number", 80, {}, "ERR_INVALID_ARG_TYPE"],
    ["an object without host", { port: 80 }, {}, "ERR_INVALID_ARG_TYPE"],
    ["a missing host", { host: "", port: 80 }, {}, "ERR_INVALID_ARG_TYPE"],
    ["a missing port", { host: "x" }, {}, "ERR_INVALID_ARG_TYPE"],
    ["port 0", ["x", 0], {}, "ERR_OUT_OF_RANGE"],
    ["port 65536", ["x", 65_536], {}, "ERR_OUT_OF_RANGE"],
    ["an empty path", "", {}, "ERR_INVALID_ARG_TYPE"],
    ["a long path", `/${"x".repeat(200)}`, {}, "ENAMETOOLONG"],
    ["a path that is no text", { path: 1 }, {}, "ERR_INVALID_ARG_TYPE"],
    ["an attempt delay below 100 ms", target, { attemptDelayMs: 99 }, "ERR_OUT_OF_RANGE"],
    ["an attempt delay that is no number", target, { attemptDelayMs: "1s" }, "ERR_OUT_OF_RANGE"],
    ["a negative resolution delay", target, { resolutionDelayMs: -1 }, "ERR_OUT_OF_RANGE"],
    ["a deadline that is no number", target, { deadlineMs: Number.NaN }, "ERR_OUT_OF_RANGE"],
    ["no families", target, { families: [] }, "ERR_INVALID_ARG_TYPE"],
    ["other families", target, { families: [4, 5] }, "ERR_INVALID_ARG_TYPE"],
    ["a local name", target, { localAddress: "here" }, "ERR_INVALID_ARG_TYPE"],
    ["a local address for unix", "/run/x", { localAddress: "127.0.0.1" }, "ERR_INVALID_ARG_TYPE"],
    ["a local address of another family", [SIX, 80], { localAddress: "127.0.0.1" }, "EAFNOSUPPORT"],
    ["a target outside the families", [SIX, 80], { families: [4] }, "EAFNOSUPPORT"],
    ["TLS options that are none", target, { tls: "yes" }, "ERR_INVALID_ARG_TYPE"],
    ["a channel that is none", target, { channel: {} }, "ERR_INVALID_ARG_TYPE"],
    ["a class that is none of channels", target, { channel: Map }, "ERR_INVALID_ARG_TYPE"],
    ["a channel that had a socket", target, { channel: used }, "EISCONN"],
    ["a channel that is connecting", target, { channel: busy }, "EALREADY"],
  ];
  test.each(cases)("%s", async (_what, to, options, code) => {
    const lab = new Lab(both);
    const error = await lab.failure(connect(to as ConnectTarget, { ...lab.options, ...options }));
    expect(error.code).toBe(code);
    expect([lab.log, lab.map.size]).toEqual([[], 0]);
  });

  test("a channel that was closed before it had a socket", async () => {
    const lab = new Lab(both);
    idle.close();
    expect((await lab.failure(connect(target, { ...lab.options, channel: idle }))).code).toBe("ECANCELED");
    expect(lab.held).toBe(0);
  });

  test("a PROXY header that is no bytes, and leaves nothing", async () => {
    const lab = new Lab(both);
    lab.listen(SIX);
    const error = await lab.failure(dial(lab, { proxyHeader: 1 as unknown as string }));
    expect(error.code).toBe("ERR_INVALID_ARG_TYPE");
    expect(lab.held).toBe(0);
  });

  test("a createSocket() that throws what is no OSError: rejects with it, and leaves nothing", async () => {
    const lab = new Lab(both);
    const { createSocket } = lab.options;
    lab.swallow(SIX);
    let calls = 0;
    const failing: typeof createSocket = (options) => {
      if (++calls === 2) throw new TypeError("broken");
      return (createSocket as (o: typeof options) => Socket)(options);
    };
    const error: unknown = await lab.failure(dial(lab, { createSocket: failing }));
    expect(error).toBeInstanceOf(TypeError);
    expect(lab.held).toBe(0);
  });
});
