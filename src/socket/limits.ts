/** Makes {@link StreamLimits}: the defaults, and the checks that keep them sensible. */
import { ArgumentRangeError } from "../base/errors.ts";
import type { StreamLimits } from "./socket.ts";

/** The limits a channel has when its class names none. */
export const defaultLimits: StreamLimits = Object.freeze({
  highWaterBytes: 64 * 1024,
  lowWaterBytes: 16 * 1024,
  maxBufferedBytes: 64 * 1024 * 1024,
  maxCollectBytes: Infinity,
  connectTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  closeTimeoutMs: 30_000,
  lingerTimeoutMs: 5_000,
  idleTimeoutMs: Infinity,
  requestTimeoutMs: Infinity,
  lifetimeTimeoutMs: Infinity,
});

/** In many libraries 0 switches these off. Here that is Infinity, and a connection that ends at once is nobody's wish. */
const NEVER_ZERO: ReadonlySet<string> = new Set(["idleTimeoutMs", "requestTimeoutMs", "lifetimeTimeoutMs"]);

/**
 * The default limits with some replaced. Where the low water mark is not given it is a quarter of the high one; where the
 * high one is not given it is at most half the cap.
 *
 * @throws {ArgumentRangeError} a value that is not a number, is negative, or marks that are not low ≤ high ≤ max; 0 for
 *   `idleTimeoutMs`, `requestTimeoutMs` or `lifetimeTimeoutMs`, where Infinity is no limit
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
    if (value === 0 && NEVER_ZERO.has(name)) {
      throw new ArgumentRangeError(`${name}: a number above 0, not 0; without a limit it is Infinity`);
    }
  }
}
