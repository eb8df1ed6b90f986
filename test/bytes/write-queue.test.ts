import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";

import * as fc from "fast-check";

import { BLOCK_BYTES, CHUNK_OVERHEAD_BYTES, WriteQueue } from "../../src/bytes/write-queue.ts";

const KIB = 1024;

// --- a model that is a plain array of bytes -------------------------------------------------------------------

interface Real {
  readonly queue: WriteQueue;
}
interface Model {
  bytes: Buffer;
}

// Bytes that differ from their neighbours and from those of another append, so that a mix-up shows.
let salt = 0;
function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  salt = (salt * 31 + 17) & 0xff;
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) + salt) & 0xff;
  return bytes;
}

/** All that is queued, without taking it. */
function contents(queue: WriteQueue): Buffer {
  const parts: Buffer[] = [];
  while (queue.length > 0) {
    const front = queue.front;
    if (front === undefined) throw new Error(`${queue.length} bytes but no front`);
    const length = queue.frontLength;
    parts.push(Buffer.from(front.subarray(queue.start, queue.start + length)));
    queue.consume(length);
  }
  return Buffer.concat(parts);
}

function isSound({ bytes }: Model, { queue }: Real): void {
  expect(queue.length).toBe(bytes.length);
  const front = queue.front;
  if (bytes.length === 0) {
    expect(front).toBeUndefined();
    expect(queue.frontLength).toBe(0);
    return;
  }
  expect(front).toBeDefined();
  const length = queue.frontLength;
  expect(length).toBeGreaterThan(0);
  expect(length).toBeLessThanOrEqual(bytes.length);
  const shown = (front as Buffer).subarray(queue.start, queue.start + length);
  expect(shown.equals(bytes.subarray(0, length))).toBe(true);
  // Memory is never charged for less than what is waiting.
  expect(queue.charge).toBeGreaterThanOrEqual(queue.length);
}

class Append implements fc.Command<Model, Real> {
  readonly size: number;
  readonly from: number;
  constructor(size: number, from: number) {
    this.size = size;
    this.from = Math.min(from, size);
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const bytes = pattern(this.size);
    const kept = Buffer.from(bytes.subarray(this.from));
    real.queue.append(bytes, this.from);
    // The caller may reuse its memory at once.
    bytes.fill(0xee);
    model.bytes = Buffer.concat([model.bytes, kept]);
    isSound(model, real);
  }
  toString(): string {
    return `append(${this.size} bytes, ${this.from})`;
  }
}

class AppendInPlace implements fc.Command<Model, Real> {
  readonly size: number;
  readonly cap: number;
  constructor(size: number, cap: number) {
    this.size = size;
    this.cap = cap;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const bytes = pattern(this.size);
    const { charge } = real.queue;
    if (real.queue.appendInPlace(bytes, this.cap)) {
      expect(model.bytes.length + this.size).toBeLessThanOrEqual(this.cap);
      // One copy and no chunk: nothing is charged but the bytes.
      expect(real.queue.charge).toBe(charge + this.size);
      model.bytes = Buffer.concat([model.bytes, bytes]);
    }
    isSound(model, real);
  }
  toString(): string {
    return `appendInPlace(${this.size}, cap ${this.cap})`;
  }
}

class AppendText implements fc.Command<Model, Real> {
  readonly text: string;
  constructor(unit: string, times: number) {
    this.text = unit.repeat(times);
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const bytes = Buffer.from(this.text);
    expect(real.queue.appendText(this.text)).toBe(bytes.length);
    model.bytes = Buffer.concat([model.bytes, bytes]);
    isSound(model, real);
  }
  toString(): string {
    return `appendText(${JSON.stringify(this.text.slice(0, 4))} × ${this.text.length})`;
  }
}

class Consume implements fc.Command<Model, Real> {
  readonly share: number;
  constructor(share: number) {
    this.share = share;
  }
  check(model: Model): boolean {
    return model.bytes.length > 0;
  }
  run(model: Model, real: Real): void {
    expect(real.queue.front).toBeDefined();
    const count = Math.ceil(real.queue.frontLength * this.share);
    real.queue.consume(count);
    model.bytes = model.bytes.subarray(count);
    isSound(model, real);
  }
  toString(): string {
    return `consume(${this.share} of the front)`;
  }
}

/** What a flush does when the kernel takes `room` bytes and then says no. */
class ShortWrite implements fc.Command<Model, Real> {
  readonly room: number;
  constructor(room: number) {
    this.room = room;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    let room = this.room;
    while (real.queue.front !== undefined) {
      const length = real.queue.frontLength;
      const taken = Math.min(room, length);
      real.queue.consume(taken);
      model.bytes = model.bytes.subarray(taken);
      room -= taken;
      if (taken < length) {
        real.queue.stall();
        break;
      }
    }
    real.queue.release();
    isSound(model, real);
  }
  toString(): string {
    return `shortWrite(${this.room})`;
  }
}

class Call implements fc.Command<Model, Real> {
  readonly what: "stall" | "release" | "clear";
  constructor(what: "stall" | "release" | "clear") {
    this.what = what;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    real.queue[this.what]();
    if (this.what === "clear") model.bytes = Buffer.alloc(0);
    isSound(model, real);
  }
  toString(): string {
    return `${this.what}()`;
  }
}

const edges = [0, 1, 2, 1023, 1024, 1025, 2047, 2048, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1].map(
  (size) => fc.constant(size),
);
const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 * KIB }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 * KIB }) },
  ...edges.map((arbitrary) => ({ weight: 1, arbitrary })),
);
const units = fc.constantFrom("a", "é", "€", "😀", "\ud800", "\udc00", "a€", "\ud83d");
const commands = [
  fc.tuple(sizes, fc.constantFrom(0, 0, 1, 100, BLOCK_BYTES)).map(([size, from]) => new Append(size, from)),
  fc
    .tuple(sizes, fc.constantFrom(Infinity, 100, 10 * KIB))
    .map(([size, cap]) => new AppendInPlace(size, cap)),
  fc
    .tuple(units, fc.oneof(fc.integer({ min: 0, max: 6000 }), fc.constantFrom(5461, 5462, 0, 1)))
    .map(([unit, times]) => new AppendText(unit, times)),
  fc.constantFrom(0, 0.1, 0.5, 0.99, 1, 1).map((share) => new Consume(share)),
  sizes.map((room) => new ShortWrite(room)),
  fc.constantFrom("stall" as const, "release" as const, "clear" as const).map((what) => new Call(what)),
];

describe("WriteQueue", () => {
  test("WriteQueue holds exactly what was appended and not consumed, whatever the order of calls", () => {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 60, size: "max" }), (calls) => {
        const queue = new WriteQueue();
        const setup = { model: { bytes: Buffer.alloc(0) }, real: { queue } };
        fc.modelRun(() => setup, calls);
        expect(contents(queue).equals(setup.model.bytes)).toBe(true);
        queue.clear();
      }),
      { numRuns: 300 },
    );
  });

  test("WriteQueue of many keeps its bytes while others borrow and give back the same blocks", () => {
    const queues = Array.from({ length: 100 }, () => new WriteQueue());
    const sent = queues.map((queue, i) => {
      const bytes = Buffer.alloc(1000 + i, i);
      queue.append(bytes);
      return bytes;
    });
    // Every other queue gives its block back, and new ones take and fill them.
    queues.forEach((queue, i) => i % 2 === 0 && queue.clear());
    for (let i = 0; i < 100; i++) new WriteQueue().append(Buffer.alloc(BLOCK_BYTES - 1, 0xff));
    queues.forEach((queue, i) => {
      if (i % 2 === 1) expect(contents(queue).equals(sent[i] as Buffer)).toBe(true);
    });
  });

  test("WriteQueue.append() copies: what the caller writes to its memory later does not go out", () => {
    for (const size of [1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, 200 * KIB]) {
      const queue = new WriteQueue();
      const bytes = Buffer.alloc(size, "a");
      queue.append(bytes);
      bytes.fill("b");
      expect(contents(queue).equals(Buffer.alloc(size, "a"))).toBe(true);
    }
  });

  test("WriteQueue.appendInPlace() only fills the block under way, up to the cap", () => {
    const queue = new WriteQueue();
    expect(queue.appendInPlace(pattern(10), Infinity)).toBe(false);
    queue.append(pattern(10));
    expect(queue.appendInPlace(pattern(0), Infinity)).toBe(false);
    expect(queue.appendInPlace(pattern(91), 100)).toBe(false);
    expect(queue.appendInPlace(pattern(90), 100)).toBe(true);
    expect(queue.length).toBe(100);
    expect(queue.appendInPlace(pattern(BLOCK_BYTES - 99), Infinity)).toBe(false);
    expect(queue.appendInPlace(pattern(BLOCK_BYTES - 100), Infinity)).toBe(true);
    expect(queue.appendInPlace(pattern(1), Infinity)).toBe(false);
    expect(contents(queue)).toHaveLength(BLOCK_BYTES);
    queue.release();
  });

  test("WriteQueue.append() does nothing when there are no bytes", () => {
    const queue = new WriteQueue();
    queue.append(Buffer.alloc(0));
    queue.append(Buffer.from("abc"), 3);
    expect([queue.length, queue.charge, queue.front, queue.blockFilled]).toEqual([0, 0, undefined, false]);
  });

  test("WriteQueue.appendText() takes no block when the text is empty", () => {
    // A block that is taken without bytes is never given back: nothing will be written, so nothing released.
    const before = new WriteQueue();
    before.append(Buffer.from("x"));
    const block = before.front;
    before.clear();
    const queue = new WriteQueue();
    expect(queue.appendText("")).toBe(0);
    expect([queue.length, queue.charge, queue.front]).toEqual([0, 0, undefined]);
    const next = new WriteQueue();
    next.append(Buffer.from("x"));
    expect(next.front === block).toBe(true);
    next.clear();
  });

  test.each([
    ["ASCII", "abc", "616263"],
    ["two bytes", "é", "c3a9"],
    ["three bytes", "€", "e282ac"],
    ["four bytes", "😀", "f09f9880"],
    ["a lone high surrogate", "x\ud83dy", "78efbfbd79"],
    ["a lone low surrogate", "\ude00", "efbfbd"],
    ["surrogates in the wrong order", "\ude00\ud83d", "efbfbdefbfbd"],
    ["a high surrogate at the end", "a\ud800", "61efbfbd"],
    ["NUL and DEL", "\0\x7f", "007f"],
  ])("WriteQueue.appendText() encodes %s", (_name, text, hex) => {
    const queue = new WriteQueue();
    expect(queue.appendText(text)).toBe(hex.length / 2);
    expect(contents(queue).toString("hex")).toBe(hex);
  });

  test("WriteQueue.appendText() never cuts a character or loses one at the end of a block", () => {
    for (const unit of ["a", "é", "€", "😀", "\ud800"]) {
      for (let left = 0; left <= 16; left++) {
        for (const times of [1, 2, 4]) {
          const queue = new WriteQueue();
          const filler = Buffer.alloc(BLOCK_BYTES - left, 1);
          queue.append(filler.subarray(0, 40 * KIB));
          queue.append(filler.subarray(40 * KIB));
          const text = unit.repeat(times);
          expect(queue.appendText(text)).toBe(Buffer.byteLength(text));
          expect(contents(queue).equals(Buffer.concat([filler, Buffer.from(text)]))).toBe(true);
        }
      }
    }
  });

  test("WriteQueue.front joins what small appends brought into one piece", () => {
    const queue = new WriteQueue();
    for (let i = 0; i < 100; i++) queue.append(Buffer.from("0123456789"));
    expect(queue.frontLength).toBe(1000);
    expect(queue.blockFilled).toBe(false);
    queue.clear();
  });

  test("WriteQueue.blockFilled tells that a block is full, but not while stalled", () => {
    const queue = new WriteQueue();
    queue.append(Buffer.alloc(BLOCK_BYTES - 1));
    expect(queue.blockFilled).toBe(false);
    queue.append(Buffer.alloc(2));
    expect(queue.blockFilled).toBe(true);
    queue.consume(queue.frontLength);
    expect(queue.blockFilled).toBe(false);
    queue.append(Buffer.alloc(BLOCK_BYTES));
    expect(queue.blockFilled).toBe(true);
    queue.stall();
    expect(queue.blockFilled).toBe(false);
    queue.clear();
  });

  // --- memory -------------------------------------------------------------------------------------------------

  test("WriteQueue.charge is zero when the queue is new, empty again, or cleared", () => {
    const queue = new WriteQueue();
    expect(queue.charge).toBe(0);
    queue.append(Buffer.alloc(100 * KIB));
    queue.append(Buffer.alloc(10));
    queue.stall();
    expect(queue.charge).toBeGreaterThanOrEqual(100 * KIB + 10);
    contents(queue);
    queue.release();
    expect(queue.charge).toBe(0);
    queue.append(Buffer.alloc(70 * KIB));
    queue.clear();
    expect([queue.charge, queue.length, queue.front]).toEqual([0, 0, undefined]);
  });

  test("WriteQueue.charge counts the payload of a borrowed block, and a sealed chunk with its overhead", () => {
    const queue = new WriteQueue();
    queue.append(Buffer.alloc(10));
    expect(queue.charge).toBe(10);
    queue.stall();
    expect(queue.charge).toBe(10 + CHUNK_OVERHEAD_BYTES);
    queue.append(Buffer.alloc(10));
    expect(queue.charge).toBe(10 + CHUNK_OVERHEAD_BYTES + 10);
    queue.clear();
  });

  test("WriteQueue.charge stays below twice the bytes and 3 KiB while small appends meet a stalled peer", () => {
    for (const piece of [1, 7, 10, 64, 100, 1000, 1500]) {
      const queue = new WriteQueue();
      queue.stall();
      for (let total = piece; total < 1024 * KIB; total += piece) {
        queue.append(Buffer.alloc(piece));
        if (queue.charge > 2 * queue.length + 3 * KIB) {
          throw new Error(`${queue.length} bytes in pieces of ${piece} are charged ${queue.charge}`);
        }
      }
      queue.clear();
    }
  });

  test("WriteQueue.charge stays below twice the bytes and 8 KiB while short texts meet a stalled peer", () => {
    for (const piece of ["a", "ab€", "x".repeat(64), "é".repeat(300)]) {
      const queue = new WriteQueue();
      queue.stall();
      while (queue.length < 512 * KIB) {
        queue.appendText(piece);
        if (queue.charge > 2 * queue.length + 8 * KIB) {
          throw new Error(`${queue.length} bytes of ${piece.length} chars are charged ${queue.charge}`);
        }
      }
      queue.clear();
    }
  });

  test("WriteQueue.charge of the few bytes a slow drain leaves behind is not that of a whole block", () => {
    const queue = new WriteQueue();
    queue.append(Buffer.alloc(100));
    queue.stall();
    for (let i = 0; i < 2000; i++) queue.append(Buffer.alloc(100));
    // The kernel takes all but ten bytes, and then says no.
    while (queue.length > 10) {
      expect(queue.front).toBeDefined();
      queue.consume(Math.min(queue.frontLength, queue.length - 10));
    }
    queue.stall();
    queue.release();
    expect(queue.length).toBe(10);
    expect(queue.charge).toBeLessThan(4 * KIB);
  });

  test("WriteQueue.consume() gives the memory of sent chunks back before the last one is sent", () => {
    const queue = new WriteQueue();
    const stores: WeakRef<Buffer>[] = [];
    for (let i = 0; i < 40; i++) {
      queue.append(Buffer.alloc(256 * KIB));
    }
    for (let i = 0; i < 30; i++) {
      stores.push(new WeakRef(queue.front as Buffer));
      queue.consume(queue.frontLength);
    }
    expect(queue.charge).toBe(10 * (256 * KIB + CHUNK_OVERHEAD_BYTES));
    return collected(stores, 28).then(() => expect(queue.length).toBe(10 * 256 * KIB));
  });

  test("WriteQueue.clear() keeps nothing of what was queued", async () => {
    const queue = new WriteQueue();
    const stores: WeakRef<Buffer>[] = [];
    const fill = (): void => {
      for (let i = 0; i < 20; i++) {
        queue.append(Buffer.alloc(256 * KIB));
        stores.push(new WeakRef(queue.front as Buffer));
        queue.clear();
      }
    };
    fill();
    await collected(stores, 18);
    expect(queue.charge).toBe(0);
  });

  test("WriteQueue lends at most a bounded number of blocks to the pool", () => {
    const queues = Array.from({ length: 500 }, () => new WriteQueue());
    for (const queue of queues) queue.append(Buffer.from("x"));
    const blocks = new Set(queues.map((queue) => queue.front));
    expect(blocks.size).toBe(500);
    for (const queue of queues) queue.clear();
    for (const queue of queues) queue.append(Buffer.from("x"));
    const reused = queues.filter((queue) => blocks.has(queue.front)).length;
    expect(reused).toBe(64);
    for (const queue of queues) queue.clear();
  });

  test("WriteQueue never puts memory of its own into the pool that a chunk still shows", () => {
    // Full blocks leave the pool as chunks; what is borrowed next must be other memory.
    const queue = new WriteQueue();
    const hash = createHash("sha1");
    for (let i = 0; i < 50; i++) {
      const bytes = pattern(30_000);
      hash.update(bytes);
      queue.append(bytes);
      const other = new WriteQueue();
      other.append(Buffer.alloc(BLOCK_BYTES - 1, 0xaa));
      other.clear();
    }
    expect(createHash("sha1").update(contents(queue)).digest("hex")).toBe(hash.digest("hex"));
  });

  // --- cost ---------------------------------------------------------------------------------------------------

  test("WriteQueue takes and gives a million single bytes in time that grows with their number only", () => {
    const byte = Buffer.from("a");
    const run = (count: number, stalled: boolean): number => {
      const queue = new WriteQueue();
      const began = performance.now();
      if (stalled) queue.stall();
      for (let i = 0; i < count; i++) queue.append(byte);
      for (let i = 0; i < count; i++) {
        if (queue.front === undefined) throw new Error("empty too soon");
        queue.consume(1);
      }
      expect(queue.length).toBe(0);
      queue.release();
      return performance.now() - began;
    };
    for (const stalled of [false, true]) {
      run(100_000, stalled);
      const small = Math.max(run(100_000, stalled), 1);
      const large = run(1_000_000, stalled);
      // Quadratic cost would be a hundredfold; noise on a busy machine is far from forty.
      expect(large / small).toBeLessThan(40);
    }
  });

  test("WriteQueue.consume() keeps the order while hundreds of chunks come and go", () => {
    // Past 64 sent chunks the list is cut, and goes on being cut.
    const queue = new WriteQueue();
    const chunk = Buffer.alloc(BLOCK_BYTES);
    let pushed = 0;
    let seen = 0;
    const push = (): void => {
      chunk.writeUInt32LE(pushed++, 0);
      queue.append(chunk);
    };
    for (let i = 0; i < 100; i++) push();
    for (let i = 0; i < 900; i++) {
      const front = queue.front as Buffer;
      expect(front.readUInt32LE(queue.start)).toBe(seen++);
      queue.consume(BLOCK_BYTES);
      if (i % 3 !== 0) push();
      if (queue.length === 0) push();
      expect(queue.length).toBe((pushed - seen) * BLOCK_BYTES);
      expect(queue.charge).toBe((pushed - seen) * (BLOCK_BYTES + CHUNK_OVERHEAD_BYTES));
    }
  });
});

// Garbage collection is asked for, not commanded: looks until enough is gone.
async function collected(refs: WeakRef<Buffer>[], atLeast: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
    if (refs.filter((ref) => ref.deref() === undefined).length >= atLeast) return;
  }
  throw new Error(`${refs.filter((ref) => ref.deref() !== undefined).length} buffers are still held`);
}
