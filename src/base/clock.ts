/**
 * The clock contract: the only way this library learns the time or asks to be called later, so that tests and
 * users can drive it. Real sockets use {@link systemClock}; a memory network brings its own.
 */

/** A timer that was set; opaque, given back to {@link Clock.clearTimer}. */
export type TimerHandle = unknown;

/** Time and timers. */
export interface Clock {
  /** Milliseconds since a fixed but arbitrary moment; never goes back. */
  now(): number;
  /**
   * Calls `callback` once, `delayMs` from now (at most {@link LONGEST_TIMER_MS}). The timer alone does not keep the
   * process alive, unless `holdsProcess`; a clock that has no say in that may leave the argument out.
   */
  setTimer(callback: () => void, delayMs: number, holdsProcess?: boolean): TimerHandle;
  /** Takes a timer back. Harmless when it has run or was taken back. */
  clearTimer(timer: TimerHandle): void;
}

/** The longest delay a timer takes; setTimeout() fires at once beyond it. 24 days are as good as never. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs, holdsProcess) {
    // setTimeout() drops fractions, and would be early.
    const timer = setTimeout(callback, Math.ceil(delayMs));
    return holdsProcess === true ? timer : timer.unref();
  },
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};
