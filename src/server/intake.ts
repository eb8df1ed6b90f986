/**
 * The way of a connection from `accept()` to its handler, where something comes before the handler's first byte: a PROXY
 * header, and behind it the TLS handshake. Each part has a deadline of its own; `server.ts` is told once.
 */
import { TLSError } from "../base/errors.ts";
import type { ProxyProtocolError } from "../bytes/proxy-header.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import { type ProxyOutcome, type ProxyPolicy, ProxyReader } from "./proxy-reader.ts";

/** Who is told. */
export interface IntakeOwner {
  /** `socket.origin` is known, if there is one. @returns whether its client is let in; if not, the owner has closed it */
  intakeIdentified(intake: Intake): boolean;
  /** The next byte is the handler's. */
  intakeDone(intake: Intake): void;
  /** The connection is closing. */
  intakeFailed(intake: Intake, error: ProxyProtocolError | TLSError): void;
}

export class Intake implements ProxyOutcome, SocketObserver {
  readonly socket: Socket;
  readonly #owner: IntakeOwner;
  readonly #tls: TlsOptions | undefined;
  readonly #reader: ProxyReader;

  constructor(owner: IntakeOwner, socket: Socket, policy: ProxyPolicy, tls: TlsOptions | undefined) {
    this.#owner = owner;
    this.socket = socket;
    this.#tls = tls;
    this.#reader = new ProxyReader(socket, policy, this);
  }

  /** Gives it up without a word. */
  evict(): void {
    this.#reader.cancel();
    this.socket.abort();
  }

  proxyRead(socket: Socket): void {
    if (!this.#owner.intakeIdentified(this)) return;
    if (this.#tls === undefined) {
      this.#owner.intakeDone(this);
      return;
    }
    socket.observe(this);
    try {
      socket.startTls(this.#tls);
    } catch (error) {
      this.#failed(error instanceof TLSError ? error : new TLSError("FAILED", "handshake", { cause: error }));
    }
  }
  proxyFailed(_socket: Socket, error: ProxyProtocolError): void {
    this.#owner.intakeFailed(this, error);
  }

  socketReady(): void {
    const { socket } = this;
    if (socket.state === "connecting") return;
    if (socket.state === "open") {
      this.#owner.intakeDone(this);
      return;
    }
    const error = socket.takeError();
    this.#failed(
      error instanceof TLSError ? error : new TLSError("DISCONNECTED", "handshake", { cause: error }),
    );
  }
  socketChanged(): void {}

  #failed(error: TLSError): void {
    this.socket.abort();
    this.#owner.intakeFailed(this, error);
  }
}
