/** One timer that takes another's place, for owners that wait for one thing at a time. */
import { type Clock, LONGEST_TIMER_MS, type TimerHandle } from "./clock.ts";

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
