/** `callLater()` and `callEvery()`: free, on any clock, and as hooks of a channel in push and in poll mode. */
import { describe, expect, test } from "bun:test";

import {
  callEvery,
  callLater,
  ChannelMap,
  type Clock,
  closeAll,
  Dispatcher,
  ExitNow,
  loop,
  poll,
  systemClock,
  type Timer,
} from "asyncore";
import { MemoryNetwork, memoryPair, VirtualClock } from "asyncore/testing";

import { LONGEST_TIMER_MS } from "../../src/base/clock.ts";
import { inTurn } from "../../src/socket/turn.ts";
import { inMode, modes } from "../regress/modes.ts";
import { ca, server } from "../support/certificates.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { Program } from "../support/program.ts";
import { turns, until } from "../support/until.ts";

const DAY = 24 * 60 * 60 * 1000;

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "nothing thrown";
}

describe("callLater()", () => {
  test("calls once, at its time, and not before", async () => {
    for (const delay of [0, 0.5, 1, 999.25, 30 * DAY, 400 * DAY]) {
      const clock = new VirtualClock();
      const times: number[] = [];
      const timer = callLater(delay, () => times.push(clock.now()), clock);
      expect(timer.active).toBe(true);
      await clock.runAll();
      expect(times).toEqual([delay]);
      expect([timer.active, clock.pending]).toEqual([false, 0]);
    }
  });

  test("is never early on the machine's clock", async () => {
    const late: number[] = [];
    const delays = Array.from({ length: 300 }, (_, index) => ((index * 7919) % 3000) / 29);
    for (const delay of delays) {
      const due = systemClock.now() + delay;
      callLater(delay, () => late.push(systemClock.now() - due));
    }
    await until(() => late.length === delays.length, "all timers");
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  test("is inactive inside its function, which may set it again", async () => {
    const clock = new VirtualClock();
    const seen: boolean[] = [];
    const times: number[] = [];
    let timer: Timer | undefined;
    const again = (): void => {
      times.push(clock.now());
      if (timer !== undefined) seen.push(timer.active);
      if (times.length < 3) timer = callLater(10, again, clock);
    };
    timer = callLater(10, again, clock);
    await clock.runAll();
    expect(times).toEqual([10, 20, 30]);
    expect(seen).toEqual([false, false, false]);
  });

  test("is taken back by cancel(), by dispose, and by both", async () => {
    const clock = new VirtualClock();
    let ran = 0;
    const timer = callLater(5, () => ran++, clock);
    timer.cancel();
    expect([timer.active, clock.pending]).toEqual([false, 0]);
    timer.cancel();
    timer.unref();
    {
      using scoped = callLater(5, () => ran++, clock);
      expect(scoped.active).toBe(true);
    }
    expect(clock.pending).toBe(0);
    await clock.advance(100);
    expect(ran).toBe(0);
  });

  test("asks no clock for more than its longest timer", async () => {
    const clock = new VirtualClock();
    const delays: number[] = [];
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (callback, delay) => {
      delays.push(delay);
      return setTimer(callback, delay);
    };
    callLater(60 * DAY, () => undefined, clock);
    await clock.runAll();
    expect(delays).toEqual([LONGEST_TIMER_MS, LONGEST_TIMER_MS, 60 * DAY - 2 * LONGEST_TIMER_MS]);
  });

  test("waits on when a clock is early", () => {
    let now = 0;
    const set: { callback: () => void; delay: number }[] = [];
    const early: Clock = {
      now: () => now,
      setTimer: (callback, delay) => set.push({ callback, delay }),
      clearTimer: () => undefined,
    };
    let ran = 0;
    callLater(10, () => ran++, early);
    now = 9.5;
    set[0]?.callback();
    expect([ran, set.map(({ delay }) => delay)]).toEqual([0, [10, 0.5]]);
    now = 10;
    set[1]?.callback();
    expect([ran, set.length]).toEqual([1, 2]);
  });
});

describe("callEvery()", () => {
  test("calls at a fixed rate until it is cancelled", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const timer = callEvery(
      10,
      () => {
        times.push(clock.now());
        expect(timer.active).toBe(true);
        if (times.length === 4) timer.cancel();
      },
      clock,
    );
    await clock.runAll();
    expect(times).toEqual([10, 20, 30, 40]);
    expect([timer.active, clock.pending]).toEqual([false, 0]);
  });

  test("skips what is due while an async function has not settled", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    let running = 0;
    const timer = callEvery(
      10,
      async () => {
        times.push(clock.now());
        expect(++running).toBe(1);
        await new Promise<void>((resolve) => {
          clock.setTimer(resolve, 25);
        });
        running--;
      },
      clock,
    );
    await clock.advance(100);
    timer.cancel();
    expect(times).toEqual([10, 40, 70, 100]);
    await clock.runAll();
    expect(times.length).toBe(4);
  });

  test("makes one call of those that came late, and keeps its beat", () => {
    let now = 0;
    let next: (() => void) | undefined;
    const delays: number[] = [];
    const late: Clock = {
      now: () => now,
      setTimer: (callback, delay) => {
        next = callback;
        delays.push(delay);
      },
      clearTimer: () => undefined,
    };
    let ran = 0;
    callEvery(10, () => ran++, late);
    now = 37;
    next?.();
    expect([ran, delays]).toEqual([1, [10, 3]]);
    now = 40;
    next?.();
    expect([ran, delays]).toEqual([2, [10, 3, 10]]);
  });

  test("goes on after a function that throws or rejects", async () => {
    const source = `
      import { callEvery } from "asyncore";
      let calls = 0;
      process.on("uncaughtException", (error) => console.log("uncaught", error.message));
      process.on("unhandledRejection", (error) => console.log("unhandled", error.message));
      const timer = callEvery(2, () => {
        if (++calls === 1) throw new Error("one");
        if (calls === 2) return Promise.reject(new Error("two"));
        timer.cancel();
      });`;
    await using run = new Program(["-e", source]);
    expect([await run.exited, run.stdout, run.stderr]).toEqual([0, "uncaught one\nunhandled two\n", ""]);
  });
});

describe("free timers", () => {
  test("refuse what is no delay and what is no function", () => {
    for (const call of [callLater, callEvery]) {
      for (const delay of [-1, Number.NaN, Infinity, -Infinity]) {
        expect(codeOf(() => call(delay, () => undefined))).toBe("ERR_OUT_OF_RANGE");
      }
      for (const delay of ["10", undefined, null, {}, 10n]) {
        expect(codeOf(() => call(delay as number, () => undefined))).toBe("ERR_INVALID_ARG_TYPE");
      }
      for (const fn of ["run()", undefined, null, {}]) {
        expect(codeOf(() => call(10, fn as () => void))).toBe("ERR_INVALID_ARG_TYPE");
      }
    }
    expect(codeOf(() => callEvery(0, () => undefined))).toBe("ERR_OUT_OF_RANGE");
  });

  test("keep the process alive, unless unref() was called", async () => {
    const source = (more: string): string => `
      import { callLater } from "asyncore";
      const timer = callLater(30, () => console.log("ran"));
      ${more}`;
    await using holds = new Program(["-e", source("")]);
    await using lets = new Program(["-e", source("timer.unref();")]);
    await using gone = new Program(["-e", source("timer.cancel();")]);
    expect([await holds.exited, holds.stdout, holds.stderr]).toEqual([0, "ran\n", ""]);
    expect([await lets.exited, lets.stdout, lets.stderr]).toEqual([0, "", ""]);
    expect([await gone.exited, gone.stdout, gone.stderr]).toEqual([0, "", ""]);
  });

  test("unref() keeps the time of a timer that is set", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const timer = callLater(100, () => times.push(clock.now()), clock);
    await clock.advance(40);
    expect(timer.unref()).toBe(timer);
    await clock.runAll();
    expect(times).toEqual([100]);
  });
});

for (const mode of modes) {
  describe(`Dispatcher.callLater() and callEvery() in ${mode} mode`, () => {
    test("run on the socket's clock, in a turn, as hooks of the channel", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const [socket, peer] = memoryPair({ clock });
        const channel = new Logged(socket, map);
        const seen: unknown[] = [];
        const timer = channel.callLater(50, () => {
          seen.push(clock.now(), inTurn(), channel.channelDispatch.active, timer.active);
        });
        expect(timer.active).toBe(true);
        await clock.advance(49);
        expect(seen).toEqual([]);
        await clock.advance(1);
        await until(() => seen.length > 0, "the timer");
        expect(seen).toEqual([50, true, true, false]);
        let beats = 0;
        const every = channel.callEvery(10, () => beats++);
        for (let beat = 1; beat <= 3; beat++) {
          await clock.advance(10);
          await until(() => beats === beat, "a beat");
        }
        every.cancel();
        await clock.runAll();
        expect(beats).toBe(3);
        peer.abort();
      }));

    test("collect their sends into one write", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const [socket, peer] = memoryPair({ clock });
        const channel = new Logged(socket, map);
        const other = new Logged(peer, map);
        let queued = 0;
        channel.callLater(5, () => {
          for (const word of ["one ", "two ", "three"]) channel.send(word);
          queued = channel.bufferedAmount;
        });
        await clock.advance(5);
        await until(() => queued > 0, "the timer");
        await clock.advance(5);
        await until(() => other.received !== "", "what was sent");
        expect([queued, other.events]).toEqual([13, ["read 13"]]);
      }));

    test("take what is thrown or rejects to handleError(), and callEvery() goes on if the channel does", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const [socket] = memoryPair({ clock });
        const errors: string[] = [];
        class Patient extends Logged {
          override handleError(error: unknown): void {
            errors.push((error as Error).message);
          }
        }
        const channel = new Patient(socket, map);
        let calls = 0;
        channel.callEvery(10, () => {
          calls++;
          if (calls === 1) throw new Error("thrown");
          return Promise.reject(new Error("rejected"));
        });
        await clock.advance(10);
        await until(() => errors.length === 1, "the first error");
        await clock.advance(10);
        await until(() => errors.length === 2, "the second error");
        expect([calls, errors]).toEqual([2, ["thrown", "rejected"]]);
      }));

    test("end with close(), abort(), another socket, and when the channel is cut", () =>
      inMode(mode, async (map) => {
        class Broken extends Logged {
          override handleError(): void {
            throw new Error("handleError too");
          }
        }
        const ends: ((channel: Dispatcher, clock: VirtualClock) => void)[] = [
          (channel) => channel.close(),
          (channel) => channel.abort(),
          (channel, clock) => channel.setSocket(memoryPair({ clock })[0]),
          (channel) => channel.channelDispatch.failLater(new Error("before the timer")),
        ];
        for (const end of ends) {
          const clock = new VirtualClock();
          const channel = new Broken(memoryPair({ clock })[0], map);
          let ran = 0;
          const later = channel.callLater(10, () => ran++);
          const every = channel.callEvery(10, () => ran++);
          end(channel, clock);
          await until(() => !later.active, "the end of the timer");
          await clock.advance(100);
          expect([ran, every.active]).toEqual([0, false]);
        }
      }));

    test("cannot be set on a closed channel", () =>
      inMode(mode, async (map) => {
        const channel = new Logged(memoryPair()[0], map);
        channel.close();
        expect(codeOf(() => channel.callLater(1, () => undefined))).toBe("EBADF");
        expect(codeOf(() => channel.callEvery(1, () => undefined))).toBe("EBADF");
        channel.setSocket(memoryPair()[0]);
        channel.callLater(1, () => undefined).cancel();
      }));

    test("wait while the channel is in no map, and before it has a socket", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const [socket] = memoryPair({ clock });
        const channel = new Logged(undefined, map);
        const log: string[] = [];
        channel.callLater(0, () => log.push("before the socket"));
        await until(() => systemClock.now() > 2);
        await turns(3);
        expect(log).toEqual([]);
        channel.setSocket(socket);
        await until(() => log.length === 1, "the timer of before");
        channel.callLater(10, () => log.push("later"));
        channel.callEvery(10, () => log.push("beat"));
        for (const name of "12345") channel.callLater(10, () => log.push(name));
        channel.delChannel();
        await clock.advance(35);
        await turns(3);
        expect(log).toEqual(["before the socket"]);
        channel.addChannel();
        // What was due several times meanwhile is due once. And no time has to pass for it.
        await until(() => log.length >= 8, "what was due");
        await turns(3);
        expect(log).toEqual(["before the socket", "later", "beat", "1", "2", "3", "4", "5"]);
      }));

    test("run while an async hook has not settled, and hold no hook back themselves", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const [socket, peer] = memoryPair({ clock });
        const log: string[] = [];
        const release = Promise.withResolvers<void>();
        class Slow extends Logged {
          override async handleRead(): Promise<void> {
            const text = this.recv().toString();
            log.push(`read ${text}`);
            if (text === "a") await release.promise;
            log.push(`done ${text}`);
          }
        }
        const channel = new Slow(socket, map);
        peer.send("a");
        await clock.advance(1);
        await until(() => log.length === 1, "the first read");
        channel.callLater(10, async () => {
          log.push("timer");
          await new Promise<never>(() => undefined);
        });
        await clock.advance(10);
        await until(() => log.length === 2, "the timer");
        release.resolve();
        peer.send("b");
        await clock.advance(1);
        await until(() => log.length === 5, "the second read");
        expect(log).toEqual(["read a", "timer", "done a", "read b", "done b"]);
      }));

    test("that are due together run in order, each as a hook of its own", () =>
      inMode(mode, async (map) => {
        const clock = new VirtualClock();
        const channel = new Logged(memoryPair({ clock })[0], map);
        const log: string[] = [];
        for (const name of "abcde") {
          channel.callLater(10, () => {
            log.push(name);
            if (name === "b") channel.callLater(0, () => log.push("of b"));
          });
        }
        await clock.advance(10);
        await until(() => log.length >= 5, "the five of them");
        await clock.advance(1);
        await until(() => log.length === 6, "the one set by another");
        expect(log.filter((name) => name.length === 1)).toEqual(["a", "b", "c", "d", "e"]);
      }));

    test("run while a STARTTLS handshake is under way, which goes on", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        class Client extends Logged {
          override handleConnect(): void {
            this.startTls({ serverName: "localhost" });
            this.callLater(5, () => this.events.push("one"));
            this.callLater(5, () => this.events.push("two"));
          }
        }
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.events.length === 2, "the timers");
        expect(client.events).toEqual(["one", "two"]);
        expect(client.socket?.state).toBe("connecting");
        listening.accepted[0]?.send("this is no TLS");
        await until(() => client.events.length === 3, "the failed handshake");
        expect(client.events[2]).toStartWith("error ");
      }));

    test("on a real socket: a reply that is late on purpose", () =>
      inMode(mode, async (map) => {
        class Delayed extends Logged {
          override handleRead(): void {
            const text = this.recv().toString();
            this.callLater(20, () => this.send(text));
          }
        }
        const listening = new Listening(map, (socket, into) => new Delayed(socket, into));
        class Client extends Logged {
          at = 0;
          override handleConnect(): void {
            this.at = systemClock.now();
            this.send("hello");
          }
          override handleRead(): void {
            this.at = systemClock.now() - this.at;
            this.received += this.recv().toString();
          }
        }
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.received === "hello", "the answer");
        expect(client.at).toBeGreaterThanOrEqual(20);
      }));
  });
}

describe("Dispatcher.callLater()", () => {
  test("runs inside loop() and poll() only, once a map is polled", async () => {
    const map = new ChannelMap();
    const clock = new VirtualClock();
    const channel = new Logged(memoryPair({ clock })[0], map);
    await poll(0, map);
    let ran = 0;
    channel.callLater(10, () => ran++);
    await clock.advance(20);
    expect(ran).toBe(0);
    await poll(0, map);
    expect(ran).toBe(1);
    channel.callLater(10, () => ran++).cancel();
    const taken = channel.callLater(10, () => ran++);
    await clock.advance(20);
    // Due, and not run yet.
    expect(taken.active).toBe(true);
    taken.cancel();
    await poll(0, map);
    expect(ran).toBe(1);
    channel.close();
  });

  test("wakes a loop() that waits, whatever readable() says, and ExitNow comes out of it", async () => {
    const map = new ChannelMap();
    const clock = new VirtualClock();
    class Deaf extends Dispatcher {
      override readable(): boolean {
        return false;
      }
      override writable(): boolean {
        return false;
      }
    }
    const channel = new Deaf(memoryPair({ clock })[0], map);
    const waiting = loop({ map, timeout: 20 });
    await turns(5);
    channel.callLater(1000, () => {
      throw new ExitNow("enough");
    });
    await clock.advance(1000);
    expect(await waiting.then(String, String)).toBe("ExitNow: enough");
    expect(map.size).toBe(1);
    channel.close();
  });

  test("that is due in a pass to come does not hide how a STARTTLS handshake has ended", async () => {
    class Service extends Dispatcher {
      override handleRead(): void {
        if (this.recv().length === 0) return;
        this.send("go");
        this.startTls(server);
      }
      override handleSecure(): void {}
      override handleClose(): void {
        this.close();
      }
    }
    const pushed = new ChannelMap();
    const listening = new Listening(pushed, (socket, into) => new Service(socket, into));
    const map = new ChannelMap();
    await poll(0, map);
    class Client extends Logged {
      override handleSecure(): void {
        this.events.push("secure");
      }
    }
    const client = connectTo(new Client(undefined, map), listening.address);
    client.send("STARTTLS");
    while (client.received !== "go") await poll(1, map);
    client.startTls({ ca, serverName: "localhost" });
    const due = systemClock.now() + 5;
    client.callLater(1, () => client.events.push("timer"));
    // The event loop comes to the timer first, and then to what the handshake needs.
    while (systemClock.now() < due);
    await until(() => client.socket?.tls !== undefined, "the end of the handshake");
    expect(client.events).toEqual(["connect", "read 2"]);
    for (let passes = 0; passes < 20; passes++) await poll(0, map);
    expect(client.events).toEqual(["connect", "read 2", "timer", "secure"]);
    closeAll(map);
    closeAll(pushed);
  });

  test("holds nothing of a timer that is over", async () => {
    const clock = new VirtualClock();
    const channel = new Dispatcher(memoryPair({ clock })[0], new ChannelMap());
    const refs = [1, 2, 3].map((ms) => new WeakRef(channel.callLater(ms, () => undefined)));
    refs[0]?.deref()?.cancel();
    await clock.advance(10);
    await until(() => {
      Bun.gc(true);
      return refs.every((ref) => ref.deref() === undefined);
    }, "the garbage collector");
    channel.close();
  });

  test("does not keep the process alive, with or without a socket", async () => {
    const source = `
      import { Dispatcher } from "asyncore";
      import { memoryPair } from "asyncore/testing";
      const bare = new Dispatcher();
      bare.callEvery(1000, () => console.log("never"));
      class Server extends Dispatcher {
        override handleTimeout() {}
      }
      const server = new Server();
      server.createSocket();
      server.bind(["127.0.0.1", 0]);
      server.listen();
      server.callEvery(60_000, () => console.log("never"));
      server.callLater(5, () => { console.log("closing"); server.close(); });`;
    await using run = new Program(["-e", source]);
    expect([await run.exited, run.stdout, run.stderr]).toEqual([0, "closing\n", ""]);
  });

  test("asks the predicates again, as every event does", async () => {
    const map = new ChannelMap();
    const clock = new VirtualClock();
    const [socket, peer] = memoryPair({ clock });
    class Gated extends Logged {
      open = false;
      override readable(): boolean {
        return this.open;
      }
    }
    const channel = new Gated(socket, map);
    peer.send("waits");
    await clock.advance(1);
    expect(channel.received).toBe("");
    channel.callLater(10, () => {
      channel.open = true;
    });
    await clock.advance(200);
    expect(channel.received).toBe("waits");
    channel.close();
  });

  test("refuses what the free one refuses, and an error leaves no timer behind", () => {
    const channel = new Dispatcher(undefined, new ChannelMap());
    expect(codeOf(() => channel.callLater(Number.NaN, () => undefined))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => channel.callEvery(0, () => undefined))).toBe("ERR_OUT_OF_RANGE");
    expect(codeOf(() => channel.callLater("1" as unknown as number, () => undefined))).toBe(
      "ERR_INVALID_ARG_TYPE",
    );
    expect(codeOf(() => channel.callEvery(1, undefined as unknown as () => void))).toBe(
      "ERR_INVALID_ARG_TYPE",
    );
    channel.close();
  });
});

describe("Dispatch.failLater()", () => {
  for (const mode of modes) {
    test(`tells the first failure of a turn, and the next one after it, in ${mode} mode`, () =>
      inMode(mode, async (map) => {
        const errors: string[] = [];
        class Patient extends Logged {
          override handleError(error: unknown): void {
            errors.push((error as Error).message);
          }
        }
        const { channelDispatch } = new Patient(memoryPair()[0], map);
        for (const round of ["first", "second"]) {
          channelDispatch.failLater(new Error(`${round} one`));
          expect(channelDispatch.failing).toBe(true);
          channelDispatch.failLater(new Error(`${round} two`));
          await until(() => !channelDispatch.failing, "it is told");
        }
        await turns(3);
        expect(errors).toEqual(["first one", "second one"]);
      }));
  }
});

describe("a hook that leaves things as they are", () => {
  test("is asked again ever more rarely, by the socket's clock", async () => {
    const network = new MemoryNetwork();
    const [socket, peer] = network.pair();
    const times: number[] = [];
    class Idle extends Dispatcher {
      override handleRead(): void {
        times.push(network.clock.now());
      }
    }
    const channel = new Idle(socket, new ChannelMap());
    peer.send("left lying");
    await network.clock.advance(400);
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    // At once, the next turn, and then.
    expect(gaps.slice(0, 9)).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 64]);
    channel.close();
    peer.abort();
  });

  test("holds the process, for there is something left to do", async () => {
    const source = `
      import { Dispatcher } from "asyncore";
            let asked = 0;
      class Slow extends Dispatcher {
        override handleRead() {
          if (++asked === 1) client.resetAndDestroy();
          // The descriptor is gone then, and only what is left to read remains.
          if (this.socket.state !== "ended" || ++asked < 12) return;
          console.log(this.recv().toString());
          this.close();
        }
      }
      class Server extends Dispatcher {
        override handleAccepted(socket) { new Slow(socket); this.close(); }
      }
      const server = new Server();
      server.createSocket();
      server.bind(["127.0.0.1", 0]);
      server.listen();
      const client = net.connect(server.getsockname()[1], "127.0.0.1");
      client.on("error", () => undefined);
      client.write("late");`;
    await using run = new Program(["-e", source]);
    expect([await run.exited, run.stdout, run.stderr]).toEqual([0, "late\n", ""]);
  });
});
