/**
 * A running server: one listener, the connections it let in, and what is counted. The way of a connection:
 *
 *   accept ──► admission ──► PROXY header ──► TLS ──► handler ──► released
 *     ▲ pause      │ refuse, evict   └ intake.ts ┘        │            │
 *     └────────────┴──────────────── room again ──────────┴────────────┘
 *
 * TLS without a PROXY header is the listener's own: such a connection is not seen here before its handshake is over.
 */
import type { Address } from "../base/address.ts";
import type { TimerHandle } from "../base/clock.ts";
import { ArgumentRangeError, OSError, osError, TLSError } from "../base/errors.ts";
import { IPPROTO_IPV6, IPV6_V6ONLY, SO_REUSEPORT, SOL_SOCKET } from "../base/constants.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import type { ProxyProtocolError } from "../bytes/proxy-header.ts";
import { type ChannelMap, socketMap } from "../dispatcher/channel-map.ts";
import { Dispatch, type DispatchCounter } from "../dispatcher/dispatch.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import { defaultLimits, streamLimits } from "../socket/limits.ts";
import type { Socket, StreamLimits } from "../socket/socket.ts";
import { TlsContext } from "../socket/tls-context.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import { Admission, type AdmissionTicket } from "./admission.ts";
import { Connection, type Evictable } from "./connection.ts";
import { Drain, type DrainReport } from "./drain.ts";
import { Intake, type IntakeOwner } from "./intake.ts";
import { relieveQueues } from "./queue-relief.ts";
import type { Handler, ServePlan } from "./serve-options.ts";
import { type ServerStats, sumServerStats } from "./stats.ts";

/** How often connections are looked at, where the options ask for that at all. */
const LOOK_MS = 1000;
const SHORTEST_LOOK_MS = 25;
/** Lines of log about failed handshakes and headers. */
const COMPLAINTS_PER_SECOND = 1;
const COMPLAINTS_AT_ONCE = 10;

export class Server<Channel extends Dispatcher = Dispatcher> implements IntakeOwner, AsyncDisposable {
  readonly map: ChannelMap;
  #plan: ServePlan;
  #Handler: Handler<Channel>;
  #limits: StreamLimits | undefined;
  readonly #admission: Admission<Evictable>;
  readonly #listener: Listening;
  /** Those that have a handler … */
  readonly #connections = new Map<Channel, Connection<Channel>>();
  /** … and those that do not have one yet. */
  readonly #intakes = new Map<Intake, AdmissionTicket<Evictable>>();
  readonly #complaints = new TokenBucket(COMPLAINTS_PER_SECOND, COMPLAINTS_AT_ONCE);
  #uncomplained = 0;
  #suspended = false;
  #waiting: TimerHandle;
  #looking: TimerHandle;
  #drain: Drain | undefined;
  #unbudget: (() => void) | undefined;
  readonly #over: () => void;

  /** Listens; `over` is called when it has been drained. @throws {OSError} EADDRINUSE, EACCES …; {TLSError} wrong options */
  constructor(plan: ServePlan, handler: Handler<Channel>, over: () => void) {
    this.#over = over;
    this.#plan = plan;
    this.#Handler = handler;
    this.#limits = limitsOf(plan, handler);
    this.map = plan.options.map ?? socketMap;
    this.#admission = new Admission(plan.options);
    this.#listener = new Listening(this, this.map);
    this.#listener.begin(plan, this.#limits ?? handler.limits);
    // With TLS of its own the listener would shake hands first, which costs most.
    if (plan.proxy === undefined && plan.options.tls !== undefined) {
      this.#listener.socket?.filterAccepts((address) => this.#admission.lets(address));
    }
    this.#applyBudget();
  }

  // --- what can be asked ---------------------------------------------------------------------------------------

  /** Where it listens: `[host, port]` with the real port, or a unix path. @throws {OSError} EBADF once it was drained */
  get address(): Address {
    return this.#listener.getsockname();
  }

  /** The port of {@link address}; 0 on a unix path. */
  get port(): number {
    const { address } = this;
    return typeof address === "string" ? 0 : address[1];
  }

  /**
   * The listening descriptor, to be handed to a successor: `Bun.spawn(…, { stdio: [0, 1, 2, server.fd] })`, which calls
   * `serve({ fd: 3 })`, after which this one drains. -1 where there is none (without the C library, or once drained).
   */
  get fd(): number {
    return this.#listener.fileno();
  }

  /** The channels of the connections that stand. */
  get connections(): { readonly size: number; has(channel: Dispatcher): boolean } & Iterable<Channel> {
    const connections = this.#connections;
    return {
      size: connections.size,
      has: (channel) => connections.has(channel as Channel),
      [Symbol.iterator]: () => connections.keys(),
    };
  }

  /** What was counted so far; a copy. */
  stats(): ServerStats {
    const stats = sumServerStats([this.#admission.stats]);
    for (const { socket } of this.#connections.values()) {
      stats.bytesRead += socket.bytesRead;
      stats.bytesSent += socket.bytesSent;
    }
    return stats;
  }

  // --- what can be done ----------------------------------------------------------------------------------------

  /** Accepts nobody any more: connections wait in the kernel. Those that stand go on. @throws {OSError} ENOSYS, EBADF */
  suspend(): void {
    if (!this.#listener.pause()) {
      throw osError("ENOSYS", { syscall: "listen", detail: "pausing a listener needs the C library" });
    }
    this.#suspended = true;
  }

  /** Accepts again. */
  resume(): void {
    this.#suspended = false;
    this.#makeRoom();
  }

  /** Connections from now on get this certificate, and whatever else the options say. @throws {TLSError} wrong options */
  renewTls(tls: TlsOptions): void {
    this.#listener.renewTls(tls, this.#plan);
    this.#plan = { ...this.#plan, options: { ...this.#plan.options, tls } };
  }

  /**
   * Stops listening and lets the connections end: a channel with a `handleDrain()` of its own is told and closes when it
   * likes, the others are closed, which delivers what is queued. What is left at the deadline is reset. May be called
   * again: it is the same drain, and the earliest deadline counts.
   *
   * @param deadlineMs Default: the option `drainTimeoutMs`
   * @throws {ArgumentRangeError} no time
   */
  drain(deadlineMs: number = this.#plan.drainTimeoutMs): Promise<DrainReport> {
    if (typeof deadlineMs !== "number" || !(deadlineMs >= 0)) {
      throw new ArgumentRangeError(`drain: milliseconds of at least 0, not ${String(deadlineMs)}`);
    }
    if (this.#drain === undefined) {
      // Who was accepted already is served like the others, unless the limits held it back: then it is reset. Who waits in
      // the kernel is a successor's, or is reset.
      while (this.#listener.socket?.readReady === true) this.#acceptOne();
      this.#listener.close();
      this.#stopTimers();
      for (const intake of this.#intakes.keys()) intake.evict();
      this.#drain = new Drain(() => this.#connections.values(), this.#admission.stats);
      void this.#drain.report.then(() => {
        this.#unbudget?.();
        this.#over();
      });
    }
    this.#drain.until(deadlineMs);
    return this.#drain.report;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain().then(() => undefined);
  }

  // One for all connections. Connecting, which has timeouts too, is not what a server's do.
  readonly #counter: DispatchCounter = {
    timedOut: (kind) => {
      if (kind !== "connect") this.#admission.stats.timeouts[kind]++;
    },
    handshakeFailed: (error) => this.#countHandshake(error),
  };

  // --- from accept() to the handler ----------------------------------------------------------------------------

  /** For the listener: a connection is waiting. */
  connectionWaits(): void {
    const waitMs = this.#admission.waitMs();
    if (waitMs > 0 && this.#listener.pause()) {
      this.#wait(waitMs);
      return;
    }
    this.#acceptOne();
  }

  #acceptOne(): void {
    try {
      const pair = this.#listener.accept();
      if (pair !== null) this.#take(pair[0], pair[1]);
    } catch (error) {
      if (!(error instanceof TLSError)) throw error;
      this.#handshakeFailed(error);
    }
  }

  #take(socket: Socket, address: Address): void {
    const { proxy, options } = this.#plan;
    const decision = this.#admission.admit(proxy === undefined ? address : undefined);
    if (decision.refused !== undefined) {
      socket.abort();
      return;
    }
    decision.evicted?.holder?.evict();
    const { ticket } = decision;
    socket.whenReleased((unsent) => {
      const { stats } = this.#admission;
      stats.bytesRead += socket.bytesRead;
      stats.bytesSent += socket.bytesSent;
      stats.bytesUnsent += unsent;
      this.#admission.released(ticket);
      this.#makeRoom();
    });
    if (proxy === undefined) this.#begin(socket, ticket);
    else {
      const intake = new Intake(this, socket, proxy, options.tls);
      ticket.holder = intake;
      this.#intakes.set(intake, ticket);
    }
  }

  intakeIdentified(intake: Intake): boolean {
    const ticket = this.#intakes.get(intake);
    if (ticket === undefined) return false;
    const { socket } = intake;
    const decision = this.#admission.identify(ticket, socket.origin ?? socket.getpeername());
    if (decision.refused !== undefined) {
      this.#intakes.delete(intake);
      socket.abort();
      return false;
    }
    decision.evicted?.holder?.evict();
    return true;
  }

  intakeDone(intake: Intake): void {
    const ticket = this.#intakes.get(intake);
    if (ticket === undefined || !this.#intakes.delete(intake)) return;
    this.#begin(intake.socket, ticket);
  }

  intakeFailed(intake: Intake, error: ProxyProtocolError | TLSError): void {
    if (!this.#intakes.delete(intake)) return;
    if (error instanceof TLSError) this.#handshakeFailed(error);
    else this.#countProxyError(error);
  }

  #handshakeFailed(error: TLSError): void {
    this.#countHandshake(error);
    this.#complain(error);
  }

  #countHandshake(error: OSError): void {
    const { stats } = this.#admission;
    if (error.code === "ETIMEDOUT") stats.timeouts.handshake++;
    else stats.handshakeFailures++;
  }

  #countProxyError(error: ProxyProtocolError): void {
    const { stats } = this.#admission;
    if (error.fault === "TIMEOUT") stats.timeouts.proxy++;
    else stats.proxyErrors++;
    this.#complain(error);
  }

  // What strangers do wrong: all of it is counted, and only so much of it written.
  #complain(error: OSError): void {
    if (!this.#complaints.take()) {
      this.#uncomplained++;
      return;
    }
    const more = this.#uncomplained === 0 ? "" : ` (and ${this.#uncomplained} others)`;
    this.#uncomplained = 0;
    this.#listener.logInfo(`${error.message}${more}`, "info");
  }

  #begin(socket: Socket, ticket: AdmissionTicket<Evictable>): void {
    const { throughput, options } = this.#plan;
    const limits = this.#limits;
    let channel: Channel;
    try {
      channel = new this.#Handler(socket, this.map);
      channel.channelDispatch.counter = this.#counter;
      if (limits !== undefined) {
        socket.limits = limits;
        channel.wake();
      }
      if (options.throttle !== undefined) socket.throttle(options.throttle);
    } catch (error) {
      // It may have got as far as into the map.
      const { observer } = socket;
      if (observer instanceof Dispatch) observer.remove();
      socket.abort();
      this.#listener.reportHandler(error);
      return;
    }
    const connection = new Connection(channel, socket, ticket, throughput, this.#admission.stats);
    ticket.holder = connection;
    this.#connections.set(channel, connection);
    socket.whenReleased(() => this.#connections.delete(connection.channel));
    if (throughput !== undefined || this.#evicts()) this.#lookLater();
    this.#drain?.add(connection);
  }

  // --- time ----------------------------------------------------------------------------------------------------

  // Until there is room, which the next release tells, or until it is somebody's turn again.
  #wait(ms: number): void {
    if (ms === Infinity || this.#waiting !== undefined) return;
    this.#waiting = this.#listener.clock.setTimer(() => {
      this.#waiting = undefined;
      this.#makeRoom();
    }, ms);
  }

  #makeRoom(): void {
    if (this.#drain !== undefined || this.#suspended) return;
    const waitMs = this.#admission.waitMs();
    if (waitMs > 0) this.#wait(waitMs);
    else this.#listener.goOn();
  }

  // One timer for all connections, and none while there is no connection.
  #lookLater(): void {
    this.#looking ??= this.#listener.clock.setTimer(() => {
      this.#looking = undefined;
      this.#look();
    }, this.#lookMs());
  }
  #lookMs(): number {
    const { throughput, options } = this.#plan;
    const evictIdleMs = this.#evicts() ? (options.evictIdleMs ?? LOOK_MS) : Infinity;
    return Math.max(
      SHORTEST_LOOK_MS,
      Math.min(LOOK_MS, (throughput?.windowMs ?? Infinity) / 4, evictIdleMs / 4),
    );
  }
  #evicts(): boolean {
    const { whenFull, whenAddressFull } = this.#plan.options;
    return whenFull === "evict" || whenAddressFull === "evict";
  }

  #look(): void {
    const now = this.#listener.clock.now();
    for (const connection of this.#connections.values()) {
      if (connection.look(now)) this.#admission.touched(connection.ticket, now);
    }
    if (this.#connections.size > 0 && this.#drain === undefined) this.#lookLater();
  }

  #stopTimers(): void {
    for (const timer of [this.#waiting, this.#looking]) {
      if (timer !== undefined) this.#listener.clock.clearTimer(timer);
    }
    this.#waiting = undefined;
    this.#looking = undefined;
  }

  #applyBudget(): void {
    this.#unbudget?.();
    this.#unbudget = undefined;
    const { maxQueuedBytes, whenQueuesFull = "evict" } = this.#plan.options;
    if (maxQueuedBytes === undefined) return;
    const connections = this.#connections;
    function* sockets(): Iterable<Socket> {
      if (whenQueuesFull === "evict") for (const { socket } of connections.values()) yield socket;
    }
    this.#unbudget = relieveQueues(maxQueuedBytes, sockets, () => this.#admission.stats.evicted.queues++);
  }

  // --- new code ------------------------------------------------------------------------------------------------

  /**
   * For `bun --hot`: new options and a new handler for the same listener. `handOver` makes the new channel of one that
   * stands. How many may come, and from where, stays as it was.
   */
  adopt(plan: ServePlan, handler: Handler<Channel>, handOver: (old: Channel) => Channel): void {
    this.#plan = plan;
    this.#Handler = handler;
    this.#limits = limitsOf(plan, handler);
    if (plan.options.tls !== undefined) this.#listener.renewTls(plan.options.tls, plan);
    for (const [channel, connection] of Array.from(this.#connections)) {
      // One that is closing goes on doing so.
      if (channel.socket !== connection.socket || connection.socket.state !== "open") continue;
      this.#connections.delete(channel);
      connection.channel = handOver(channel);
      connection.channel.channelDispatch.counter = this.#counter;
      this.#connections.set(connection.channel, connection);
    }
    this.#applyBudget();
  }
}

// The handler's class has limits of its own, of which the options change some.
function limitsOf<Channel extends Dispatcher>(
  plan: ServePlan,
  handler: Handler<Channel>,
): StreamLimits | undefined {
  const { limits } = plan.options;
  if (limits === undefined) return undefined;
  const { limits: own = defaultLimits } = handler;
  return streamLimits(own === defaultLimits ? limits : { ...own, ...limits });
}

/** The server, as its listener sees it. */
interface Acceptor {
  connectionWaits(): void;
}

/** The listener's channel. */
class Listening extends Dispatcher {
  readonly #server: Acceptor;
  #held = false;

  constructor(server: Acceptor, map: ChannelMap) {
    super(undefined, map);
    this.#server = server;
  }

  get clock(): Socket["clock"] {
    return (this.socket as Socket).clock;
  }

  begin(plan: ServePlan, limits: StreamLimits | undefined): void {
    const { place, options, proxy } = plan;
    const { tls, backlog, reusePort = false, ipv6Only } = options;
    const secure = tls === undefined ? {} : { tls, preface: proxy !== undefined };
    try {
      if (place.kind === "fd") this.createSocket({ fd: place.fd, ...secure });
      else {
        this.createSocket({ family: place.family, ...secure });
        if (typeof place.address !== "string") this.setReuseAddr();
        if (reusePort) this.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
        if (ipv6Only !== undefined) this.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, ipv6Only ? 1 : 0);
        this.bind(place.address);
      }
      // Its connections begin with them, and their handshakes have no others.
      if (limits !== undefined) (this.socket as Socket).limits = limits;
      this.listen(backlog);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  renewTls(tls: TlsOptions, plan: ServePlan): void {
    // Behind a PROXY header each connection begins TLS by itself, with the options of that moment.
    if (plan.proxy === undefined) this.startTls(tls);
    else TlsContext.server(tls);
  }

  /** @returns false where accepting cannot be paused */
  pause(): boolean {
    if (this.#held) return true;
    try {
      (this.socket as Socket).pauseAccepting();
      this.#held = true;
      return true;
    } catch (error) {
      if (error instanceof OSError && error.code === "ENOSYS") return false;
      throw error;
    }
  }
  goOn(): void {
    if (!this.#held) return;
    this.#held = false;
    this.socket?.resumeAccepting();
  }

  reportHandler(error: unknown): void {
    this.logInfo(`the handler's constructor failed: ${String(error)}`, "error");
  }

  override handleAccept(): void {
    this.#server.connectionWaits();
  }
  override handleError(error: unknown): void {
    this.logInfo(`accepting failed: ${String(error)}`, "error");
  }
}
