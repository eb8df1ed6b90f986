/**
 * The bytes a stream has accepted and the kernel has not. Pure memory: the socket appends what was sent, writes
 * {@link WriteQueue.front} and {@link WriteQueue.consume}s what went out. Must never keep memory of the caller's.
 *
 *     sealed chunks (own memory, right-sized)       tail block (being filled)
 *     [ ####|####### ][ ########## ][ ##### ]        [ ..#########______ ]
 *       └ head offset                                 start ┘       └ end
 *     └────────── front of the queue                        append here ──┘
 *
 * A stream that keeps up only ever uses the tail, which is a 64 KiB block borrowed from a pool shared by all
 * queues: it is taken by the turn's first send and given back when the turn's write has put everything out, so an
 * idle connection owns no buffer and a 64-byte echo allocates nothing. When a write comes short the queue is
 * {@link WriteQueue.stall}ed: the rest moves to memory of its own size, and while it lasts new tails grow
 * 1, 2, 4 … 64 KiB, so that ten queued bytes never hold sixty-four thousand.
 */
import { queueMemory } from "./queue-memory.ts";

/** Size of a pooled block, and the most that small sends are joined into one write. */
export const BLOCK_BYTES: number = 64 * 1024;
/** What a sealed chunk is charged beyond its bytes: its view, its store and its slot (measured near 200 bytes). */
export const CHUNK_OVERHEAD_BYTES = 200;

const SMALLEST_TAIL_BYTES = 1024;
const POOLED_BLOCKS = 64;
const pool: Buffer[] = [];

// Slow as in "not cut from node's own 8 KiB pool": a block must own its store alone.
const newBlock = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes);

export class WriteQueue {
  /** Bytes waiting. */
  length = 0;
  /** First unsent byte of {@link front}. */
  start = 0;
  #chunks: Buffer[] | undefined;
  #head = 0;
  #headStart = 0;
  #tail: Buffer | undefined;
  #tailStart = 0;
  #tailEnd = 0;
  #sealedBytes = 0;
  #pooled = false;
  #stalled = false;

  /** Memory held, in bytes: what the cap of a channel is compared with. The tail's spare room is not counted. */
  get charge(): number {
    const count = this.#chunks === undefined ? 0 : this.#chunks.length - this.#head;
    return this.#sealedBytes + count * CHUNK_OVERHEAD_BYTES + this.#tailEnd - this.#tailStart;
  }

  /** Whether small sends have filled a block, so that writing now costs no more system calls than later. */
  get blockFilled(): boolean {
    return this.#chunks !== undefined && this.#chunks.length > this.#head && !this.#stalled;
  }

  /** Copies `bytes[from…]` to the end of the queue. Cost: one memcpy (about 40 ns for 64 bytes). */
  append(bytes: Uint8Array, from = 0): void {
    let at = from;
    const end = bytes.length;
    this.length += end - at;
    // What does not fit a block anyway gets memory of its own size at once.
    if (end - at >= BLOCK_BYTES) {
      this.#seal();
      this.#push(at === 0 ? copyOf(bytes) : copyOf(bytes.subarray(at)));
      return;
    }
    while (at < end) {
      const room = this.#tail === undefined ? 0 : this.#tail.length - this.#tailEnd;
      if (room === 0) {
        this.#grow(end - at);
        continue;
      }
      const piece = at === 0 && end <= room ? bytes : bytes.subarray(at, Math.min(end, at + room));
      (this.#tail as Buffer).set(piece, this.#tailEnd);
      this.#tailEnd += piece.length;
      at += piece.length;
    }
  }

  /** {@link append} where it is one copy into the block being filled and the queue stays within `cap`. @returns whether it was */
  appendInPlace(bytes: Uint8Array, cap: number): boolean {
    const tail = this.#tail;
    const count = bytes.length;
    const end = this.#tailEnd + count;
    const plain = tail !== undefined && this.#chunks === undefined && count !== 0;
    if (!plain || end > tail.length || this.length + count > cap) return false;
    tail.set(bytes, this.#tailEnd);
    this.#tailEnd = end;
    this.length += count;
    return true;
  }

  /** Appends `text` as UTF-8 (a lone surrogate becomes U+FFFD) and returns its length in bytes. */
  appendText(text: string): number {
    // An empty text must not borrow a block: nothing would be written, so nothing would give it back.
    if (text === "") return 0;
    // Three bytes a code unit is the most UTF-8 can need: when that fits, the text is encoded in place.
    const most = text.length * 3;
    if (most < BLOCK_BYTES / 4) {
      if (this.#tail === undefined || this.#tail.length - this.#tailEnd < most) this.#grow(most);
      const bytes = (this.#tail as Buffer).write(text, this.#tailEnd);
      this.#tailEnd += bytes;
      this.length += bytes;
      return bytes;
    }
    const bytes = Buffer.from(text);
    this.append(bytes);
    return bytes.length;
  }

  /** The buffer that holds the next bytes to write: `front[start … start + frontLength)`. Undefined when empty. */
  get front(): Buffer | undefined {
    const chunks = this.#chunks;
    if (chunks !== undefined && this.#head < chunks.length) {
      this.start = this.#headStart;
      return chunks[this.#head];
    }
    if (this.#tailEnd === this.#tailStart) return undefined;
    this.start = this.#tailStart;
    return this.#tail;
  }

  /** How many bytes of {@link front} are waiting. */
  get frontLength(): number {
    const chunks = this.#chunks;
    if (chunks !== undefined && this.#head < chunks.length) {
      return (chunks[this.#head] as Buffer).length - this.#headStart;
    }
    return this.#tailEnd - this.#tailStart;
  }

  /** Drops the first `count` bytes: they went out. `count` is at most {@link frontLength}. */
  consume(count: number): void {
    this.length -= count;
    const chunks = this.#chunks;
    if (chunks === undefined || this.#head === chunks.length) {
      this.#tailStart += count;
      return;
    }
    this.#headStart += count;
    const head = chunks[this.#head] as Buffer;
    if (this.#headStart < head.length) return;
    this.#sealedBytes -= head.length;
    queueMemory.bytes -= head.length;
    this.#headStart = 0;
    this.#head++;
    if (this.#head === chunks.length) {
      this.#chunks = undefined;
      this.#head = 0;
    } else if (this.#head >= 64 && this.#head * 2 >= chunks.length) {
      // Dropping the sent half when it is the larger one keeps the cost of a chunk constant.
      chunks.splice(0, this.#head);
      this.#head = 0;
    } else {
      // Give the sent chunk's memory back now, not when the array is cut.
      chunks[this.#head - 1] = EMPTY;
    }
  }

  /** The turn's write came short: stop holding a pooled block until everything is out. */
  stall(): void {
    this.#stalled = true;
    const waiting = this.#tailEnd - this.#tailStart;
    // A drained tail of the queue's own is cut too: a slow peer's last ten bytes must not hold sixty-four thousand.
    if (this.#pooled || (this.#tail?.length ?? 0) > 2 * waiting + SMALLEST_TAIL_BYTES) this.#seal();
  }

  /** Everything went out: give the block back. Does nothing while bytes are waiting. */
  release(): void {
    if (this.length === 0) this.clear();
  }

  /** Drops everything. */
  clear(): void {
    this.#dropTail();
    this.#chunks = undefined;
    this.#head = 0;
    this.#headStart = 0;
    queueMemory.bytes -= this.#sealedBytes;
    this.#sealedBytes = 0;
    this.#stalled = false;
    this.length = 0;
  }

  #push(chunk: Buffer): void {
    this.#sealedBytes += chunk.length;
    queueMemory.bytes += chunk.length;
    if (this.#chunks === undefined) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
  }

  // Moves the tail to the chunks; a borrowed block is copied out and goes back to the pool.
  #seal(): void {
    const tail = this.#tail;
    if (tail !== undefined && this.#tailEnd > this.#tailStart) {
      const used = tail.subarray(this.#tailStart, this.#tailEnd);
      // A full block of the queue's own is passed on as it is; anything else is cut to size.
      this.#push(this.#pooled || used.length < tail.length ? copyOf(used) : tail);
    }
    this.#dropTail();
  }

  #grow(need: number): void {
    if (this.#stalled) {
      const size = Math.max(need, SMALLEST_TAIL_BYTES, Math.min((this.#tail?.length ?? 0) * 2, BLOCK_BYTES));
      this.#seal();
      this.#tail = newBlock(size);
      queueMemory.bytes += size;
      return;
    }
    // The pooled block is full: it is handed to the chunks whole, without a copy, and leaves the pool for good.
    if (this.#tail !== undefined) {
      if (this.#tailStart === 0 && this.#tailEnd > BLOCK_BYTES / 2) this.#push(this.#takeTail());
      else this.#seal();
    }
    this.#tail = pool.pop() ?? newBlock(BLOCK_BYTES);
    this.#pooled = true;
  }

  #takeTail(): Buffer {
    const tail = this.#tail as Buffer;
    const used = this.#tailEnd === tail.length ? tail : tail.subarray(0, this.#tailEnd);
    this.#tail = undefined;
    this.#pooled = false;
    this.#tailStart = 0;
    this.#tailEnd = 0;
    return used;
  }

  #dropTail(): void {
    if (this.#tail === undefined) return;
    if (!this.#pooled) queueMemory.bytes -= this.#tail.length;
    else if (pool.length < POOLED_BLOCKS) pool.push(this.#tail);
    this.#tail = undefined;
    this.#pooled = false;
    this.#tailStart = 0;
    this.#tailEnd = 0;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);

function copyOf(bytes: Uint8Array): Buffer {
  const copy = newBlock(bytes.length);
  copy.set(bytes);
  return copy;
}
