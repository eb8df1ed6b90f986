/**
 * The dispatch path, one for both schedulers: from "the socket says it is ready" to a user's hook, and what becomes
 * of a hook that throws, rejects or takes its time. `dispatcher.ts` puts asyncore's methods on top.
 *
 *   socketReady() ──push──► #dispatch(): connect, read, write ──► dispatchEvent(act) ──► handle…Event() ──► hooks
 *                 └─poll──► map.ready … a pass of loop() ──────────────▲            │ throw, reject
 *                                                                                   ▼
 *                                                              #failed() ──► handleError() ──► handleClose()
 *
 * Nothing here throws: one channel's hook must not cost another its turn.
 */
import { systemClock } from "../base/clock.ts";
import { ExitNow } from "../base/errors.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import { enterTurn, leaveTurn } from "../socket/turn.ts";
import { Act, type Channel, type ChannelMap } from "./channel-map.ts";

/** What a hook may return. A promise holds the channel's read hooks back until it settles. */
export type HookResult = void | Promise<void>;

/** A channel that was asked to read and took nothing is asked again next turn, then after 1, 2, 4 … 64 ms. */
const LONGEST_IDLE_READ_MS = 64;

let lastNumber = 0;

export abstract class DispatchedChannel implements Channel, SocketObserver {
  /** This channel's key in its map; a new one each time it gets a socket. Never reused. */
  number = 0;
  /** The socket, closed or not; undefined before `createSocket()`. */
  socket: Socket | undefined = undefined;
  /** Connected to a peer. */
  connected = false;
  /** Listening for connections. */
  accepting = false;
  /** A connect is under way. */
  connecting = false;
  #map: ChannelMap;
  #mapped = false;
  /** A hook of this channel is running. */
  #active = 0;
  /** Async hooks that have not settled. */
  #pending = 0;
  #pendingWrites = 0;
  #queued = false;
  #idleReads = 0;
  #failure: Error | undefined;

  constructor(map: ChannelMap) {
    this.#map = map;
  }

  abstract readable(): boolean;
  abstract writable(): boolean;
  abstract handleReadEvent(): HookResult;
  abstract handleWriteEvent(): HookResult;
  abstract handleConnectEvent(): HookResult;
  abstract handleError(error: unknown): HookResult;
  abstract close(): void;
  abstract abort(): void;
  /** Whether `writable()` and `handleWrite()` are anything but the defaults, so that asking makes sense. */
  protected abstract watchesWrite(): boolean;
  /** Logs an error that no hook may be told of. Must not throw. */
  protected abstract reportFatal(error: unknown): void;
  abstract asksEachPass(): boolean;

  /** The map this channel belongs to. */
  protected get map(): ChannelMap {
    return this.#map;
  }
  /** Whether this channel is in its map: only then it gets events. */
  protected get mapped(): boolean {
    return this.#mapped;
  }
  /** Whether one of this channel's own hooks is running now. */
  protected get active(): boolean {
    return this.#active > 0;
  }
  /** Whether an error waits to be given to `handleError`. */
  protected get failing(): boolean {
    return this.#failure !== undefined;
  }

  /** Puts this channel into `map` (default: its own), where its events are dispatched. */
  addChannel(map?: ChannelMap): void {
    if (map !== undefined) {
      if (this.#mapped && map !== this.#map) this.#map.delete(this.number);
      this.#map = map;
    }
    if (this.#mapped) return;
    this.#map.set(this.number, this);
    // It may have something to read or to write already. Not now: a subclass's constructor may still be running.
    this.askLater();
  }

  /** For a new socket: a number of its own. */
  protected renumber(): void {
    this.delChannel();
    this.number = ++lastNumber;
  }

  /** Takes this channel out of its map: it gets no more events. */
  delChannel(map: ChannelMap = this.#map): void {
    map.delete(this.number);
  }

  /** Asks `readable()` and `writable()` again, next turn: what they depend on has changed elsewhere. */
  wake(): void {
    if (!this.#mapped) return;
    if (this.#map.polling) this.#map.interrupt();
    else this.askLater();
  }

  // --- being told --------------------------------------------------------------------------------------------

  socketReady(): void {
    if (!this.#mapped) return;
    if (this.#map.polling) this.#map.markReady(this);
    else if (this.#active > 0) this.askLater();
    else this.#dispatch();
  }

  socketChanged(): void {
    if (this.#mapped) this.askLater();
  }

  protected askLater(): void {
    if (this.#map.polling) {
      this.#map.markReady(this);
    } else if (!this.#queued) {
      this.#queued = true;
      this.#map.later(this);
    }
  }

  dispatchNextTurn(): void {
    this.#queued = false;
    this.socketReady();
  }

  setMapped(mapped: boolean): void {
    this.#mapped = mapped;
  }

  isEventDue(act: Act): boolean {
    const socket = this.socket;
    if (socket === undefined) return false;
    if (act === Act.Write) return socket.writeReady && this.#pendingWrites === 0;
    return this.#failure !== undefined || (socket.readReady && this.#pending === 0);
  }

  wantsEvent(act: Act): boolean {
    try {
      return this.#failure !== undefined || (act === Act.Read ? this.readable() : this.writable());
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Gives `error` to `handleError` soon, outside whatever runs now. */
  protected failLater(error: Error): void {
    this.#failure ??= error;
    this.askLater();
  }

  // --- push --------------------------------------------------------------------------------------------------

  // One turn of this channel. The path of every received byte: nothing is allocated here.
  #dispatch(): void {
    const socket = this.socket;
    if (socket === undefined) return;
    const { bytesRead, bytesSent } = socket;
    let read = false;
    let wrote = false;
    enterTurn();
    if (this.connecting && socket.state !== "connecting") this.dispatchEvent(Act.Connect);
    if (this.#mapped && this.isEventDue(Act.Read) && this.wantsEvent(Act.Read)) {
      read = true;
      this.dispatchEvent(Act.Read);
    }
    if (this.#mapped && this.watchesWrite() && this.isEventDue(Act.Write) && this.wantsEvent(Act.Write)) {
      wrote = true;
      this.dispatchEvent(Act.Write);
    }
    leaveTurn();
    if (!this.#mapped) return;
    // Level-triggered: what is still ready is looked at again next turn, after the other channels had theirs.
    if (read && socket.readReady && this.#pending === 0) {
      if (socket.bytesRead === bytesRead) {
        this.#idleRead();
        return;
      }
      this.#idleReads = 0;
      this.askLater();
    } else if (wrote && socket.bytesSent !== bytesSent && socket.writeReady) this.askLater();
  }

  // asyncore spins at 100 % CPU when a hook leaves everything unread. Here it is asked ever more rarely.
  #idleRead(): void {
    const wait = this.#idleReads === 0 ? 0 : Math.min(2 ** (this.#idleReads - 1), LONGEST_IDLE_READ_MS);
    this.#idleReads = Math.min(this.#idleReads + 1, 8);
    if (wait === 0) this.askLater();
    else systemClock.setTimer(() => this.socketReady(), wait);
  }

  // --- hooks -------------------------------------------------------------------------------------------------

  dispatchEvent(act: Act): void {
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      this.failed(failure);
      return;
    }
    this.#active++;
    let result: HookResult;
    try {
      if (act === Act.Read) result = this.handleReadEvent();
      else if (act === Act.Write) result = this.handleWriteEvent();
      else result = this.handleConnectEvent();
    } catch (error) {
      this.#active--;
      this.failed(error);
      return;
    }
    this.#active--;
    // All that a synchronous hook pays for the asynchronous ones.
    if (result !== undefined) this.track(result, act);
  }

  /** Waits for an async hook: holds this channel's hooks back meanwhile, and takes its rejection to `handleError`. */
  protected track(result: unknown, act: Act = Act.Read): void {
    if (!isThenable(result)) return;
    const writes = act === Act.Write ? 1 : 0;
    this.#pending++;
    this.#pendingWrites += writes;
    const settled = (): void => {
      this.#pending--;
      this.#pendingWrites -= writes;
      // What came meanwhile was left lying.
      this.socketReady();
    };
    result.then(settled, (error: unknown) => {
      this.failed(error);
      settled();
    });
  }

  /** A hook threw or rejected: `handleError`, and if that fails too the channel is cut. */
  protected failed(error: unknown): void {
    if (error instanceof ExitNow) {
      this.#map.exit(error);
      return;
    }
    if (!this.#mapped) {
      // Closed meanwhile (an async hook that went on): no hook may run, but the error must not vanish.
      this.reportFatal(error);
      return;
    }
    enterTurn();
    this.#active++;
    try {
      const result: unknown = this.handleError(error);
      if (isThenable(result)) this.#cutIfRejected(result);
    } catch (second) {
      this.#cut(second);
    } finally {
      this.#active--;
      leaveTurn();
    }
  }

  #cutIfRejected(result: PromiseLike<unknown>): void {
    result.then(undefined, (error: unknown) => this.#cut(error));
  }

  #cut(error: unknown): void {
    if (error instanceof ExitNow) {
      this.#map.exit(error);
      return;
    }
    this.reportFatal(error);
    // Not abort(): that could be the user's, and is not to be trusted now.
    this.delChannel();
    this.socket?.abort();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === "function";
}
