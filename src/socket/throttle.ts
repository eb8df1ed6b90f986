/**
 * How fast one stream may read and write: a token bucket of bytes for each direction. Reading is throttled after the
 * fact (what has been received is spent, and the socket pauses until it is earned), writing before (a write is cut to
 * what there is). The peer of a throttled reader feels it by its window, the channel by its water marks.
 */
import type { Clock, TimerHandle } from "../base/clock.ts";
import { clearDeadline } from "../base/deadline.ts";
import { ArgumentRangeError } from "../base/errors.ts";
import { TokenBucket } from "../base/token-bucket.ts";

/** Byte rates of one channel. */
export interface ByteRates {
  /** Most bytes received a second. Default: no bound. */
  readonly readBytesPerSecond?: number;
  /** Most bytes sent a second. Default: no bound. */
  readonly writeBytesPerSecond?: number;
  /** Bytes that may pass at once after a rest. Default: a tenth of a second's, at least 16 KiB. */
  readonly burstBytes?: number;
}

const LEAST_BURST_BYTES = 16 * 1024;
/** A throttled stream wakes at most this often: waking for every byte earned would cost more than it moves. */
const SHORTEST_WAIT_MS = 10;

export class Throttle {
  readonly #clock: Clock;
  #read: TokenBucket | undefined;
  readonly #write: TokenBucket | undefined;
  readonly #mayRead: () => void;
  readonly #mayWrite: () => void;
  #readTimer: TimerHandle;
  #writeTimer: TimerHandle;

  /** `mayRead` and `mayWrite` are called when the wait is over. @throws {ArgumentRangeError} no positive rates */
  constructor(rates: ByteRates, clock: Clock, mayRead: () => void, mayWrite: () => void) {
    this.#clock = clock;
    this.#read = bucket(rates.readBytesPerSecond, rates.burstBytes, clock);
    this.#write = bucket(rates.writeBytesPerSecond, rates.burstBytes, clock);
    this.#mayRead = mayRead;
    this.#mayWrite = mayWrite;
  }

  /** Whether reading has to wait now. */
  get holdsReading(): boolean {
    return this.#readTimer !== undefined;
  }

  /** Whether writing has to wait now. */
  get holdsWriting(): boolean {
    return this.#writeTimer !== undefined;
  }

  /** `count` bytes were received. @returns whether reading has to wait now */
  received(count: number): boolean {
    const read = this.#read;
    if (read === undefined) return false;
    read.spend(count);
    if (this.#readTimer === undefined && read.available() === 0) {
      this.#readTimer = this.#clock.setTimer(
        () => {
          this.#readTimer = undefined;
          this.#mayRead();
        },
        Math.max(SHORTEST_WAIT_MS, read.waitMs(1)),
      );
    }
    return this.#readTimer !== undefined;
  }

  /** How many of `count` bytes may be written now; 0: `mayWrite` will be called. */
  allowance(count: number): number {
    const write = this.#write;
    if (write === undefined) return count;
    if (this.#writeTimer !== undefined) return 0;
    const now = Math.min(count, write.available());
    if (now > 0) return now;
    this.#writeTimer = this.#clock.setTimer(
      () => {
        this.#writeTimer = undefined;
        this.#mayWrite();
      },
      Math.max(SHORTEST_WAIT_MS, write.waitMs(1)),
    );
    return 0;
  }

  /** `count` bytes were written. */
  written(count: number): void {
    this.#write?.spend(count);
  }

  /** From now on reading is free. */
  stopReading(): void {
    this.#read = undefined;
    this.#readTimer = clearDeadline(this.#clock, this.#readTimer);
  }

  /** The stream is over. */
  stop(): void {
    this.#readTimer = clearDeadline(this.#clock, this.#readTimer);
    this.#writeTimer = clearDeadline(this.#clock, this.#writeTimer);
  }
}

function bucket(rate: number | undefined, burst: number | undefined, clock: Clock): TokenBucket | undefined {
  if (rate === undefined || rate === Infinity) return undefined;
  if (typeof rate !== "number" || !(rate > 0)) {
    throw new ArgumentRangeError(`a byte rate is a number over 0, not ${String(rate)}`);
  }
  return new TokenBucket(rate, burst ?? Math.max(LEAST_BURST_BYTES, rate / 10), clock);
}
