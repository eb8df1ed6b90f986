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
  /** Calls `callback` once, `delayMs` from now. The timer alone does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): TimerHandle;
  /** Takes a timer back. Harmless when it has run or was taken back. */
  clearTimer(timer: TimerHandle): void;
}

/** The longest delay a timer takes; setTimeout() fires at once beyond it. 24 days are as good as never. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Takes `old` back and sets a timer in its place; none where the delay is as good as never. */
export function armDeadline(
  clock: Clock,
  old: TimerHandle,
  delayMs: number,
  expired: () => void,
): TimerHandle {
  if (old !== undefined) clock.clearTimer(old);
  return delayMs > LONGEST_TIMER_MS ? undefined : clock.setTimer(expired, delayMs);
}

/** Takes `old` back, if there is one. @returns undefined, to be kept in its place */
export function clearDeadline(clock: Clock, old: TimerHandle): undefined {
  if (old !== undefined) clock.clearTimer(old);
}
