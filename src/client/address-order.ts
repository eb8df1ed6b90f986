/**
 * In which order the addresses of one family are tried. RFC 6724 needs the source address each would have, and the
 * system's resolver has looked at those: its order stands, except that what hardly ever is a good choice comes last.
 * Called by the schedule for each answer; text work, no I/O.
 */
import { readIp } from "../base/ip-address.ts";

interface Prefix {
  /** The leading 32-bit words of the address … */
  readonly words: readonly number[];
  /** … of which so many bits count. */
  readonly bits: number;
  /** Lower comes first; what is not in the table has 0. */
  readonly rank: number;
}

// The lower half of RFC 6724 §2.1. Unique local addresses are no worse than global ones for who has one himself.
const LAST: readonly Prefix[] = [
  { words: [0, 0, 0xffff], bits: 96, rank: 1 },
  { words: [0x2002_0000], bits: 16, rank: 2 },
  { words: [0x2001_0000], bits: 32, rank: 3 },
  { words: [0xfec0_0000], bits: 10, rank: 4 },
  { words: [0x3ffe_0000], bits: 16, rank: 4 },
];
/** fe80::/10 without a scope: nobody can tell on which link. */
const LINK_LOCAL: Prefix = { words: [0xfe80_0000], bits: 10, rank: 5 };

/** `addresses` in the order they came, transition and deprecated prefixes last (6to4, Teredo, site-local …). */
export function orderAddresses(addresses: readonly string[]): string[] {
  return addresses.toSorted((a, b) => rankOf(a) - rankOf(b));
}

function rankOf(address: string): number {
  const [text = "", scope] = address.split("%");
  const words = new Uint32Array(4);
  // Only IPv6 has such prefixes; a unix path has none either.
  if (readIp(text, words) !== 6) return 0;
  if (scope === undefined && matches(words, LINK_LOCAL)) return LINK_LOCAL.rank;
  return LAST.find((prefix) => matches(words, prefix))?.rank ?? 0;
}

function matches(words: Uint32Array, prefix: Prefix): boolean {
  return prefix.words.every((word, index) => {
    const bits = Math.min(32, prefix.bits - 32 * index);
    return ((words[index] as number) ^ word) >>> (32 - bits) === 0;
  });
}
