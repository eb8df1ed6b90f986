import { expect, test } from "bun:test";

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
