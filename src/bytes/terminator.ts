/**
 * Finding the end of a frame in a stream that arrives in pieces. Pure memory; `AsyncChat` keeps the bytes. Linear: a
 * byte is looked at once, because a piece that holds no terminator is handed on but for the few bytes at its end that
 * may be the beginning of one.
 */

/** How many bytes at the end of `haystack` are a beginning of `needle` (less than all of it): asynchat's `find_prefix_at_end`. */
export function findPrefixAtEnd(haystack: Uint8Array, needle: Uint8Array): number {
  const longest = Math.min(needle.length - 1, haystack.length);
  for (let length = longest; length > 0; length--) {
    let i = 0;
    while (i < length && haystack[haystack.length - length + i] === needle[i]) i++;
    if (i === length) return length;
  }
  return 0;
}
