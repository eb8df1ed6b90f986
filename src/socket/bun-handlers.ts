/**
 * The handler objects behind every Bun socket of this library, listening or connected: one for plain sockets, one for
 * those with TLS. They only pass each callback to `socket.data`, so a thousand listeners share one hidden class and
 * reloading code cannot lose a socket. All handlers are installed, always: a missing `end` closes at the peer's FIN, a
 * missing `error` ends the process, a missing `handshake` calls a failed one open.
 */
import type { BunOwner, Wire, WireHandlers } from "./endpoint.ts";
import type { BunTlsOptions, SniAnswer, SniWaiter } from "./tls-context.ts";

export const wireHandlers: WireHandlers = {
  binaryType: "buffer",
  open: (wire) => wire.data.bunOpened(wire as Wire),
  data: (wire, chunk) => wire.data.bunReceived(chunk),
  drain: (wire) => wire.data.bunDrained(),
  end: (wire) => wire.data.bunEnded(),
  close: (wire, error) => wire.data.bunClosed(error),
  error: (_wire, error) => {
    // Users' errors are caught by the dispatcher, and plain sockets have no others: this is a bug of ours. Throwing
    // here makes it an uncaught exception instead of a connection that silently stops.
    throw error;
  },
  connectError: (wire, error) => wire.data.bunClosed(error),
};

/** Bun's types lack the last two. */
type TlsHandlers = WireHandlers & {
  session(wire: Wire, session: Buffer): void;
  serverName(owner: BunOwner, name: string, waiter: SniWaiter): SniAnswer;
};

export const tlsHandlers: TlsHandlers = {
  ...wireHandlers,
  handshake: (wire, ok, error) => wire.data.bunSecured?.(wire as Wire, ok, error),
  session: (wire, session) => wire.data.bunSession?.(session),
  serverName: (owner, name, waiter) => owner.bunServerName?.(name, waiter),
  // With TLS it is the session that broke: a bad record, a fatal alert, a wish to renegotiate.
  error: (wire, error) => {
    if (wire.data.bunBroke === undefined) throw error;
    wire.data.bunBroke(error);
  },
};

/** The handlers, and `tls` only where it is wanted: to Bun it means something even when undefined. */
export function handling(tls: BunTlsOptions | undefined): { socket: object; tls?: BunTlsOptions } {
  return tls === undefined ? { socket: wireHandlers } : { socket: tlsHandlers, tls };
}
