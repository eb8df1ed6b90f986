/**
 * Numeric IP addresses between text and bits. Strict: what this refuses is refused by `inet_pton(3)` too, so that two
 * readers of one address list cannot disagree about it. Called for every address a policy or a PROXY header names.
 *
 * Both versions are four 32-bit words in network order; an IPv4 address is its mapped form, `::ffff:a.b.c.d`:
 *
 *     192.0.2.1     [ 0 ][ 0 ][ 0xffff ][ 0xc0000201 ]
 *     2001:db8::1   [ 0x20010db8 ][ 0 ][ 0 ][ 1 ]
 */

/** The third word of an IPv4 address in its mapped form; the first two are 0. */
const MAPPED = 0xffff;

const DOT = 0x2e;
const COLON = 0x3a;

/**
 * Reads a numeric address into the four words of `words`. A zone (`fe80::1%eth0`) is not part of an address and is
 * refused; so are leading zeros, missing parts and spaces. Allocates nothing.
 *
 * @returns 4 or 6, the version of the text, also for a mapped IPv6 address; 0 when it is not numeric
 */
export function readIp(text: string, words: Uint32Array): 0 | 4 | 6 {
  const value = readIpv4(text, 0);
  if (value >= 0) {
    words[0] = 0;
    words[1] = 0;
    words[2] = MAPPED;
    words[3] = value;
    return 4;
  }
  return readIpv6(text, words) ? 6 : 0;
}

const SCRATCH = new Uint32Array(4);
/** What may name the interface of a link-local address. */
const ZONE = /%[0-9A-Za-z.:-]+$/u;

/** 4 or 6 for a numeric address, with or without a zone (`fe80::1%eth0`), 0 for anything else: what `node:net`'s `isIP` says. */
export function ipVersion(text: unknown): 0 | 4 | 6 {
  if (typeof text !== "string") return 0;
  const version = readIp(text, SCRATCH);
  if (version !== 0 || !text.includes("%")) return version;
  return readIp(text.replace(ZONE, ""), SCRATCH) === 6 ? 6 : 0;
}

/** Whether `words` hold an IPv4 address in its mapped form. */
export function isMapped(words: Uint32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED;
}

/** The text of an address: IPv6 as RFC 5952 has it, mapped ones as `::ffff:192.0.2.1`. */
export function formatIp(words: Uint32Array, version: 4 | 6): string {
  const last = words[3] as number;
  if (version === 4) return formatIpv4(last);
  return isMapped(words) ? `::ffff:${formatIpv4(last)}` : formatIpv6(words);
}

// The number, or -1. From `start` to the end of the text.
function readIpv4(text: string, start: number): number {
  let value = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      value = value * 256 + part;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = code - 0x30;
    // A second digit after 0: octal to some readers, decimal to others.
    if (digit < 0 || digit > 9 || (digits > 0 && part === 0)) return -1;
    part = part * 10 + digit;
    if (part > 255) return -1;
    digits++;
  }
  return dots === 3 && digits > 0 ? value * 256 + part : -1;
}

const groups = new Uint16Array(8);

function readIpv6(text: string, words: Uint32Array): boolean {
  const { length } = text;
  let count = 0;
  // Before which group the `::` stands.
  let gap = -1;
  let i = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false;
    gap = 0;
    i = 2;
  }
  while (i < length) {
    if (count === 8) return false;
    const start = i;
    let value = 0;
    while (i < length) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      if (i - start === 4) return false;
      value = value * 16 + digit;
      i++;
    }
    if (text.charCodeAt(i) === DOT) {
      // The rest is an IPv4 address and fills two groups.
      const dotted = readIpv4(text, start);
      if (dotted < 0) return false;
      groups[count++] = dotted >>> 16;
      groups[count++] = dotted & 0xffff;
      break;
    }
    if (i === start) return false;
    groups[count++] = value;
    if (i === length) break;
    if (text.charCodeAt(i++) !== COLON || i === length) return false;
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false;
      gap = count;
      i++;
    }
  }
  if (gap < 0 ? count !== 8 : count > 7) return false;
  if (gap >= 0) {
    groups.copyWithin(8 - (count - gap), gap, count);
    groups.fill(0, gap, 8 - (count - gap));
  }
  for (let word = 0; word < 4; word++) {
    words[word] = (groups[2 * word] as number) * 0x1_0000 + (groups[2 * word + 1] as number);
  }
  return true;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatIpv6(words: Uint32Array): string {
  const parts: number[] = [];
  for (const word of words) parts.push(word >>> 16, word & 0xffff);
  let gap = -1;
  let longest = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && parts[end] === 0) end++;
    if (end - start > longest) {
      gap = start;
      longest = end - start;
    }
    start = Math.max(start, end - 1);
  }
  const hex = parts.map((part) => part.toString(16));
  if (gap < 0) return hex.join(":");
  return `${hex.slice(0, gap).join(":")}::${hex.slice(gap + longest).join(":")}`;
}
