/** What the oracle's scenarios do and throw, and how values are written in its logs; see `oracle_rt.py`. */
import { OSError, osError } from "asyncore";
import * as asyncore from "asyncore/classic";

/** What scenarios throw. */
export class Boom extends Error {
  override name = "Boom";
}

export function boom(_c: unknown): never {
  throw new Boom("boom");
}
export function exit_now(_c: unknown): never {
  throw new asyncore.ExitNow("exit");
}
/** An act that raises this OSError. */
export function fail(code: string): (c: unknown) => never {
  return () => {
    throw osError(code);
  };
}
export function close_it(c: { close(): void }): void {
  c.close();
}

/** A producer of these pieces. */
export class Pieces {
  readonly pieces: string[];
  constructor(pieces: string[]) {
    this.pieces = pieces;
  }
  more(): string {
    return this.pieces.shift() ?? "";
  }
}

/** A producer that raises after `good` pieces. */
export class Failing {
  good: number;
  readonly act: (c: unknown) => unknown;
  constructor(good: number = 0, act: (c: unknown) => unknown = boom) {
    this.good = good;
    this.act = act;
  }
  more(): string {
    if (this.good === 0) this.act(this);
    this.good -= 1;
    return "good";
  }
}

/** Bytes in a log. */
export function show(data: Buffer): string {
  if (data.length > 60) return `<${data.length} bytes ${Bun.hash.crc32(data).toString(16).padStart(8, "0")}>`;
  // As json.dumps() has it: ASCII only.
  return JSON.stringify(data.toString("latin1")).replaceAll(
    /[\u0080-\u00ff]/g,
    (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
  );
}

/** What a call returned, in a log. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (value instanceof Uint8Array) return show(Buffer.from(value));
  return typeof value === "object" ? "something" : `${value as string | number | boolean}`;
}

// What Python calls the errors that have no number.
const PYTHON_NAMES: Readonly<Record<string, string>> = {
  ArgumentRangeError: "ValueError",
  ArgumentTypeError: "TypeError",
};

/** An error by its errno or its class, as in the Python program. */
export function nameOf(error: unknown): string {
  if (error instanceof OSError) return error.code;
  if (!(error instanceof Error)) return "something";
  return PYTHON_NAMES[error.constructor.name] ?? error.constructor.name;
}
