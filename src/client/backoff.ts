/**
 * How long to wait before the next attempt: exponential with full jitter. The wait is drawn evenly from nothing up to a
 * bound that grows with every failure, so that clients which lost the same server do not come back together.
 */
import { ArgumentRangeError } from "../base/errors.ts";
import { atLeast } from "./connect-options.ts";

/** Options of {@link Backoff}. */
export interface BackoffOptions {
  /** Longest wait after the first failure. Default 500. */
  readonly initialDelayMs?: number;
  /** Longest wait ever. Default 30 000. */
  readonly maxDelayMs?: number;
  /** By what the longest wait grows with each failure; at least 1. Default 2. */
  readonly factor?: number;
  /** A fraction in [0, 1), like `Math.random`, which is the default. */
  readonly random?: () => number;
}

export class Backoff {
  readonly #initialDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #factor: number;
  readonly #random: () => number;
  #failures = 0;
  /** Longest wait after the next failure. */
  #bound: number;

  /** @throws {ArgumentRangeError} a negative delay, a factor below 1, a first delay over the longest */
  constructor(options: BackoffOptions = {}) {
    const { initialDelayMs = 500, maxDelayMs = 30_000, factor = 2, random = Math.random } = options;
    atLeast("initialDelayMs", initialDelayMs, 0);
    atLeast("maxDelayMs", maxDelayMs, 0);
    atLeast("factor", factor, 1);
    if (initialDelayMs > maxDelayMs) {
      throw new ArgumentRangeError(
        `initialDelayMs: at most maxDelayMs, ${maxDelayMs}, not ${initialDelayMs}`,
      );
    }
    this.#initialDelayMs = initialDelayMs;
    this.#maxDelayMs = maxDelayMs;
    this.#factor = factor;
    this.#random = random;
    this.#bound = initialDelayMs;
  }

  /** Failures since the last {@link reset}. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure. @returns milliseconds to wait before the next attempt */
  failed(): number {
    const bound = this.#bound;
    this.#failures++;
    this.#bound = Math.min(bound * this.#factor, this.#maxDelayMs);
    return this.#random() * bound;
  }

  /** The next failure counts as the first. */
  reset(): void {
    this.#failures = 0;
    this.#bound = this.#initialDelayMs;
  }
}
