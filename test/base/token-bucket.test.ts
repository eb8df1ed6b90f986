import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { ArgumentRangeError } from "../../src/base/errors.ts";
import { TokenBucket } from "../../src/base/token-bucket.ts";
import { VirtualClock } from "../../src/testing/index.ts";

describe("TokenBucket", () => {
  test("gives its burst at once and then its rate", async () => {
    const clock = new VirtualClock();
    const bucket = new TokenBucket(10, 3, clock);
    expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false]);
    expect(bucket.waitMs()).toBe(100);
    await clock.advance(99);
    expect([bucket.take(), bucket.waitMs()]).toEqual([false, 1]);
    await clock.advance(1);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    await clock.advance(250);
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.waitMs()]).toEqual([true, true, false, 50]);
    await clock.advance(60_000);
    expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false]);
  });

  test("a refusal costs nothing", () => {
    const bucket = new TokenBucket(1, 1);
    expect(bucket.take(1, 0)).toBe(true);
    for (let i = 0; i < 100; i++) expect(bucket.take(1, 500)).toBe(false);
    expect(bucket.take(1, 1000)).toBe(true);
  });

  test("several tokens are taken together or not at all", () => {
    const bucket = new TokenBucket(10, 5);
    expect([bucket.take(3, 0), bucket.take(3, 0), bucket.take(2, 0)]).toEqual([true, false, true]);
    expect([bucket.waitMs(5, 0), bucket.waitMs(6, 0), bucket.take(6, 1e9)]).toEqual([500, Infinity, false]);
  });

  test("spend() takes also what is not there, and what comes later waits for it", () => {
    const bucket = new TokenBucket(10, 5);
    bucket.spend(8, 0);
    expect([bucket.available(0), bucket.waitMs(1, 0), bucket.take(1, 399)]).toEqual([0, 400, false]);
    expect([bucket.available(400), bucket.take(1, 400), bucket.take(1, 400)]).toEqual([1, true, false]);
  });

  test("available() is how many can be taken", () => {
    const bucket = new TokenBucket(10, 5);
    expect([bucket.available(0), bucket.take(3, 0), bucket.available(0)]).toEqual([5, true, 2]);
    expect([50, 100, 199, 200, 10_000].map((now) => bucket.available(now))).toEqual([2, 3, 3, 4, 5]);
    const unlimited = new TokenBucket(Infinity, 7);
    unlimited.spend(1e9, 0);
    expect(unlimited.available(0)).toBe(7);
  });

  test("an infinite rate never says no", () => {
    const bucket = new TokenBucket(Infinity);
    for (let i = 0; i < 1000; i++) expect(bucket.take(1, 0)).toBe(true);
  });

  test("a rate below one a second has a burst of one", () => {
    const bucket = new TokenBucket(0.1);
    expect([bucket.burst, bucket.take(1, 0), bucket.waitMs(1, 0)]).toEqual([1, true, 10_000]);
  });

  test("a clock that stands still or goes back gives nothing away", () => {
    const bucket = new TokenBucket(10, 1);
    expect(bucket.take(1, 1000)).toBe(true);
    expect(bucket.take(1, 1000)).toBe(false);
    expect(bucket.take(1, 0)).toBe(false);
    expect(bucket.take(1, 1100)).toBe(true);
  });

  test("in no stretch of time more than burst and rate allow, and never less than a counting bucket gives", () => {
    const steps = fc.array(
      fc.record({
        wait: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constantFrom(0, 1)),
        count: fc.integer({ min: 1, max: 4 }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 500, noNaN: true }),
        fc.integer({ min: 1, max: 8 }),
        steps,
        (rate, burst, all) => {
          const bucket = new TokenBucket(rate, burst);
          let now = 0;
          let level = burst;
          const taken: { at: number; count: number }[] = [];
          for (const { wait, count } of all) {
            now += wait;
            level = Math.min(burst, level + (wait * rate) / 1000);
            const wants = bucket.waitMs(count, now);
            const took = bucket.take(count, now);
            expect(took).toBe(wants === 0);
            // The same as counting, but for rounding.
            if (Math.abs(level - count) > 1e-6) expect(took).toBe(level > count);
            if (!took) {
              // What it says to wait is enough.
              if (count <= burst) {
                const late = new TokenBucket(rate, burst);
                for (const { at, count: before } of taken) late.take(before, at);
                expect(late.take(count, now + wants)).toBe(true);
              }
              continue;
            }
            level -= count;
            taken.push({ at: now, count });
          }
          for (let from = 0; from < taken.length; from++) {
            let sum = 0;
            for (let to = from; to < taken.length; to++) {
              sum += taken[to]?.count ?? 0;
              const elapsed = (taken[to]?.at ?? 0) - (taken[from]?.at ?? 0);
              expect(sum).toBeLessThanOrEqual(burst + (elapsed * rate) / 1000 + 1e-6);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each([
    [0, undefined],
    [-1, undefined],
    [Number.NaN, undefined],
    ["5", undefined],
    [1, 0],
    [1, 0.5],
    [1, Number.NaN],
    [1, "2"],
  ])("new TokenBucket(%p, %p) throws", (rate, burst) => {
    expect(() => new TokenBucket(rate as number, burst as number)).toThrow(ArgumentRangeError);
  });
});
