/**
 * Poll mode: asyncore's `loop()`, `poll()` and `close_all()`. A pass shows a program what select(2) would have
 * shown it: who wants to read and write is asked first, then one wait, then reads, then writes. The waiting is
 * Bun's event loop; events have been recorded on the channels when the pass goes on.
 */
import { LONGEST_TIMER_MS } from "../base/clock.ts";
import { ArgumentRangeError, ExitNow, OSError } from "../base/errors.ts";
import { enterTurn, leaveTurn } from "../socket/turn.ts";
import { Act, type ChannelMap, type Scheduled, socketMap } from "./channel-map.ts";

/** Options of {@link loop}. */
export interface LoopOptions {
  /** Longest wait of one pass in seconds. Default 30. */
  readonly timeout?: number;
  /** As with poll(2): each channel's events together, instead of all reads before all writes. Default false. */
  readonly usePoll?: boolean;
  /** The channels. Default: `socketMap`. */
  readonly map?: ChannelMap;
  /** How many passes to make. Default: until the map is empty. */
  readonly count?: number;
  /** Ends the loop after the pass under way; the promise resolves, the channels stay open. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the channels' hooks until the map is empty (or `count` passes were made). From the first call on, hooks of
 * this map run inside `loop()` and `poll()` only.
 *
 * @throws {ExitNow} which a hook threw
 * @throws {ArgumentRangeError} a timeout that is negative or not a number
 *
 * @example A program in the manner of asyncore
 * ```ts
 * import { Dispatcher, loop } from "asyncore";
 *
 * const channel = new Dispatcher();
 * channel.createSocket();
 * channel.bind(["127.0.0.1", 0]);
 * channel.listen();
 * setTimeout(() => channel.close(), 10);
 * await loop(); // until no channel is left
 * ```
 */
export async function loop(options: LoopOptions = {}): Promise<void> {
  const { timeout = 30, usePoll = false, map = socketMap, signal } = options;
  let passes = options.count ?? Infinity;
  const wake = (): void => map.interrupt();
  const stopped = (): boolean => signal?.aborted === true;
  signal?.addEventListener("abort", wake);
  try {
    while (map.size > 0 && passes > 0 && !stopped()) {
      passes--;
      // An endless loop() that waits makes way for one that counts; two endless ones take turns.
      if (passes < Infinity && map.lastPass !== undefined) map.interrupt();
      await oneAtATime(map, async () => {
        if (!stopped()) await pass(timeout, map, usePoll);
      });
    }
  } finally {
    signal?.removeEventListener("abort", wake);
  }
}

/**
 * One pass: waits up to `timeout` seconds (default 0: looks and goes on) for an event, then runs the hooks of all
 * channels that have one.
 *
 * @throws as {@link loop}
 */
export async function poll(timeout: number = 0, map: ChannelMap = socketMap): Promise<void> {
  // A loop() that waits makes way.
  if (map.lastPass !== undefined) map.interrupt();
  await oneAtATime(map, () => pass(timeout, map, false));
}

// One pass of a map at a time: what one has asked and marked is not another's.
async function oneAtATime(map: ChannelMap, run: () => Promise<void>): Promise<void> {
  const before = map.lastPass;
  const { promise: mine, resolve: over } = Promise.withResolvers<void>();
  map.lastPass = mine;
  try {
    if (before !== undefined) await before;
    await run();
  } finally {
    if (map.lastPass === mine) map.lastPass = undefined;
    over();
  }
}

interface Interest {
  readonly scheduled: Scheduled;
  readonly read: boolean;
  readonly write: boolean;
  /** Urgent data, for which whoever reads or writes is asked too. */
  readonly expt: boolean;
}

async function pass(timeout: number, map: ChannelMap, usePoll: boolean): Promise<void> {
  if (typeof timeout !== "number" || !(timeout >= 0)) {
    throw new ArgumentRangeError(`timeout: a number of seconds of at least 0, not ${String(timeout)}`);
  }
  map.startPolling();
  if (map.size === 0) return;
  map.throwExit();
  map.admitFresh();
  const asked = ask(map);
  // A predicate may have thrown it.
  map.throwExit();
  await wait(timeout, map, asked);
  map.throwExit();
  const due = collect(map, asked);
  const before = progress(map, due);
  if (usePoll) {
    for (const { scheduled, read, write, expt } of due) {
      if (read) act(map, scheduled, Act.Read);
      if (write) act(map, scheduled, Act.Write);
      if (expt) act(map, scheduled, Act.Expt);
    }
  } else {
    for (const { scheduled, read } of due) if (read) act(map, scheduled, Act.Read);
    for (const { scheduled, write } of due) if (write) act(map, scheduled, Act.Write);
    for (const { scheduled, expt } of due) if (expt) act(map, scheduled, Act.Expt);
  }
  map.idlePasses = due.length > 0 && progress(map, due) === before ? map.idlePasses + 1 : 0;
}

// What a pass has moved: bytes, and channels that came or went.
function progress(map: ChannelMap, due: Interest[]): number {
  let moved = map.size / 2;
  for (const { scheduled } of due) {
    const { socket } = scheduled.channel;
    moved += (socket?.bytesRead ?? 0) + (socket?.bytesSent ?? 0);
  }
  return moved;
}

// Only classes with predicates of their own are asked: ten thousand idle default channels cost a pass nothing.
function ask(map: ChannelMap): Interest[] {
  const interests: Interest[] = [];
  for (const scheduled of map.asked) {
    const read = scheduled.wants(Act.Read);
    const { number, channel } = scheduled;
    // readable() may have closed the channel; and what nobody would be told of is not asked for.
    const asks = map.get(number) === channel && (scheduled.watchesWrite() || channel.connecting);
    const write = asks && !channel.accepting && scheduled.wants(Act.Write);
    if (read || write) interests.push({ scheduled, read, write, expt: true });
  }
  return interests;
}

// select(2) returns at once when something is ready, else when something becomes so, else after the timeout.
async function wait(timeout: number, map: ChannelMap, asked: Interest[]): Promise<void> {
  await nextTurn();
  if (isDue(map, asked)) {
    await rest(timeout, map);
    return;
  }
  if (timeout === 0) {
    // The turn that ended may have been the rest of one that was under way; after a whole one the kernel was asked.
    await nextTurn();
    return;
  }
  let timedOut = false;
  const expire = (): void => {
    timedOut = true;
    map.wakeWaiters();
  };
  const timer = setTimeout(expire, Math.min(timeout * 1000, LONGEST_TIMER_MS));
  const expired = (): boolean => timedOut;
  try {
    // A channel that came meanwhile has not been asked yet: it is the next pass's.
    while (!expired() && !map.takeInterrupt() && !map.hasFresh && map.size > 0) {
      await map.event();
      // The events of one wake-up of Bun's loop belong to one pass, as select would return them together.
      await nextTurn();
      if (isDue(map, asked)) return;
    }
  } finally {
    clearTimeout(timer);
  }
}

// asyncore spins at 100 % CPU when hooks leave everything as it is. Here the next pass waits for news, and without any
// 1, 2, 4 … 64 ms.
async function rest(timeout: number, map: ChannelMap): Promise<void> {
  const pause = Math.min(2 ** (map.idlePasses - 2), LONGEST_REST_MS, timeout * 1000);
  if (map.idlePasses < 2 || pause === 0 || map.takeInterrupt()) return;
  const timer = setTimeout(() => map.wakeWaiters(), pause);
  await map.news();
  clearTimeout(timer);
  await nextTurn();
}

const LONGEST_REST_MS = 64;

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

const asksRead = (interest: Interest): boolean => interest.read && interest.scheduled.isDue(Act.Read);
const asksWrite = (interest: Interest): boolean => interest.write && interest.scheduled.isDue(Act.Write);
// A channel with default predicates wants to read always, and to write only until it is connected.
const defaultWrite = (scheduled: Scheduled): boolean =>
  scheduled.channel.connecting && scheduled.isDue(Act.Write);
const isDefaultDue = (scheduled: Scheduled): boolean =>
  scheduled.isDue(Act.Read) || defaultWrite(scheduled) || scheduled.isDue(Act.Expt);

const isInterestDue = (interest: Interest): boolean =>
  asksRead(interest) || asksWrite(interest) || interest.scheduled.isDue(Act.Expt);

function isDue(map: ChannelMap, asked: Interest[]): boolean {
  map.forgetMarks(isDefaultDue);
  return map.ready.size > 0 || asked.some(isInterestDue);
}

// In the order of the map, which is that of the channels' numbers: as a snapshot of asyncore's dictionary is.
function collect(map: ChannelMap, asked: Interest[]): Interest[] {
  const due = asked.filter(isInterestDue).map((interest) => ({
    scheduled: interest.scheduled,
    read: asksRead(interest),
    write: asksWrite(interest),
    expt: interest.scheduled.isDue(Act.Expt),
  }));
  map.forgetMarks(isDefaultDue);
  for (const scheduled of map.ready) {
    const expt = scheduled.isDue(Act.Expt);
    due.push({ scheduled, read: scheduled.isDue(Act.Read), write: defaultWrite(scheduled), expt });
  }
  return due.length > 1 ? due.toSorted((a, b) => a.scheduled.number - b.scheduled.number) : due;
}

// An earlier hook of this pass may have closed the channel, or changed what was so.
function act(map: ChannelMap, scheduled: Scheduled, kind: Act): void {
  const { number, channel } = scheduled;
  if (map.get(number) !== channel || !scheduled.isDue(kind)) return;
  map.ready.delete(scheduled);
  enterTurn();
  try {
    scheduled.run(kind);
  } finally {
    leaveTurn();
  }
  // Level-triggered: a channel with default predicates is not asked, so what it left must be remembered.
  if (map.get(number) === channel && isDefaultDue(scheduled)) map.ready.add(scheduled);
  map.throwExit();
}

/** Closes every channel of `map` (default: `socketMap`) and empties it. An error in one ends it unless `ignoreAll`. */
export function closeAll(map: ChannelMap = socketMap, ignoreAll: boolean = false): void {
  // As they are now: a close() may put another channel into the map, again and again.
  const channels = [...map.values()];
  for (const channel of channels) {
    try {
      channel.close();
    } catch (error) {
      if (error instanceof ExitNow) throw error;
      if (!ignoreAll && !(error instanceof OSError && error.code === "EBADF")) throw error;
    }
  }
  map.clear();
}
