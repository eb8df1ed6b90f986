/**
 * A socket before it carries bytes: what `createSocket()` makes and `bind`, `listen` and `connect` act on. Two kinds
 * exist: `libc-endpoint.ts` has a descriptor from the start, `plain-endpoint.ts` makes do with what Bun offers.
 */
import type { Socket as BunSocket, SocketHandler } from "bun";

import type { Address, Target } from "../base/address.ts";
import type { OSError } from "../base/errors.ts";
import type { BunTlsOptions, SniAnswer, SniWaiter } from "./tls-context.ts";

/** Who the one handler object of `bun-handlers.ts` passes Bun's callbacks to: the `data` of every Bun socket. */
export interface BunOwner {
  bunOpened(wire: Wire): void;
  bunReceived(chunk: Buffer): void;
  bunDrained(): void;
  bunEnded(): void;
  bunClosed(error: unknown): void;
  /** TLS: the handshake is over; Bun's `ok` is not the last word (see `tls-context.ts`). */
  bunSecured?(wire: Wire, ok: boolean, error: unknown): void;
  /** TLS server: a client asks for `name`. */
  bunServerName?(name: string, waiter: SniWaiter): SniAnswer;
  /** TLS client: the server sent a session to resume. */
  bunSession?(session: Buffer): void;
  /** TLS: the established session broke; `bunClosed` follows. */
  bunBroke?(error: unknown): void;
}

/** A Bun socket of ours. */
export type Wire = BunSocket<BunOwner> & { readonly fd: number; readonly listener?: unknown };
/** Bun's callbacks for one. */
export type WireHandlers = SocketHandler<BunOwner>;

/** A Bun listener of ours. */
export interface WireListener {
  stop(): void;
}

export interface Endpoint {
  /** The descriptor, -1 when there is none or Bun owns it now. */
  readonly fd: number;
  /** Whether a listener can leave connections waiting in the kernel ({@link stopAccepting}). */
  readonly canPause: boolean;
  /** Set before `listen()` or `connect()`: connections speak TLS from the first byte. */
  tls: BunTlsOptions | undefined;
  bind(address: Address, target: Target): void;
  getsockname(): Address;
  getsockopt(level: number, name: number): number;
  setsockopt(level: number, name: number, value: number): void;
  /** Begins to listen. `owner.bunOpened` gets each connection, as the `data` of its socket at first. */
  listen(backlog: number, owner: BunOwner): void;
  /** Leaves connections waiting in the kernel … */
  stopAccepting(): void;
  /** … until now. */
  startAccepting(): void;
  /** Throws what is wrong with a target's form (a scope that names no interface). */
  check(target: Target): void;
  /** Connects to a numeric or unix target. `failed` and the owner's callbacks are never called before it returns. */
  connect(address: Address, target: Target, owner: BunOwner, failed: (error: OSError) => void): void;
  /** Whether the connect under way on `wire` has succeeded. */
  isConnected(wire: Wire): boolean;
  /** Releases what Bun does not own, and a unix path it made. */
  close(): void;
}
