/**
 * Latencies of one kind of message, as a histogram of fixed size: recording allocates nothing, and a quantile is
 * right to within the width of a bucket, one part in 64. Used by the loads; one for each server and round.
 */

/** Buckets for each doubling. */
const PER_OCTAVE = 64;
/** The shortest time told apart, in microseconds, as a power of two … */
const LEAST_OCTAVE = -4;
/** … and the longest, some 67 seconds. */
const MOST_OCTAVE = 26;

export class Latency {
  /** Only while true is anything recorded: lead-in and pause are not part of the window. */
  counting = false;
  count = 0;
  readonly #buckets = new Uint32Array((MOST_OCTAVE - LEAST_OCTAVE) * PER_OCTAVE);

  /** @param ms from sending the message to its last byte back, as `performance.now()` tells it */
  record(ms: number): void {
    if (!this.counting) return;
    const at = Math.floor((Math.log2(ms * 1000) - LEAST_OCTAVE) * PER_OCTAVE);
    const bucket = Math.max(0, Math.min(at, this.#buckets.length - 1));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.count++;
  }

  /** Microseconds that `share` of the messages did not exceed, to within a bucket; NaN where none was recorded. */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.count));
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return 2 ** (LEAST_OCTAVE + (bucket + 0.5) / PER_OCTAVE);
    }
    return Number.NaN;
  }
}
