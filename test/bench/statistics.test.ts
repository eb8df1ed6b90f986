import { describe, expect, test } from "bun:test";

import { compare, judge, spreadOf } from "../../bench/macro/statistics.ts";
import type { Target } from "../../bench/macro/workload.ts";

const atMost = (value: number, withinSpread = false): Target => ({
  peer: "asyncore",
  figure: "cpuUsPerMessage",
  against: "raw",
  bound: "at most",
  value,
  withinSpread,
});
const atLeast = (value: number, withinSpread = false): Target => ({
  ...atMost(value, withinSpread),
  bound: "at least",
});

describe("spreadOf()", () => {
  test("takes the median, the extremes and the middle half, in whatever order the samples come", () => {
    expect(spreadOf([5, 1, 4, 2, 3])).toEqual({
      median: 3,
      min: 1,
      max: 5,
      lower: 2,
      upper: 4,
      samples: [5, 1, 4, 2, 3],
    });
  });
  test("interpolates between neighbours", () => {
    const { median, lower, upper } = spreadOf([1, 2, 3, 4]);
    expect([lower, median, upper]).toEqual([1.75, 2.5, 3.25]);
  });
  test("of one sample is that sample", () => {
    expect(spreadOf([7])).toMatchObject({ median: 7, min: 7, max: 7, lower: 7, upper: 7 });
  });
  test("throws when there are no samples", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

describe("judge()", () => {
  const samples = spreadOf([0.9, 0.95, 1, 1.05, 1.1]);
  test.each([
    [atMost(1.05), "met"],
    [atMost(1.06), "met"],
    [atMost(1), "no verdict: the spread exceeds the difference"],
    [atMost(0.95), "no verdict: the spread exceeds the difference"],
    [atMost(0.94), "missed"],
    [atLeast(0.95), "met"],
    [atLeast(1), "no verdict: the spread exceeds the difference"],
    [atLeast(1.05), "no verdict: the spread exceeds the difference"],
    [atLeast(1.06), "missed"],
    [atMost(1, true), "met within the spread"],
    [atMost(0.94, true), "missed"],
    [atLeast(1.05, true), "met within the spread"],
    [atLeast(1.06, true), "missed"],
    [atLeast(0.9, true), "met"],
  ] as const)("looks where the middle half lies: %j is %s", (target, verdict) => {
    expect(judge(samples, target)).toBe(verdict);
  });
});

describe("compare()", () => {
  const NONE = "no verdict: the spread exceeds the difference";
  test("says more when the ratios lie farther above 1 than they spread", () => {
    expect(compare(spreadOf([1.09, 1.1, 1.1, 1.1, 1.12]))).toBe("more");
  });
  test("says less when they lie farther below 1 than they spread", () => {
    expect(compare(spreadOf([0.88, 0.9, 0.9, 0.91, 0.95]))).toBe("less");
  });
  test("gives no verdict when the spread exceeds the difference, though all lie on one side", () => {
    expect(compare(spreadOf([1.01, 1.02, 1.05, 1.1, 1.2]))).toBe(NONE);
  });
  test("gives no verdict when a single round says otherwise", () => {
    expect(compare(spreadOf([0.99, 1.2, 1.2, 1.21, 1.22]))).toBe(NONE);
    expect(compare(spreadOf([0.8, 0.8, 0.81, 0.82, 1]))).toBe(NONE);
  });
  test("gives no verdict where all came out even", () => {
    expect(compare(spreadOf([1, 1, 1, 1, 1]))).toBe(NONE);
  });
  test("gives no verdict after fewer than five rounds, however clear they are", () => {
    expect(compare(spreadOf([2, 2, 2, 2]))).toBe(NONE);
    expect(compare(spreadOf([2, 2, 2, 2, 2]))).toBe("more");
  });
});
