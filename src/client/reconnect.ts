/**
 * A client that connects again: a fresh channel for each connection, a wait with back-off and jitter between two. One
 * connection, one attempt or one timer at a time, and none of them after the end.
 *
 *   ┌─► connecting ──failed──► waiting ──┐      close(), signal, closeAll(): stopped
 *   │        └──► connected ──closed──┘  │      maxAttempts failures in a row: handleGiveUp(), stopped
 *   └────────────────────────────────────┘
 */
import { formatAddress } from "../base/address.ts";
import { type Clock, LONGEST_TIMER_MS, systemClock } from "../base/clock.ts";
import { ExitNow } from "../base/errors.ts";
import { type ChannelMap, socketMap } from "../dispatcher/channel-map.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import type { Closed } from "../dispatcher/milestones.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import { connect } from "./connect.ts";
import {
  atLeast,
  channelOf,
  type ChannelClass,
  checkClass,
  checkOptions,
  checkTarget,
  type ConnectTarget,
  type DialOptions,
} from "./connect-options.ts";
import { StreamChannel } from "./stream-channel.ts";

/** Options of {@link ReconnectingClient}: those of `connect()` for each attempt, those of the back-off, and these. */
export interface ReconnectOptions<C extends Dispatcher = StreamChannel> extends DialOptions, BackoffOptions {
  /** What channels are made of. Default: `StreamChannel`. */
  readonly channel?: ChannelClass<C>;
  /** A connection that has lived so long ends a row of failures. Default 10 000. */
  readonly resetAfterMs?: number;
  /** Failures in a row, short-lived connections included, after which it gives up. Default: Infinity. */
  readonly maxAttempts?: number;
  /** Stops it for good, as {@link ReconnectingClient.close} does. */
  readonly signal?: AbortSignal;
}

/**
 * Keeps a connection. Begins as soon as the program's present turn is over, so that hooks can still be set. However a
 * channel closes, also by its own `close()`, there will be another one, until {@link close}. A channel that is not read
 * does not notice that its peer has ended the connection: read it, or let it have a `handleClose()` that closes.
 *
 * @example A client that greets whenever it is connected
 * ```ts
 * import { Dispatcher, reconnect, type Socket } from "asyncore";
 *
 * class Server extends Dispatcher {
 *   greetings = 0;
 *   override handleAccepted(socket: Socket) {
 *     const peer = new Dispatcher(socket);
 *     peer.handleClose = () => peer.close();
 *     peer.handleRead = () => {
 *       if (peer.recv().length === 0) return;
 *       // The first connection is lost.
 *       if (++this.greetings === 1) peer.abort();
 *       else client.close();
 *     };
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 *
 * const client = reconnect(server.getsockname(), { initialDelayMs: 10 });
 * client.handleConnect = (channel) => channel.write("hello");
 * await client.closed;
 * server.close();
 * ```
 */
export class ReconnectingClient<C extends Dispatcher = StreamChannel> implements AsyncDisposable {
  readonly #target: ConnectTarget;
  readonly #options: ReconnectOptions<C>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #resetAfterMs: number;
  readonly #maxAttempts: number;
  readonly #map: ChannelMap;
  /** Stands for this client in its map: loop() goes on while it runs, closeAll() stops it, and hooks fail through it. */
  readonly #anchor: Anchor;
  readonly #stop = new AbortController();
  readonly #closed: Promise<void>;
  #channel: C | undefined;

  /**
   * @throws {ArgumentTypeError|ArgumentRangeError|OSError} a target or options that make no sense
   */
  constructor(target: ConnectTarget, options: ReconnectOptions<C> = {}) {
    const { resetAfterMs = 10_000, maxAttempts = Infinity, signal } = options;
    checkOptions(checkTarget(target), options);
    if (options.channel !== undefined) checkClass(options.channel);
    atLeast("resetAfterMs", resetAfterMs, 0);
    atLeast("maxAttempts", maxAttempts, 1);
    this.#target = target;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff(options);
    this.#resetAfterMs = resetAfterMs;
    this.#maxAttempts = maxAttempts;
    this.#map = options.map ?? socketMap;
    this.#anchor = new Anchor(this, this.#map);
    this.#closed = this.#run(signal);
  }

  /** The connected channel; undefined between two. */
  get channel(): C | undefined {
    return this.#channel;
  }

  /** Failures in a row so far: 0 once a connection has lived for `resetAfterMs` and ended. */
  get failures(): number {
    return this.#backoff.failures;
  }

  /** Resolves when it has stopped for good and the last channel's socket is released. Never rejects. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Stops for good: the channel is closed, an attempt under way is given up. May be called again. */
  close(): void {
    this.#stop.abort();
  }

  /** `close()`, and waits for the end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#closed;
  }

  /** `<ReconnectingClient connected db.example:80>`. */
  toString(): string {
    const { address, port } = checkTarget(this.#target);
    const where = formatAddress(port === undefined ? address : [address, port]);
    return `<${this.constructor.name}${this.#channel === undefined ? "" : " connected"} ${where}>`;
  }

  // --- hooks: to override, or to set --------------------------------------------------------------------------

  /** The channel for the next connection. Default: a new one of the class given. */
  makeChannel(): C {
    const { channel, map } = this.#options;
    return channelOf(channel ?? (StreamChannel as unknown as ChannelClass<C>), map);
  }

  /**
   * A connection stands; `handleConnect()` of its channel has run. May be async and go on as long as the connection: the
   * next attempt waits until it has settled. When it fails while the channel is open, that costs the connection, through
   * `handleError()` of the channel.
   */
  handleConnect(_channel: C): HookResult {}

  /** A connection is over and released. `reason`: what `handleConnect()` failed with, if it did. */
  handleDisconnect(_channel: C, _closed: Closed, _reason: unknown): HookResult {}

  /**
   * The next attempt is `delayMs` away. `reason`: why the last one failed, or what `handleConnect()` failed with; undefined
   * after a connection that just ended.
   */
  handleRetry(_delayMs: number, _reason: unknown): HookResult {}

  /** `maxAttempts` failures in a row: nothing more will happen. Default: logs it. */
  handleGiveUp(reason: unknown): HookResult {
    this.#anchor.report(`giving up after ${this.failures} failures (${describe(reason)})`);
  }

  /** Another hook of this client threw or rejected. Default: logs it. */
  handleError(error: unknown): HookResult {
    this.#anchor.report(`a hook failed (${describe(error)})`);
  }

  // --- the rounds -----------------------------------------------------------------------------------------------

  // Never rejects: what goes wrong in a hook is handleError()'s.
  async #run(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => this.close();
    if (signal?.aborted === true) this.close();
    signal?.addEventListener("abort", stop, { once: true });
    this.#anchor.addChannel();
    // The constructors of subclasses first, and whoever sets a hook.
    await Promise.resolve();
    try {
      while (!this.#stopped) await this.#round();
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#anchor.delChannel();
    }
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #round(): Promise<void> {
    let reason: unknown;
    try {
      reason = await this.#connection();
    } catch (error) {
      reason = error;
    }
    if (this.#stopped) return;
    const delayMs = this.#backoff.failed();
    if (this.failures >= this.#maxAttempts) {
      this.#stop.abort();
      this.#call(() => this.handleGiveUp(reason));
      return;
    }
    this.#call(() => this.handleRetry(delayMs, reason));
    await this.#wait(delayMs);
  }

  // One connection from its attempt to its release. Resolves with what handleConnect() failed with.
  async #connection(): Promise<unknown> {
    const { signal } = this.#stop;
    const channel = await connect<C>(this.#target, { ...this.#options, channel: this.makeChannel(), signal });
    const since = this.#clock.now();
    const close = (): void => channel.close();
    if (signal.aborted) close();
    signal.addEventListener("abort", close, { once: true });
    this.#channel = channel;
    const session = new Session(channel, (error) => this.#failed(error));
    const settled = session.run(() => this.handleConnect(channel));
    const closed = await channel.closed;
    this.#channel = undefined;
    signal.removeEventListener("abort", close);
    if (this.#clock.now() - since >= this.#resetAfterMs) this.#backoff.reset();
    await this.#orStopped(settled);
    // What the end of the connection has set going in the hook.
    if (this.#stopped) await nextTurn();
    const reason = session.end();
    this.#call(() => this.handleDisconnect(channel, closed, reason));
    return reason;
  }

  async #wait(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // It holds the process: nothing else does between two connections.
    const timer = this.#clock.setTimer(resolve, Math.min(delayMs, LONGEST_TIMER_MS), true);
    await this.#orStopped(promise);
    this.#clock.clearTimer(timer);
  }

  // `promise` never rejects. Not Promise.race(): the other side of it would live as long as this client.
  async #orStopped(promise: Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    const { promise: either, resolve } = Promise.withResolvers<void>();
    const stopped = (): void => resolve();
    signal.addEventListener("abort", stopped, { once: true });
    void promise.then(stopped);
    await either;
    signal.removeEventListener("abort", stopped);
  }

  #call(hook: () => HookResult): void {
    try {
      this.#anchor.channelDispatch.watch(hook());
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#anchor.channelDispatch.failed(error);
  }
}

/** What handleConnect() does with one connection, and what becomes of its failure. */
class Session {
  readonly #channel: Dispatcher;
  readonly #failed: (error: unknown) => void;
  #reason: unknown;
  #over = false;

  /** `failed` gets what nobody else would be told of. */
  constructor(channel: Dispatcher, failed: (error: unknown) => void) {
    this.#channel = channel;
    this.#failed = failed;
  }

  /** Resolves when `hook` has settled, however. */
  async run(hook: () => HookResult): Promise<void> {
    try {
      await hook();
    } catch (error) {
      if (this.#over) {
        this.#failed(error);
        return;
      }
      this.#reason = error;
      const { channelDispatch, connected } = this.#channel;
      // Of a connection that is over the reason is told, and nothing else.
      if (connected || error instanceof ExitNow) channelDispatch.failed(error);
    }
  }

  /** Nobody waits any more. @returns what the hook failed with */
  end(): unknown {
    this.#over = true;
    return this.#reason;
  }
}

/** A {@link ReconnectingClient} of `target`, for programs that set its hooks instead of overriding them. @throws as its constructor */
export function reconnect<C extends Dispatcher = StreamChannel>(
  target: ConnectTarget,
  options: ReconnectOptions<C> = {},
): ReconnectingClient<C> {
  return new ReconnectingClient(target, options);
}

interface Client {
  toString(): string;
  close(): void;
  handleError(error: unknown): HookResult;
}

class Anchor extends Dispatcher {
  readonly #client: Client;

  constructor(client: Client, map: ChannelMap) {
    super(undefined, map);
    this.#client = client;
  }

  override toString(): string {
    return this.#client.toString();
  }
  report(message: string): void {
    this.logInfo(message, "error");
  }
  override handleError(error: unknown): HookResult {
    return this.#client.handleError(error);
  }
  override close(): void {
    this.#client.close();
    super.close();
  }
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
