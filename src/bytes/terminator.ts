/**
 * Finding the end of a frame in a stream that arrives in pieces. Pure memory; `AsyncChat` keeps the bytes. Linear: a
 * byte is looked at once, because a piece that holds no terminator is handed on but for the few bytes at its end that
 * may be the beginning of one.
 */

/** Up to here every length is tried, which for a terminator of a few bytes is the quickest. */
const SHORT = 32;

/** How many bytes at the end of `haystack` are a beginning of `needle` (less than all of it): asynchat's `find_prefix_at_end`. */
export function findPrefixAtEnd(haystack: Uint8Array, needle: Uint8Array): number {
  const longest = Math.min(needle.length - 1, haystack.length);
  if (longest > SHORT) return matchedAtEnd(haystack, haystack.length - longest, needle);
  for (let length = longest; length > 0; length--) {
    let i = 0;
    while (i < length && haystack[haystack.length - length + i] === needle[i]) i++;
    if (i === length) return length;
  }
  return 0;
}

// Knuth, Morris and Pratt: what of the needle stands matched when the haystack ends. Trying every length would take
// the square of the needle's length, and a long needle may be a boundary that a peer has chosen.
function matchedAtEnd(haystack: Uint8Array, from: number, needle: Uint8Array): number {
  const borders = bordersOf(needle.subarray(0, haystack.length - from));
  let matched = 0;
  for (let at = from; at < haystack.length; at++) {
    while (matched > 0 && needle[matched] !== haystack[at]) matched = borders[matched - 1] as number;
    if (needle[matched] === haystack[at]) matched++;
  }
  return matched;
}

// For each beginning of `bytes`: how much of its own beginning it ends with.
function bordersOf(bytes: Uint8Array): Uint32Array {
  const borders = new Uint32Array(bytes.length);
  let matched = 0;
  for (let at = 1; at < bytes.length; at++) {
    while (matched > 0 && bytes[matched] !== bytes[at]) matched = borders[matched - 1] as number;
    if (bytes[matched] === bytes[at]) matched++;
    borders[at] = matched;
  }
  return borders;
}
