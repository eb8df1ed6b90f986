import { describe, expect, test } from "bun:test";

import { VirtualClock } from "../../src/testing/index.ts";

function setup(): { clock: VirtualClock; log: string[]; note: (what: string) => () => void } {
  const clock = new VirtualClock();
  const log: string[] = [];
  return { clock, log, note: (what) => () => void log.push(`${what} ${clock.now()}`) };
}

describe("VirtualClock", () => {
  test("advance() runs timers in the order of their time, ties in the order they were set", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(note("c"), 20);
    clock.setTimer(note("a"), 10);
    clock.setTimer(note("b"), 10);
    clock.setTimer(note("late"), 31);
    clock.setTimer(note("past"), -5);
    expect(clock.pending).toBe(5);
    await clock.advance(30);
    expect(log).toEqual(["past 0", "a 10", "b 10", "c 20"]);
    expect([clock.now(), clock.pending]).toEqual([30, 1]);
  });

  test("advance() runs what timers set meanwhile, when it is due in time", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(() => {
      clock.setTimer(note("same moment"), 0);
      clock.setTimer(note("in time"), 5);
      clock.setTimer(note("too late"), 6);
    }, 5);
    await clock.advance(10);
    expect(log).toEqual(["same moment 5", "in time 10"]);
  });

  test("advance(0) runs what is due now", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(note("now"), 0);
    clock.setTimer(note("later"), 1);
    await clock.advance(0);
    expect(log).toEqual(["now 0"]);
  });

  test("clearTimer() takes a timer back, and is harmless otherwise", async () => {
    const { clock, log, note } = setup();
    const timer = clock.setTimer(note("never"), 1);
    clock.clearTimer(timer);
    clock.clearTimer(timer);
    clock.clearTimer(undefined);
    await clock.advance(2);
    expect(log).toEqual([]);
  });

  test("advance() gives microtasks and setImmediate a turn before and between timers", async () => {
    const { clock, log, note } = setup();
    setImmediate(note("before"));
    clock.setTimer(() => {
      log.push("first");
      queueMicrotask(note("microtask"));
      setImmediate(note("immediate"));
    }, 1);
    clock.setTimer(note("second"), 2);
    await clock.advance(2);
    expect(log).toEqual(["before 0", "first", "microtask 1", "immediate 1", "second 2"]);
  });

  test("runAll() runs until none is left, and fails for a program that never rests", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(note("far"), 1_000_000);
    await clock.runAll();
    expect(log).toEqual(["far 1000000"]);
    const again = (): void => void clock.setTimer(again, 0);
    again();
    expect(await clock.runAll(50).catch(String)).toContain("still busy after 50 timers");
  });

  test("runUntil() stops as soon as the condition holds", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(note("one"), 1);
    clock.setTimer(note("two"), 2);
    await clock.runUntil(() => log.length === 1, "one timer");
    expect([log, clock.now(), clock.pending]).toEqual([["one 1"], 1, 1]);
    await clock.runUntil(() => true, "nothing to wait for");
    expect(clock.now()).toBe(1);
  });

  test("runUntil() fails when the deadline passes or nothing is left to wait for", async () => {
    const { clock, note } = setup();
    clock.setTimer(note("beyond"), 101);
    expect(await clock.runUntil(() => false, "the moon", 100).catch(String)).toMatch(
      /the moon: .* 1 later timers/,
    );
    clock.setTimer(note("last"), 1);
    await clock.runAll();
    expect(await clock.runUntil(() => false, "the moon").catch(String)).toMatch(/no timer is left/);
  });

  test("advance() fails while another call is under way", async () => {
    const clock = new VirtualClock();
    const first = clock.advance(1);
    expect(await clock.advance(1).catch(String)).toContain("running already");
    await first;
    await clock.advance(1);
    expect(clock.now()).toBe(2);
  });

  test("a timer that throws ends the run, and the clock goes on afterwards", async () => {
    const { clock, log, note } = setup();
    clock.setTimer(() => {
      throw new Error("ouch");
    }, 1);
    clock.setTimer(note("next"), 2);
    expect(await clock.advance(5).catch(String)).toContain("ouch");
    await clock.advance(5);
    expect(log).toEqual(["next 2"]);
  });
});
