/** What is said over UDP: the same as in udp_words.py. */
const small = Array.from({ length: 14 }, (_, i) => `${3 * i}:${"q".repeat(3 * i)}`);

export const WORDS: readonly Buffer[] = [
  "a",
  "",
  "hello, world",
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  "x".repeat(1472),
  "",
  "y".repeat(9000),
  "z".repeat(65_507),
  Buffer.alloc(4),
  ...small,
  "end",
].map((word) => Buffer.from(word as string));
