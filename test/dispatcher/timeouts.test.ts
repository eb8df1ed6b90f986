/** `handleTimeout()`: the timeouts of a channel over a network in memory and over real sockets, in both modes. */
import { describe, expect, spyOn, test } from "bun:test";
import net from "node:net";
import * as fc from "fast-check";

import {
  ChannelMap,
  Dispatcher,
  type HookResult,
  MSG_OOB,
  OSError,
  poll,
  type Socket,
  streamLimits,
  type StreamLimits,
  systemClock,
  type TimeoutKind,
} from "asyncore";
import { MemoryNetwork, memoryPair, VirtualClock } from "asyncore/testing";

import { TimerWheel } from "../../src/base/timer-wheel.ts";
import { libc } from "../../src/socket/libc.ts";
import { inMode, modes } from "../regress/modes.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until, within } from "../support/until.ts";

const KIB = 1024;

/** The latest that what takes `ms` may be told. */
const latest = (ms: number): number => ms + ms / 8 + 50;

/** Notes what it is told and when, and stays open. */
class Told extends Logged {
  readonly told: [TimeoutKind, number][] = [];
  readonly reasons: OSError[] = [];
  override handleTimeout(kind: TimeoutKind, error: OSError): HookResult {
    this.told.push([kind, this.socket?.clock.now() ?? Number.NaN]);
    this.reasons.push(error);
  }
  get kinds(): TimeoutKind[] {
    return this.told.map(([kind]) => kind);
  }
}

interface Rig<C extends Dispatcher> {
  readonly clock: VirtualClock;
  readonly channel: C;
  readonly peer: Socket;
}

/** A channel whose connection stands, on a virtual clock. */
async function rig<C extends Dispatcher>(
  map: ChannelMap,
  changes: Partial<StreamLimits>,
  Kind: new (socket: Socket, map: ChannelMap) => C,
): Promise<Rig<C>> {
  const clock = new VirtualClock();
  const [socket, peer] = memoryPair({ clock });
  socket.limits = streamLimits(changes);
  const channel = new Kind(socket, map);
  await served(channel);
  return { clock, channel, peer };
}

/** Until the channel has had a turn, or a pass: in the first one its timeouts begin. */
async function served(channel: Dispatcher): Promise<void> {
  let ran = false;
  channel.channelDispatch.runDue(() => {
    ran = true;
  });
  await until(() => ran, "a turn");
  await turns(4);
}

/** Advances in steps, with turns between for a pass of poll mode. */
async function go(clock: VirtualClock, ms: number, stepMs = ms): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    await clock.advance(Math.min(stepMs, left));
    await turns(4);
  }
}

for (const mode of modes) {
  describe(`Dispatcher.handleTimeout() in ${mode} mode`, () => {
    test("tells idle once nothing has moved for that long, and again after as long a time", () =>
      inMode(mode, async (map) => {
        const { clock, channel } = await rig(map, { idleTimeoutMs: 8000 }, Told);
        await go(clock, 7990, 470);
        expect(channel.kinds).toEqual([]);
        await go(clock, latest(8000) - 7990);
        await until(() => channel.told.length === 1, "idle");
        expect(channel.told[0]?.[0]).toBe("idle");
        expect(channel.told[0]?.[1]).toBeGreaterThanOrEqual(8000);
        await go(clock, 6900);
        expect(channel.told.length).toBe(1);
        await go(clock, 2200);
        await until(() => channel.told.length === 2, "idle again");
      }));

    test("the default warns and calls handleClose() with the error", () =>
      inMode(mode, async (map) => {
        class Default extends Logged {
          static override ignoreLogTypes = new Set<string>();
          readonly lines: string[] = [];
          reason: OSError | undefined;
          override logInfo(message: string, type = "info"): void {
            this.lines.push(`${type}: ${message}`);
          }
          override handleClose(reason?: OSError): HookResult {
            this.reason = reason;
            return super.handleClose();
          }
        }
        for (const [name, text] of [
          ["idleTimeoutMs", "nothing received or sent for 500 ms"],
          ["lifetimeTimeoutMs", "the connection has stood for 500 ms"],
          ["requestTimeoutMs", "the request has taken 500 ms"],
        ] as const) {
          const { clock, channel, peer } = await rig(map, { [name]: 500 }, Default);
          channel.beginRequest();
          await go(clock, 499);
          expect(channel.events).toEqual([]);
          await go(clock, latest(500) - 499);
          await until(() => channel.events.length === 1, name);
          expect(channel.events).toEqual(["close"]);
          expect(channel.reason?.message).toBe(`ETIMEDOUT ${text}`);
          expect(channel.reason).toBeInstanceOf(OSError);
          expect(channel.lines).toEqual([`warning: ETIMEDOUT ${text}`]);
          peer.close();
          await clock.runAll();
          expect([clock.pending, channel.socket?.state]).toEqual([0, "closed"]);
        }
      }));

    test("idle: what comes is progress, and so is what a slow peer takes", () =>
      inMode(mode, async (map) => {
        const { clock, channel, peer } = await rig(map, { idleTimeoutMs: 1000 }, Told);
        for (let i = 0; i < 20; i++) {
          peer.send("x");
          await go(clock, 700);
        }
        expect([channel.received.length, channel.kinds]).toEqual([20, []]);
        // More than both kernels hold, to a peer that takes a little now and then.
        channel.send(Buffer.alloc(4_000_000));
        let before = Number.NaN;
        const observer = { socketReady: (): void => undefined, socketChanged: (): void => undefined };
        peer.observe(observer);
        for (let i = 0; i < 20; i++) {
          expect(channel.bufferedAmount).not.toBe(before);
          before = channel.bufferedAmount;
          await go(clock, 450);
          let taken = 0;
          for (let chunk = peer.recv(); taken < 40_000 && chunk !== undefined; chunk = peer.recv()) {
            taken += chunk.length;
            await go(clock, 1);
          }
          await go(clock, 450);
        }
        expect(channel.bufferedAmount).toBeGreaterThan(0);
        expect(channel.kinds).toEqual([]);
        // Something is queued, and the peer takes none of it.
        await go(clock, 2 * latest(1000), 100);
        await until(() => channel.told.length > 0, "idle");
        expect(channel.kinds).toContain("idle");
        channel.abort();
      }));

    test("idle: bytes that wait to be read make the program slow, not its peer", () =>
      inMode(mode, async (map) => {
        class Gated extends Told {
          open = false;
          override readable(): boolean {
            return this.open;
          }
        }
        const { clock, channel, peer } = await rig(map, { idleTimeoutMs: 1000 }, Gated);
        peer.send("early");
        await go(clock, 10_000, 333);
        expect(channel.kinds).toEqual([]);
        channel.open = true;
        channel.wake();
        await go(clock, 100, 10);
        await until(() => channel.received === "early", "the bytes");
        await go(clock, 890);
        expect(channel.kinds).toEqual([]);
        await go(clock, 400);
        await until(() => channel.told.length === 1, "idle");
      }));

    test("request: ends what trickles, counts anew for each, and endRequest() takes it back", () =>
      inMode(mode, async (map) => {
        const { clock, channel, peer } = await rig(map, { requestTimeoutMs: 1000 }, Told);
        for (let i = 0; i < 5; i++) {
          channel.beginRequest();
          await go(clock, 900);
          channel.endRequest();
        }
        await go(clock, 10_000);
        channel.beginRequest();
        await go(clock, 600);
        channel.beginRequest();
        for (let i = 0; i < 9; i++) {
          peer.send("x");
          await go(clock, 110);
        }
        expect([channel.received.length, channel.kinds]).toEqual([9, []]);
        const began = clock.now() - 990;
        await go(clock, latest(1000) - 990);
        await until(() => channel.told.length === 1, "the request");
        expect(channel.told[0]?.[0]).toBe("request");
        expect((channel.told[0]?.[1] ?? 0) - began).toBeGreaterThanOrEqual(1000);
        // Told once for each request.
        await go(clock, 5000);
        expect(channel.told.length).toBe(1);
        channel.beginRequest();
        await go(clock, latest(1000));
        await until(() => channel.told.length === 2, "the next request");
        // One that began without a limit has none, though the one before had.
        channel.beginRequest();
        (channel.socket as Socket).limits = streamLimits();
        channel.beginRequest();
        await go(clock, 5000);
        expect(channel.told.length).toBe(2);
      }));

    test("lifetime: ends what is busy, once", () =>
      inMode(mode, async (map) => {
        const { clock, channel, peer } = await rig(
          map,
          { lifetimeTimeoutMs: 10_000, idleTimeoutMs: 1000 },
          Told,
        );
        for (let i = 0; i < 99; i++) {
          peer.send("x");
          await go(clock, 100);
        }
        expect(channel.kinds).toEqual([]);
        for (let i = 0; i < 14; i++) {
          peer.send("x");
          await go(clock, 100);
        }
        await until(() => channel.told.length === 1, "lifetime");
        expect(channel.told[0]?.[0]).toBe("lifetime");
        for (let i = 0; i < 200; i++) {
          peer.send("x");
          await go(clock, 100);
        }
        expect(channel.kinds).toEqual(["lifetime"]);
      }));

    test("limits may be replaced at any time, and wake() has them looked at", () =>
      inMode(mode, async (map) => {
        const { clock, channel, peer } = await rig(map, {}, Told);
        await go(clock, 100_000);
        const limit = (changes: Partial<StreamLimits>): void => {
          (channel.socket as Socket).limits = streamLimits(changes);
          channel.wake();
        };
        limit({ idleTimeoutMs: 1000 });
        await go(clock, latest(1000));
        await until(() => channel.told.length === 1, "the new limit");
        limit({ idleTimeoutMs: 1_000_000 });
        await go(clock, 900_000);
        limit({ idleTimeoutMs: 950_000 });
        await go(clock, latest(950_000) - 900_000);
        await until(() => channel.told.length === 2, "the shorter limit");
        limit({});
        expect(TimerWheel.of(clock).size).toBe(0);
        await go(clock, 10_000_000);
        expect(channel.kinds).toEqual(["idle", "idle"]);
        // Without wake(): at the latest when the old one would have been told.
        peer.send("x");
        await go(clock, 1);
        limit({ idleTimeoutMs: 10_000 });
        (channel.socket as Socket).limits = streamLimits({ idleTimeoutMs: 30_000 });
        await go(clock, 29_000, 1000);
        expect(channel.told.length).toBe(2);
        await go(clock, 6000);
        await until(() => channel.told.length === 3, "the longer limit");
      }));

    test("connect: an override gets the kind; the default is handleError() with ETIMEDOUT", () =>
      inMode(mode, async (map) => {
        const network = new MemoryNetwork({ latencyMs: 100_000 });
        const listener = new Listening(map);
        listener.setSocket(network.createSocket());
        listener.bind(["10.0.0.1", 7]);
        listener.listen();
        class Patient extends Told {
          static override limits = streamLimits({ connectTimeoutMs: 3000, idleTimeoutMs: 1000 });
        }
        const override = new Patient(network.createSocket(), map);
        class Default extends Logged {
          static override limits = Patient.limits;
        }
        const inherited = new Default(network.createSocket(), map);
        for (const channel of [override, inherited]) channel.connect(["10.0.0.1", 7]);
        await go(network.clock, 2999);
        expect([override.kinds, inherited.events]).toEqual([[], []]);
        await go(network.clock, 1);
        await until(() => override.told.length === 1 && inherited.events.length === 1, "both");
        expect(override.kinds).toEqual(["connect"]);
        expect([override.reasons[0]?.code, override.reasons[0]?.address]).toEqual(["ETIMEDOUT", "10.0.0.1"]);
        expect([override.connecting, override.connected]).toEqual([false, false]);
        expect(inherited.events[0]).toMatch(/^error connect 10\.0\.0\.1:7: ETIMEDOUT/);
        const refused: unknown = await override.opened.catch((error: unknown) => error);
        expect(refused).toBe(override.reasons[0]);
        // An override that leaves it open is told the end, as after every connect that failed.
        await until(() => override.events.length > 0, "the end");
        expect(override.events).toEqual(["close"]);
      }));

    test("handshake: an override gets the kind; the default is handleError()", () =>
      inMode(mode, async (map) => {
        const silent = net.createServer(() => undefined);
        await new Promise<void>((resolve) => {
          silent.listen(0, "127.0.0.1", resolve);
        });
        try {
          const limits = streamLimits({ handshakeTimeoutMs: 30 });
          class Patient extends Told {
            static override limits = limits;
          }
          class Default extends Logged {
            static override limits = limits;
          }
          const override = new Patient(undefined, map);
          const inherited = new Default(undefined, map);
          const starting = new (class extends Patient {
            override handleConnect(): void {
              this.startTls({ serverName: "localhost" });
            }
          })(undefined, map);
          const { port } = silent.address() as net.AddressInfo;
          for (const channel of [override, inherited]) {
            channel.createSocket({ tls: { serverName: "localhost" } });
            channel.connect(["127.0.0.1", port]);
          }
          connectTo(starting, ["127.0.0.1", port]);
          const all = (): boolean =>
            override.told.length === 1 && starting.told.length === 1 && inherited.events.length === 1;
          await until(all, "all of them");
          expect([override.kinds, starting.kinds]).toEqual([["handshake"], ["handshake"]]);
          expect((inherited.error as OSError).code).toBe("ETIMEDOUT");
        } finally {
          silent.close();
        }
      }));

    test("what it throws or rejects with goes to handleError()", () =>
      inMode(mode, async (map) => {
        class Throws extends Logged {
          override handleTimeout(_kind: TimeoutKind, error: OSError): void {
            throw error;
          }
        }
        class Rejects extends Logged {
          override async handleTimeout(kind: TimeoutKind): Promise<void> {
            await Promise.resolve();
            throw new Error(`no more ${kind}`);
          }
        }
        const throws = await rig(map, { idleTimeoutMs: 100 }, Throws);
        const rejects = await rig(map, { lifetimeTimeoutMs: 100 }, Rejects);
        await go(throws.clock, 200);
        await go(rejects.clock, 200);
        await until(() => throws.channel.events.length + rejects.channel.events.length === 2, "both errors");
        expect(throws.channel.events).toEqual(["error ETIMEDOUT nothing received or sent for 100 ms"]);
        expect(rejects.channel.events).toEqual(["error no more lifetime"]);
      }));

    test("runs while an async hook has not settled", () =>
      inMode(mode, async (map) => {
        class Hangs extends Told {
          override async handleRead(): Promise<void> {
            this.received += this.recv().toString();
            await new Promise<never>(() => undefined);
          }
        }
        const { clock, channel, peer } = await rig(map, { requestTimeoutMs: 1000 }, Hangs);
        channel.beginRequest();
        peer.send("question");
        await go(clock, 10);
        await until(() => channel.received !== "", "the hook");
        await go(clock, latest(1000));
        await until(() => channel.told.length === 1, "the request");
      }));

    test("tells nothing after close(), abort(), or of an older socket", () =>
      inMode(mode, async (map) => {
        const limits = { idleTimeoutMs: 1000, lifetimeTimeoutMs: 1500, requestTimeoutMs: 500 };
        const ends: ((channel: Dispatcher) => void)[] = [
          (channel) => channel.close(),
          (channel) => channel.abort(),
          (channel) => channel.setSocket(memoryPair()[0]),
        ];
        for (const end of ends) {
          const { clock, channel, peer } = await rig(map, limits, Told);
          channel.beginRequest();
          await go(clock, 400);
          end(channel);
          channel.beginRequest();
          expect(TimerWheel.of(clock).size).toBe(0);
          peer.close();
          await go(clock, 10_000);
          expect([channel.kinds, clock.pending]).toEqual([[], 0]);
        }
      }));

    test("close: tells when the peer takes nothing of what is queued, with what is lost, and not when it does", () =>
      inMode(mode, async (map) => {
        const limits = { closeTimeoutMs: 1000 };
        const { clock, channel, peer } = await rig(map, limits, Told);
        // Nobody reads at the other end.
        channel.send(Buffer.alloc(512 * KIB));
        channel.close();
        channel.close();
        await go(clock, 999);
        expect(channel.kinds).toEqual([]);
        const { bufferedAmount } = channel;
        expect(bufferedAmount).toBeGreaterThan(0);
        await go(clock, 1);
        expect(channel.told).toEqual([["close", clock.now()]]);
        expect(channel.reasons[0]?.message).toContain(`${bufferedAmount} bytes`);
        expect(channel.reasons[0]?.code).toBe("ETIMEDOUT");
        await go(clock, 10_000);
        expect([channel.kinds, map.size, clock.pending]).toEqual([["close"], 0, 0]);
        peer.close();

        const taken = await rig(map, limits, Told);
        taken.channel.send("all of it");
        taken.channel.close();
        taken.peer.close();
        await go(clock, 10_000);
        expect(taken.channel.kinds).toEqual([]);
      }));

    test("close: the default warns and does nothing else; what an override throws is written", () =>
      inMode(mode, async (map) => {
        class Warned extends Logged {
          override logInfo(message: string, type = "info"): void {
            this.events.push(`${type}: ${message}`);
          }
        }
        const warned = await rig(map, { closeTimeoutMs: 1000 }, Warned);
        warned.channel.send(Buffer.alloc(512 * KIB));
        warned.channel.close();
        await go(warned.clock, 1000);
        expect(warned.channel.events).toEqual([
          expect.stringMatching(/^warning: .*ETIMEDOUT the peer did not take \d+ bytes/u),
        ]);
        warned.peer.close();

        class Failing extends Warned {
          override handleTimeout(): Promise<void> {
            return Promise.reject(new Error("not this either"));
          }
        }
        const failing = await rig(map, { closeTimeoutMs: 1000 }, Failing);
        failing.channel.send(Buffer.alloc(512 * KIB));
        failing.channel.close();
        const written = spyOn(process.stderr, "write").mockReturnValue(true);
        await go(failing.clock, 1000);
        const lines = written.mock.calls.map(([text]) => String(text));
        written.mockRestore();
        // No hook is told: the channel is closed.
        expect(failing.channel.events).toEqual([]);
        expect(lines.join("")).toContain("not this either");
        failing.peer.close();
      }));

    test("waits while the channel is in no map, where nothing of it is held", () =>
      inMode(mode, async (map) => {
        const { clock, channel } = await rig(map, { idleTimeoutMs: 1000, lifetimeTimeoutMs: 5000 }, Told);
        await go(clock, 900);
        channel.delChannel();
        expect(TimerWheel.of(clock).size).toBe(0);
        await go(clock, 3000);
        channel.addChannel();
        await served(channel);
        await go(clock, 990);
        // The time outside counts for the lifetime, but is nobody's idleness.
        expect(channel.kinds).toEqual([]);
        await go(clock, 300, 10);
        await until(() => channel.kinds.includes("idle"), "idle");
        await go(clock, latest(5000) - 5190);
        await until(() => channel.kinds.includes("lifetime"), "lifetime");
      }));

    test("over TCP: the default closes an idle connection, and its peer sees the end", () =>
      inMode(mode, async (map) => {
        class Strict extends Logged {
          static override limits = streamLimits({ idleTimeoutMs: 120 });
          readonly since: number = systemClock.now();
          after = 0;
          override handleClose(): HookResult {
            this.after = systemClock.now() - this.since;
            return super.handleClose();
          }
        }
        const listening = new Listening(map, (socket, into) => new Strict(socket, into));
        const client = connectTo(new Logged(undefined, map), listening.address);
        await until(() => client.events.includes("close"), "the end");
        expect(client.events).toEqual(["connect", "close"]);
        const [strict] = listening.accepted as Strict[];
        expect(strict?.after).toBeGreaterThanOrEqual(120);
        expect(await within((strict as Strict).closed, "the release")).toEqual({ unsentBytes: 0 });
      }));

    test("over TCP: a peer that goes on sending outlives the time that it may be idle", () =>
      inMode(mode, async (map) => {
        class Strict extends Told {
          static override limits = streamLimits({ idleTimeoutMs: 150 });
        }
        const listening = new Listening(map, (socket, into) => new Strict(socket, into));
        const client = connectTo(new Logged(undefined, map), listening.address);
        client.callEvery(10, () => client.send("."));
        await until(() => (listening.accepted[0] as Strict | undefined)?.received.length === 60, "600 ms");
        expect((listening.accepted[0] as Strict).kinds).toEqual([]);
        client.close();
      }));

    test("idle and lifetime begin when the connection stands, however late connect() comes", () =>
      inMode(mode, async (map) => {
        const network = new MemoryNetwork();
        const listening = new Listening(map);
        listening.setSocket(network.createSocket());
        listening.bind(["10.0.0.1", 7]);
        listening.listen();
        const channel = new Told(network.createSocket(), map);
        (channel.socket as Socket).limits = streamLimits({ idleTimeoutMs: 500 });
        await go(network.clock, 5000);
        expect(channel.kinds).toEqual([]);
        channel.connect(["10.0.0.1", 7]);
        await go(network.clock, 10, 1);
        await until(() => channel.connected, "the connection stands");
        await go(network.clock, 490);
        expect(channel.kinds).toEqual([]);
        await go(network.clock, 150);
        await until(() => channel.kinds.length === 1, "idle");
        listening.close();
      }));
  });
}

describe("Dispatcher.handleTimeout()", () => {
  test("idle is never early and at most an eighth and 50 ms late, whenever the peer sends", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 600_000 }),
        fc.array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { maxLength: 15 }),
        async (idleTimeoutMs, gaps) => {
          const map = new ChannelMap();
          const { clock, channel, peer } = await rig(map, { idleTimeoutMs }, Told);
          let last = clock.now();
          for (const gap of gaps) {
            await clock.advance(gap * idleTimeoutMs);
            peer.send("x");
            await clock.advance(0);
            last = clock.now();
          }
          const wrong = channel.told.length;
          await clock.runUntil(() => channel.told.length > 0, "idle", Infinity);
          const after = (channel.told[0]?.[1] ?? Number.NaN) - last;
          channel.close();
          peer.close();
          expect(wrong).toBe(0);
          expect(after).toBeGreaterThanOrEqual(idleTimeoutMs);
          expect(after).toBeLessThanOrEqual(latest(idleTimeoutMs));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("tells no idleness that is the program's own: bytes that came while the event loop was blocked", async () => {
    // Timers run before the kernel is asked again: a clock that has jumped, and bytes that come just behind its timer.
    class Jumping extends VirtualClock {
      ahead = 0;
      override now(): number {
        return super.now() + this.ahead;
      }
    }
    const clock = new Jumping();
    const map = new ChannelMap();
    const [socket, peer] = memoryPair({ clock, latencyMs: 1 });
    socket.limits = streamLimits({ idleTimeoutMs: 10_000 });
    const channel = new Told(socket, map);
    await served(channel);
    await clock.advance(2500);
    const wheel = TimerWheel.of(clock);
    const arm = wheel.arm.bind(wheel);
    const looks: number[] = [];
    wheel.arm = (entry, delay) => {
      looks.push(clock.now());
      if (looks.length === 2) peer.send("x");
      arm(entry, delay);
    };
    await clock.runUntil(() => looks.length === 1, "a look");
    clock.ahead = 60_000;
    await clock.runUntil(() => looks.length === 3, "the looks after the jump");
    expect([channel.kinds, channel.received]).toEqual([[], "x"]);
    const last = looks[1] as number;
    await clock.runUntil(() => channel.told.length > 0, "idle");
    expect(channel.told[0]?.[1]).toBeGreaterThanOrEqual(last + 10_000);
    expect(channel.told[0]?.[1]).toBeLessThanOrEqual(last + latest(10_000));
    channel.close();
  });

  test("in poll mode, what is due while nobody polls is told once", async () => {
    const map = new ChannelMap();
    await poll(0, map);
    const clock = new VirtualClock();
    const [socket] = memoryPair({ clock });
    socket.limits = streamLimits({ idleTimeoutMs: 100, requestTimeoutMs: 50 });
    const channel = new Told(socket, map);
    await poll(0, map);
    let due = 0;
    const { channelDispatch } = channel;
    const runDue = channelDispatch.runDue.bind(channelDispatch);
    channelDispatch.runDue = (hook) => {
      due++;
      runDue(hook);
    };
    for (let i = 0; i < 50; i++) {
      await clock.advance(100);
      channel.wake();
      channel.beginRequest();
    }
    expect([due, channel.kinds]).toEqual([1, []]);
    channel.endRequest();
    await poll(0, map);
    expect(channel.kinds).toEqual(["idle"]);
    channel.close();
  });

  test("the counters are enough: a channel with timeouts does as much for a byte as one without", async () => {
    const map = new ChannelMap();
    const { clock, channel, peer } = await rig(map, { idleTimeoutMs: 60_000, lifetimeTimeoutMs: 1e6 }, Told);
    let set = 0;
    const setTimer = clock.setTimer.bind(clock);
    const wheel = TimerWheel.of(clock);
    const arm = wheel.arm.bind(wheel);
    wheel.arm = (entry, delay) => {
      set++;
      arm(entry, delay);
    };
    for (let i = 0; i < 100; i++) {
      peer.send("x");
      await clock.advance(1);
    }
    expect([channel.received.length, set]).toEqual([100, 0]);
    expect(setTimer).toBeFunction();
    channel.close();
  });

  test("is for connections: a listener is never idle", async () => {
    const map = new ChannelMap();
    const network = new MemoryNetwork();
    class Server extends Told {
      static override limits = streamLimits({ idleTimeoutMs: 100, lifetimeTimeoutMs: 100 });
    }
    const server = new Server(network.createSocket(), map);
    server.bind(["10.0.0.1", 7]);
    server.listen();
    await network.clock.advance(10_000);
    expect([server.kinds, TimerWheel.of(network.clock).size]).toEqual([[], 0]);
    server.close();
  });

  test("limits that are no numbers, set past streamLimits(), set no timeout", async () => {
    const map = new ChannelMap();
    for (const wrong of [Number.NaN, undefined, null, {}]) {
      const { clock, channel } = await rig(map, {}, Told);
      const limits = { ...streamLimits(), idleTimeoutMs: wrong, lifetimeTimeoutMs: wrong };
      (channel.socket as Socket).limits = { ...limits, requestTimeoutMs: wrong } as StreamLimits;
      channel.wake();
      if (wrong !== null) {
        channel.beginRequest();
        await clock.advance(1e9);
        expect(channel.kinds).toEqual([]);
      }
      channel.abort();
    }
  });
});

describe("Dispatcher.beginRequest()", () => {
  test("needs a socket, and costs the wheel nothing for each request", async () => {
    const map = new ChannelMap();
    expect(() => new Dispatcher(undefined, map).beginRequest()).toThrow("ENOTSOCK");
    new Dispatcher(undefined, map).endRequest();
    const { clock, channel } = await rig(map, { requestTimeoutMs: 1000 }, Told);
    const wheel = TimerWheel.of(clock);
    let armed = 0;
    const arm = wheel.arm.bind(wheel);
    wheel.arm = (entry, delay) => {
      armed++;
      arm(entry, delay);
    };
    for (let i = 0; i < 1000; i++) {
      channel.beginRequest();
      await clock.advance(1);
      channel.endRequest();
    }
    expect(armed).toBeLessThan(5);
    await clock.runAll();
    expect([channel.kinds, wheel.size]).toEqual([[], 0]);
    channel.close();
  });

  test("counts while the connect is still under way", async () => {
    const map = new ChannelMap();
    const network = new MemoryNetwork({ latencyMs: 5000 });
    const listening = new Listening(map);
    listening.setSocket(network.createSocket());
    listening.bind(["10.0.0.1", 7]);
    listening.listen();
    const channel = new Told(network.createSocket(), map);
    (channel.socket as Socket).limits = streamLimits({ requestTimeoutMs: 1000, idleTimeoutMs: 10 });
    channel.connect(["10.0.0.1", 7]);
    channel.beginRequest();
    await network.clock.advance(latest(1000));
    expect(channel.kinds).toEqual(["request"]);
    channel.close();
    listening.close();
  });
});

const supported = libc() !== undefined;
const why = supported ? "" : " (SKIPPED: needs the C library)";

describe.skipIf(!supported)(`urgent data${why}`, () => {
  test("is asked for when the connection stands, also where connect() comes turns after createSocket()", async () => {
    const map = new ChannelMap();
    const listening = new Listening(map);
    class Urgent extends Logged {
      urgent = "";
      override handleExpt(): void {
        this.urgent += this.recv(1, MSG_OOB).toString();
      }
    }
    const client = new Urgent(undefined, map);
    client.createSocket();
    await turns(5);
    client.connect(listening.address);
    await until(() => client.connected && listening.accepted.length === 1, "the connection stands");
    await turns(2);
    listening.accepted[0]?.send("!", MSG_OOB);
    await until(() => client.urgent === "!", "the urgent byte");
    for (const channel of [client, listening, ...listening.accepted]) channel.close();
  });
});
