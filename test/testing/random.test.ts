import { describe, expect, test } from "bun:test";

import { Random } from "../../src/testing/index.ts";

describe("Random", () => {
  test("the same seed gives the same numbers, also in other processes", () => {
    const draw = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 5 }, () => random.integer(0, 999));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).toEqual([627, 2, 527, 981, 968]);
    expect(draw(2)).not.toEqual(draw(1));
  });

  test("Random.integer() reaches both ends and nothing beyond", () => {
    const random = new Random(7);
    const seen = new Set(Array.from({ length: 1000 }, () => random.integer(-1, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  });

  test("Random.amount() draws nothing for a plain number", () => {
    const [one, two] = [new Random(5), new Random(5)];
    expect(one.amount(9)).toBe(9);
    expect(one.fraction()).toBe(two.fraction());
    const drawn = one.amount([3, 4]);
    expect(drawn === 3 || drawn === 4).toBe(true);
  });

  test("Random.pick() throws RangeError when there is nothing to choose from", () => {
    expect(() => new Random(1).pick([])).toThrow(RangeError);
    expect(new Random(1).pick(["only"])).toBe("only");
  });

  test("Random.bytes() gives as many bytes as asked, Random.chance() keeps to its probability", () => {
    const random = new Random(3);
    expect(random.bytes(10).length).toBe(10);
    const hits = Array.from({ length: 1000 }, () => random.chance(0.2)).filter(Boolean).length;
    expect(hits).toBeGreaterThan(150);
    expect(hits).toBeLessThan(250);
    expect([random.chance(0), random.chance(1)]).toEqual([false, true]);
  });
});
