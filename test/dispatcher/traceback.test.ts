import { afterEach, describe, expect, spyOn, test } from "bun:test";

import { ChannelMap, closeAll, compactTraceback, Dispatcher } from "asyncore";

import { inTurn } from "../../src/socket/turn.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { until } from "../support/until.ts";

const here = import.meta.path;
const map = new ChannelMap();
afterEach(() => closeAll(map));

/** The line of this file that holds `mark` as a comment at its end. */
const source = (await Bun.file(here).text()).split("\n");
function lineOf(mark: string): number {
  return source.findIndex((line) => line.trimEnd().endsWith(`// ${mark}`)) + 1;
}

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function inner(): never {
  throw new RangeError("too far"); // MARK inner
}
function outer(): void {
  inner(); // MARK outer
}

describe("compactTraceback()", () => {
  test("compactTraceback() names file, function and line of the TypeScript source, innermost in `at`", () => {
    const trace = compactTraceback(caught(outer));
    expect(trace.type).toBe("RangeError");
    expect(trace.message).toBe("too far");
    expect(trace.at).toEqual({ file: here, function: "inner", line: lineOf("MARK inner") });
  });

  test("compactTraceback().info holds the frames outermost first, as asyncore prints them", () => {
    const { info } = compactTraceback(caught(outer));
    expect(info).toEndWith(`[${here}|outer|${lineOf("MARK outer")}] [${here}|inner|${lineOf("MARK inner")}]`);
    expect(info).toMatch(/^(\[[^|\]]+\|[^|\]]+\|\d+\])( \[[^|\]]+\|[^|\]]+\|\d+\])*$/);
  });

  test("compactTraceback() names methods, constructors and arrow functions", () => {
    class Thing {
      readonly go = (): never => inner();
      constructor(fail: boolean) {
        if (fail) inner(); // MARK constructor
      }
      method(): void {
        inner(); // MARK method
      }
    }
    const made = compactTraceback(caught(() => new Thing(true)));
    expect(made.info).toContain(`[${here}|new Thing|${lineOf("MARK constructor")}]`);
    const thing = new Thing(false);
    expect(compactTraceback(caught(() => thing.method())).info).toContain(
      `|method|${lineOf("MARK method")}]`,
    );
    expect(compactTraceback(caught(() => thing.go())).at?.function).toBe("inner");
  });

  test("compactTraceback() follows an async function to the one that awaited it", async () => {
    async function deep(): Promise<never> {
      await Promise.resolve();
      throw new TypeError("later"); // MARK deep
    }
    async function middle(): Promise<void> {
      await deep(); // MARK middle
    }
    let error: unknown;
    try {
      await middle();
    } catch (thrown) {
      error = thrown;
    }
    const trace = compactTraceback(error);
    expect(trace.at).toEqual({ file: here, function: "deep", line: lineOf("MARK deep") });
    expect(trace.info).toContain(`[${here}|middle|${lineOf("MARK middle")}] [${here}|deep|`);
  });

  test("compactTraceback() leaves out the frames of this library, of Bun and of node", async () => {
    const errors: unknown[] = [];
    class Failing extends Logged {
      override handleRead(): void {
        this.recv();
        [1].forEach(() => inner());
      }
      override handleError(error: unknown): void {
        errors.push(error);
        this.close();
      }
    }
    const listening = new Listening(map, (socket, into) => new Failing(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => client.connected, "the connection");
    client.send("x");
    await until(() => errors.length > 0, "the error");
    expect((errors[0] as Error).stack).toContain("/src/dispatcher/");
    const { info, at } = compactTraceback(errors[0]);
    expect(at?.function).toBe("inner");
    expect(info).toContain("|handleRead|");
    expect(info).not.toContain("/src/");
    expect(info).not.toContain("native");
    expect(info).not.toContain("node:");
  });

  test.each([
    ["a string", "text", "string", "text"],
    ["a number", 42, "number", "42"],
    ["undefined", undefined, "undefined", "undefined"],
    ["null", null, "null", "null"],
    ["a symbol", Symbol("s"), "symbol", "Symbol(s)"],
    ["an object", { a: 1 }, "object", "[object Object]"],
    ["an object without a prototype", Object.create(null), "object", "(a value whose text cannot be had)"],
    [
      "an object whose text throws",
      {
        toString() {
          throw new Error("no");
        },
      },
      "object",
      "(a value whose text cannot be had)",
    ],
  ] as [string, unknown, string, string][])(
    "compactTraceback() has type and message of %s, and no frames",
    (_what, value, type, message) => {
      expect(compactTraceback(value)).toEqual({ at: undefined, type, message, info: "" });
    },
  );

  test("compactTraceback() has no frames of an error without a stack", () => {
    for (const stack of [undefined, "", "Error: x"]) {
      const error = Object.assign(new Error("x"), { stack });
      expect(compactTraceback(error)).toEqual({ at: undefined, type: "Error", message: "x", info: "" });
    }
  });

  test("compactTraceback() names an error's class, not its name", () => {
    class Special extends TypeError {
      override name = "Renamed";
    }
    expect(compactTraceback(new Special("s")).type).toBe("Special");
  });

  test("compactTraceback() does not take lines of the message for frames", () => {
    const error = new Error("bad input:\n    at evil (/etc/passwd:1:1)");
    const { at, info } = compactTraceback(error);
    expect(at?.file).toBe(here);
    expect(info).not.toContain("/etc/passwd");
  });

  test("compactTraceback() of a long message with brackets in it takes no time to speak of", () => {
    const error = new Error(`x\n    at ${"a (".repeat(20_000)}${":1".repeat(20_000)} `);
    const began = performance.now();
    compactTraceback(error);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  // Thrown values are the program's, and handleError() must come to its end whatever they are.
  test.each([
    ["a stack that is a number", () => Object.assign(new Error("m"), { stack: 42 })],
    ["a stack that is an object", () => Object.assign(new Error("m"), { stack: {} })],
    [
      "a stack that throws",
      () =>
        Object.defineProperty(new Error("m"), "stack", {
          get() {
            throw new Error("no");
          },
        }),
    ],
    ["no class", () => Object.defineProperty(new Error("m"), "constructor", { value: undefined })],
    ["a message that is a symbol", () => Object.assign(new Error("m"), { message: Symbol("s") })],
    [
      "everything that throws",
      () =>
        new Proxy(new Error("m"), {
          get() {
            throw new Error("no");
          },
        }),
    ],
  ])("compactTraceback() gives text for an error with %s", (_what, make) => {
    const { type, message, info } = compactTraceback(make());
    expect([typeof type, typeof message, typeof info]).toEqual(["string", "string", "string"]);
  });
});

describe("Dispatcher.handleError()", () => {
  // A broken stack is enough: compactTraceback() is asked to describe it.
  const broken = (): Error => Object.assign(new Error("m"), { stack: 42 });

  async function failWith(make: (socket: Dispatcher) => Dispatcher["handleError"] | undefined): Promise<{
    closed: string[];
    printed: string;
  }> {
    const closed: string[] = [];
    const out = spyOn(process.stdout, "write").mockReturnValue(true);
    const err = spyOn(process.stderr, "write").mockReturnValue(true);
    class Failing extends Dispatcher {
      override handleRead(): void {
        this.recv();
        throw broken();
      }
      override handleClose(): void {
        closed.push("handleClose");
        this.close();
      }
    }
    try {
      const listening = new Listening(map, (socket, into) => {
        const channel = new Failing(socket, into);
        const handler = make(channel);
        if (handler !== undefined) channel.handleError = handler;
        return channel;
      });
      const client = connectTo(new Logged(undefined, map), listening.address);
      await until(() => client.connected, "the connection");
      client.send("x");
      await until(() => client.events.includes("close"), "the channel is closed");
      return { closed, printed: String(out.mock.calls.concat(err.mock.calls)) };
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
  }

  test("Dispatcher.handleError() logs and calls handleClose() whatever the thrown error is like", async () => {
    const { closed, printed } = await failWith(() => undefined);
    expect(closed).toEqual(["handleClose"]);
    expect(printed).toContain("uncaptured exception, closing channel <Failing");
  });

  test("Dispatcher.handleError() that throws a broken error costs its channel only, and the turn ends", async () => {
    await failWith(() => () => {
      throw broken();
    });
    // A turn that never ends would keep every channel of the process from writing.
    expect(inTurn()).toBe(false);
    const listening = new Listening(map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => client.connected, "the connection");
    client.send("still alive");
    await until(() => (listening.accepted[0] as Logged | undefined)?.received === "still alive", "the bytes");
  });
});
