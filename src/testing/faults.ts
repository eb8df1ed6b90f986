/** What can be wrong with one direction of a memory connection, in data: see {@link Faults}. */
import type { Amount } from "./random.ts";

/**
 * The bad luck of one direction, sender to receiver. Everything not named is as good as it can be. FIN and RST at a
 * moment instead of an offset are `linkOf(socket).end()` and `.reset()`, called from a timer of the clock.
 */
export interface Faults {
  /** Most bytes that one write takes: short writes. */
  readonly writeBytes?: Amount;
  /** How long after room appeared the sender is told. Default 0: in the next event. */
  readonly drainDelayMs?: Amount;
  /** The sender is also told of room when there is no news, as Bun does after a pause. */
  readonly spuriousDrains?: boolean;
  /** Most bytes that one delivery brings. */
  readonly pieceBytes?: Amount;
  /** How long a piece comes after the one before it. */
  readonly pieceDelayMs?: Amount;
  /** After so many bytes the receiver sees FIN; the rest vanishes without the sender's knowledge. */
  readonly finAfterBytes?: number;
  /** After so many bytes both ends see RST. */
  readonly rstAfterBytes?: number;
}

/** What a memory connection is made of. */
export interface LinkOptions {
  /** The faults both directions begin with; `linkOf(socket).setFaults()` gives one others. */
  readonly faults?: Faults;
  /** How long bytes, FIN and RST are under way. Order is kept. Default 0: they come in the next event. */
  readonly latencyMs?: Amount;
  /** How many bytes a direction holds that were written and not delivered: both kernels' buffers. Default 64 KiB. */
  readonly capacityBytes?: number;
  /** How many of those are in the receiver's kernel, and so survive a reset by the sender. Default half. */
  readonly windowBytes?: number;
}

/** No fault at all. */
export const noFaults: Faults = Object.freeze({});
