/**
 * One write per turn. While a channel is being dispatched its sends, and the sends its hook makes on other
 * channels, only collect (but for a first one that is taken for the only one, `send-habit.ts`); the end of the outermost
 * dispatch writes each socket once. A send outside a dispatch (a
 * timer, a promise) is written by a microtask. Called by sockets (`queueFlush`) and by the dispatcher
 * (`enterTurn`/`leaveTurn`); must never let one socket's failure keep the others from being written.
 */

/** What this file needs of a socket. */
export interface Flushable {
  flush(): void;
}

let depth = 0;
/** Counts outermost dispatches. */
let number = 0;
let waiting: Flushable[] = [];

/** A dispatch begins. Costs two increments. */
export function enterTurn(): void {
  if (depth++ === 0) number++;
}

/** A dispatch ends; the outermost one writes. Costs a comparison when nothing was sent. */
export function leaveTurn(): void {
  if (--depth === 0 && waiting.length !== 0) flushAll();
}

/** Whether a dispatch is under way. */
export function inTurn(): boolean {
  return depth > 0;
}

/** Which turn this is, 0 outside of one. */
export function turnNumber(): number {
  return depth === 0 ? 0 : number;
}

/** Has `socket.flush()` called once this turn. The caller sees to it that it asks only once. */
export function queueFlush(socket: Flushable): void {
  if (waiting.push(socket) === 1 && depth === 0) queueMicrotask(flushOutsideTurn);
}

function flushOutsideTurn(): void {
  // A dispatch that began since has flushed the list, or will when it ends.
  if (depth === 0) flushAll();
}

function flushAll(): void {
  // flush() runs no hook, so nothing joins the list while it is walked; depth guards against a socket kind that breaks this.
  const batch = waiting;
  if (batch.length === 1) {
    // The usual turn, without allocating: one channel answered.
    (batch.pop() as Flushable).flush();
    return;
  }
  waiting = [];
  let failure: { error: unknown } | undefined;
  for (const socket of batch) {
    try {
      socket.flush();
    } catch (error) {
      // A socket kind that breaks the contract: the others are written first.
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}
