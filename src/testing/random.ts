/**
 * Chance that can be repeated: the same seed gives the same numbers, in every process and on every platform
 * (mulberry32: 32 bits of state, good enough for sizes and delays, useless for secrets).
 */

/** A number, or a range `[least, most]` from which one is drawn each time. */
export type Amount = number | readonly [least: number, most: number];

/** A seeded source of chance. */
export class Random {
  /** What it was made with. */
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** A fraction in [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  /** True in `probability` of the cases. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of `choices`. @throws {RangeError} there is none */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError("pick: nothing to choose from");
    return choices[this.integer(0, choices.length - 1)] as T;
  }

  /** `count` bytes. */
  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let i = 0; i < count; i++) bytes[i] = this.integer(0, 255);
    return bytes;
  }

  /** What `amount` is this time. A plain number draws nothing. */
  amount(amount: Amount): number {
    return typeof amount === "number" ? amount : this.integer(amount[0], amount[1]);
  }
}
