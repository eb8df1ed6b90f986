import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { ArgumentRangeError } from "../../src/base/errors.ts";
import { TimerWheel, WheelEntry } from "../../src/base/timer-wheel.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { Program } from "../support/program.ts";

class Entry extends WheelEntry {
  readonly times: number[] = [];
  readonly #clock: VirtualClock;
  readonly #then: (entry: Entry) => void;

  constructor(clock: VirtualClock, then: (entry: Entry) => void = () => undefined) {
    super();
    this.#clock = clock;
    this.#then = then;
  }
  expired(): void {
    this.times.push(this.#clock.now());
    this.#then(this);
  }
}

const DAY = 24 * 60 * 60 * 1000;
const latest = (delay: number): number => delay + delay / 15 + 8;

function make(): { clock: VirtualClock; wheel: TimerWheel } {
  const clock = new VirtualClock();
  return { clock, wheel: new TimerWheel(clock) };
}

describe("TimerWheel.arm()", () => {
  test("is never early, and at most 8 ms and a 15th of the delay late, from 0 to beyond the longest timer", async () => {
    for (const start of [0, 3, 777.5, 123_456_789]) {
      for (let delay = 0; delay < 400 * DAY; delay = delay * 1.37 + 1.3) {
        const { clock, wheel } = make();
        await clock.advance(start);
        const entry = new Entry(clock);
        wheel.arm(entry, delay);
        await clock.runAll();
        const [at = Number.NaN] = entry.times;
        expect(entry.times.length).toBe(1);
        expect(at - start).toBeGreaterThanOrEqual(delay);
        expect(at - start).toBeLessThanOrEqual(latest(delay));
        expect([entry.armed, wheel.size, clock.pending]).toEqual([false, 0, 0]);
      }
    }
  });

  test("is as exact when a longer one has been waiting meanwhile", async () => {
    const { clock, wheel } = make();
    wheel.arm(new Entry(clock), DAY);
    for (const delay of [1, 50, 1000, 30_000]) {
      await clock.advance(2 * 60 * 60 * 1000 + 5);
      const start = clock.now();
      const entry = new Entry(clock);
      wheel.arm(entry, delay);
      await clock.advance(latest(delay));
      expect(entry.times.length).toBe(1);
      expect((entry.times[0] ?? 0) - start).toBeGreaterThanOrEqual(delay);
    }
  });

  test("moves an entry that is armed, both ways", async () => {
    const { clock, wheel } = make();
    const entry = new Entry(clock);
    wheel.arm(entry, 1000);
    wheel.arm(entry, 100);
    expect(wheel.size).toBe(1);
    await clock.advance(latest(100));
    expect(entry.times.length).toBe(1);
    wheel.arm(entry, 100);
    wheel.arm(entry, 1000);
    await clock.advance(999);
    expect(entry.times.length).toBe(1);
    await clock.advance(latest(1000) - 999);
    expect(entry.times.length).toBe(2);
  });

  test("refuses what is no delay", () => {
    const { clock, wheel } = make();
    for (const delay of [-1, Number.NaN, Infinity, "10", undefined, {}]) {
      expect(() => wheel.arm(new Entry(clock), delay as number)).toThrow(
        expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }),
      );
    }
    expect(() => wheel.arm(new Entry(clock), -1)).toThrow(ArgumentRangeError);
    expect([wheel.size, clock.pending]).toEqual([0, 0]);
  });
});

describe("TimerWheel", () => {
  test("sets one timer of the clock's, and none while nothing is armed", async () => {
    const { clock, wheel } = make();
    const entries = Array.from({ length: 1000 }, () => new Entry(clock));
    entries.forEach((entry, index) => wheel.arm(entry, (index * 7919) % 10_007));
    expect([wheel.size, clock.pending]).toEqual([1000, 1]);
    for (const entry of entries) wheel.cancel(entry);
    expect([wheel.size, clock.pending]).toEqual([0, 0]);
    for (const entry of entries) wheel.cancel(entry);
    wheel.arm(entries[0] as Entry, 5);
    expect([wheel.size, clock.pending]).toEqual([1, 1]);
    await clock.advance(20);
    expect([wheel.size, clock.pending]).toEqual([0, 0]);
    expect(entries.flatMap((entry) => entry.times).length).toBe(1);
  });

  test("lets an entry cancel and arm others and itself while it expires", async () => {
    const { clock, wheel } = make();
    const never = new Entry(clock);
    const other = new Entry(clock);
    const entry = new Entry(clock, (self) => {
      expect(self.armed).toBe(false);
      wheel.cancel(never);
      wheel.arm(other, 50);
      if (self.times.length < 3) wheel.arm(self, 0);
    });
    wheel.arm(entry, 10);
    wheel.arm(never, 10);
    await clock.runAll();
    expect([entry.times.length, never.times.length, other.times.length]).toEqual([3, 0, 1]);
    // 0 ms is not this very moment: the clock goes on.
    expect(new Set(entry.times).size).toBe(3);
    expect([wheel.size, clock.pending]).toEqual([0, 0]);
  });

  test("gives the event loop a turn when very many expire at once", async () => {
    const { clock, wheel } = make();
    const entries = Array.from({ length: 2000 }, () => new Entry(clock));
    for (const entry of entries) wheel.arm(entry, 10);
    let most = 0;
    let before = 0;
    await clock.runUntil(() => {
      const ran = entries.filter((entry) => entry.times.length === 1).length;
      most = Math.max(most, ran - before);
      before = ran;
      return ran === entries.length;
    }, "all have expired");
    expect(most).toBeLessThan(1000);
    expect(clock.now()).toBeLessThanOrEqual(latest(10));
  });

  test("catches up with a clock whose timers are late by days, as after a sleep of the machine", () => {
    let now = 0;
    let timer: (() => void) | undefined;
    const wheel = new TimerWheel({
      now: () => now,
      setTimer: (callback) => (timer = callback),
      clearTimer: () => (timer = undefined),
    });
    const fire = (): void => {
      const callback = timer;
      timer = undefined;
      callback?.();
    };
    const log: string[] = [];
    class Named extends WheelEntry {
      readonly name: string;
      constructor(name: string) {
        super();
        this.name = name;
      }
      expired(): void {
        log.push(this.name);
      }
    }
    wheel.arm(new Named("1 ms"), 1);
    wheel.arm(new Named("1 s"), 1000);
    wheel.arm(new Named("1 d"), DAY);
    wheel.arm(new Named("3 d"), 3 * DAY);
    now = 2 * DAY;
    // The clock's timer has not run yet.
    wheel.arm(new Named("1 s more"), 1000);
    fire();
    expect(log.toSorted()).toEqual(["1 d", "1 ms", "1 s"]);
    // Early: nothing is due.
    fire();
    expect(log.length).toBe(3);
    now += latest(1000);
    fire();
    expect(log.slice(3)).toEqual(["1 s more"]);
    now += DAY + DAY / 5;
    fire();
    expect(log.slice(4)).toEqual(["3 d"]);
    expect([wheel.size, timer]).toEqual([0, undefined]);
  });

  test("there is one for each clock", () => {
    const [one, two] = [new VirtualClock(), new VirtualClock()];
    expect(TimerWheel.of(one)).toBe(TimerWheel.of(one));
    expect(TimerWheel.of(one)).not.toBe(TimerWheel.of(two));
  });

  test("an entry that throws costs the others nothing, and is an uncaught exception", async () => {
    const source = `
      import { TimerWheel, WheelEntry } from "${import.meta.dir}/../../src/base/timer-wheel.ts";
      import { systemClock } from "${import.meta.dir}/../../src/base/clock.ts";
      const patience = setTimeout(() => undefined, 20_000);
      let left = 3;
      const log = (line) => {
        console.log(line);
        if (--left === 0) clearTimeout(patience);
      };
      class Entry extends WheelEntry {
        constructor(name) { super(); this.name = name; }
        expired() {
          if (this.name !== "c") throw new Error(this.name);
          log("c");
        }
      }
      process.on("uncaughtException", (error) => log("uncaught " + error.message));
      for (const name of "abc") TimerWheel.of(systemClock).arm(new Entry(name), 20);`;
    await using run = new Program(["-e", source]);
    expect([await run.exited, run.stderr]).toEqual([0, ""]);
    expect(run.stdout.trim().split("\n").toSorted()).toEqual(["c", "uncaught a", "uncaught b"]);
  });

  test("does as a sorted list does", async () => {
    const delays = fc.oneof(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 100_000 }),
      fc.double({ min: 0, max: 40 * DAY, noNaN: true }),
    );
    const step = fc.oneof(
      fc.record({ arm: fc.nat(19), delay: delays }),
      fc.record({ cancel: fc.nat(19) }),
      fc.record({ advance: delays }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, wheel } = make();
        const model = new Map<Entry, { earliest: number; latest: number }>();
        const wrong: unknown[] = [];
        const entries = Array.from({ length: 20 }, () => {
          const entry = new Entry(clock, (self) => {
            const expected = model.get(self);
            const now = clock.now();
            if (expected === undefined || now < expected.earliest || now > expected.latest) {
              wrong.push({ now, expected });
            }
            model.delete(self);
          });
          return entry;
        });
        for (const one of steps) {
          if ("arm" in one) {
            const entry = entries[one.arm] as Entry;
            wheel.arm(entry, one.delay);
            // Doubles round.
            const end = clock.now() + latest(one.delay) * (1 + 1e-9);
            model.set(entry, { earliest: clock.now() + one.delay, latest: end });
          } else if ("cancel" in one) {
            const entry = entries[one.cancel] as Entry;
            wheel.cancel(entry);
            model.delete(entry);
          } else {
            await clock.advance(one.advance);
            const overdue = [...model.values()].filter((expected) => expected.latest < clock.now());
            expect(overdue).toEqual([]);
          }
          expect(wrong).toEqual([]);
          expect(wheel.size).toBe(model.size);
          expect(clock.pending).toBe(model.size === 0 ? 0 : 1);
          for (const entry of entries) expect(entry.armed).toBe(model.has(entry));
        }
        await clock.runAll();
        expect([wrong, model.size, wheel.size, clock.pending]).toEqual([[], 0, 0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});
