import { describe, expect, test } from "bun:test";

import { newServerStats, type ServerStats, sumServerStats } from "asyncore/server";

describe("ServerStats", () => {
  test("newServerStats() are all zero, each time anew", () => {
    const numbers = (value: object): number[] =>
      Object.values(value).flatMap((field: unknown) =>
        typeof field === "number" ? [field] : numbers(field as object),
      );
    const stats = newServerStats();
    expect(numbers(stats).every((number) => number === 0)).toBe(true);
    stats.refused.rate++;
    expect(newServerStats().refused.rate).toBe(0);
  });

  test("sumServerStats() adds up every number", () => {
    let next = 1;
    const counted = (value: object): void => {
      for (const [name, field] of Object.entries(value)) {
        if (typeof field === "number") (value as Record<string, number>)[name] = next++;
        else counted(field as object);
      }
    };
    const one = newServerStats();
    counted(one);
    expect(next).toBeGreaterThan(20);
    const twice = (value: object): object =>
      Object.fromEntries(
        Object.entries(value).map(([name, field]) => [
          name,
          typeof field === "number" ? 2 * field : twice(field as object),
        ]),
      );
    expect(sumServerStats([one, newServerStats(), one])).toEqual(twice(one) as ServerStats);
    expect(sumServerStats([])).toEqual(newServerStats());
  });

  test("a copy is a reading that stays as it was", () => {
    const stats = newServerStats();
    const reading = structuredClone(stats);
    stats.accepted++;
    stats.evicted.perAddress++;
    expect([reading.accepted, reading.evicted.perAddress]).toEqual([0, 0]);
  });
});
