/** Arguments of a request as what they should be. Each throws the {@link CommandError} that Redis replies. */
import { CommandError, notAFloat, notAnInteger, notPositive } from "./command-error.ts";
import { INT64_MAX, INT64_MIN, parseDouble, parseInt64 } from "./numbers.ts";
import type { RequestParser } from "./request-parser.ts";

/** A 64-bit integer. */
export function int64(request: RequestParser, index: number): number | bigint {
  const value = parseInt64(request.text(index));
  if (value === undefined) throw notAnInteger;
  return value;
}

/** An integer for which it does not matter what it is exactly when it is beyond 2^53: an index, a count. */
export function integer(request: RequestParser, index: number): number {
  return Number(int64(request, index));
}

/** How many, of LPOP and the like. */
export function positive(request: RequestParser, index: number): number {
  const value = parseInt64(request.text(index));
  if (value === undefined || value < 0) throw notPositive;
  return Number(value);
}

export function double(request: RequestParser, index: number): number {
  const value = parseDouble(request.text(index));
  if (value === undefined) throw notAFloat;
  return value;
}

/**
 * A point in time in milliseconds since 1970.
 *
 * @param unitMs what the argument counts
 * @param since what it counts from
 */
export function deadline(
  request: RequestParser,
  index: number,
  unitMs: number,
  since: number,
  name: string,
): number {
  const count = int64(request, index);
  // What everybody means is far below the bounds.
  if (typeof count === "number" && Math.abs(count) < 2 ** 40) return since + count * unitMs;
  const value = BigInt(count) * BigInt(unitMs);
  const at = value + BigInt(since);
  if (value < INT64_MIN || value > INT64_MAX || at > INT64_MAX) throw invalidExpire(name);
  return Number(at);
}

export function invalidExpire(name: string): CommandError {
  return new CommandError(`ERR invalid expire time in '${name}' command`);
}
