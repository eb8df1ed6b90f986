/**
 * A lower bound on speed, against peers that send or take a byte now and then to hold a connection for ever (slow-loris,
 * slow read). Pure: whoever has a timer takes a sample of each connection every second or so and does what it is told.
 *
 * A peer is held to the bound only while it owes something: the rest of a request, or room for what we have to send. Each
 * of the two is looked at by itself, so that a peer which sends junk cannot put off the answer it does not take.
 *
 *     debt ──► ├──── window ────┤├──── window ────┤   at the end of each: bytes moved >= rate × time, or slow;
 *              first sample that                      the debt is gone at any sample: begins anew with the next
 *              shows a debt
 */
import { ArgumentRangeError } from "../base/errors.ts";

/** Bounds of {@link ThroughputMeter}. One object serves any number of meters. */
export interface ThroughputLimits {
  /** Slowest a peer may send while a request is incomplete; 0: any speed. Default 0. */
  readonly receiveBytesPerSecond: number;
  /** Slowest a peer may take what we send while something is queued; 0: any speed. Default 0. */
  readonly sendBytesPerSecond: number;
  /** The time over which speed is measured. Longer forgives more. Default 10 s. */
  readonly windowMs: number;
}

/** The defaults with some replaced. @throws {ArgumentRangeError} a negative rate, a window of no time */
export function throughputLimits(changes: Partial<ThroughputLimits> = {}): ThroughputLimits {
  const limits = { receiveBytesPerSecond: 0, sendBytesPerSecond: 0, windowMs: 10_000, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    const least = name === "windowMs" ? Number.MIN_VALUE : 0;
    if (typeof value === "number" && value >= least && value < Infinity) continue;
    throw new ArgumentRangeError(
      `${name}: a finite number ${least === 0 ? "of at least" : "over"} 0, not ${String(value)}`,
    );
  }
  return Object.freeze(limits);
}

/** What {@link ThroughputMeter.sample} looks at; the counts are of the whole connection and only grow. */
export interface ThroughputSample {
  readonly bytesReceived: number;
  /** Bytes the kernel has taken: sent, less queued. */
  readonly bytesDrained: number;
  /** Bytes that wait to be taken. */
  readonly queued: number;
  /** Whether the peer owes us the rest of a request. Must be false while we do not read from it. */
  readonly requestOpen: boolean;
}

/** Watches the speed of one connection. */
export class ThroughputMeter {
  readonly #limits: ThroughputLimits;
  readonly #receive = new Debt();
  readonly #send = new Debt();
  #sampledAt = -Infinity;

  constructor(limits: ThroughputLimits) {
    this.#limits = limits;
  }

  /**
   * To be called several times in a window. When a whole window passed without a call, the process was busy or asleep
   * and not the peer slow: measuring begins anew.
   *
   * @param now milliseconds of a clock that never goes back
   * @returns what the peer is too slow at, if anything
   */
  sample(now: number, sample: ThroughputSample): "receive" | "send" | undefined {
    const { receiveBytesPerSecond, sendBytesPerSecond, windowMs } = this.#limits;
    if (now - this.#sampledAt > windowMs) {
      this.#receive.settle();
      this.#send.settle();
    }
    this.#sampledAt = now;
    const { bytesReceived, bytesDrained, queued, requestOpen } = sample;
    if (receiveBytesPerSecond > 0) {
      // How much of the request is to come nobody knows.
      const owed = requestOpen ? Infinity : 0;
      if (this.#receive.isSlow(now, bytesReceived, owed, receiveBytesPerSecond, windowMs)) return "receive";
    }
    if (sendBytesPerSecond > 0) {
      if (this.#send.isSlow(now, bytesDrained, queued, sendBytesPerSecond, windowMs)) return "send";
    }
    return undefined;
  }
}

/** One direction of a connection. */
class Debt {
  /** When the window began, NaN while nothing is owed … */
  #since = Number.NaN;
  /** … what had been moved by then, and how much was owed. */
  #moved = 0;
  #owed = 0;

  settle(): void {
    this.#since = Number.NaN;
  }

  isSlow(now: number, moved: number, owed: number, bytesPerSecond: number, windowMs: number): boolean {
    if (owed === 0) {
      this.settle();
      return false;
    }
    const elapsed = now - this.#since;
    if (elapsed < windowMs) return false;
    const progress = moved - this.#moved;
    // Who takes all there was in a window is not slow, however little that was: the rest came later.
    const slow = elapsed >= windowMs && progress < Math.min(this.#owed, (bytesPerSecond * elapsed) / 1000);
    this.#since = now;
    this.#moved = moved;
    this.#owed = owed;
    return slow;
  }
}
