/**
 * Finds requests in received chunks, where they lie: an argument is a pair of offsets and nothing is copied, unless a
 * request is cut by the end of its chunk. Then the rest moves to memory that grows by doubling, and parsing goes on
 * where it stopped, so that a peer that sends single bytes costs no more than their number. Pure memory, no I/O.
 *
 *     *2 CRLF $4 CRLF ECHO CRLF $2 CRLF hi CRLF        inline: ECHO "hi" LF
 *     └ base          └──0─┘           └1─┘    └ at
 *
 * The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec. What is no request gets the words of
 * Redis 7.0, and the connection should close after them.
 */
import { parseInt64 } from "./numbers.ts";
import { endsWord, isSpace, splitLine } from "./split-line.ts";

/** Bounds of one request. */
export interface RequestLimits {
  /** Longest argument in bytes (Redis: `proto-max-bulk-len`). Default 512 MiB, and at most 1 GiB. */
  readonly maxBulkBytes: number;
  /** Most arguments. Default 1024 * 1024. */
  readonly maxArguments: number;
  /** Most bytes of an unfinished request (Redis: `client-query-buffer-limit`). Default 1 GiB, which is the most. */
  readonly maxRequestBytes: number;
}

export const defaultRequestLimits: RequestLimits = {
  maxBulkBytes: 512 * 1024 * 1024,
  maxArguments: 1024 * 1024,
  maxRequestBytes: 1024 * 1024 * 1024,
};

/** Longest inline request, and longest line that announces a length. */
const MAX_LINE_BYTES = 64 * 1024;
/** An emptied buffer or offset table above this is given back. */
const KEPT_BYTES = 64 * 1024;

const [NUL, LF, CR, ZERO] = [0, 10, 13, 48] as const;
const [QUOTE, DOLLAR, APOSTROPHE, STAR] = [34, 36, 39, 42] as const;
/** What {@link RequestParser.next} may find instead of a length. */
const [INCOMPLETE, NEGATIVE, FAULTY] = [-1, -2, -3] as const;
const EMPTY: Buffer = Buffer.alloc(0);

/** `latin1Slice` is what `toString("latin1")` calls after looking at its arguments; both Node and Bun have it. */
type BinaryBuffer = Buffer & { latin1Slice(start: number, end: number): string };

export class RequestParser {
  /** What the arguments' offsets count in. Valid, as they are, until {@link next} or {@link keep}. */
  bytes: Buffer = EMPTY;
  /** How many arguments the request has; the first is the command's name. */
  count = 0;
  /** Start and end of each argument, in turn. */
  offsets: Int32Array = new Int32Array(16);
  /** After {@link next} said no: why what follows is no request, in Redis' words. */
  fault: string | undefined;
  readonly #limits: RequestLimits;
  /** The chunk, or the memory of our own that holds what earlier ones left. */
  #input: Buffer = EMPTY;
  #own: Buffer | undefined;
  /** Where the request under way begins, where parsing stands, and where the input ends. */
  #base = 0;
  #at = 0;
  #end = 0;
  /** Up to here a line that has no end yet was looked through. */
  #seen = 0;
  /** Arguments of the request under way that are missing. */
  #left = 0;
  /** Announced length of the argument under way; negative when that is still to be read. */
  #bulk = INCOMPLETE as number;

  constructor(limits: RequestLimits = defaultRequestLimits) {
    this.#limits = limits;
  }

  /** Bytes of the request under way that are here. */
  get pending(): number {
    return this.#end - this.#base;
  }

  /** Argument `index` as a binary string: one character of 0 to 255 for each byte. */
  text(index: number): string {
    const { offsets } = this;
    return (this.bytes as BinaryBuffer).latin1Slice(
      offsets[2 * index] as number,
      offsets[2 * index + 1] as number,
    );
  }

  /** Whether argument `index` is `word`, which is in upper case, whatever its own case is. */
  is(index: number, word: string): boolean {
    const start = this.offsets[2 * index] as number;
    if ((this.offsets[2 * index + 1] as number) - start !== word.length) return false;
    return this.text(index).toUpperCase() === word;
  }

  /**
   * Takes a chunk over; the one before must have been parsed to its end and {@link keep} been called.
   *
   * @returns false when the request under way has grown too long: the connection should be cut
   */
  push(chunk: Buffer): boolean {
    if (this.#end === 0) {
      this.#input = chunk;
      this.#end = chunk.length;
      return true;
    }
    const size = this.#end + chunk.length;
    if (size > this.#limits.maxRequestBytes) return false;
    this.#reserve(size);
    (this.#own as Buffer).set(chunk, this.#end);
    this.#end = size;
    return true;
  }

  /**
   * Finds the next request: {@link count}, {@link bytes} and {@link offsets} are its arguments.
   *
   * @returns false when there is none: what is left is incomplete, or has a {@link fault}
   */
  next(): boolean {
    const bytes = this.#input;
    this.bytes = bytes;
    let left = this.#left;
    while (left === 0) {
      this.#base = this.#at;
      if (this.#at === this.#end) return false;
      if (bytes[this.#at] !== STAR) {
        if (!this.#inline()) return false;
        if (this.count > 0) return true;
        continue;
      }
      const count = this.#length(STAR);
      if (count === INCOMPLETE || count === FAULTY) return false;
      if (count > this.#limits.maxArguments) return this.#fail("invalid multibulk length");
      this.count = 0;
      if (count > 0) left = count;
    }
    const end = this.#end;
    let { count, offsets } = this;
    let length = this.#bulk;
    for (;;) {
      if (length < 0) {
        length = this.#length(DOLLAR);
        if (length < 0) break;
        if (length > this.#limits.maxBulkBytes) {
          this.#fail("invalid bulk length");
          break;
        }
      }
      const start = this.#at;
      const stop = start + length;
      if (stop + 2 > end) break;
      if (2 * count === offsets.length) offsets = this.#moreOffsets();
      offsets[2 * count] = start;
      offsets[2 * count + 1] = stop;
      count++;
      this.#at = stop + 2;
      length = INCOMPLETE;
      if (--left === 0) break;
    }
    this.#left = left;
    this.count = count;
    this.#bulk = length;
    return left === 0;
  }

  /**
   * To be called once {@link next} has found nothing more: lets go of the chunk, which may be large, and keeps a copy of
   * what it has of a request.
   */
  keep(): void {
    const base = this.#base;
    const rest = this.#end - base;
    if (rest === 0) {
      this.#input = EMPTY;
      this.bytes = EMPTY;
      this.#own = undefined;
      if (this.offsets.byteLength > KEPT_BYTES) this.offsets = new Int32Array(16);
    } else if (this.#own === undefined || (base > 0 && this.#own.length > KEPT_BYTES)) {
      const own = Buffer.allocUnsafeSlow(Math.max(rest, 512));
      own.set(this.#input.subarray(base, this.#end));
      this.#own = own;
      this.#input = own;
    } else if (base > 0) this.#own.copyWithin(0, base, this.#end);
    if (base > 0 && this.#left > 0) {
      for (let index = 0; index < 2 * this.count; index++) {
        this.offsets[index] = (this.offsets[index] as number) - base;
      }
    }
    this.#base = 0;
    this.#at -= base;
    this.#seen = Math.max(0, this.#seen - base);
    this.#end = rest;
  }

  // --- lengths -------------------------------------------------------------------------------------------------

  // The number in the line at hand, which should begin with `sign`: "*2", "$4".
  #length(sign: number): number {
    const bytes = this.#input;
    const from = this.#at;
    const first = (bytes[from + 1] as number) - ZERO;
    // What everybody sends: digits, the first of them not 0, and the line's end, all of it here.
    if (bytes[from] === sign && first > 0 && first <= 9) {
      const end = this.#end;
      let value = first;
      let at = from + 2;
      for (; at < end; at++) {
        const digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
      if (bytes[at] === CR && at + 1 < end && at - from < 12) {
        this.#at = at + 2;
        return value;
      }
    }
    return this.#oddLength(sign === DOLLAR);
  }

  #oddLength(isBulk: boolean): number {
    const bytes = this.#input;
    const from = this.#at;
    const at = this.#lineEnd(CR);
    if (at === INCOMPLETE) {
      if (this.#end - from > MAX_LINE_BYTES) {
        this.#fail(isBulk ? "too big bulk count string" : "too big mbulk count string");
        return FAULTY;
      }
      return INCOMPLETE;
    }
    if (at + 1 >= this.#end) return INCOMPLETE;
    if (isBulk && bytes[from] !== DOLLAR) {
      this.#fail(`expected '$', got '${String.fromCharCode(bytes[from] as number)}'`);
      return FAULTY;
    }
    const value = parseInt64(bytes.toString("latin1", from + 1, at));
    if (value === undefined || (isBulk && value < 0)) {
      this.#fail(isBulk ? "invalid bulk length" : "invalid multibulk length");
      return FAULTY;
    }
    this.#at = at + 2;
    return value < 0 ? NEGATIVE : Number(value);
  }

  // Redis looks for the end with strchr(), for which a NUL ends everything.
  #lineEnd(terminator: number): number {
    const bytes = this.#input;
    const end = this.#end;
    let at = Math.max(this.#at, this.#seen);
    for (; at < end && bytes[at] !== NUL; at++) if (bytes[at] === terminator) return at;
    this.#seen = at;
    return INCOMPLETE;
  }

  // --- inline --------------------------------------------------------------------------------------------------

  // Sets count, which is 0 for an empty line.
  #inline(): boolean {
    const from = this.#at;
    const at = this.#lineEnd(LF);
    // However it was cut into chunks.
    if ((at === INCOMPLETE ? this.#end : at) - from > MAX_LINE_BYTES)
      return this.#fail("too big inline request");
    if (at === INCOMPLETE) return false;
    const stop = at > from && this.#input[at - 1] === CR ? at - 1 : at;
    this.count = 0;
    if (!this.#words(from, stop)) {
      const parts = splitLine(this.#input.toString("latin1", from, stop));
      if (parts === undefined) return this.#fail("unbalanced quotes in request");
      this.#quoted(parts);
    }
    this.#at = at + 1;
    return true;
  }

  // Words without quotes are arguments where they lie. @returns false when there is a quote
  #words(from: number, stop: number): boolean {
    const bytes = this.#input;
    let at = from;
    for (;;) {
      while (at < stop && isSpace(bytes[at] as number)) at++;
      if (at === stop) return true;
      const start = at;
      for (; at < stop && !endsWord(bytes[at] as number); at++) {
        if (bytes[at] === QUOTE || bytes[at] === APOSTROPHE) {
          this.count = 0;
          return false;
        }
      }
      this.#addArgument(start, at);
    }
  }

  // Arguments that had to be put together lie in memory of their own.
  #quoted(parts: readonly string[]): void {
    this.bytes = Buffer.from(parts.join(""), "latin1");
    let start = 0;
    for (const part of parts) {
      this.#addArgument(start, start + part.length);
      start += part.length;
    }
  }

  // --- memory --------------------------------------------------------------------------------------------------

  #addArgument(start: number, stop: number): void {
    if (2 * this.count === this.offsets.length) this.#moreOffsets();
    this.offsets[2 * this.count] = start;
    this.offsets[2 * this.count + 1] = stop;
    this.count++;
  }

  #moreOffsets(): Int32Array {
    const more = new Int32Array(this.offsets.length * 2);
    more.set(this.offsets);
    this.offsets = more;
    return more;
  }

  // Doubling, but not past the end of an argument whose length is known: that is where the memory would be wasted.
  #reserve(size: number): void {
    const own = this.#own as Buffer;
    if (size <= own.length) return;
    const wanted = this.#bulk < 0 ? 0 : this.#at + this.#bulk + 2;
    const doubled = Math.max(size, own.length * 2);
    const grown = Buffer.allocUnsafeSlow(wanted >= size ? Math.min(wanted, doubled) : doubled);
    grown.set(own.subarray(0, this.#end));
    this.#own = grown;
    this.#input = grown;
  }

  #fail(fault: string): false {
    this.fault = fault;
    return false;
  }
}
