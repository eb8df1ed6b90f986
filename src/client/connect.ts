/**
 * `connect()`: a name to an open channel. Look-up and race (RFC 8305), PROXY header, TLS, and then the channel gets the
 * socket and its `handleConnect()` runs as one of its own hooks. Whatever ends it early, nothing is left behind.
 *
 *   resolve ──► Race ──► send(proxyHeader) ──► secure ──► setSocket, handleConnectEvent ──► resolved
 *      └──────────┴──── signal, deadline, close() ──┴───────────── all aborted ──────────► rejected
 */
import { LONGEST_TIMER_MS } from "../base/clock.ts";
import { AF_UNIX } from "../base/constants.ts";
import { type OSError, osError } from "../base/errors.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import type { Dispatcher } from "../dispatcher/dispatcher.ts";
import { defaultLimits } from "../socket/limits.ts";
import type { Socket } from "../socket/socket.ts";
import { ConnectFailedError } from "./connect-failed-error.ts";
import {
  channelOf,
  checkOptions,
  checkTarget,
  type ConnectOptions,
  type ConnectTarget,
  type Plan,
  type Where,
} from "./connect-options.ts";
import { type Attempt, Schedule } from "./happy-eyeballs.ts";
import { Race } from "./race.ts";
import { resolve } from "./resolve.ts";
import { forHost, secure } from "./secure.ts";
import { StreamChannel } from "./stream-channel.ts";

/**
 * Connects a channel. A name is looked up in both families at once, its addresses are tried in turns, each
 * `attemptDelayMs` after the last or as soon as one fails, and the first connection that stands is kept. Resolves when
 * `handleConnect()` of the channel has run. While it is under way the channel is in its map, so that `loop()` goes on,
 * and the process is held; `close()` of the channel gives it up.
 *
 * @throws {ConnectFailedError} rejects so when no address can be connected to, with one error for each in `errors`;
 *   ETIMEDOUT when `deadlineMs` passes. A channel that was given is then as it was before
 * @throws {TLSError} the handshake failed, or the options are wrong
 * @throws {OSError} ECANCELED the channel was closed meanwhile; EISCONN, EALREADY a channel that has a socket or is
 *   connecting; EAFNOSUPPORT; whatever `signal` was aborted with, and what `handleConnect()` threw if that closed it
 * @throws {ArgumentTypeError|ArgumentRangeError} malformed target or options
 *
 * @example A client that awaits
 * ```ts
 * import { connect, Dispatcher, type Socket, StreamChannel } from "asyncore";
 *
 * class Server extends Dispatcher {
 *   override async handleAccepted(socket: Socket) {
 *     this.close();
 *     await using peer = new StreamChannel(socket);
 *     for await (const chunk of peer) await peer.write(chunk);
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 * const [, port] = server.getsockname();
 *
 * await using channel = await connect({ host: "localhost", port: Number(port) });
 * await channel.write("hello");
 * await channel.end();
 * for await (const chunk of channel) console.log(chunk.toString());
 * ```
 */
export async function connect<C extends Dispatcher = StreamChannel>(
  target: ConnectTarget,
  options: ConnectOptions<C> = {},
): Promise<C> {
  const where = checkTarget(target);
  const plan = checkOptions(where, options);
  options.signal?.throwIfAborted();
  // Without one, C is what it is by default.
  const channel = channelOf(options.channel ?? (StreamChannel as unknown as new () => C), options.map);
  return new Dial(where, plan, channel).run(options.signal);
}

class Dial<C extends Dispatcher> {
  readonly #where: Where;
  readonly #plan: Plan;
  readonly #channel: C;
  readonly #race: Race;
  /** Aborted when there is nothing left to wait for. */
  readonly #stop = new AbortController();

  constructor(where: Where, plan: Plan, channel: C) {
    this.#where = where;
    this.#plan = plan;
    this.#channel = channel;
    this.#race = new Race({
      clock: plan.clock,
      schedule: new Schedule(plan.families, plan),
      begin: (attempt) => this.#begin(attempt),
      describe: (code, attempt) => this.#error(code, attempt.address),
    });
  }

  async run(signal: AbortSignal | undefined): Promise<C> {
    const { clock } = this.#plan;
    const channel = this.#channel;
    const aborted = (): void => this.#giveUp("ECANCELED", signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    const { deadlineMs = limitsOf(channel).connectTimeoutMs } = this.#plan;
    // It holds the process too: no socket may be there yet.
    const timer = clock.setTimer(() => this.#expire(), Math.min(deadlineMs, LONGEST_TIMER_MS), true);
    channel.connecting = true;
    channel.addChannel(this.#plan.map);
    // Nobody else tells of a close() before there is a socket.
    channel.opened.catch((error: unknown) => this.#giveUp("ECANCELED", error));
    let socket: Socket | undefined;
    try {
      socket = await this.#connected();
      if (this.#plan.proxyHeader !== undefined) socket.send(this.#plan.proxyHeader);
      if (this.#plan.tls !== undefined) {
        await secure(socket, forHost(this.#plan.tls, this.#where.address), this.#stop.signal);
        this.#stop.signal.throwIfAborted();
      }
      if (channel.socket !== undefined) {
        throw osError("EISCONN", { syscall: "connect", detail: "the channel has another socket by now" });
      }
      clock.clearTimer(timer);
      await handOver(channel, socket, this.#plan.map, this.#stop.signal);
      return channel;
    } catch (error) {
      // Once the channel has it, how it ends is the channel's.
      if (channel.socket !== socket) socket?.abort();
      if (channel.socket === undefined) {
        channel.connecting = false;
        channel.delChannel();
      }
      throw error;
    } finally {
      clock.clearTimer(timer);
      signal?.removeEventListener("abort", aborted);
      this.#stop.abort();
    }
  }

  async #connected(): Promise<Socket> {
    const { address, family } = this.#where;
    const { families, lookup } = this.#plan;
    const { signal } = this.#stop;
    if (family === undefined) resolve(address, families, lookup, signal, this.#race);
    else this.#race.answered(family, [address]);
    const socket = await this.#race.won;
    // Given up after it had won.
    if (signal.aborted) socket?.abort();
    signal.throwIfAborted();
    if (socket === undefined) throw this.#failure();
    return socket;
  }

  #begin({ family, address }: Attempt): Socket {
    const { localAddress } = this.#plan;
    const socket = this.#plan.createSocket({ family });
    try {
      const limits = limitsOf(this.#channel);
      // As setSocket() has it.
      if (limits !== defaultLimits) socket.limits = limits;
      if (localAddress !== undefined) socket.bind([localAddress, 0]);
      socket.connect(family === AF_UNIX ? address : [address, this.#where.port ?? 0]);
    } catch (error) {
      socket.abort();
      throw error;
    }
    return socket;
  }

  #expire(): void {
    this.#race.giveUp("ETIMEDOUT");
    this.#giveUp("ETIMEDOUT", this.#failure("ETIMEDOUT"));
  }

  #giveUp(code: string, reason: unknown): void {
    this.#stop.abort(reason);
    this.#race.giveUp(code);
  }

  #failure(code?: string): ConnectFailedError {
    const { address, port } = this.#where;
    return new ConnectFailedError({
      address,
      errors: this.#race.errors,
      ...(port === undefined ? {} : { port }),
      ...(code === undefined ? {} : { code }),
    });
  }

  #error(code: string, address: string): OSError {
    const { port } = this.#where;
    return osError(code, { syscall: "connect", address, ...(port === undefined ? {} : { port }) });
  }
}

function limitsOf(channel: Dispatcher): Socket["limits"] {
  return (channel.constructor as typeof Dispatcher).limits;
}

/**
 * Gives an open socket to `channel`, whose `handleConnect()` then runs as if the channel had connected it itself:
 * soon, as one of its own hooks, before anything is read. Resolves after that.
 */
function handOver(
  channel: Dispatcher,
  socket: Socket,
  map: ChannelMap | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve: done, reject } = Promise.withResolvers<void>();
  let failure: { readonly error: unknown } | undefined;
  const settle = (): void => {
    if (failure === undefined || channel.connected) done();
    else reject(failure.error);
  };
  const aborted = (): void => {
    if (channel.socket === socket) channel.abort();
    reject(signal.reason as Error);
  };
  channel.setSocket(socket, map);
  channel.connected = false;
  channel.connecting = true;
  signal.addEventListener("abort", aborted, { once: true });
  socket.whenReleased(() =>
    reject(osError("ECANCELED", { syscall: "connect", detail: "the channel is closed" })),
  );
  channel.channelDispatch.runDue((): HookResult => {
    // Not now: handleError() has its say first, and may keep the channel.
    queueMicrotask(settle);
    try {
      return channel.handleConnectEvent();
    } catch (error) {
      failure = { error };
      throw error;
    }
  });
  return promise.finally(() => signal.removeEventListener("abort", aborted));
}
