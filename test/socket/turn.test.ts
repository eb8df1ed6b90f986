import { describe, expect, test } from "bun:test";

import { enterTurn, type Flushable, inTurn, leaveTurn, queueFlush } from "../../src/socket/turn.ts";

const events: string[] = [];
const taken = (): string[] => events.splice(0);

/** A socket that writes down its flushes. */
function socket(name: string, also: () => void = () => undefined): Flushable {
  return {
    flush: () => {
      events.push(name);
      also();
    },
  };
}

describe("turn", () => {
  test("queueFlush() waits for the end of the turn, and flushes in the order of the first sends", async () => {
    enterTurn();
    for (const name of ["b", "a", "c"]) queueFlush(socket(name));
    await Promise.resolve();
    expect(taken()).toEqual([]);
    leaveTurn();
    expect(taken()).toEqual(["b", "a", "c"]);
    await Promise.resolve();
    expect(taken()).toEqual([]);
  });

  test("leaveTurn() of an inner turn leaves the flushing to the outermost one", () => {
    enterTurn();
    queueFlush(socket("outer"));
    enterTurn();
    queueFlush(socket("inner"));
    expect(inTurn()).toBe(true);
    leaveTurn();
    expect(taken()).toEqual([]);
    expect(inTurn()).toBe(true);
    leaveTurn();
    expect(inTurn()).toBe(false);
    expect(taken()).toEqual(["outer", "inner"]);
  });

  test("queueFlush() outside a turn flushes all in one microtask, not at once", async () => {
    queueFlush(socket("a"));
    queueFlush(socket("b"));
    queueMicrotask(() => events.push("a microtask that came later"));
    expect(taken()).toEqual([]);
    await Promise.resolve();
    await Promise.resolve();
    expect(taken()).toEqual(["a", "b", "a microtask that came later"]);
  });

  test("leaveTurn() takes along what was sent just before the turn, and the microtask finds nothing", async () => {
    queueFlush(socket("before"));
    enterTurn();
    queueFlush(socket("inside"));
    leaveTurn();
    expect(taken()).toEqual(["before", "inside"]);
    await Promise.resolve();
    await Promise.resolve();
    expect(taken()).toEqual([]);
  });

  test("queueFlush() from inside a flush is not lost", async () => {
    for (const others of [0, 2]) {
      enterTurn();
      queueFlush(socket("first", () => queueFlush(socket("joined"))));
      for (let i = 0; i < others; i++) queueFlush(socket(`other ${i}`));
      leaveTurn();
      await Promise.resolve();
      await Promise.resolve();
      expect(taken()).toEqual(["first", ...["other 0", "other 1"].slice(0, others), "joined"]);
    }
  });

  test("enterTurn() from inside a flush runs a turn of its own", () => {
    enterTurn();
    const hook = (): void => {
      enterTurn();
      queueFlush(socket("from the inner turn"));
      leaveTurn();
    };
    queueFlush(socket("first", hook));
    queueFlush(socket("second"));
    leaveTurn();
    expect(taken()).toEqual(["first", "from the inner turn", "second"]);
  });

  test("queueFlush() works again and again, one socket or many", () => {
    for (let i = 0; i < 100; i++) {
      enterTurn();
      queueFlush(socket("a"));
      if (i % 2 === 1) queueFlush(socket("b"));
      leaveTurn();
      expect(taken()).toEqual(i % 2 === 1 ? ["a", "b"] : ["a"]);
    }
  });

  test("leaveTurn() writes the other sockets when one fails", () => {
    const fail = (): never => {
      throw new Error("this socket's own failure");
    };
    enterTurn();
    queueFlush(socket("good"));
    queueFlush(socket("bad", fail));
    queueFlush(socket("written all the same"));
    try {
      leaveTurn();
    } catch {
      // Whether the failure comes out here is not the point.
    }
    expect(taken()).toEqual(["good", "bad", "written all the same"]);
    expect(inTurn()).toBe(false);
    // And the next turn is a turn like any other.
    enterTurn();
    queueFlush(socket("next"));
    leaveTurn();
    expect(taken()).toEqual(["next"]);
  });
});
