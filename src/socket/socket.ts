/**
 * THE CONTRACT. What a dispatcher may expect of a socket, whatever carries its bytes: TCP, unix, memory, a user's
 * own kind. Everything above `socket/` is written against this file; the conformance suite in `asyncore/testing`
 * says in running code what the sentences here say.
 *
 * A socket never calls a user's hook. It records what happened (bytes, end of stream, room to write, connected,
 * failed) and tells its one {@link SocketObserver} to look at {@link Socket.readReady} and
 * {@link Socket.writeReady}; when to act on that is the observer's business. Both are level-triggered: they stay
 * true until what caused them was taken.
 *
 * Expected conditions are values: nothing to read is `undefined`, end of stream an empty buffer, a full kernel
 * buffer no condition at all (the socket keeps the rest). Errors are {@link OSError}s.
 */
import type { Address } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import type { OSError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import type { Preface } from "./preface.ts";
import type { ByteRates } from "./throttle.ts";
import type { TlsOptions, TlsSession } from "./tls-options.ts";

/** What {@link Socket.whenReleased} calls. */
export type Released = (unsentBytes: number, timedOut: boolean) => void;

/** Whoever a socket reports to: the dispatcher that holds it. */
export interface SocketObserver {
  /** The wire told something: look at `readReady` and `writeReady`, now if you like. May be called when nothing changed. */
  socketReady(): void;
  /** The same, but from inside a call of the owner's (`send`, `shutdown` …): look after that call has returned. */
  socketChanged(): void;
}

/** Bounds and deadlines of one stream. One frozen object serves any number of sockets; see {@link streamLimits}. */
export interface StreamLimits {
  /** `writeReady` is false from here … Default 64 KiB. */
  readonly highWaterBytes: number;
  /** … until the queue has fallen to here. Default a quarter of the high water mark. */
  readonly lowWaterBytes: number;
  /** Most memory a send queue may hold; the send that would pass it fails with ENOBUFS. Default 64 MiB. */
  readonly maxBufferedBytes: number;
  /** Most bytes an `AsyncChat` collects before a terminator, where that is less than its class says. Default Infinity. */
  readonly maxCollectBytes: number;
  /** Longest time a connect may take, name look-up included. Default 60 s. */
  readonly connectTimeoutMs: number;
  /** Longest time a TLS handshake may take. Default 10 s. */
  readonly handshakeTimeoutMs: number;
  /** Longest wait, after `close()`, for the peer to take more of what is queued. Default 30 s. */
  readonly closeTimeoutMs: number;
  /** Longest wait for the peer's FIN after ours. Default 5 s. */
  readonly lingerTimeoutMs: number;
  /** Longest time in which nothing moves on a connection: nothing comes, and the peer takes nothing. Default: no limit. */
  readonly idleTimeoutMs: number;
  /** Longest time of one request, from `beginRequest()` to `endRequest()`, whatever moves. Default: no limit. */
  readonly requestTimeoutMs: number;
  /** Longest time a connection may stand. Default: no limit. */
  readonly lifetimeTimeoutMs: number;
}

/** What became of a socket. Each is entered once; the picture is in `stream-socket.ts`. */
export type SocketState =
  | "idle"
  | "listening"
  | "connecting"
  | "open"
  | "ended"
  | "flushing"
  | "lingering"
  | "closed";

/** A non-blocking socket. */
export interface Socket {
  /** `AF_INET`, `AF_INET6` or `AF_UNIX`. */
  readonly family: number;
  /** `SOCK_STREAM`. */
  readonly type: number;
  readonly state: SocketState;
  /** May be replaced at any time. */
  limits: StreamLimits;

  /** The time its deadlines run on. */
  readonly clock: Clock;
  /** The TLS session: undefined on a plain socket, and until the handshake has succeeded. */
  readonly tls: TlsSession | undefined;
  /**
   * Accepted by a listener that was made with `preface: true`: reads what the peer says before its TLS handshake, and no
   * byte more; `readReady` stays false, the observer is told all the same. Gone with `startTls()`.
   */
  readonly preface: Preface | undefined;
  /** The client's address where a proxy in front of us named it; undefined when the peer is the client. */
  origin: Address | undefined;

  /** Bytes accepted by `send()` and not yet taken by the kernel. */
  readonly bufferedAmount: number;
  /** Bytes handed out by `recv()` so far. */
  readonly bytesRead: number;
  /** Bytes accepted by `send()` so far. */
  readonly bytesSent: number;

  /** `recv()`, or on a listener `accept()`, has something to say: bytes, a connection, end of stream, an error. */
  readonly readReady: boolean;
  /** Open with room below the water marks, or failed: a send would be taken, or would tell the error. */
  readonly writeReady: boolean;

  /** Urgent data was announced and has not been taken. Only after {@link watchUrgent}. */
  readonly urgentReady: boolean;

  /** Who observes it, if anybody does. */
  readonly observer: SocketObserver | undefined;
  /** Names the one observer; undefined takes it away. A socket without one stops reading from its peer. */
  observe(observer: SocketObserver | undefined): void;

  /** @throws {OSError} EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already) … */
  bind(address: Address): void;
  /** @throws {OSError} EINVAL when connected or already listening, EADDRINUSE … */
  listen(backlog: number): void;
  /**
   * The next connection, or undefined when there is none.
   *
   * @throws {OSError} EINVAL when not listening; with TLS the TLSError of a connection whose handshake failed
   */
  accept(): readonly [Socket, Address] | undefined;
  /** Leaves connections waiting in the kernel … @throws {OSError} EINVAL not listening; ENOSYS without the C library */
  pauseAccepting(): void;
  /** … until now. */
  resumeAccepting(): void;
  /** Connections for whose address `filter` says no are reset, before anything (a TLS handshake) is done for them. @throws {OSError} EINVAL not listening */
  filterAccepts(filter: (address: Address) => boolean): void;
  /**
   * Begins to connect. Only misuse is thrown (EISCONN, EALREADY, EINVAL while listening, a malformed address);
   * how the attempt ends is told by `readReady`/`writeReady` and {@link takeError}, never before this returns.
   */
  connect(address: Address): void;

  /**
   * Accepts all of `data`, or throws. The caller may reuse its memory at once.
   * @returns the length of `data` in bytes
   * @throws {OSError} ENOTCONN never connected; EPIPE after `shutdown(SHUT_WR)`; EBADF after `close()`; ENOBUFS over
   *   the cap, and the socket is then aborted; ECONNRESET, EPIPE, ETIMEDOUT when the connection was lost
   * @throws {ArgumentTypeError} neither text nor bytes, or detached memory
   */
  send(data: SendData): number;
  /**
   * Up to `size` bytes (default: the rest of the first chunk as it came); an empty buffer at end of stream;
   * undefined when there is nothing to read now. A recorded error is thrown once the bytes before it were taken.
   */
  recv(size?: number): Buffer | undefined;
  /** Writes what was sent so far without waiting for the end of the turn. */
  flush(): void;
  /**
   * Sends one datagram, whole or not at all; `address` may be left out when connected.
   *
   * @returns its length in bytes; 0 when the kernel has no room now, and the datagram was not sent
   * @throws {OSError} EOPNOTSUPP not a datagram socket; EMSGSIZE, EDESTADDRREQ, ECONNREFUSED (connected only) …
   */
  sendto(data: SendData, address?: Address): number;
  /** The next datagram and its sender, undefined when there is none. @throws {OSError} EOPNOTSUPP, ECONNREFUSED … */
  recvfrom(): readonly [Buffer, Address] | undefined;
  /**
   * Begins TLS on a connection that stands; `readReady` and `writeReady` stay false until the handshake is over. What was sent
   * before goes out first, in plain. How it ends is told like the outcome of a connect; see `tls-options.ts`. On a
   * listener: connections accepted from now on speak TLS so (also to renew a certificate).
   *
   * @throws {OSError} EOPNOTSUPP this kind of socket has no TLS; ENOTCONN; EALREADY TLS has begun before
   * @throws {TLSError} the options are wrong, or (`PLAINTEXT_BEHIND`) something received has not been read
   */
  startTls(options: TlsOptions): void;
  /**
   * How fast it may read and write from now on; undefined: as fast as it can.
   *
   * @throws {ArgumentRangeError} a rate that is none
   * @throws {OSError} EOPNOTSUPP not a stream
   */
  throttle(rates: ByteRates | undefined): void;
  /** Whether its rates hold reading or writing back at this moment. */
  readonly throttled: boolean;
  /** From now on urgent data is told; again: forgets a byte that reading has passed. Nothing where a kind of socket has none. */
  watchUrgent(): void;
  /** The urgent byte, undefined when there is none. @throws {OSError} EOPNOTSUPP this kind of socket has none */
  recvUrgent(): Buffer | undefined;
  /** Sends `data`, its last byte urgent, after all that was sent before. @throws {OSError} EOPNOTSUPP, EAGAIN … */
  sendUrgent(data: SendData): number;
  /** `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`. What is queued goes out before the FIN. @throws {OSError} ENOTCONN, EBADF */
  shutdown(how: number): void;

  /** Flushes, sends FIN, waits a bounded time for the peer's, releases. Returns at once; may be called again. */
  close(): void;
  /** Drops what is queued and resets the connection. Returns when the descriptor is released. */
  abort(): void;
  /** Resets the connection as if it had been lost with `error`, which the observer is told. For who is not its owner. */
  cut(error: OSError): void;

  /**
   * Calls `callback` once the descriptor is released, with the count of accepted bytes that did not get out, and whether
   * `closeTimeoutMs` has ended the wait for them.
   */
  whenReleased(callback: Released): void;

  /** The error a connect or the connection ended with, which reading clears (`SO_ERROR`). */
  takeError(): OSError | undefined;

  /** Own address. @throws {OSError} EBADF */
  getsockname(): Address;
  /** The peer's address. @throws {OSError} ENOTCONN, EBADF */
  getpeername(): Address;
  /** @throws {OSError} ENOPROTOOPT, EBADF, ENOSYS where the platform's C library is out of reach */
  getsockopt(level: number, name: number): number;
  /** @throws {OSError} as {@link getsockopt} */
  setsockopt(level: number, name: number, value: number): void;
  /** The descriptor, -1 when there is none (closed, memory, or not opened yet). */
  fileno(): number;
}
