import { describe, expect, test } from "bun:test";

import { Latency } from "../../bench/macro/latency.ts";

function counting(...milliseconds: readonly number[]): Latency {
  const latency = new Latency();
  latency.counting = true;
  for (const ms of milliseconds) latency.record(ms);
  return latency;
}

describe("Latency", () => {
  test("quantile() is right to within one part in 64 over the whole range", () => {
    for (const us of [0.1, 1, 7.3, 100, 999, 12_345, 1e6, 5e7]) {
      const found = counting(us / 1000).quantile(0.5);
      expect(Math.abs(found / us - 1)).toBeLessThan(1 / 64);
    }
  });
  test("quantile() tells what so many did not exceed", () => {
    const latency = counting(...Array.from({ length: 1000 }, (_, at) => at + 1));
    expect(latency.count).toBe(1000);
    for (const share of [0.001, 0.5, 0.99, 0.999, 1]) {
      expect(Math.abs(latency.quantile(share) / (share * 1e6) - 1)).toBeLessThan(1 / 64);
    }
  });
  test("quantile() is not moved by what a few others took", () => {
    const latency = counting(...Array.from<number>({ length: 98 }).fill(1), 5000, 9000);
    expect(Math.round(latency.quantile(0.98) / 50)).toBe(20);
    expect(latency.quantile(0.99)).toBeGreaterThan(4.9e6);
    expect(latency.quantile(0.999)).toBeGreaterThan(8.9e6);
  });
  test("record() keeps what is out of range at its ends", () => {
    const latency = counting(0, 1e9);
    expect(latency.count).toBe(2);
    expect(latency.quantile(0.5)).toBeLessThan(0.07);
    expect(latency.quantile(1)).toBeGreaterThan(6e7);
  });
  test("record() does nothing while it is not counting", () => {
    const latency = counting();
    latency.counting = false;
    latency.record(1);
    expect(latency.count).toBe(0);
    expect(latency.quantile(0.5)).toBeNaN();
  });
});
