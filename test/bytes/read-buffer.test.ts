import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { ReadBuffer } from "../../src/bytes/read-buffer.ts";

const chunk = (text: string): Buffer => Buffer.from(text);

describe("ReadBuffer", () => {
  test("ReadBuffer.take() gives the chunk itself when all of it is wanted", () => {
    const input = new ReadBuffer();
    const whole = chunk("hello");
    input.push(whole);
    expect(input.length).toBe(5);
    expect(input.take(Infinity)).toBe(whole);
    expect(input.length).toBe(0);
    input.push(whole);
    expect(input.take(5)).toBe(whole);
    input.push(whole);
    expect(input.take(6)).toBe(whole);
  });

  test("ReadBuffer.take() gives views of one chunk, front first", () => {
    const input = new ReadBuffer();
    const whole = chunk("hello world");
    input.push(whole);
    const taken = [input.take(1), input.take(4), input.take(100)];
    expect(taken.map(String)).toEqual(["h", "ello", " world"]);
    expect(taken.every((part) => part?.buffer === whole.buffer)).toBe(true);
    expect(input.take(1)).toBeUndefined();
  });

  test("ReadBuffer.take() never goes past the end of the first chunk", () => {
    const input = new ReadBuffer();
    for (const text of ["ab", "c", "def"]) input.push(chunk(text));
    expect(input.length).toBe(6);
    expect(String(input.take(1))).toBe("a");
    expect([10, 10, 10].map((size) => String(input.take(size)))).toEqual(["b", "c", "def"]);
    expect(input.take(10)).toBeUndefined();
    expect(input.length).toBe(0);
  });

  test("ReadBuffer.take(0) takes nothing, and says whether there is something", () => {
    const input = new ReadBuffer();
    expect(input.take(0)).toBeUndefined();
    input.push(chunk("ab"));
    expect(input.take(0)?.length).toBe(0);
    expect(input.length).toBe(2);
    expect(String(input.take(2))).toBe("ab");
  });

  test("ReadBuffer.push() drops an empty chunk", () => {
    const input = new ReadBuffer();
    input.push(Buffer.alloc(0));
    expect([input.length, input.take(Infinity)]).toEqual([0, undefined]);
    input.push(chunk("a"));
    input.push(Buffer.alloc(0));
    input.push(chunk("b"));
    expect([1, 1, 1].map((size) => input.take(size)?.toString())).toEqual(["a", "b", undefined]);
  });

  test("ReadBuffer.clear() forgets everything, also the place inside the first chunk", () => {
    const input = new ReadBuffer();
    input.push(chunk("abc"));
    input.push(chunk("def"));
    input.take(2);
    input.clear();
    expect([input.length, input.take(Infinity)]).toEqual([0, undefined]);
    input.push(chunk("xyz"));
    expect(String(input.take(Infinity))).toBe("xyz");
    expect(input.take(Infinity)).toBeUndefined();
  });

  test("ReadBuffer gives what was pushed, in order, whatever sizes are taken", () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 2000 }) }),
      fc.record({ push: fc.constantFrom(0, 1, 2) }),
      fc.record({ take: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(0, 1, Infinity)) }),
      fc.record({ take: fc.integer({ min: 1, max: 300 }) }),
      fc.constant({ clear: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const input = new ReadBuffer();
        // The model: the chunks, each an array of bytes.
        let model: number[][] = [];
        let next = 0;
        for (const action of steps) {
          if ("push" in action) {
            const bytes = Array.from({ length: action.push }, () => next++ & 0xff);
            input.push(Buffer.from(bytes));
            if (bytes.length > 0) model.push(bytes);
          } else if ("take" in action) {
            const got = input.take(action.take);
            const first = model[0];
            if (first === undefined) {
              expect(got).toBeUndefined();
            } else {
              expect([...(got as Buffer)]).toEqual(first.splice(0, Math.min(action.take, first.length)));
              if (first.length === 0) model.shift();
            }
          } else {
            input.clear();
            model = [];
          }
          expect(input.length).toBe(model.reduce((sum, bytes) => sum + bytes.length, 0));
        }
      }),
      { numRuns: 500 },
    );
  });
});
