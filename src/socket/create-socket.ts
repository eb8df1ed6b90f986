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
  /** Streams: TLS from the first byte. */
  readonly tls?: TlsOptions;
}

/**
 * A new, idle socket.
 *
 * @throws {OSError} EAFNOSUPPORT, EPROTONOSUPPORT, EMFILE
 * @throws {TLSError} options that TLS cannot begin with
 */
export function createSocket(options: SocketOptions = {}): Socket {
  const { family = AF_INET, type = SOCK_STREAM, tls } = options;
  return type === SOCK_DGRAM ? UdpSocket.create(family, tls) : TcpSocket.create(family, type, tls);
}
