/** Makes {@link StreamLimits}: the defaults, and the checks that keep them sensible. */
import { ArgumentRangeError } from "../base/errors.ts";
import type { StreamLimits } from "./socket.ts";

/** The limits a channel has when its class names none. */
export const defaultLimits: StreamLimits = Object.freeze({
  highWaterBytes: 64 * 1024,
  lowWaterBytes: 16 * 1024,
  maxBufferedBytes: 64 * 1024 * 1024,
  connectTimeoutMs: 60_000,
  closeTimeoutMs: 30_000,
  lingerTimeoutMs: 5_000,
});

/**
 * The default limits with some replaced. Where only the high water mark is given, the low one is a quarter of it.
 *
 * @throws {ArgumentRangeError} a value that is not a number, is negative, or marks that are not low ≤ high ≤ max
 */
export function streamLimits(changes: Partial<StreamLimits> = {}): StreamLimits {
  const limits: StreamLimits = { ...defaultLimits, ...changes };
  check(limits);
  const highWaterBytes = Math.min(
    limits.highWaterBytes,
    changes.highWaterBytes === undefined ? limits.maxBufferedBytes : Infinity,
  );
  const lowWaterBytes = changes.lowWaterBytes ?? Math.floor(highWaterBytes / 4);
  const made = { ...limits, highWaterBytes, lowWaterBytes };
  if (lowWaterBytes > highWaterBytes || highWaterBytes > made.maxBufferedBytes) {
    throw new ArgumentRangeError(
      `water marks: low ${lowWaterBytes} <= high ${highWaterBytes} <= max ${made.maxBufferedBytes} does not hold`,
    );
  }
  return Object.freeze(made);
}

function check(limits: StreamLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== "number" || !(value >= 0)) {
      throw new ArgumentRangeError(`${name}: a number of at least 0, not ${String(value)}`);
    }
  }
}
