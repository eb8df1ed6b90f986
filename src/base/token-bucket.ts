/**
 * A token bucket, for "at most so many a second, and so many at once". No timer and no counting down: all it holds is
 * the moment up to which it is spent (the "virtual scheduling" form of ITU-T I.371), which cannot drift.
 */
import { type Clock, systemClock } from "./clock.ts";
import { ArgumentRangeError } from "./errors.ts";

/** Milliseconds by which sums of fractions may be off. */
const ROUNDING_MS = 1e-6;

export class TokenBucket {
  readonly rate: number;
  readonly burst: number;
  readonly #clock: Clock;
  readonly #msPerToken: number;
  /** When the bucket would be full again. */
  #fullAt = -Infinity;

  /**
   * Full at first.
   *
   * @param rate tokens a second, over 0; Infinity never says no
   * @param burst most tokens it holds, at least 1. Default: `rate`, and at least 1
   * @throws {ArgumentRangeError} out of range
   */
  constructor(rate: number, burst: number = Math.max(1, rate), clock: Clock = systemClock) {
    if (typeof rate !== "number" || !(rate > 0)) {
      throw new ArgumentRangeError(`TokenBucket: the rate is a number over 0, not ${String(rate)}`);
    }
    if (typeof burst !== "number" || !(burst >= 1)) {
      throw new ArgumentRangeError(`TokenBucket: the burst is a number of at least 1, not ${String(burst)}`);
    }
    this.rate = rate;
    this.burst = burst;
    this.#clock = clock;
    this.#msPerToken = 1000 / rate;
  }

  /** Takes `count` tokens, or none when there are fewer. @returns whether it took them */
  take(count: number = 1, now: number = this.#clock.now()): boolean {
    if (this.waitMs(count, now) > 0) return false;
    this.#fullAt = Math.max(this.#fullAt, now) + count * this.#msPerToken;
    return true;
  }

  /** How long until `count` tokens are there: 0 now, Infinity when they are more than the bucket holds. */
  waitMs(count: number = 1, now: number = this.#clock.now()): number {
    if (count > this.burst) return Infinity;
    const wait = this.#fullAt - now - (this.burst - count) * this.#msPerToken;
    return wait > ROUNDING_MS ? wait : 0;
  }

  /** Takes `count` tokens also where there are fewer: what comes later waits the longer. For what has happened already. */
  spend(count: number, now: number = this.#clock.now()): void {
    this.#fullAt = Math.max(this.#fullAt, now) + count * this.#msPerToken;
  }

  /** How many whole tokens there are, at least 0. */
  available(now: number = this.#clock.now()): number {
    if (this.rate === Infinity) return this.burst;
    const missing = Math.max(0, this.#fullAt - now) / this.#msPerToken;
    return Math.max(0, Math.floor(this.burst - missing + ROUNDING_MS));
  }
}
