/** asyncore's functions: the core's `loop()`, `poll()`, `closeAll()` with Python's names and orders of arguments. */
import { DISCONNECTED, ExitNow, OSError } from "../base/errors.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import { closeAll, loop as coreLoop, poll as corePoll } from "../dispatcher/loop.ts";

/** Python's keyword arguments of {@link loop}. */
export interface LoopArguments {
  readonly timeout?: number | null | undefined;
  readonly use_poll?: boolean | undefined;
  readonly map?: ChannelMap | null | undefined;
  readonly count?: number | null | undefined;
}

/**
 * The core's `loop()`. Python's `loop(count=3)` is `loop({ count: 3 })`.
 *
 * @param timeout longest wait of one pass in seconds; null: as long as it takes
 * @throws {ExitNow} which a hook threw
 */
export async function loop(
  timeout: number | null | LoopArguments = 30,
  use_poll: boolean = false,
  map?: ChannelMap | null,
  count?: number | null,
): Promise<void> {
  const given = typeof timeout === "number" || timeout === null ? { timeout, use_poll, map, count } : timeout;
  await coreLoop({
    timeout: seconds(given.timeout === undefined ? 30 : given.timeout),
    usePoll: given.use_poll ?? false,
    ...(given.map ? { map: given.map } : {}),
    ...(typeof given.count === "number" ? { count: given.count } : {}),
  });
}

// select(2) and poll(2) have no end where Python says None.
const seconds = (timeout: number | null): number => timeout ?? Infinity;

/** The core's `poll()`: one pass, all reads before all writes. `null`: waits as long as it takes. */
export async function poll(timeout: number | null = 0, map?: ChannelMap | null): Promise<void> {
  await corePoll(seconds(timeout), map ?? undefined);
}

/** One pass as with poll(2): each channel's events together. */
export async function poll2(timeout: number | null = 0, map?: ChannelMap | null): Promise<void> {
  await loop(timeout, true, map, 1);
}

/** As in Python another name of {@link poll2}. */
export const poll3: typeof poll2 = poll2;

/** What {@link read}, {@link write} and {@link readwrite} call. Every dispatcher of `asyncore/classic` is one. */
export interface EventHandlers {
  handle_read_event?(): HookResult;
  handle_write_event?(): HookResult;
  handle_expt_event?(): HookResult;
  handle_close?(): HookResult;
  handle_error(error?: unknown): HookResult;
}

/** poll(2): there is something to read. */
export const POLLIN = 1;
/** poll(2): there is urgent data. */
export const POLLPRI = 2;
/** poll(2): there is room to write. */
export const POLLOUT = 4;
/** poll(2): the socket has an error. */
export const POLLERR = 8;
/** poll(2): the connection is over. */
export const POLLHUP = 16;
/** poll(2): the descriptor is not open. */
export const POLLNVAL = 32;

/** Calls `handle_read_event`; what it throws goes to `handle_error`. @throws {ExitNow} */
export function read(obj: EventHandlers): void {
  guard(obj, () => obj.handle_read_event?.());
}

/** Calls `handle_write_event`; what it throws goes to `handle_error`. @throws {ExitNow} */
export function write(obj: EventHandlers): void {
  guard(obj, () => obj.handle_write_event?.());
}

/** Calls the handlers of the events that poll(2) reported in `flags`; a lost connection is `handle_close`. @throws {ExitNow} */
export function readwrite(obj: EventHandlers, flags: number): void {
  guard(obj, () => {
    try {
      if ((flags & POLLIN) !== 0) watch(obj, obj.handle_read_event?.());
      if ((flags & POLLOUT) !== 0) watch(obj, obj.handle_write_event?.());
      if ((flags & POLLPRI) !== 0) watch(obj, obj.handle_expt_event?.());
      if ((flags & (POLLHUP | POLLERR | POLLNVAL)) !== 0) watch(obj, obj.handle_close?.());
    } catch (error) {
      if (!(error instanceof OSError && DISCONNECTED.has(error.code))) throw error;
      return obj.handle_close?.();
    }
    return undefined;
  });
}

function guard(obj: EventHandlers, event: () => HookResult): void {
  try {
    watch(obj, event());
  } catch (error) {
    if (error instanceof ExitNow) throw error;
    watch(obj, obj.handle_error(error));
  }
}

// What an async handler rejects with is its channel's error.
function watch(obj: EventHandlers, result: HookResult): void {
  if (obj instanceof Dispatcher) obj.channelDispatch.watch(result);
}

/** The core's `closeAll()`: closes every channel of `map` (default: `socket_map`). */
export function close_all(map?: ChannelMap | null, ignore_all: boolean = false): void {
  closeAll(map ?? undefined, ignore_all);
}
