/**
 * The channels of a program (asyncore's `socket_map`) and when their events are acted on.
 *
 * push: a map is born so. A channel dispatches itself inside the callback that brought the event; what has to wait
 *   for the next turn (unread bytes, a writable channel that made progress, `wake()`) goes through {@link later}.
 * poll: from the first `loop()` or `poll()` on. Events only mark the channel ready; the next pass acts.
 *
 * Keys are the channels' numbers: unique in the process and never given out again, unlike descriptors, which the
 * kernel reuses while a dead channel may still be in the map.
 */
import type { ExitNow } from "../base/errors.ts";
import type { Socket } from "../socket/socket.ts";

/** What a channel is asked to do. */
export const Act = {
  Connect: 0,
  Read: 1,
  Write: 2,
  Expt: 3,
} as const;
export type Act = (typeof Act)[keyof typeof Act];

/** How a map and a pass drive one channel; made by `dispatch.ts`. Nothing here throws. */
export interface Scheduled {
  /** The channel's key. */
  readonly number: number;
  readonly channel: Channel;
  /** Dispatches one event. */
  run(act: Act): void;
  /** The next turn that the channel asked for has come. */
  nextTurn(): void;
  /** Whether the class has a `writable()` or `handleWrite()` of its own, so that asking makes sense. */
  watchesWrite(): boolean;
  /** Whether the class has predicates of its own, which must be asked every pass. */
  asksEachPass(): boolean;
  /** What `readable()` or `writable()` says; false when it throws, which fails the channel. */
  wants(act: Act): boolean;
  /** Whether there is such an event, and no async hook holds it back. */
  isDue(act: Act): boolean;
  /** Once the connection stands: its timeouts begin, and urgent data is asked for if the class has a hook for it. */
  establish(): void;
  /** The channel entered or left its map. */
  setMapped(mapped: boolean): void;
}

/** What a map holds: every dispatcher is one. */
export interface Channel {
  /** For the scheduler, not for programs. */
  readonly channelDispatch: Scheduled;
  readonly socket: Socket | undefined;
  readonly accepting: boolean;
  readonly connecting: boolean;
  readable(): boolean;
  writable(): boolean;
  close(): void;
}

/** A map of channels by number; one that a program made for itself keeps its channels apart from the others. */
export class ChannelMap extends Map<number, Channel> {
  /** Whether hooks wait for a pass. */
  polling = false;
  /** Poll: channels with default predicates that an event marked, or that a pass left ready. */
  readonly ready: Set<Scheduled> = new Set();
  /** Poll: channels that must be asked every pass. */
  readonly asked: Set<Scheduled> = new Set();
  /** Poll: the pass under way and those that wait for their turn; resolves when all are over. */
  lastPass: Promise<void> | undefined;
  /** Poll: how many passes in a row have run hooks that moved nothing. */
  idlePasses = 0;
  readonly #fresh: Set<Scheduled> = new Set();
  #later: Scheduled[] = [];
  #waiters: (() => void)[] = [];
  #exit: ExitNow | undefined;
  #interrupted = false;

  override set(number: number, channel: Channel): this {
    super.set(number, channel);
    if (this.polling) this.#fresh.add(channel.channelDispatch);
    channel.channelDispatch.setMapped(true);
    return this;
  }

  override delete(number: number): boolean {
    const scheduled = this.get(number)?.channelDispatch;
    if (scheduled === undefined) return false;
    if (this.polling) {
      this.ready.delete(scheduled);
      this.asked.delete(scheduled);
      this.#fresh.delete(scheduled);
    }
    scheduled.setMapped(false);
    super.delete(number);
    // A pass must not wait for a channel that is gone.
    if (this.size === 0) this.wakeWaiters();
    return true;
  }

  override clear(): void {
    for (const number of this.keys()) this.delete(number);
  }

  /** From now on hooks wait for a pass. What push mode had put off becomes the first pass's. */
  startPolling(): void {
    if (this.polling) return;
    this.polling = true;
    for (const { channelDispatch } of this.values()) {
      this.#fresh.add(channelDispatch);
      this.ready.add(channelDispatch);
    }
  }

  /** Whether a channel came that no pass has sorted yet. */
  get hasFresh(): boolean {
    return this.#fresh.size > 0;
  }

  /** Sorts the channels that came since the last pass: which must be asked every time? */
  admitFresh(): void {
    for (const scheduled of this.#fresh) {
      scheduled.establish();
      if (scheduled.asksEachPass()) this.asked.add(scheduled);
      // What it had before it came counts as an event.
      else this.ready.add(scheduled);
    }
    this.#fresh.clear();
  }

  /** Drops the marks of channels that are asked anyway, and of those that turn out to have nothing. */
  forgetMarks(isDue: (scheduled: Scheduled) => boolean): void {
    for (const scheduled of this.ready) {
      if (this.asked.has(scheduled) || this.#fresh.has(scheduled) || !isDue(scheduled)) {
        this.ready.delete(scheduled);
      }
    }
  }

  /** Poll: an event came for the channel, or it wants to be asked. */
  markReady(scheduled: Scheduled): void {
    this.ready.add(scheduled);
    this.wakeWaiters();
  }

  /** Push: calls `nextTurn()` in the next turn. One setImmediate serves all that asked. */
  later(scheduled: Scheduled): void {
    if (this.#later.push(scheduled) === 1) setImmediate(this.#runLater);
  }

  readonly #runLater = (): void => {
    const batch = this.#later;
    this.#later = [];
    for (const scheduled of batch) scheduled.nextTurn();
  };

  /** Resolves when an event comes or is here already, or `wakeWaiters()` is called. */
  event(): Promise<void> {
    const now = this.size === 0 || this.ready.size > 0 || this.#interrupted || this.#exit !== undefined;
    return now ? Promise.resolve() : this.news();
  }

  /** Resolves when the next event comes, or `wakeWaiters()` is called. */
  news(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Poll: ends the wait of the pass under way, or of the next one, so that the predicates are asked again. */
  interrupt(): void {
    this.#interrupted = true;
    this.wakeWaiters();
  }

  /** Whether `interrupt()` was called since the last time. */
  takeInterrupt(): boolean {
    const interrupted = this.#interrupted;
    this.#interrupted = false;
    return interrupted;
  }

  /** Lets everybody who waits for an event look again. */
  wakeWaiters(): void {
    if (this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** A hook threw ExitNow: the pass ends with it; in push mode it becomes an uncaught exception. */
  exit(error: ExitNow): void {
    if (this.polling) {
      this.#exit ??= error;
      this.wakeWaiters();
    } else {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** Throws the ExitNow that a hook has thrown, if one has. */
  throwExit(): void {
    const error = this.#exit;
    if (error === undefined) return;
    this.#exit = undefined;
    throw error;
  }
}

/** The map of every channel that was not given one of its own. */
export const socketMap: ChannelMap = new ChannelMap();
