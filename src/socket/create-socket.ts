/** socket(2) for all kinds: chooses the class by family and type. */
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from "../base/constants.ts";
import type { Socket } from "./socket.ts";
import { TcpSocket } from "./tcp.ts";
import type { TlsOptions } from "./tls-options.ts";
import { UdpSocket } from "./udp.ts";

/** What `createSocket()` makes. */
export interface SocketOptions {
  /** `AF_INET` (default), `AF_INET6` or `AF_UNIX`. */
  readonly family?: number;
  /** `SOCK_STREAM` (default) or `SOCK_DGRAM`. */
  readonly type?: number;
  /** A listening descriptor this process inherited; family and type are its own. `listen()` begins. Needs the C library. */
  readonly fd?: number;
  /** Streams: TLS from the first byte. */
  readonly tls?: TlsOptions;
  /**
   * Listeners: connections say something in plain before TLS begins (a PROXY header). Accepted sockets then have a
   * `preface` to read it from, and TLS begins with their `startTls()`. `tls` is only checked. Needs the C library.
   */
  readonly preface?: boolean;
}

/**
 * A new, idle socket.
 *
 * @throws {OSError} EAFNOSUPPORT, EPROTONOSUPPORT, EMFILE; with `fd` EBADF, ENOTSOCK, EINVAL, ENOSYS
 * @throws {TLSError} options that TLS cannot begin with
 */
export function createSocket(options: SocketOptions = {}): Socket {
  const { family = AF_INET, type = SOCK_STREAM, fd, tls, preface } = options;
  if (fd !== undefined) return TcpSocket.inherit(fd, tls, preface);
  return type === SOCK_DGRAM ? UdpSocket.create(family, tls) : TcpSocket.create(family, type, tls, preface);
}
