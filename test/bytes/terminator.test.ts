import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { findPrefixAtEnd } from "../../src/bytes/terminator.ts";

test.each([
  ["qwerty\r", "\r\n", 1],
  ["qwertydkjf", "\r\n", 0],
  ["qwerty\r\r", "\r\n", 1],
  ["", "\r\n", 0],
  ["\r", "\r\n", 1],
  ["abcab", "abcabd", 5],
  ["xabab", "ababc", 4],
  ["ababa", "abac", 3],
  ["anything", "x", 0],
  ["ab", "abcdef", 2],
])("findPrefixAtEnd(%j, %j) is %d", (haystack, needle, length) => {
  expect(findPrefixAtEnd(Buffer.from(haystack), Buffer.from(needle))).toBe(length);
});

test("findPrefixAtEnd() of a long needle is what trying every length finds", () => {
  const letters = (length: number): fc.Arbitrary<Buffer> =>
    fc
      .string({ unit: fc.constantFrom("a", "a", "a", "b"), maxLength: length })
      .map((text) => Buffer.from(text));
  fc.assert(
    fc.property(
      letters(20),
      letters(8),
      fc.integer({ min: 33, max: 150 }),
      fc.nat(150),
      (head, period, length, end) => {
        const needle = Buffer.alloc(length, period.length === 0 ? "a" : period);
        const haystack = Buffer.concat([head, needle.subarray(0, end)]);
        let longest = Math.min(needle.length - 1, haystack.length);
        while (!haystack.subarray(haystack.length - longest).equals(needle.subarray(0, longest))) longest--;
        expect(findPrefixAtEnd(haystack, needle)).toBe(longest);
      },
    ),
  );
});

test("findPrefixAtEnd() does not take the square of the needle's length", () => {
  const length = 200_000;
  const needle = Buffer.alloc(length, "a");
  needle[length - 1] = 0x62;
  const haystack = Buffer.from(needle);
  haystack[length - 2] = 0x62;
  const began = performance.now();
  expect(findPrefixAtEnd(haystack, needle)).toBe(0);
  // Some milliseconds; trying every length takes twenty billion steps.
  expect(performance.now() - began).toBeLessThan(3000);
});
