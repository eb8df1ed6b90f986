/**
 * Happy Eyeballs, RFC 8305, as arithmetic: which address is to be tried when. Knows no clock and no socket; `race.ts`
 * asks it after everything that happens, and at the time it named.
 *
 *   answer of the first family ─► its first address at once
 *   answer of the other alone ──► wait resolutionDelayMs for the first family's (§3)
 *   then, the families in turn ─► the next one attemptDelayMs after the last, or as soon as one has failed (§5)
 *   an answer that comes late ──► joins what is left to try
 */
import { orderAddresses } from "./address-order.ts";

/** One address to connect to. */
export interface Attempt {
  /** `AF_INET`, `AF_INET6` or `AF_UNIX`. */
  readonly family: number;
  /** A numeric address, or a unix path. */
  readonly address: string;
}

/** See {@link Schedule}. */
export interface Delays {
  /** Between two attempts, unless the earlier one has failed. */
  readonly attemptDelayMs: number;
  /** How long the answer for another family waits for that of the first. */
  readonly resolutionDelayMs: number;
}

export class Schedule {
  readonly #families: readonly number[];
  readonly #delays: Delays;
  /** What is left to try of each family. */
  readonly #left: Map<number, string[]>;
  readonly #unanswered: Set<number>;
  readonly #known = new Set<string>();
  #answeredAt: number | undefined;
  #last: { readonly family: number; readonly at: number } | undefined;
  #failed = false;

  /** `families`: those that will be answered for, the preferred one first. */
  constructor(families: readonly number[], delays: Delays) {
    this.#families = families;
    this.#delays = delays;
    this.#left = new Map(families.map((family) => [family, []]));
    this.#unanswered = new Set(families);
  }

  /** The addresses of `family` are known; none when it has none, or could not be asked. */
  answered(family: number, addresses: readonly string[], now: number): void {
    this.#unanswered.delete(family);
    const left = this.#left.get(family) ?? [];
    for (const address of orderAddresses(addresses)) {
      if (this.#known.has(address)) continue;
      this.#known.add(address);
      left.push(address);
    }
    if (left.length > 0) this.#answeredAt ??= now;
  }

  /** An attempt has failed: the next one need not wait. */
  failed(): void {
    this.#failed = true;
  }

  /** Whether nothing is left to try and no answer is missing. */
  get exhausted(): boolean {
    return this.#unanswered.size === 0 && !this.#hasLeft();
  }

  /** The attempt to begin now, the time to ask again, or undefined when only an answer can bring more. */
  next(now: number): Attempt | number | undefined {
    if (!this.#hasLeft()) return undefined;
    const at = this.#notBefore();
    if (now < at) return at;
    const family = this.#nextFamily();
    const address = this.#left.get(family)?.shift() ?? "";
    this.#last = { family, at: now };
    this.#failed = false;
    return { family, address };
  }

  #hasLeft(): boolean {
    for (const left of this.#left.values()) if (left.length > 0) return true;
    return false;
  }

  #notBefore(): number {
    if (this.#last !== undefined)
      return this.#failed ? -Infinity : this.#last.at + this.#delays.attemptDelayMs;
    const [preferred = 0] = this.#families;
    const waits = this.#unanswered.has(preferred);
    return waits ? (this.#answeredAt ?? 0) + this.#delays.resolutionDelayMs : -Infinity;
  }

  // The families take turns (§4), the preferred one begins; who has nothing left is passed over.
  #nextFamily(): number {
    const last = this.#last === undefined ? -1 : this.#families.indexOf(this.#last.family);
    const inTurn = [...this.#families.slice(last + 1), ...this.#families.slice(0, last + 1)];
    return inTurn.find((family) => (this.#left.get(family) ?? []).length > 0) ?? 0;
  }
}
