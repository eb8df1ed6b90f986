import { describe, expect, test } from "bun:test";

import { Random } from "asyncore/testing";

import { Backoff } from "../../src/client/backoff.ts";

const longest = { random: (): number => 1 - Number.EPSILON };

describe("Backoff.failed()", () => {
  test("draws from nothing up to a bound that doubles from 500 ms to 30 s", () => {
    const backoff = new Backoff(longest);
    const bounds = Array.from({ length: 9 }, () => Math.round(backoff.failed()));
    expect(bounds).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(backoff.failures).toBe(9);
    expect(new Backoff({ random: () => 0 }).failed()).toBe(0);
  });

  test("spreads the waits evenly over all of the bound", () => {
    const random = new Random(7);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) {
      const delay = new Backoff({ random: () => random.fraction() }).failed();
      tenths[Math.floor(delay / 50)] = (tenths[Math.floor(delay / 50)] ?? 0) + 1;
    }
    expect(tenths.length).toBe(10);
    expect(Math.min(...tenths)).toBeGreaterThan(850);
    expect(Math.max(...tenths)).toBeLessThan(1150);
  });

  test("takes its bounds from the options, and stays finite however long it fails", () => {
    const backoff = new Backoff({ ...longest, initialDelayMs: 10, maxDelayMs: 1000, factor: 10 });
    expect([1, 2, 3, 4].map(() => Math.round(backoff.failed()))).toEqual([10, 100, 1000, 1000]);
    for (let i = 0; i < 1000; i++) backoff.failed();
    expect(Math.round(backoff.failed())).toBe(1000);
    const never = new Backoff({ ...longest, initialDelayMs: 0 });
    for (let i = 0; i < 2000; i++) expect(never.failed()).toBe(0);
  });

  test("begins anew after reset()", () => {
    const backoff = new Backoff(longest);
    for (let i = 0; i < 5; i++) backoff.failed();
    backoff.reset();
    expect(backoff.failures).toBe(0);
    expect(Math.round(backoff.failed())).toBe(500);
  });
});

describe("new Backoff() refuses", () => {
  test.each([
    [{ initialDelayMs: -1 }],
    [{ maxDelayMs: Number.NaN }],
    [{ factor: 0.5 }],
    [{ initialDelayMs: 2000, maxDelayMs: 1000 }],
    [{ initialDelayMs: "1s" as unknown as number }],
  ])("%j", (options) => {
    expect(() => new Backoff(options)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  });
});
