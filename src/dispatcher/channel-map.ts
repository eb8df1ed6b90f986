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

/** What a channel is asked to do by its map or a pass. */
export const Act = {
  Connect: 0,
  Read: 1,
  Write: 2,
} as const;
export type Act = (typeof Act)[keyof typeof Act];

/** What a map, a pass and `closeAll()` see of a channel. Every dispatcher is one. */
export interface Channel {
  /** This channel's key in its map. */
  readonly number: number;
  readonly socket: Socket | undefined;
  readonly accepting: boolean;
  readonly connecting: boolean;
  readable(): boolean;
  writable(): boolean;
  close(): void;
  /** For the scheduler: dispatches one event. Never throws. */
  dispatchEvent(act: Act): void;
  /** For the scheduler: the next turn that the channel asked for has come. Never throws. */
  dispatchNextTurn(): void;
  /** For the scheduler: whether the class has predicates of its own, which must be asked every pass. */
  asksEachPass(): boolean;
  /** For the scheduler: what `readable()` or `writable()` says; false when it throws, which fails the channel. */
  wantsEvent(act: Act): boolean;
  /** For the scheduler: whether there is such an event, and no async hook holds it back. */
  isEventDue(act: Act): boolean;
  /** For the map: the channel entered or left it. */
  setMapped(mapped: boolean): void;
}

/** A map of channels by number; one that a program made for itself keeps its channels apart from the others. */
export class ChannelMap extends Map<number, Channel> {
  /** Whether hooks wait for a pass. */
  polling = false;
  /** Poll: channels with default predicates that an event marked, or that a pass left ready. */
  readonly ready: Set<Channel> = new Set();
  /** Poll: channels that must be asked every pass. */
  readonly asked: Set<Channel> = new Set();
  readonly #fresh: Set<Channel> = new Set();
  #later: Channel[] = [];
  #waiters: (() => void)[] = [];
  #exit: ExitNow | undefined;
  #interrupted = false;

  override set(number: number, channel: Channel): this {
    super.set(number, channel);
    this.#fresh.add(channel);
    channel.setMapped(true);
    return this;
  }

  override delete(number: number): boolean {
    const channel = this.get(number);
    if (channel === undefined) return false;
    this.ready.delete(channel);
    this.asked.delete(channel);
    this.#fresh.delete(channel);
    channel.setMapped(false);
    return super.delete(number);
  }

  override clear(): void {
    for (const number of this.keys()) this.delete(number);
  }

  /** From now on hooks wait for a pass. What push mode had put off becomes the first pass's. */
  startPolling(): void {
    this.polling = true;
  }

  /** Whether a channel came that no pass has sorted yet. */
  get hasFresh(): boolean {
    return this.#fresh.size > 0;
  }

  /** Sorts the channels that came since the last pass: which must be asked every time? */
  admitFresh(): void {
    for (const channel of this.#fresh) if (channel.asksEachPass()) this.asked.add(channel);
    this.#fresh.clear();
  }

  /** Drops the marks of channels that are asked anyway, and of those that turn out to have nothing. */
  forgetMarks(isDue: (channel: Channel) => boolean): void {
    for (const channel of this.ready) {
      if (this.asked.has(channel) || this.#fresh.has(channel) || !isDue(channel)) this.ready.delete(channel);
    }
  }

  /** Poll: an event came for `channel`, or it wants to be asked. */
  markReady(channel: Channel): void {
    this.ready.add(channel);
    this.#wakeWaiters();
  }

  /** Push: calls `channel.dispatchNextTurn()` in the next turn. One setImmediate serves all that asked. */
  later(channel: Channel): void {
    if (this.#later.push(channel) === 1) setImmediate(this.#runLater);
  }

  readonly #runLater = (): void => {
    const batch = this.#later;
    this.#later = [];
    for (const channel of batch) channel.dispatchNextTurn();
  };

  /** Resolves when an event comes, or is here already. */
  event(): Promise<void> {
    if (this.ready.size > 0 || this.#interrupted || this.#exit !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Poll: ends the wait of the pass under way, or of the next one, so that the predicates are asked again. */
  interrupt(): void {
    this.#interrupted = true;
    this.#wakeWaiters();
  }

  /** Whether `interrupt()` was called since the last time. */
  takeInterrupt(): boolean {
    const interrupted = this.#interrupted;
    this.#interrupted = false;
    return interrupted;
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** A hook threw ExitNow: the pass ends with it; in push mode it becomes an uncaught exception. */
  exit(error: ExitNow): void {
    if (this.polling) {
      this.#exit ??= error;
      this.#wakeWaiters();
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
