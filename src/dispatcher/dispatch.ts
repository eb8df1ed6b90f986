/**
 * The dispatch path, one for both schedulers: from "the socket says it is ready" to a user's hook, and what becomes
 * of a hook that throws, rejects or takes its time. Each dispatcher has one `Dispatch`; it is an object of its own
 * and not a base class so that a subclass may call its fields what it likes.
 *
 *   socketReady() ──push──► #turn(): connect, read, write ──► run(act) ──► handle…Event() ──► hooks
 *                 └─poll──► map.ready … a pass of loop() ───────▲             │ throw, reject
 *                                                                             ▼
 *                                                         failed() ──► handleError() ──► handleClose()
 *
 * Nothing here throws: one channel's hook must not cost another its turn.
 */
import { systemClock } from "../base/clock.ts";
import { ExitNow, osError, type OSError } from "../base/errors.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import { enterTurn, leaveTurn } from "../socket/turn.ts";
import { Act, type Channel, type ChannelMap, type Scheduled } from "./channel-map.ts";
import { closeTimeout, type TimeoutKind, type TimeoutOwner, Timeouts } from "./timeouts.ts";
import { ChannelTimer, type Timer, type TimerOwner } from "./timers.ts";

/** What a hook may return. A promise holds the channel's read hooks back until it settles. */
export type HookResult = void | Promise<void>;

/** Told of what goes wrong with a channel, before the channel is. Must not throw. */
export interface DispatchCounter {
  timedOut(kind: TimeoutKind): void;
  /** A handshake that `startTls()` began. */
  handshakeFailed(error: OSError): void;
}

/** What a dispatch calls on its dispatcher. */
export interface Hooked extends Channel {
  handleReadEvent(): HookResult;
  handleWriteEvent(): HookResult;
  handleConnectEvent(): HookResult;
  handleExptEvent(): HookResult;
  handleTimeout(kind: TimeoutKind, error: OSError): HookResult;
  handleError(error: unknown): HookResult;
}

/** A channel that was asked and did nothing is asked again next turn, then after 1, 2, 4 … 64 ms. */
const LONGEST_IDLE_MS = 64;

// What `#flags` holds: fields of their own would make every channel larger by 8 bytes each.
const MAPPED = 1;
/** In its map, and no handshake is awaited: the one thing that an event has to ask. */
const LISTENS = 2;
/** Its next turn is asked for. */
const QUEUED = 4;
/** A timer asks it again later, for it did nothing when it was asked last. */
const RESTING = 8;
const ESTABLISHED = 16;
const URGENT_WATCHED = 32;
const CLOSED = 64;

let lastNumber = 0;

export abstract class Dispatch implements Scheduled, SocketObserver, TimerOwner, TimeoutOwner {
  readonly channel: Hooked;
  #map: ChannelMap;
  #flags = 0;
  /** How many of this channel's own hooks are running. */
  #active = 0;
  /** Async hooks that have not settled. */
  #pending = 0;
  /** What is to happen to this channel outside whatever met it, the oldest first; never empty. */
  #deferred: (() => HookResult)[] | undefined;
  /** Counts sockets: what an older one's hooks still have to say is not this one's business. */
  #generation = 0;
  #idleTurns = 0;
  #pendingWrites = 0;
  /** The channel's key in its map; a new one for each socket it gets. Never reused. */
  number = 0;
  /** Between `beginRequest()` and `endRequest()`. */
  requestOpen = false;
  /** For a server, which counts. */
  counter: DispatchCounter | undefined = undefined;
  /** What is to happen when the handshake under way is over. */
  #outcome: (() => HookResult) | undefined;
  /** The one of those deferred that tells a failure. */
  #failure: (() => HookResult) | undefined;
  #timers: Set<ChannelTimer> | undefined;
  #timeouts: Timeouts | undefined;

  constructor(channel: Hooked, map: ChannelMap) {
    this.channel = channel;
    this.#map = map;
  }

  #is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }
  #mark(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  abstract watchesWrite(): boolean;
  /** Whether the class has a `handleExpt()` of its own: only then urgent data is watched for. */
  protected abstract watchesUrgent(): boolean;
  /** Whether the class has a `writable()` of its own, whose yes is more than the default. */
  protected abstract hasWritable(): boolean;
  abstract asksEachPass(): boolean;
  /** Logs an error that no hook may be told of. Must not throw. */
  protected abstract reportFatal(error: unknown): void;

  /** Whether one of this channel's own hooks is running now. */
  get active(): boolean {
    return this.#active > 0;
  }
  /** Whether an error waits to be told. */
  get failing(): boolean {
    return this.#failure !== undefined;
  }

  // --- in and out of the map ---------------------------------------------------------------------------------

  add(map: ChannelMap = this.#map): void {
    if (this.#is(MAPPED) && map === this.#map) return;
    this.remove();
    this.#map = map;
    if (this.number === 0) this.number = ++lastNumber;
    map.set(this.number, this.channel);
    // It may have something to read or to write already. Not now: a subclass's constructor may still be running.
    this.askLater();
  }

  remove(map: ChannelMap = this.#map): void {
    if (this.#is(MAPPED)) map.delete(this.number);
  }

  /** For a new socket: out of the map, and a number of its own when it comes back. */
  renew(): void {
    this.remove();
    this.number = 0;
    // What was set before there was a socket is meant for the first one.
    if (this.channel.socket !== undefined) this.close();
    this.#mark(CLOSED, false);
    this.#outcome = undefined;
    this.#generation++;
    this.#pending = 0;
    this.#pendingWrites = 0;
    this.#idleTurns = 0;
    this.#mark(ESTABLISHED, false);
    this.#mark(URGENT_WATCHED, false);
  }

  setMapped(mapped: boolean): void {
    this.#mark(MAPPED, mapped);
    this.#mark(LISTENS, mapped && this.#outcome === undefined);
    // Outside a map only the program's own references count, also for the garbage collector.
    const { socket } = this.channel;
    if (mapped) socket?.observe(this);
    // Unless it was handed to another channel.
    else if (socket?.observer === this) socket.observe(undefined);
    if (mapped) this.#timeouts?.resume();
    else this.#timeouts?.pause();
  }

  /** Asks the predicates again: what they depend on has changed elsewhere. */
  wake(): void {
    if (!this.#is(MAPPED)) return;
    if (this.#is(ESTABLISHED)) this.#startTimeouts();
    if (this.#map.polling) this.#map.interrupt();
    else this.askLater();
  }

  // --- being told --------------------------------------------------------------------------------------------

  socketReady(): void {
    if (!this.#is(LISTENS) && !this.#mayRun()) return;
    if (this.#map.polling) this.#map.markReady(this);
    else if (this.#active > 0) this.askLater();
    else this.#turn();
  }

  socketChanged(): void {
    if (!this.#is(MAPPED)) return;
    this.askLater();
    // A pass that waits has asked the predicates already, and their answer may hang on the queue.
    if (this.#map.polling) this.#map.interrupt();
  }

  askLater(): void {
    if (this.#map.polling) {
      this.#map.markReady(this);
    } else if (!this.#is(QUEUED)) {
      this.#mark(QUEUED, true);
      this.#map.later(this);
    }
  }

  nextTurn(): void {
    this.#mark(QUEUED, false);
    this.socketReady();
  }

  isDue(act: Act): boolean {
    const { socket } = this.channel;
    if (socket === undefined) return false;
    if (act === Act.Write) {
      const opened = this.channel.connecting && socket.state !== "connecting";
      return (opened || socket.writeReady) && this.#pendingWrites === 0;
    }
    if (act === Act.Expt) return socket.urgentReady && this.#pending === 0;
    return this.#deferred !== undefined || (socket.readReady && this.#pending === 0);
  }

  wants(act: Act): boolean {
    if (this.#deferred !== undefined) return true;
    try {
      const answer: unknown = act === Act.Read ? this.channel.readable() : this.channel.writable();
      // A predicate cannot be async; one that is all the same must not end the process when it rejects.
      if (isObject(answer)) this.watch(answer);
      return Boolean(answer);
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Gives `error` to `handleError` soon, outside whatever runs now. */
  failLater(error: Error): void {
    this.runLater(() => {
      throw error;
    });
  }

  /** Runs `hook`, which tells a failure, soon as one of this channel's own. The first one asked for counts. */
  runLater(hook: () => HookResult): void {
    if (this.#failure === undefined) {
      this.#failure = hook;
      this.#defer(hook);
    }
    this.askLater();
    this.#interruptPass();
  }

  /**
   * Runs `hook` as one of this channel's own, whatever the predicates say and async hooks still do: now, or in the next
   * pass. Outside a map it waits until the channel is back.
   */
  runDue(hook: () => HookResult): void {
    this.#defer(hook);
    this.socketReady();
    this.#interruptPass();
  }

  #defer(hook: () => HookResult): void {
    if (this.#deferred === undefined) this.#deferred = [hook];
    else this.#deferred.push(hook);
  }

  #takeDeferred(waiting: (() => HookResult)[]): () => HookResult {
    const hook = waiting.shift() as () => HookResult;
    if (hook === this.#failure) this.#failure = undefined;
    if (waiting.length === 0) this.#deferred = undefined;
    if (waiting.length > 0) this.askLater();
    // What it waits for may have come meanwhile.
    else if (this.#outcome !== undefined) this.#tellOutcome(this.#outcome);
    return hook;
  }

  // A pass that is waiting has asked this channel already, perhaps to hear that it does not want to read.
  #interruptPass(): void {
    if (this.#is(MAPPED) && this.#map.polling) this.#map.interrupt();
  }

  /** Runs `hook` when the socket, which is as if connecting again, has done so or failed. */
  awaitOutcome(hook: () => HookResult): void {
    this.#outcome = hook;
    this.#mark(LISTENS, false);
  }

  #tellOutcome(hook: () => HookResult): void {
    if (this.channel.socket?.state === "connecting") return;
    this.#outcome = undefined;
    this.#mark(LISTENS, this.#is(MAPPED));
    this.runLater(hook);
  }

  // --- time --------------------------------------------------------------------------------------------------

  /** A timer that runs `fn` as one of this channel's hooks. @throws {OSError} EBADF; what {@link callLater} throws */
  addTimer(name: "callLater" | "callEvery", ms: number, fn: () => unknown): Timer {
    if (this.#is(CLOSED)) throw osError("EBADF", { syscall: name, detail: "the channel is closed" });
    const timer = new ChannelTimer(this, name, this.channel.socket?.clock ?? systemClock, ms, fn);
    (this.#timers ??= new Set()).add(timer);
    return timer;
  }

  timerDue(timer: ChannelTimer): void {
    this.runDue(() => {
      // An async one holds nothing back: it may outlast many events.
      const generation = this.#generation;
      this.watch(timer.run(), generation);
    });
  }

  timerOver(timer: ChannelTimer): void {
    this.#timers?.delete(timer);
  }

  beginRequest(socket: Socket): void {
    this.requestOpen = true;
    if (socket.limits.requestTimeoutMs < Infinity) this.#needTimeouts(socket).beginRequest();
    else this.#timeouts?.endRequest();
  }

  endRequest(): void {
    this.requestOpen = false;
    this.#timeouts?.endRequest();
  }

  handleTimeout(kind: TimeoutKind, error: OSError): HookResult {
    this.counter?.timedOut(kind);
    return this.channel.handleTimeout(kind, error);
  }

  /** `socket` was closed and still delivers: tells if its deadline ends that. The one hook of a channel that is closed. */
  awaitDelivery(socket: Socket): void {
    const generation = this.#generation;
    socket.whenReleased((unsentBytes, timedOut) => {
      if (!timedOut || generation !== this.#generation) return;
      enterTurn();
      try {
        this.watch(this.handleTimeout("close", closeTimeout(unsentBytes)));
      } catch (error) {
        this.failed(error);
      } finally {
        leaveTurn();
      }
    });
  }

  #startTimeouts(): void {
    const { socket } = this.channel;
    if (socket === undefined) return;
    const { idleTimeoutMs, lifetimeTimeoutMs } = socket.limits;
    if (idleTimeoutMs < Infinity || lifetimeTimeoutMs < Infinity) this.#needTimeouts(socket);
    this.#timeouts?.start();
  }

  #needTimeouts(socket: Socket): Timeouts {
    if (this.#timeouts === undefined) {
      this.#timeouts = new Timeouts(this, socket);
      if (this.#is(MAPPED)) this.#timeouts.resume();
    }
    return this.#timeouts;
  }

  /** The channel was closed, or gets another socket: its timers and timeouts end, and what waits to be run. */
  close(): void {
    this.#mark(CLOSED, true);
    this.#deferred = undefined;
    this.#failure = undefined;
    this.#timeouts?.pause();
    this.#timeouts = undefined;
    if (this.#timers === undefined) return;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = undefined;
  }

  // While a handshake is awaited nothing is run but what is due whatever the socket does.
  #mayRun(): boolean {
    if (!this.#is(MAPPED)) return false;
    if (this.#outcome === undefined || this.#deferred !== undefined) return true;
    this.#tellOutcome(this.#outcome);
    return false;
  }

  // --- push --------------------------------------------------------------------------------------------------

  // One turn of this channel. The path of every received byte: nothing is allocated here.
  #turn(): void {
    const { channel } = this;
    const { socket } = channel;
    if (socket === undefined) return;
    const { bytesRead, bytesSent } = socket;
    let read = false;
    let wrote = false;
    enterTurn();
    try {
      if (channel.connecting && socket.state !== "connecting") this.run(Act.Connect);
      // Each hook and predicate may have closed the channel, or given it another socket.
      if (this.#serves(socket) && this.isDue(Act.Read) && this.wants(Act.Read) && this.#serves(socket)) {
        read = true;
        this.run(Act.Read);
      }
      if (this.watchesWrite() && this.#serves(socket) && this.isDue(Act.Write)) {
        wrote = this.wants(Act.Write) && this.#serves(socket);
        if (wrote) this.run(Act.Write);
      }
      if (!this.#is(ESTABLISHED)) this.establish();
      if (this.#is(URGENT_WATCHED) && this.#serves(socket) && this.isDue(Act.Expt)) this.run(Act.Expt);
    } finally {
      leaveTurn();
    }
    if (!this.#serves(socket)) return;
    // Level-triggered: what is still ready is looked at again next turn, after the other channels had theirs.
    const readLeft = read && this.isDue(Act.Read);
    const writeLeft = wrote && this.isDue(Act.Write);
    const hasRead = socket.bytesRead !== bytesRead;
    const hasSent = socket.bytesSent !== bytesSent;
    if (hasRead || hasSent) this.#idleTurns = 0;
    if ((readLeft && hasRead) || (writeLeft && hasSent)) {
      this.askLater();
    } else if (readLeft || (writeLeft && this.hasWritable())) {
      this.#idleTurn();
    }
  }

  /** Once the connection stands: its timeouts begin, and urgent data is asked for if the class has a hook for it. */
  establish(): void {
    const { socket, accepting, connecting } = this.channel;
    if (this.#is(ESTABLISHED) || socket === undefined || accepting || connecting || !this.#is(MAPPED)) return;
    if (socket.state === "idle") return;
    this.#mark(ESTABLISHED, true);
    this.#startTimeouts();
    if (!this.watchesUrgent()) return;
    this.#mark(URGENT_WATCHED, true);
    socket.watchUrgent();
  }

  #serves(socket: Socket): boolean {
    return this.#is(MAPPED) && this.channel.socket === socket;
  }

  // asyncore spins at 100 % CPU when a hook leaves things as they are. Here it is asked ever more rarely; the timer
  // holds the process, for there is something left to do.
  #idleTurn(): void {
    const wait = this.#idleTurns === 0 ? 0 : Math.min(2 ** (this.#idleTurns - 1), LONGEST_IDLE_MS);
    this.#idleTurns = Math.min(this.#idleTurns + 1, 8);
    if (wait === 0) {
      this.askLater();
      return;
    }
    if (this.#is(RESTING)) return;
    this.#mark(RESTING, true);
    const again = (): void => {
      this.#mark(RESTING, false);
      this.socketReady();
    };
    (this.channel.socket?.clock ?? systemClock).setTimer(again, wait, true);
  }

  // --- hooks -------------------------------------------------------------------------------------------------

  run(act: Act): void {
    const waiting = this.#deferred;
    const deferred = waiting === undefined ? undefined : this.#takeDeferred(waiting);
    const generation = this.#generation;
    this.#active++;
    let result: HookResult;
    try {
      if (deferred !== undefined) result = deferred();
      else if (act === Act.Read) result = this.channel.handleReadEvent();
      else if (act === Act.Write) result = this.channel.handleWriteEvent();
      else if (act === Act.Expt) result = this.#urgentEvent();
      else result = this.channel.handleConnectEvent();
    } catch (error) {
      this.#active--;
      this.failed(error);
      return;
    }
    this.#active--;
    if (!this.#is(ESTABLISHED)) this.establish();
    // All that a synchronous hook pays for the asynchronous ones.
    if (result !== undefined) this.track(result, generation, act);
  }

  #urgentEvent(): HookResult {
    const { socket } = this.channel;
    try {
      return this.channel.handleExptEvent();
    } finally {
      // A byte that was left there and that reading has passed is not told again.
      if (socket !== undefined && this.#serves(socket)) socket.watchUrgent();
    }
  }

  /** Counts this channel's sockets. To be read before a hook runs, and given to {@link track} after. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Waits for an async hook: holds this channel's hooks back meanwhile, and takes its rejection to `handleError`. Unless
   * the channel has another socket by then, as it may have when the hook returns.
   */
  track(result: unknown, generation: number, act: Act = Act.Read): void {
    if (!isObject(result)) return;
    if (generation !== this.#generation) {
      this.watch(result, generation);
      return;
    }
    const writes = act === Act.Write ? 1 : 0;
    this.#pending++;
    this.#pendingWrites += writes;
    const settled = (): void => {
      if (generation !== this.#generation) return;
      this.#pending--;
      this.#pendingWrites -= writes;
      // What came meanwhile was left lying.
      this.socketReady();
    };
    // resolve(): a thenable of the user's may throw where a promise rejects.
    Promise.resolve(result).then(settled, (error: unknown) => {
      this.#failedLate(error, generation);
      settled();
    });
  }

  /** Takes the rejection of work beside the hooks to `handleError`; holds nothing back. */
  watch(work: unknown, generation: number = this.#generation): void {
    if (!isObject(work)) return;
    Promise.resolve(work).then(undefined, (error: unknown) => this.#failedLate(error, generation));
  }

  // What an older socket's hooks still have to say is not the new one's failure, but must not vanish.
  #failedLate(error: unknown, generation: number): void {
    if (generation === this.#generation || error instanceof ExitNow) this.failed(error);
    else this.reportFatal(error);
  }

  /** A hook threw or rejected: `handleError`, and if that fails too the channel is cut. */
  failed(error: unknown): void {
    if (error instanceof ExitNow) {
      this.#map.exit(error);
      return;
    }
    if (!this.#is(MAPPED)) {
      // Closed meanwhile (an async hook that went on): no hook may run, but the error must not vanish.
      this.reportFatal(error);
      return;
    }
    const generation = this.#generation;
    enterTurn();
    this.#active++;
    try {
      const result: unknown = this.channel.handleError(error);
      if (isObject(result)) this.#cutIfRejected(result, generation);
    } catch (second) {
      this.#cut(second);
    } finally {
      this.#active--;
      leaveTurn();
    }
  }

  #cutIfRejected(result: object, generation: number): void {
    Promise.resolve(result).then(undefined, (error: unknown) => {
      if (generation === this.#generation || error instanceof ExitNow) this.#cut(error);
      else this.reportFatal(error);
    });
  }

  #cut(error: unknown): void {
    if (error instanceof ExitNow) {
      this.#map.exit(error);
      return;
    }
    this.reportFatal(error);
    // Not the dispatcher's abort(): that could be the user's, and is not to be trusted now.
    this.close();
    this.remove();
    this.channel.socket?.abort();
  }
}

// What is no object cannot be a promise; what is one without being a promise costs a microtask.
function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
