/**
 * What all write queues of the process hold together, and a budget for it: each channel's cap bounds one slow peer, this
 * bounds ten thousand of them. Counted is what outlives a turn: sealed chunks and the tails of stalled queues; the
 * blocks that a turn borrows and gives back are not.
 */
import { ArgumentRangeError } from "../base/errors.ts";

/** Asked when a queue has grown past the budget: frees memory and says so, or leaves it to the sender to fail. */
export type Relief = () => boolean;

/** One object, so that the hot path reads two fields of a constant. */
export const queueMemory: { bytes: number; budget: number; relief: Relief | undefined } = {
  bytes: 0,
  budget: Infinity,
  relief: undefined,
};

/**
 * Sets the most that all send queues of the process may hold together. A send that passes it fails as one over the
 * channel's own cap does (ENOBUFS, the connection is reset), unless `relief` has made room.
 *
 * @param bytes Default: no bound
 * @returns what was set before
 * @throws {ArgumentRangeError} no number, or negative
 */
export function setQueueBudget(bytes: number = Infinity, relief?: Relief): number {
  if (typeof bytes !== "number" || !(bytes >= 0)) {
    throw new ArgumentRangeError(`a budget is a number of bytes of at least 0, not ${String(bytes)}`);
  }
  const before = queueMemory.budget;
  queueMemory.budget = bytes;
  queueMemory.relief = relief;
  return before;
}

/** What is queued in the process now, in bytes. */
export function queuedBytes(): number {
  return queueMemory.bytes;
}
