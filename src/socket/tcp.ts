/**
 * Streams on Bun's sockets: TCP over IPv4 and IPv6, and unix domain. Begins as an {@link Endpoint}, becomes a
 * listener (which hands out sockets of this class) or a connection. All buffering, half-close and closing is
 * `stream-socket.ts`'s; here Bun's callbacks become its wire events, and its wire operations Bun's calls.
 */
import dns from "node:dns/promises";

import { type Address, addressDetails, checkAddress, sameAddress, type Target } from "../base/address.ts";
import { AF_INET, AF_INET6, AF_UNIX, SO_ERROR, SO_TYPE, SOCK_STREAM, SOL_SOCKET } from "../base/constants.ts";
import { osError, toOSError, type OSError, TLSError } from "../base/errors.ts";
import { bytesOf, type SendData } from "../bytes/send-data.ts";
import { checkBacklog } from "./arguments.ts";
import type { BunOwner, Endpoint, Wire } from "./endpoint.ts";
import { LibcEndpoint } from "./libc-endpoint.ts";
import { type Libc, libc } from "./libc.ts";
import { Listener, type ListenerOwner } from "./listener.ts";
import { Parked } from "./parked.ts";
import { PlainEndpoint } from "./plain-endpoint.ts";
import { type Preface, PrefaceReader } from "./preface.ts";
import { SendHabit } from "./send-habit.ts";
import type { Socket } from "./socket.ts";
import { StreamSocket } from "./stream-socket.ts";
import { handshakeError, sessionError, type SniAnswer, type SniWaiter, TlsContext } from "./tls-context.ts";
import type { TlsOptions, TlsSession } from "./tls-options.ts";
import { type Secured, TlsState, upgraded } from "./tls-session.ts";
import { type UrgentSocket, UrgentWatch } from "./urgent.ts";

let urgentWatch: UrgentWatch | undefined;
// Only asked where there is a C library, which is on Linux.
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
/** How many looks at a connect under way fit into the deadline of the handshake that follows it. */
const LOOKS = 8;

export class TcpSocket extends StreamSocket implements BunOwner, ListenerOwner<TcpSocket>, UrgentSocket {
  #wire: Wire | undefined;
  /** Set while urgent data is watched for. */
  #watch: UrgentWatch | undefined;
  #urgent = false;
  #tls: TlsState | undefined;
  #endpoint: Endpoint | undefined;
  /** Only where the program made the socket: accepted ones are many, and have none of it. */
  #made: Made | undefined;
  #peer: Address | undefined;
  #parked: Parked | undefined;
  /** Reads what comes before TLS, if the listener said that something does. */
  #preface: PrefaceReader | undefined;
  // Bun forgets it when the connection is over, and handleClose() may still ask.
  #name: Address | undefined;

  /** An idle socket, or with `wire` an accepted one. */
  private constructor(family: number, wire?: Wire, habit?: SendHabit) {
    super(family, wire === undefined ? "idle" : "open", habit);
    this.#wire = wire;
    if (wire !== undefined) wire.data = this;
  }

  static #unconnected(family: number, own: Made): TcpSocket {
    const socket = new TcpSocket(family, undefined, own.habit);
    socket.#made = own;
    return socket;
  }

  /**
   * A new socket, as socket(2) makes it.
   *
   * @throws {OSError} EAFNOSUPPORT family, EPROTONOSUPPORT type, EMFILE
   * @throws {TLSError} options that TLS cannot begin with
   */
  static create(family: number, type: number = SOCK_STREAM, tls?: TlsOptions, preface = false): TcpSocket {
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_UNIX) {
      throw osError("EAFNOSUPPORT", { syscall: "socket", detail: `no address family ${String(family)}` });
    }
    if (type !== SOCK_STREAM) {
      throw osError("EPROTONOSUPPORT", { syscall: "socket", detail: `no socket type ${String(type)}` });
    }
    const socket = TcpSocket.#unconnected(family, made(tls, preface));
    const c = libc();
    socket.#endpoint = c === undefined ? new PlainEndpoint(family) : new LibcEndpoint(c, family, type);
    return socket;
  }

  /**
   * A socket around a listening descriptor that this process was given; it owns it from now on. `listen()` begins.
   *
   * @throws {OSError} ENOTSOCK, EBADF, EINVAL not a listening stream; ENOSYS without the C library
   * @throws {TLSError} options that TLS cannot begin with
   */
  static inherit(fd: number, tls?: TlsOptions, preface = false): TcpSocket {
    const c = libc();
    if (c === undefined)
      throw osError("ENOSYS", { syscall: "listen", detail: "a descriptor needs the C library" });
    const listens = c.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN) !== 0;
    if (!listens || c.getsockopt(fd, SOL_SOCKET, SO_TYPE) !== SOCK_STREAM) {
      throw osError("EINVAL", { syscall: "listen", detail: `descriptor ${fd} does not listen for streams` });
    }
    const family = c.getsockopt(fd, SOL_SOCKET, SO_DOMAIN);
    const socket = TcpSocket.#unconnected(family, made(tls, preface));
    socket.#endpoint = new LibcEndpoint(c, family, SOCK_STREAM, fd);
    return socket;
  }

  /** For the listener: the socket of a connection it accepted. */
  adopt(wire: Wire, secured?: Secured): TcpSocket {
    const socket = new TcpSocket(this.family, wire, this.#made?.habit);
    if (secured !== undefined) socket.#tls = new TlsState(secured.context, secured);
    socket.limits = this.limits;
    // Asked now: Bun forgets the address when the peer is gone.
    socket.#peer = this.#peerOfAccepted(wire);
    socket.#name = this.#nameOfAccepted(wire);
    if (this.#made?.preface === true) socket.#beginPreface(wire);
    return socket;
  }

  // Inside Bun's `open`: nothing has been read yet, and nothing will be.
  #beginPreface(wire: Wire): void {
    wire.pause();
    this.#preface = PrefaceReader.begin(wire.fd, () => this.observer?.socketReady());
  }
  override get preface(): Preface | undefined {
    return this.#preface;
  }

  #peerOfAccepted(wire: Wire): Address {
    if (this.family === AF_UNIX) return "";
    // One system call; Bun's two getters make one each, and a text that is not shared.
    const peer = this.family === AF_INET ? libc()?.getpeername(wire.fd) : undefined;
    return peer ?? [wire.remoteAddress ?? "", wire.remotePort ?? 0];
  }

  // Nearly all connections of a listener have the same name, and share it. Not all: behind a transparent proxy it is what
  // the client wanted to reach.
  #nameOfAccepted(wire: Wire): Address {
    const listener = this.#made?.listener;
    const last = listener?.name;
    if (last !== undefined && this.family === AF_UNIX) return last;
    const name = this.#ownNameOf(wire);
    if (last !== undefined && sameAddress(last, name)) return last;
    if (listener !== undefined) listener.name = name;
    return name;
  }

  #ownNameOf(wire: Wire): Address {
    if (this.family === AF_UNIX) return this.getsockname();
    const name = this.family === AF_INET ? libc()?.getsockname(wire.fd) : undefined;
    return name ?? [wire.localAddress ?? "", wire.localPort ?? 0];
  }

  /** For the listener: a connection is waiting. */
  connectionCame(): void {
    this.observer?.socketReady();
  }

  // --- from idle to listening or connected -------------------------------------------------------------------

  bind(address: Address): void {
    const endpoint = this.#idle("bind");
    // An endpoint without the C library listens already.
    const tls = this.#made?.tls;
    if (tls?.key !== undefined) endpoint.tls = TlsContext.server(tls).bunOptions();
    endpoint.bind(address, checkAddress(this.family, address, "bind"));
  }

  listen(backlog: number): void {
    checkBacklog(backlog);
    const endpoint = this.#idle("listen");
    const options = this.#made?.tls;
    const tls = options === undefined ? undefined : TlsContext.server(options);
    endpoint.tls = tls?.bunOptions();
    const listener = new Listener(this, endpoint, Math.max(backlog, 1), tls);
    endpoint.listen(backlog, listener);
    (this.#made ??= made()).listener = listener;
    this.startListening();
  }

  accept(): readonly [Socket, Address] | undefined {
    this.#refuseClosed("accept");
    const listener = this.#made?.listener;
    if (listener === undefined) throw osError("EINVAL", { syscall: "accept", detail: "not listening" });
    // A failed handshake counts too: turns and passes that take nothing come ever more rarely.
    if (listener.waiting) this.bytesRead++;
    const socket = listener.accept();
    return socket === undefined ? undefined : [socket, socket.#peer ?? ""];
  }

  connect(address: Address): void {
    if (this.state === "connecting") throw osError("EALREADY", { syscall: "connect" });
    if (this.state === "open") throw osError("EISCONN", { syscall: "connect" });
    const endpoint = this.#idle("connect");
    const target = checkAddress(this.family, address, "connect");
    const ready = target.kind === "unix" || target.literal;
    // What is wrong with the address itself is thrown while nothing has changed.
    if (ready) endpoint.check(target);
    const own = (this.#made ??= made());
    own.host = target.kind === "unix" ? "" : target.host;
    if (own.tls !== undefined) {
      const context = TlsContext.client(own.tls);
      endpoint.tls = context.bunOptions(own.host);
      this.#tls = new TlsState(context);
    }
    this.#peer = address;
    this.startConnecting();
    if (ready) this.#connectTo(endpoint, target);
    else void this.#resolve(endpoint, target.host, target.port);
  }

  // Never rejects: what goes wrong is the connect's error.
  async #resolve(endpoint: Endpoint, host: string, port: number): Promise<void> {
    try {
      const found = await dns.lookup(host, { family: this.family === AF_INET6 ? 6 : 4 });
      if (!this.pending) return;
      this.#connectTo(endpoint, { kind: "inet", host: found.address, port, literal: true });
    } catch (error) {
      this.wireFailed(toOSError(error, { syscall: "getaddrinfo", address: host, port }, "ENOTFOUND"));
    }
  }

  #connectTo(endpoint: Endpoint, target: Target): void {
    endpoint.connect(this.#peer ?? "", target, this, (error) => this.wireFailed(error));
  }

  override pauseAccepting(): void {
    this.#refuseClosed("listen");
    const listener = this.#made?.listener;
    if (listener === undefined) super.pauseAccepting();
    else listener.pauseAccepting();
  }
  override filterAccepts(filter: (address: Address) => boolean): void {
    const listener = this.#made?.listener;
    if (listener === undefined) super.filterAccepts(filter);
    else listener.filter = filter;
  }
  override resumeAccepting(): void {
    this.#made?.listener?.resumeAccepting();
    if (this.acceptReady) this.observer?.socketChanged();
  }

  // To its owner a socket is closed from close() on, whatever it still does in the background.
  #refuseClosed(syscall: string): void {
    const { state } = this;
    if (state === "flushing" || state === "lingering" || state === "closed") noDescriptor(syscall);
  }

  #idle(syscall: string): Endpoint {
    this.#refuseClosed(syscall);
    if (this.state !== "idle" || this.#endpoint === undefined) {
      throw osError("EINVAL", { syscall, detail: `the socket is ${this.state}` });
    }
    return this.#endpoint;
  }

  protected override connectTimedOut(): OSError {
    return osError("ETIMEDOUT", { syscall: "connect", ...addressDetails(this.#peer ?? "") });
  }

  // --- Bun's callbacks ---------------------------------------------------------------------------------------

  bunOpened(wire: Wire): void {
    if (this.state === "closed" || this.state === "ended") {
      // Given up before Bun was done.
      wire.terminate();
      return;
    }
    this.#wire = wire;
    if (this.#tls !== undefined) {
      this.#tlsOpened(wire, this.#tls);
      return;
    }
    // An adopted descriptor is still connecting: Bun's drain, or its close with the error, tells the outcome. Nothing
    // may be asked of it before that, for it would take the kernel's error away.
    if (this.#endpoint?.canPause !== true) this.wireOpened();
  }
  protected override wireOpened(): void {
    const wire = this.#wire;
    if (wire !== undefined && this.family === AF_UNIX) this.#name = libc()?.getsockname(wire.fd) ?? "";
    else if (wire !== undefined) {
      this.#name = [wire.localAddress ?? "", wire.localPort ?? 0];
      // Not the name that was looked up.
      this.#peer = [wire.remoteAddress ?? "", wire.remotePort ?? 0];
    }
    super.wireOpened();
    if (this.observer === undefined) this.parkIfIdle();
  }
  bunReceived(chunk: Buffer): void {
    if (this.pending && !this.#opensEarly()) return;
    this.wireReceived(chunk);
    this.#watch?.received(this);
  }
  bunDrained(): void {
    if (!this.pending || this.securing) {
      this.wireDrained();
      if (this.observer === undefined) this.parkIfIdle();
    } else if (this.#tls !== undefined) {
      // The handshake tells.
    } else if (this.#wire !== undefined && this.#endpoint?.isConnected(this.#wire) === true) {
      this.wireOpened();
    }
  }
  bunEnded(): void {
    if (this.pending && !this.#opensEarly()) return;
    this.wireEnded();
  }
  // Something came before the connect was told: it stands. Unless a handshake should have come first.
  #opensEarly(): boolean {
    if (this.#tls === undefined) {
      this.wireOpened();
      return true;
    }
    const detail = "the peer sent plaintext, or its end, instead of a handshake";
    this.wireFailed(new TLSError("PLAINTEXT_BEHIND", "handshake", { detail }));
    this.wireTerminate();
    return false;
  }
  bunClosed(error: unknown): void {
    this.#preface?.end();
    this.#preface = undefined;
    this.#wire = undefined;
    this.#watch?.delete(this);
    const connecting = this.pending;
    const reason = error === undefined || error === null ? undefined : this.#lossOf(error);
    const lostInHandshake = connecting && this.#tls !== undefined && !REFUSALS.has(reason?.code ?? "");
    this.wireClosed(lostInHandshake ? handshakeError({ code: "ECONNRESET" }) : (reason ?? this.#tls?.broken));
  }

  #lossOf(error: unknown): OSError {
    const details = this.pending
      ? { syscall: "connect", ...addressDetails(this.#peer ?? "") }
      : { syscall: "recv" };
    return toOSError(error, details, "ECONNRESET");
  }

  // --- TLS ---------------------------------------------------------------------------------------------------

  override get tls(): TlsSession | undefined {
    return this.#tls?.describe(this.#wire);
  }

  override startTls(options: TlsOptions): void {
    this.#refuseClosed("startTls");
    const listener = this.#made?.listener;
    if (listener !== undefined) {
      listener.renewTls(TlsContext.server(options));
      return;
    }
    const wire = this.#wire;
    if (this.#tls !== undefined) throw osError("EALREADY", { syscall: "startTls" });
    if (this.state !== "open" || wire === undefined) throw osError("ENOTCONN", { syscall: "startTls" });
    const accepted = wire.listener !== undefined && wire.listener !== null;
    const tls = new TlsState(accepted ? TlsContext.server(options) : TlsContext.client(options));
    this.#unpark();
    this.#preface?.end();
    this.#preface = undefined;
    this.startSecuring(() => this.#upgrade(tls));
    this.#tls = tls;
    this.#watch?.delete(this);
    this.#urgent = false;
  }

  #upgrade(tls: TlsState): void {
    const wire = this.#wire;
    if (wire === undefined) return;
    this.#tls = tls;
    try {
      this.#wire = upgraded(wire, tls.context.bunOptions(this.#made?.host ?? ""), this);
    } catch (error) {
      this.wireFailed(handshakeError(error));
      this.wireTerminate();
    }
  }

  #tlsOpened(wire: Wire, tls: TlsState): void {
    const { session } = tls.context;
    if (session !== undefined)
      (wire as unknown as { setSession(session: Uint8Array): void }).setSession(session);
    if (this.securing) return;
    if (this.#endpoint?.canPause === true) this.#awaitConnected(wire, this.limits.connectTimeoutMs);
    else this.startHandshake();
  }

  // Bun does not say when an adopted connect has succeeded if TLS is to follow, and the two have deadlines of their own.
  #awaitConnected(wire: Wire, restMs: number): void {
    const lookMs = Math.min(restMs, this.limits.handshakeTimeoutMs / LOOKS);
    this.arm(lookMs, () => {
      if (this.#endpoint?.isConnected(wire) === true) this.startHandshake();
      else if (restMs > lookMs) this.#awaitConnected(wire, restMs - lookMs);
      else {
        this.wireFailed(this.connectTimedOut());
        this.wireTerminate();
      }
    });
  }

  bunSecured(wire: Wire, ok: boolean, error: unknown): void {
    const tls = this.#tls;
    if (tls === undefined || !this.pending) return;
    const { context } = tls;
    const failure = context.failure(ok, error, tls.refusal);
    if (failure === undefined) {
      tls.secured = { context, error: context.authorizationError(error) };
      this.wireOpened();
      return;
    }
    this.wireFailed(failure);
    // Bun closes it, after the alert that tells the peer why; if it does not, this does. Where the handshake has
    // succeeded to the peer there is none, and Bun would end the connection as if nothing had happened.
    if (ok) wire.terminate();
    else setImmediate(() => wire.terminate());
  }
  bunServerName(name: string, waiter: SniWaiter): SniAnswer {
    const tls = this.#tls;
    return tls?.context.answer(name, waiter, (why) => {
      tls.refusal = why;
    });
  }
  bunSession(session: Buffer): void {
    if (this.#tls !== undefined) this.#tls.session = session;
  }
  bunBroke(error: unknown): void {
    if (this.#tls !== undefined) this.#tls.broken = sessionError(error);
  }

  protected override get closesAtOnce(): boolean {
    return this.#tls === undefined;
  }

  protected override get holdsBack(): boolean {
    const wire = this.#wire;
    return (
      wire !== undefined && this.#tls?.holdsBack(wire, this.family === AF_UNIX ? undefined : libc()) === true
    );
  }

  // --- the wire ----------------------------------------------------------------------------------------------

  protected wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#wire === undefined) return -1;
    const taken = this.#wire.write(bytes, offset, length);
    if (taken < length && this.#parked !== undefined) this.#unpark();
    return taken;
  }
  protected wireShutdown(): void {
    this.#unpark();
    this.#wire?.shutdown();
  }
  protected wirePause(): void {
    this.#wire?.pause();
  }
  protected wireResume(): void {
    if (this.#preface === undefined) this.#wire?.resume();
  }
  // Of TCP a bare close(2); end() is the same with a system call more.
  protected wireClose(): void {
    this.#letGo()?.close();
  }
  protected wireTerminate(): void {
    this.#letGo()?.terminate();
  }

  protected override wireReleased(): void {
    this.#preface?.end();
    this.#preface = undefined;
    this.#made?.listener?.close();
    this.#endpoint?.close();
    this.#endpoint = undefined;
    this.#parked?.forget();
    this.#watch?.delete(this);
    this.#watch = undefined;
  }

  #letGo(): Wire | undefined {
    this.wireReleased();
    const wire = this.#wire;
    this.#wire = undefined;
    return wire;
  }

  // --- garbage collection ------------------------------------------------------------------------------------

  protected override wireUnobserved(): void {
    this.parkIfIdle();
  }

  /** For the listener: this was handed out; when nobody observes it, only the program's own references count. */
  parkIfIdle(): void {
    const wire = this.#wire;
    const idle = this.observer === undefined && this.state === "open" && this.bufferedAmount === 0;
    if (!idle || this.#parked !== undefined || wire === undefined) return;
    const { family } = this;
    const tls = this.#tls;
    this.#parked = new Parked(this, wire, () => {
      // It was paused with its socket; paused, it would not see the peer's FIN.
      wire.resume();
      const last = new TcpSocket(family, wire);
      last.#tls = tls;
      last.close();
    });
  }

  override observe(observer: Parameters<Socket["observe"]>[0]): void {
    this.#unpark();
    super.observe(observer);
    if (observer === undefined) this.parkIfIdle();
  }

  #unpark(): void {
    if (this.#parked === undefined) return;
    this.#parked.forget();
    this.#parked = undefined;
    if (this.#wire !== undefined) this.#wire.data = this;
  }

  // --- urgent data -------------------------------------------------------------------------------------------

  override get urgentReady(): boolean {
    return this.#urgent;
  }
  override watchUrgent(): void {
    const c = libc();
    if (c === undefined || this.#noUrgent !== undefined || this.#wireFd() < 0) return;
    if (this.#urgent) this.#urgent = c.urgent([this.#wireFd()]).length > 0;
    this.#watch = urgentWatch ??= new UrgentWatch(c);
    this.#watch.add(this);
  }
  override close(): void {
    this.#watch?.delete(this);
    if (this.#preface !== undefined) {
      // From here on Bun reads, and sees the peer's FIN.
      this.#preface.end();
      this.#preface = undefined;
      this.#wire?.resume();
    }
    super.close();
  }
  urgentCame(): void {
    this.#urgent = true;
    this.observer?.socketReady();
  }
  override recvUrgent(): Buffer | undefined {
    this.#refuseClosed("recv");
    this.#urgent = false;
    return this.#needUrgent("recv").recvUrgent(this.#wireFd());
  }
  override sendUrgent(data: SendData): number {
    this.#refuseClosed("send");
    const c = this.#needUrgent("send");
    const bytes = typeof data === "string" ? Buffer.from(data) : bytesOf(data);
    this.flush();
    // It cannot overtake what is queued, and cannot be queued itself: the queue knows no urgent bytes.
    if (this.bufferedAmount > 0) {
      throw osError("EAGAIN", { syscall: "send", detail: "urgent data behind bytes the peer has not taken" });
    }
    return c.sendUrgent(this.#wireFd(), bytes);
  }
  #needUrgent(syscall: string): Libc {
    const c = libc();
    const none = this.#noUrgent ?? "urgent data needs the C library";
    if (c === undefined || this.#noUrgent !== undefined)
      throw osError("EOPNOTSUPP", { syscall, detail: none });
    if (this.#wireFd() < 0) throw osError("ENOTCONN", { syscall });
    return c;
  }
  // TLS has no urgent data: what is sent so would go out in plain between its records, what comes so is anybody's.
  get #noUrgent(): string | undefined {
    if (this.#tls !== undefined) return "no urgent data with TLS";
    return this.family === AF_UNIX ? "no urgent data on unix sockets" : undefined;
  }

  // --- a normal non-blocking socket --------------------------------------------------------------------------

  protected override get acceptReady(): boolean {
    return this.#made?.listener?.ready === true;
  }

  getsockname(): Address {
    this.#refuseClosed("getsockname");
    if (this.#name !== undefined) return this.#name;
    const fd = this.#wireFd();
    const c = fd >= 0 ? libc() : undefined;
    return c === undefined ? this.#anyEndpoint("getsockname").getsockname() : c.getsockname(fd);
  }

  getpeername(): Address {
    this.#refuseClosed("getpeername");
    const connecting = this.state === "connecting" && !this.securing;
    if (this.state === "idle" || this.state === "listening" || connecting) {
      throw osError("ENOTCONN", { syscall: "getpeername" });
    }
    return this.#peer ?? "";
  }

  getsockopt(level: number, name: number): number {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      if (this.state === "closed") noDescriptor("getsockopt");
      const error = this.takeError();
      // The kernel's answer, taken here, would be missing when Bun asks how the connect ended.
      if (error !== undefined || this.#wire === undefined || this.pending) {
        return error?.errno ?? 0;
      }
    }
    const wire = this.#wireFd();
    if (wire >= 0) return (libc() ?? noLibrary("getsockopt")).getsockopt(wire, level, name);
    return this.#anyEndpoint("getsockopt").getsockopt(level, name);
  }

  setsockopt(level: number, name: number, value: number): void {
    const wire = this.#wireFd();
    if (wire >= 0) (libc() ?? noLibrary("setsockopt")).setsockopt(wire, level, name, value);
    else this.#anyEndpoint("setsockopt").setsockopt(level, name, value);
  }

  fileno(): number {
    const wire = this.#wireFd();
    return wire >= 0 ? wire : (this.#endpoint?.fd ?? -1);
  }

  #wireFd(): number {
    return this.#wire?.fd ?? -1;
  }

  #anyEndpoint(syscall: string): Endpoint {
    return this.#endpoint ?? noDescriptor(syscall);
  }
}

/** What a socket that the program made knows besides its endpoint. */
interface Made {
  readonly tls: TlsOptions | undefined;
  /** Listening: connections begin with something before TLS. */
  readonly preface: boolean;
  /** The name that connect() was given, for a certificate to be held against. */
  host: string;
  listener: Listener<TcpSocket> | undefined;
  /** Its own, or its connections'. */
  readonly habit: SendHabit;
}

// What is wrong with the options is told now, as far as it does not depend on which end this will be.
function made(tls?: TlsOptions, preface = false): Made {
  if (tls !== undefined) {
    if (preface || tls?.key !== undefined) TlsContext.server(tls);
    else TlsContext.client(tls);
  }
  if (preface) PrefaceReader.check();
  return { tls: preface ? undefined : tls, preface, host: "", listener: undefined, habit: new SendHabit() };
}

/** The connect itself failed, not the handshake. */
const REFUSALS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ETIMEDOUT",
]);

function noLibrary(syscall: string): never {
  throw osError("ENOSYS", { syscall, detail: "socket options need the C library" });
}

function noDescriptor(syscall: string): never {
  throw osError("EBADF", { syscall, detail: "the socket is closed" });
}
