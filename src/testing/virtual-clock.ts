/**
 * A {@link Clock} that stands still until it is told to go on. Timers run in the order of their time, ties in the
 * order they were set, so that a run of a program over a memory network is the same every time. Between two timers
 * the event loop gets one turn, for a dispatcher puts off part of its work with setImmediate.
 */
import assert from "node:assert/strict";

import type { Clock, TimerHandle } from "../base/clock.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Most timers {@link VirtualClock.runAll} runs before it says that the program never comes to rest. */
const MOST_TIMERS = 1_000_000;

/**
 * A clock for tests.
 *
 * @example A minute in no time
 * ```ts
 * import { VirtualClock } from "asyncore/testing";
 *
 * const clock = new VirtualClock();
 * clock.setTimer(() => console.log("a minute has passed"), 60_000);
 * await clock.advance(60_000);
 * ```
 */
export class VirtualClock implements Clock {
  #now = 0;
  #running = false;
  // Sorted: the next one is last, so that taking it is a pop.
  readonly #timers: Timer[] = [];

  /** Milliseconds since the clock was made. */
  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), callback };
    const timers = this.#timers;
    let index = timers.length;
    while (index > 0 && (timers[index - 1] as Timer).at <= timer.at) index--;
    timers.splice(index, 0, timer);
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    const index = this.#timers.indexOf(timer as Timer);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  /** Timers that are set and have not run. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Runs everything due in the next `ms` milliseconds, what is set meanwhile included; then `now()` is `ms` later. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#run(end, () => false);
    this.#now = end;
  }

  /**
   * Runs timers until none is left.
   *
   * @throws {AssertionError} when more than `mostTimers` (default a million) would have to run
   */
  async runAll(mostTimers: number = MOST_TIMERS): Promise<void> {
    await this.#run(Infinity, () => false, mostTimers);
  }

  /**
   * Runs timers until `condition` holds; what is later stays pending.
   *
   * @param what the condition in words, for the error
   * @throws {AssertionError} when it does not hold after `withinMs` (default 60 000) of this clock's time, or when
   *   no timer is left that could make it true
   */
  async runUntil(condition: () => boolean, what: string, withinMs = 60_000): Promise<void> {
    const start = this.#now;
    if (await this.#run(start + withinMs, condition)) return;
    const left = this.pending === 0 ? "no timer is left" : `${this.pending} later timers are left`;
    assert.fail(`${what}: not so after ${this.#now - start} ms of virtual time, and ${left}`);
  }

  async #run(end: number, condition: () => boolean, mostTimers = MOST_TIMERS): Promise<boolean> {
    assert.ok(!this.#running, "VirtualClock: it is running already; await the call before this one");
    this.#running = true;
    try {
      // Two turns: what a hook puts off in the first one runs in the second.
      await nextTurn();
      await nextTurn();
      for (let ran = 0; ; ran++) {
        if (condition()) return true;
        const next = this.#timers.at(-1);
        if (next === undefined || next.at > end) return false;
        assert.ok(ran < mostTimers, `VirtualClock: still busy after ${mostTimers} timers`);
        this.#timers.pop();
        this.#now = next.at;
        next.callback();
        await nextTurn();
      }
    } finally {
      this.#running = false;
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
