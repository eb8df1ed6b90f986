/**
 * `Dispatcher`: asyncore's class. Subclass it and override the `handle…` methods. The methods here are the socket's,
 * in asyncore's words, and the hooks with asyncore's defaults; how events reach the hooks is `dispatch.ts`. It has few
 * names beyond asyncore's, so that a subclass is free in its own.
 */
import type { Address } from "../base/address.ts";
import { AF_INET, MSG_OOB, SHUT_RD, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from "../base/constants.ts";
import { ArgumentRangeError, DISCONNECTED, OSError, osError, TLSError } from "../base/errors.ts";
import { isEmpty, type SendData } from "../bytes/send-data.ts";
import { defaultLimits } from "../socket/limits.ts";
import { createSocket, type SocketOptions } from "../socket/create-socket.ts";
import type { Socket, StreamLimits } from "../socket/socket.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import { inTurn } from "../socket/turn.ts";
import { type ChannelMap, socketMap } from "./channel-map.ts";
import type { Dispatch, Hooked, HookResult } from "./dispatch.ts";
import { describeChannel, describeFailure, peerOf } from "./describe.ts";
import { dispatchWith } from "./hook-dispatch.ts";
import { writeLine } from "./log.ts";
import { type Closed, Milestones } from "./milestones.ts";
import { connectTimeout, type TimeoutKind } from "./timeouts.ts";
import type { Timer } from "./timers.ts";

const EMPTY: Buffer = Buffer.alloc(0);

/**
 * A channel: a socket and the hooks that are called when something happens to it.
 *
 * Every hook may be `async`. A hook that throws or rejects costs its own channel only: the error goes to
 * {@link handleError}, which logs it and closes the channel.
 *
 * @example An echo server and a client
 * ```ts
 * import { Dispatcher, type Socket } from "asyncore";
 *
 * class Echo extends Dispatcher {
 *   override handleRead() {
 *     this.send(this.recv());
 *   }
 * }
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     new Echo(socket);
 *     this.close();
 *   }
 * }
 * class Client extends Dispatcher {
 *   override handleConnect() {
 *     this.send("hello");
 *   }
 *   override handleRead() {
 *     if (this.recv().toString() !== "hello") throw new Error("not an echo");
 *     this.close();
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 * const client = new Client();
 * client.createSocket();
 * client.connect(server.getsockname());
 * ```
 */
export class Dispatcher implements Hooked {
  /** Bounds and deadlines for the sockets of this class; see `streamLimits()`. An instance's are `socket.limits`. */
  static limits: StreamLimits = defaultLimits;

  /** For maps and passes: how this channel's events reach its hooks. Not for programs. */
  readonly channelDispatch: Dispatch;
  /** The socket, closed or not; undefined before `createSocket()`. */
  socket: Socket | undefined = undefined;
  /** Connected to a peer. */
  connected = false;
  /** Listening for connections. */
  accepting = false;
  /** A connect is under way. */
  connecting = false;
  /** The address given to `bind()` or `connect()`, or the peer's. */
  addr: Address | undefined = undefined;
  #closed = false;
  #endTold = false;
  #lossTold = false;
  #sendShut = false;
  /** Why the end that handleClose() may still be told of is none. */
  #lost: OSError | undefined;
  /** Undefined until somebody asks for `opened` or `closed`. */
  #milestones: Milestones | undefined;

  /**
   * @param socket one to take over, as `handleAccepted` gets it; without, call `createSocket()`
   * @param map where the channel is registered. Default: `socketMap`
   */
  constructor(socket?: Socket, map: ChannelMap = socketMap) {
    this.channelDispatch = new DispatcherDispatch(this, map);
    if (socket !== undefined) this.setSocket(socket);
  }

  // --- the socket --------------------------------------------------------------------------------------------

  /**
   * Makes a new, non-blocking socket and registers the channel. A socket the channel still had is closed. With `tls`
   * the hooks see what TLS carries, and `handleConnect()` or `handleAccepted()` comes after the handshake.
   *
   * @throws {OSError} EAFNOSUPPORT, EPROTONOSUPPORT, EMFILE
   * @throws {TLSError} options that TLS cannot begin with
   */
  createSocket(family?: number, type?: number): void;
  createSocket(options: SocketOptions): void;
  createSocket(first: number | SocketOptions = AF_INET, type: number = SOCK_STREAM): void {
    this.setSocket(createSocket(typeof first === "object" ? first : { family: first, type }));
  }

  /** Takes `socket` over and registers the channel, in `map` if given. A socket the channel still had is closed. */
  setSocket(socket: Socket, map?: ChannelMap): void {
    const { limits } = this.constructor as typeof Dispatcher;
    if (limits !== defaultLimits) socket.limits = limits;
    this.channelDispatch.renew();
    if (this.socket !== socket) this.socket?.close();
    if (this.#closed || (this.socket !== undefined && this.socket !== socket)) {
      this.#milestones?.giveUp();
      this.#milestones = undefined;
    }
    this.#closed = false;
    this.#endTold = false;
    this.#lost = undefined;
    this.#lossTold = false;
    this.#sendShut = false;
    this.socket = socket;
    const { state } = socket;
    this.connected = state === "open" || state === "ended";
    this.connecting = state === "connecting";
    this.accepting = state === "listening";
    // One whose TLS is under way has a peer already.
    if (this.connected || this.connecting) this.addr = peerOf(socket) ?? this.addr;
    this.#milestones?.attach(socket);
    if (this.connected || this.accepting) this.#milestones?.open();
    this.addChannel(map);
  }

  /** Puts this channel into `map` (default: its own), where its events are dispatched. */
  addChannel(map?: ChannelMap): void {
    this.channelDispatch.add(map);
  }

  /** Takes this channel out of its map: it gets no more events. */
  delChannel(map?: ChannelMap): void {
    this.channelDispatch.remove(map);
  }

  /** Asks `readable()` and `writable()` again, next turn, and looks at `socket.limits`: something has changed elsewhere. */
  wake(): void {
    this.channelDispatch.wake();
  }

  /** Lets the address be bound again while connections of an earlier server linger in TIME_WAIT (SO_REUSEADDR). */
  setReuseAddr(): void {
    try {
      this.#need("setsockopt").setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    } catch (error) {
      // asyncore: where it cannot be had, do without. The bind() that needed it tells.
      if (!(error instanceof OSError)) throw error;
    }
  }

  /**
   * Binds to `address`: `[host, port]` (port 0: any free one, empty host: every interface) or a unix path. A stale
   * unix socket file is replaced; a live one or a plain file never is.
   *
   * @throws {OSError} EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT, ENAMETOOLONG, ENOENT, EINVAL (bound already)
   * @throws {ArgumentTypeError|ArgumentRangeError} malformed address
   */
  bind(address: Address): void {
    this.#need("bind").bind(address);
    this.addr = address;
  }

  /** Listens; each connection calls `handleAccept()`. @throws {OSError} EADDRINUSE, EINVAL, EBADF */
  listen(backlog: number = 512): void {
    this.#need("listen").listen(backlog);
    this.accepting = true;
    this.#milestones?.open();
  }

  /** The next waiting connection and its address, or null. @throws {OSError} EINVAL when not listening, EBADF */
  accept(): [Socket, Address] | null {
    const pair = this.#need("accept").accept();
    return pair === undefined ? null : [pair[0], pair[1]];
  }

  /**
   * Begins to connect; `handleConnect()` tells when it is done. A connect that fails calls `handleError()` with the
   * {@link OSError}, always after this method has returned.
   *
   * @throws {OSError} misuse only: EISCONN, EALREADY, EINVAL (listening), EBADF, EAFNOSUPPORT, ENAMETOOLONG
   * @throws {ArgumentTypeError|ArgumentRangeError} malformed address
   */
  connect(address: Address): void {
    this.#need("connect").connect(address);
    this.connected = false;
    this.connecting = true;
    this.addr = address;
  }

  /**
   * Sends all of `data`: what the kernel does not take now is kept and follows. Sends of one turn go out in one
   * write; where the listener's channels have sent bytes once a turn so far, the turn's first goes out by itself. The caller
   * may reuse its memory at once.
   *
   * With `MSG_OOB` the last byte of `data` is urgent; it goes out at once, or not at all (0) while something is queued.
   *
   * @returns the length in bytes; 0 when the connection is gone (`handleClose()` has been called, or will be)
   * @throws {OSError} EBADF after `close()`, but not in another channel's hook, where it returns 0; ENOTCONN before
   *   `connect()`; ENOBUFS when the queue would pass `limits.maxBufferedBytes`: the connection is reset. Only the
   *   channel's own hooks have ENOBUFS thrown at them. Everybody else gets 0, and the channel's `handleError()` the
   *   error: who does not read must not bring down who writes
   * @throws {ArgumentTypeError} neither text nor bytes, or detached memory
   */
  send(data: SendData, flags: number = 0): number {
    const socket = this.socket;
    if (this.#closed && this.#isUnsaid(data)) return 0;
    try {
      if (socket === undefined) return this.#need("send").send(data);
      return flags === 0 ? socket.send(data) : this.#sendUrgent(socket, data, flags);
    } catch (error) {
      return this.#sendFailed(error);
    }
  }

  // `this.send(this.recv())` at the end of the stream, and a broadcast to somebody who has left: no mistakes. Every echo's
  // connection ends so; an error made and caught would cost it more than its bytes.
  #isUnsaid(data: SendData): boolean {
    return isEmpty(data) || (inTurn() && !this.channelDispatch.active);
  }

  #sendUrgent(socket: Socket, data: SendData, flags: number): number {
    if (flags !== MSG_OOB) throw new ArgumentRangeError(`send: flags are 0 or MSG_OOB, not ${String(flags)}`);
    return socket.sendUrgent(data);
  }

  // asyncore: a lost connection is handleClose()'s business and not an error of the sender. And an error of this
  // channel must not break whoever happens to write to it, another channel's hook or a timer: unless one of this
  // channel's own hooks is running, it goes to its handleError() instead.
  #sendFailed(error: unknown): number {
    if (!(error instanceof OSError)) throw error;
    // asyncore: what would block was not sent, and that is no error.
    if (error.code === "EAGAIN") return 0;
    const dispatch = this.channelDispatch;
    if (this.#closed) throw error;
    if (dispatch.failing) return 0;
    const lost = DISCONNECTED.has(error.code);
    if (!this.connected && !this.connecting) throw error;
    if (error.code === "ENOBUFS") {
      // Told here, so not once more by the socket; and what was still connecting will not.
      this.socket?.takeError();
      if (this.connecting) this.#own.fail(error);
      this.connecting = false;
      this.#lost = error;
    }
    if (!dispatch.active) {
      // A mistake is told to who makes it; a loss to handleClose(), also when nobody reads.
      if (this.#sendShut && !inTurn()) throw error;
      if (!lost) dispatch.failLater(error);
      else if (!this.#sendShut) dispatch.runLater(() => this.#disconnected(error));
      return 0;
    }
    if (!lost) throw error;
    this.#disconnected(error);
    return 0;
  }

  /**
   * With `MSG_OOB` the urgent byte (empty when there is none); TCP keeps only the last one sent. Without:
   * up to `size` bytes of what has been received; without `size` the next chunk as it came, which costs no copy. An
   * empty buffer when there is nothing now; at the end of the stream an empty buffer too, and `handleClose()` has
   * been called, once.
   *
   * @throws {OSError} EBADF after `close()`, ETIMEDOUT …; a reset is an end of the stream
   * @throws {ArgumentRangeError} negative or fractional size
   */
  recv(size?: number, flags: number = 0): Buffer {
    if (flags !== 0 && flags !== MSG_OOB) {
      throw new ArgumentRangeError(`recv: flags are 0 or MSG_OOB, not ${String(flags)}`);
    }
    let chunk: Buffer | undefined;
    try {
      const socket = this.#need("recv");
      if (flags === MSG_OOB) return socket.recvUrgent() ?? EMPTY;
      chunk = socket.recv(size);
    } catch (error) {
      if (this.#closed || !(error instanceof OSError) || !DISCONNECTED.has(error.code)) throw error;
      this.#disconnected(error);
      return EMPTY;
    }
    if (chunk === undefined) return EMPTY;
    // An empty datagram is a datagram.
    if (chunk.length === 0 && size !== 0 && this.socket?.type === SOCK_STREAM) this.#disconnected(this.#lost);
    return chunk;
  }

  /**
   * Sends one datagram, whole or not at all; without `address` to the one given to `connect()`.
   *
   * @returns its length in bytes; 0 when the kernel has no room now, and it was not sent
   * @throws {OSError} EMSGSIZE, EDESTADDRREQ, EISCONN, ECONNREFUSED (connected only) …; EOPNOTSUPP on a stream
   */
  sendto(data: SendData, address?: Address): number {
    return this.#need("sendto").sendto(data, address);
  }
  /** The next datagram and its sender, null when there is none. @throws {OSError} ECONNREFUSED …; EOPNOTSUPP on a stream */
  recvfrom(): [Buffer, Address] | null {
    const datagram = this.#need("recvfrom").recvfrom();
    return datagram === undefined ? null : [datagram[0], datagram[1]];
  }

  /**
   * Begins TLS on a connection that stands (STARTTLS), with what was sent before going out in plain first. Nothing is
   * read until the handshake is over; then `handleSecure()` is called, or `handleError()` with the {@link TLSError}. What is
   * sent meanwhile goes out after it. On a listener: how connections begin from now on (also to renew a certificate).
   *
   * @throws {OSError} ENOTCONN, EALREADY, EBADF
   * @throws {TLSError} options that TLS cannot begin with; `PLAINTEXT_BEHIND`: bytes the peer sent before its
   *   handshake are still unread. They may be an attacker's, so they must not count as received through TLS. What the
   *   channel has taken out already, and not acted on, is its own to refuse or to forget; `AsyncChat` does so
   */
  startTls(options: TlsOptions): void {
    const socket = this.#need("startTls");
    socket.startTls(options);
    if (this.accepting) return;
    this.channelDispatch.awaitOutcome(() => {
      const error = socket.takeError();
      if (error === undefined) return this.handleSecure();
      this.channelDispatch.counter?.handshakeFailed(error);
      return this.#connectFailed(error);
    });
  }

  // Once for the clean end; and once for a loss, which may follow an end that did not close.
  #disconnected(lost?: OSError): void {
    if (this.#lossTold || (lost === undefined && this.#endTold)) return;
    if (lost === undefined) this.#endTold = true;
    else this.#lossTold = true;
    const { generation } = this.channelDispatch;
    this.channelDispatch.track(this.handleClose(lost), generation);
  }

  /**
   * Closes: no hook runs any more, but for `handleTimeout("close")`; what is queued is flushed, then FIN is sent, then the peer's is waited for, all
   * in the background and each for a bounded time (`limits`). May be called again.
   */
  close(): void {
    const again = this.#closed;
    const { socket } = this;
    this.#forget();
    // First the socket, then the map: a socket that leaves its map open would be taken for one nobody wants.
    socket?.close();
    this.delChannel();
    if (socket !== undefined && !again && this.closing) this.channelDispatch.awaitDelivery(socket);
  }

  /** Closes at once: drops what is queued and resets the connection. */
  abort(): void {
    this.#forget();
    this.socket?.abort();
    this.delChannel();
  }

  #forget(): void {
    this.connected = false;
    this.accepting = false;
    this.connecting = false;
    this.#closed = true;
    this.channelDispatch.close();
    this.#milestones?.giveUp();
  }

  /**
   * Resolves with this channel once it is connected, TLS handshake included, or listens; at once when it is so
   * already. What was asked for before `createSocket()` is told of the first socket, otherwise of the present one.
   *
   * @throws {OSError} rejects with what `handleError()` gets when the connect fails; with ECANCELED when the channel is
   *   closed, or gets another socket, before it was connected
   */
  get opened(): Promise<this> {
    return this.#asked().opened as Promise<this>;
  }

  /** Resolves once the descriptor is released: what `close()` does in the background is over. Never rejects. */
  get closed(): Promise<Closed> {
    return this.#asked().closed;
  }

  #asked(): Milestones {
    if (this.connected || this.accepting) this.#own.open();
    else if (this.#closed) this.#own.giveUp();
    return this.#own;
  }
  get #own(): Milestones {
    return (this.#milestones ??= new Milestones(this, this.socket));
  }

  // A deadline of the socket's is told as what it is.
  #connectFailed(error: OSError): HookResult {
    this.connecting = false;
    this.#own.fail(error);
    const kind = connectTimeout(error);
    if (kind === undefined) throw error;
    return this.handleTimeout(kind, error);
  }

  /** Whether the channel was closed and its socket still delivers, or waits for the peer's FIN. */
  get closing(): boolean {
    const state = this.socket?.state;
    return this.#closed && (state === "flushing" || state === "lingering");
  }

  /** `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`. What is queued goes out before the FIN. @throws {OSError} ENOTCONN, EBADF */
  shutdown(how: number): void {
    this.#need("shutdown").shutdown(how);
    this.#sendShut ||= how !== SHUT_RD;
  }

  /** Bytes sent and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** The socket's own address: right after `bind()` the real port. @throws {OSError} EBADF */
  getsockname(): Address {
    return this.#need("getsockname").getsockname();
  }
  /** The peer's address. @throws {OSError} ENOTCONN, EBADF */
  getpeername(): Address {
    return this.#need("getpeername").getpeername();
  }
  /** An integer option. @throws {OSError} ENOPROTOOPT, EBADF, ENOSYS without the C library */
  getsockopt(level: number, name: number): number {
    return this.#need("getsockopt").getsockopt(level, name);
  }
  /** Sets an integer option. @throws {OSError} as {@link getsockopt} */
  setsockopt(level: number, name: number, value: number): void {
    this.#need("setsockopt").setsockopt(level, name, value);
  }
  /** The descriptor, -1 when there is none. */
  fileno(): number {
    return this.socket?.fileno() ?? -1;
  }

  #need(syscall: string): Socket {
    const socket = this.socket;
    if (socket === undefined)
      throw osError("ENOTSOCK", { syscall, detail: "no socket: call createSocket() first" });
    return socket;
  }

  // --- time --------------------------------------------------------------------------------------------------

  /**
   * Calls `fn` once, `ms` from now, as one of this channel's hooks: its sends collect, its failure goes to `handleError()`, in
   * poll mode it waits for a pass. Exact, on the socket's clock. The timer ends with `close()`, `abort()` or another socket,
   * waits while the channel is in no map, and does not keep the process alive. See also the free `callLater()`.
   *
   * @throws {OSError} EBADF after `close()`
   * @throws {ArgumentTypeError|ArgumentRangeError} `ms` is not a finite number of at least 0, `fn` no function
   */
  callLater(ms: number, fn: () => unknown): Timer {
    return this.channelDispatch.addTimer("callLater", ms, fn);
  }
  /** The same every `ms`, at a fixed rate; calls do not pile up (see the free `callEvery()`). @throws as `callLater()` */
  callEvery(ms: number, fn: () => unknown): Timer {
    return this.channelDispatch.addTimer("callEvery", ms, fn);
  }

  /** A request begins, which may take `limits.requestTimeoutMs`: until `endRequest()`, or the next begins. @throws {OSError} ENOTSOCK */
  beginRequest(): void {
    this.channelDispatch.beginRequest(this.#need("beginRequest"));
  }
  /** Whether the peer owes the rest of a request: between the two. For `minThroughput` of a server. */
  get requestOpen(): boolean {
    return this.channelDispatch.requestOpen;
  }
  /** The request is over. */
  endRequest(): void {
    this.channelDispatch.endRequest();
  }

  // --- predicates --------------------------------------------------------------------------------------------

  /** Whether this channel wants to read. False pauses the socket, and the peer feels it. Default: true. */
  readable(): boolean {
    return true;
  }
  /** Whether this channel wants `handleWrite()` called. Default: true. */
  writable(): boolean {
    return true;
  }

  // --- events ------------------------------------------------------------------------------------------------

  /** A read event: `handleAccept()` on a listener, else `handleRead()`, after `handleConnectEvent()` if it was still connecting. */
  handleReadEvent(): HookResult {
    if (this.accepting) return this.handleAccept();
    if (!this.connected && this.connecting) {
      const { socket } = this;
      const connected = this.handleConnectEvent();
      // An async handleConnect holds the read back; the event stays.
      if (connected !== undefined || this.#closed || this.socket !== socket) return connected;
    }
    return this.handleRead();
  }

  /** A write event: `handleWrite()`, after `handleConnectEvent()` if it was still connecting. */
  handleWriteEvent(): HookResult {
    if (this.accepting) return undefined;
    if (!this.connected && this.connecting) {
      const { socket } = this;
      const connected = this.handleConnectEvent();
      if (connected !== undefined || this.#closed || this.socket !== socket) return connected;
    }
    return this.handleWrite();
  }

  /** Urgent data: `handleClose()` when the socket has an error, else `handleExpt()`. */
  handleExptEvent(): HookResult {
    return this.socket?.takeError() === undefined ? this.handleExpt() : this.handleClose();
  }

  /** The connect has ended: throws its error, or calls `handleConnect()` and sets `connected`. @throws {OSError} */
  handleConnectEvent(): HookResult {
    const { socket } = this;
    const error = socket?.takeError();
    if (error !== undefined) return this.#connectFailed(error);
    this.#milestones?.open();
    try {
      return this.handleConnect();
    } finally {
      // Unless the hook has closed, or begun anew with another socket. asyncore's order: connected comes after.
      if (this.socket === socket && !this.#closed) {
        this.connected = true;
        this.connecting = false;
        this.#milestones?.open();
      }
    }
  }

  // --- hooks -------------------------------------------------------------------------------------------------

  /** There is something to `recv()`. */
  handleRead(): HookResult {
    this.#unhandled("unhandled read event");
  }
  /** There is room to `send()`, and `writable()` was true. */
  handleWrite(): HookResult {
    this.#unhandled("unhandled write event");
  }
  /** There is urgent data: `recv(1, MSG_OOB)`. Linux, main thread, and only for classes that override this or `handleExptEvent()`. */
  handleExpt(): HookResult {
    this.#unhandled("unhandled incoming priority event");
  }
  /** The connection stands. `connected` becomes true when this returns. */
  handleConnect(): HookResult {
    this.#unhandled("unhandled connect event");
  }
  /** TLS stands after `startTls()`; `socket.tls` tells what was agreed on. A client speaks again here. Default: nothing. */
  handleSecure(): HookResult {}
  /**
   * The peer has ended the connection, or it was lost or took too long: then `reason` says how (asyncore does not
   * tell them apart). Default: warns and closes.
   */
  handleClose(_reason?: OSError): HookResult {
    this.#unhandled("unhandled close event");
    this.close();
  }
  /** A connection is waiting. Default: accepts it and calls `handleAccepted()`. */
  handleAccept(): HookResult {
    const pair = this.accept();
    if (pair === null) return undefined;
    const [socket, address] = pair;
    try {
      return this.handleAccepted(socket, address);
    } catch (error) {
      // Unless a channel has it by now, nobody will ever answer this peer.
      if (socket.observer === undefined) socket.close();
      throw error;
    }
  }
  /** A connection was accepted: give `socket` to a new dispatcher. Default: closes it and warns. */
  handleAccepted(socket: Socket, _address: Address): HookResult {
    socket.close();
    this.#unhandled("unhandled accepted event");
  }
  /**
   * Something took longer than `socket.limits` allow; `error` is ETIMEDOUT. Default: for `connect` and `handshake` throws it, so
   * that `handleError()` gets it like every failed connect; for `close`, when the channel is closed already, warns; for the
   * others warns and calls `handleClose(error)`. A channel that stays open is told again of `idle` after as long a time, of the others no more.
   */
  handleTimeout(kind: TimeoutKind, error: OSError): HookResult {
    if (kind === "connect" || kind === "handshake") throw error;
    this.#unhandled(error.message);
    return kind === "close" ? undefined : this.handleClose(error);
  }
  /**
   * A hook threw or rejected, or the connect failed. Default: logs a compact traceback and calls `handleClose()`. On a
   * listener a {@link TLSError} is one client's failed handshake: it is logged as a warning, and nothing is closed.
   */
  handleError(error: unknown): HookResult {
    if (this.accepting && error instanceof TLSError) {
      this.#unhandled(`handshake failed: ${error.message}`);
      return undefined;
    }
    this.channelDispatch.watch(this.logInfo(describeFailure(this, error), "error"));
    return this.handleClose();
  }
  // An override of logInfo() may be async.
  #unhandled(event: string): void {
    this.channelDispatch.watch(this.logInfo(event, "warning"));
  }

  // --- log ---------------------------------------------------------------------------------------------------

  /** Types of `logInfo()` messages that are not written. Default: warnings. */
  static ignoreLogTypes: ReadonlySet<string> = new Set(["warning"]);

  /** For hits: writes `log: message` to standard error. */
  log(message: string): void {
    writeLine("stderr", `log: ${message}`);
  }
  /** For what is worth knowing (`info`, `warning`, `error`): writes `type: message` to standard output. */
  logInfo(message: string, type: string = "info"): void {
    const { ignoreLogTypes } = this.constructor as typeof Dispatcher;
    if (!ignoreLogTypes.has(type)) writeLine("stdout", `${type}: ${message}`);
  }

  /** `<Echo connected 127.0.0.1:50312 #7>`. */
  toString(): string {
    return describeChannel(this);
  }
}

const DispatcherDispatch = dispatchWith(Dispatcher.prototype);
