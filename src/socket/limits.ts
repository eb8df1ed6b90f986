/** Makes {@link StreamLimits}: the defaults, and the checks that keep them sensible. */
import { ArgumentRangeError } from "../base/errors.ts";
import type { StreamLimits } from "./socket.ts";

/** The limits a channel has when its class names none. */
export const defaultLimits: StreamLimits = Object.freeze({
  highWaterBytes: 64 * 1024,
  lowWaterBytes: 16 * 1024,
  maxBufferedBytes: 64 * 1024 * 1024,
  connectTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  closeTimeoutMs: 30_000,
  lingerTimeoutMs: 5_000,
});

/**
 * The default limits with some replaced. Where the low water mark is not given it is a quarter of the high one; where the
 * high one is not given it is at most half the cap.
 *
 * @throws {ArgumentRangeError} a value that is not a number, is negative, or marks that are not low ≤ high ≤ max
 */
export function streamLimits(changes: Partial<StreamLimits> = {}): StreamLimits {
  const limits: StreamLimits = { ...defaultLimits, ...changes };
  check(limits);
  // Half the cap at most: a send below the mark must have room above it.
  const highWaterBytes =
    changes.highWaterBytes ?? Math.min(limits.highWaterBytes, Math.floor(limits.maxBufferedBytes / 2));
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
