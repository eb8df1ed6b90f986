/**
 * Writes replies into one block that all connections share: the replies to everything in a chunk are joined there and
 * sent at once. Called by commands, which run one at a time and to their end; a block that fills up is sent on the way.
 */

/** Where replies go: a dispatcher's `send()`, which copies or writes before it returns. */
export interface Sink {
  send(data: Uint8Array): number;
}

const BLOCK_BYTES = 64 * 1024;
/** Texts up to here are quicker to copy character by character than by a call out of JavaScript. */
const SHORT_TEXT = 24;
const [CR, LF, ZERO] = [13, 10, 48] as const;
const NOBODY: Sink = { send: () => 0 };

const constant = (text: string): Uint8Array => Buffer.from(text);
const OK = constant("+OK\r\n");
const PONG = constant("+PONG\r\n");
const NIL = constant("$-1\r\n");
const NIL_ARRAY = constant("*-1\r\n");
const NULL = constant("_\r\n");

/** `latin1Write` is what `write(…, "latin1")` calls after looking at its arguments; both Node and Bun have it. */
type BinaryBuffer = Buffer & { latin1Write(text: string, at: number): number };

export class Replies {
  /** 2 or 3: which version of the protocol the connection speaks. */
  protocol = 2;
  /** Whether something has gone out since {@link begin}. */
  spilled = false;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES) as BinaryBuffer;
  readonly #views: (Uint8Array | undefined)[] = Array.from({ length: 256 }, () => undefined);
  #end = 0;
  #sink: Sink = NOBODY;

  /** What is written from now on is `sink`'s. What was not flushed, because a command failed, was another's: it goes. */
  begin(sink: Sink, protocol: number): void {
    this.#end = 0;
    this.#sink = sink;
    this.protocol = protocol;
    this.spilled = false;
  }

  /** Sends what was written. */
  flush(): void {
    const end = this.#end;
    if (end === 0) return;
    // First, so that a send that throws leaves nothing behind for the next connection.
    this.#end = 0;
    this.spilled = true;
    this.#sink.send(end < this.#views.length ? this.#view(end) : this.#block.subarray(0, end));
  }

  // A view costs more than everything else about a short reply: they are made once.
  #view(end: number): Uint8Array {
    return (this.#views[end] ??= this.#block.subarray(0, end));
  }

  ok(): void {
    this.#constant(OK);
  }
  pong(): void {
    this.#constant(PONG);
  }
  /** No such value. */
  nil(): void {
    this.#constant(this.protocol === 2 ? NIL : NULL);
  }
  /** No such array. */
  nilArray(): void {
    this.#constant(this.protocol === 2 ? NIL_ARRAY : NULL);
  }

  /** A line that is no error: `+text`. */
  status(text: string): void {
    this.#line("+", text);
  }
  /** `text` begins with the kind of error. What a client said in it must not end the line. */
  error(text: string): void {
    this.#line("-", text.replace(/[\r\n]+$/u, "").replace(/[\r\n]/gu, " "));
  }

  integer(value: number | bigint): void {
    this.#header(0x3a, value);
  }

  /** A binary string. */
  bulk(text: string): void {
    const { length } = text;
    this.#header(0x24, length);
    if (length > SHORT_TEXT) {
      this.#longText(text);
      return;
    }
    this.#reserve(SHORT_TEXT + 2);
    const block = this.#block;
    let at = this.#end;
    for (let index = 0; index < length; index++) block[at++] = text.charCodeAt(index);
    block[at] = CR;
    block[at + 1] = LF;
    this.#end = at + 2;
  }

  /** Text for people, which may be shown as it is. */
  verbatim(text: string): void {
    if (this.protocol === 2) this.bulk(text);
    else {
      this.#header(0x3d, text.length + 4);
      this.#longText(`txt:${text}`);
    }
  }

  double(text: string): void {
    if (this.protocol === 2) this.bulk(text);
    else this.#line(",", text);
  }

  /** `count` replies follow. */
  array(count: number): void {
    this.#header(0x2a, count);
  }
  /** `count` replies follow, in no order. */
  set(count: number): void {
    this.#header(this.protocol === 2 ? 0x2a : 0x7e, count);
  }
  /** `count` pairs of replies follow. */
  map(count: number): void {
    if (this.protocol === 2) this.#header(0x2a, 2 * count);
    else this.#header(0x25, count);
  }

  // --- bytes ---------------------------------------------------------------------------------------------------

  #reserve(bytes: number): void {
    if (this.#end + bytes > BLOCK_BYTES) this.flush();
  }

  #constant(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    const block = this.#block;
    const at = this.#end;
    for (let index = 0; index < bytes.length; index++) block[at + index] = bytes[index] as number;
    this.#end = at + bytes.length;
  }

  // A sign, a number, and the line's end.
  #header(sign: number, value: number | bigint): void {
    this.#reserve(32);
    const block = this.#block;
    let at = this.#end;
    block[at++] = sign;
    if (typeof value === "number" && value >= 0 && value < 1000) {
      if (value >= 100) block[at++] = ZERO + Math.trunc(value / 100);
      if (value >= 10) block[at++] = ZERO + (Math.trunc(value / 10) % 10);
      block[at++] = ZERO + (value % 10);
    } else {
      const digits = String(value);
      for (let index = 0; index < digits.length; index++) block[at++] = digits.charCodeAt(index);
    }
    block[at] = CR;
    block[at + 1] = LF;
    this.#end = at + 2;
  }

  #line(sign: string, text: string): void {
    this.#text(`${sign}${text}\r\n`);
  }

  #longText(text: string): void {
    this.#text(text);
    this.#reserve(2);
    this.#block[this.#end++] = CR;
    this.#block[this.#end++] = LF;
  }

  #text(text: string): void {
    if (text.length > BLOCK_BYTES / 2) {
      // Not through the block: the framework writes it from where it is.
      this.flush();
      this.spilled = true;
      this.#sink.send(Buffer.from(text, "latin1"));
      return;
    }
    this.#reserve(text.length);
    this.#block.latin1Write(text, this.#end);
    this.#end += text.length;
  }
}
