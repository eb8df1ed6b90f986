import { describe, expect, test } from "bun:test";

import { DATAGRAM_BYTES, DatagramQueue } from "../../src/bytes/datagram-queue.ts";

const bytesOf = (number: number): Buffer => Buffer.from(String(number));

function takeAll(queue: DatagramQueue): string[] {
  const all: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) all.push(next[0].toString());
  return all;
}

describe("DatagramQueue", () => {
  test("DatagramQueue.take() hands out each datagram once, with its sender, the oldest first", () => {
    const queue = new DatagramQueue(1e6);
    const payload = Buffer.from("one");
    expect(queue.push(payload, "127.0.0.1", 53)).toBe(true);
    expect(queue.push(Buffer.alloc(0), "::1", 54)).toBe(true);
    expect([queue.count, queue.bytes]).toEqual([2, 3 + 2 * DATAGRAM_BYTES]);
    const first = queue.take();
    expect(first).toEqual([Buffer.from("one"), ["127.0.0.1", 53]]);
    expect(first?.[0]).toBe(payload);
    expect(queue.take()).toEqual([Buffer.alloc(0), ["::1", 54]]);
    expect(queue.take()).toBeUndefined();
    expect([queue.count, queue.bytes, queue.dropped]).toEqual([0, 0, 0]);
  });

  // The ring begins at 64 and is given back beyond 1024; what waits is anywhere in it when it grows.
  test.each([1, 63, 64, 65, 1000, 1024, 1025, 5000])(
    "DatagramQueue.push() keeps the order of %d that wait, wherever the ring's head is",
    (count) => {
      const queue = new DatagramQueue(Infinity);
      for (const before of [0, 1, 40, 63]) {
        for (let i = 0; i < before; i++) queue.push(bytesOf(-i), "h", 1);
        for (let i = 0; i < before; i++) queue.take();
        const numbers = Array.from({ length: count }, (_, i) => i);
        for (const number of numbers) queue.push(bytesOf(number), "h", 1);
        expect(queue.count).toBe(count);
        expect(takeAll(queue)).toEqual(numbers.map(String));
        expect([queue.count, queue.bytes]).toEqual([0, 0]);
      }
    },
  );

  test("DatagramQueue.push() and take() in turns agree with an array", () => {
    const queue = new DatagramQueue(200 * DATAGRAM_BYTES);
    const model: string[] = [];
    let dropped = 0;
    for (let i = 0; i < 20_000; i++) {
      // Bursts of different lengths, over the bound now and then.
      const grows = Math.floor(i / 250) % 3 !== 0;
      if (grows || i % 5 === 0) {
        const kept = queue.push(Buffer.alloc(0), String(i), 1);
        if (kept) model.push(String(i));
        else dropped++;
      }
      if (!grows || i % 3 === 0) expect(queue.take()?.[1][0]).toBe(model.shift() as string);
      expect(queue.count).toBe(model.length);
    }
    expect(dropped).toBeGreaterThan(100);
    expect(queue.dropped).toBe(dropped);
  });

  test("DatagramQueue.push() drops and counts what passes the bound, and takes more once there is room", () => {
    const queue = new DatagramQueue(2 * DATAGRAM_BYTES + 10);
    expect(queue.push(Buffer.alloc(5), "h", 1)).toBe(true);
    expect(queue.push(Buffer.alloc(6), "h", 2)).toBe(false);
    expect(queue.push(Buffer.alloc(5), "h", 3)).toBe(true);
    expect(queue.push(Buffer.alloc(0), "h", 4)).toBe(false);
    expect([queue.count, queue.dropped, queue.bytes]).toEqual([2, 2, 2 * DATAGRAM_BYTES + 10]);
    queue.take();
    expect(queue.push(Buffer.alloc(1), "h", 5)).toBe(true);
    expect([queue.take()?.[1][1], queue.take()?.[1][1], queue.dropped]).toEqual([3, 5, 2]);
  });

  test("DatagramQueue.push() takes one datagram whatever the bound", () => {
    const queue = new DatagramQueue(1);
    expect(queue.push(Buffer.alloc(65_507), "h", 1)).toBe(true);
    expect(queue.push(Buffer.alloc(0), "h", 2)).toBe(false);
    expect(queue.take()?.[0].length).toBe(65_507);
    expect(queue.push(Buffer.alloc(65_507), "h", 3)).toBe(true);
  });

  test("DatagramQueue.clear() drops without counting", () => {
    const queue = new DatagramQueue(1e6);
    queue.push(Buffer.alloc(3), "h", 1);
    queue.clear();
    expect([queue.count, queue.bytes, queue.dropped, queue.take()]).toEqual([0, 0, 0, undefined]);
  });
});
