/**
 * A connection that a listener with TLS has accepted, until its handshake is over: nobody above may see it before.
 * Bun has no deadline for that, so it has one here. Made by `listener.ts`, told by Bun, and tells exactly once.
 */
import type { Clock, TimerHandle } from "../base/clock.ts";
import { armDeadline, clearDeadline } from "../base/deadline.ts";
import { TLSError } from "../base/errors.ts";
import type { BunOwner, Wire } from "./endpoint.ts";
import {
  handshakeError,
  handshakeTimedOut,
  type SniAnswer,
  type SniWaiter,
  type TlsContext,
} from "./tls-context.ts";

/** The listener. */
export interface HandshakeOwner {
  /** `wire` speaks TLS now, or does not for `failure`, and is closing. `error` is what Bun said of the certificate. */
  handshakeOver(handshake: Handshake, wire: Wire, failure: TLSError | undefined, error: unknown): void;
}

export class Handshake implements BunOwner {
  readonly context: TlsContext;
  readonly #owner: HandshakeOwner;
  readonly #wire: Wire;
  readonly #clock: Clock;
  #deadline: TimerHandle;
  /** What the server's `sni` has thrown. */
  #refusal: Error | undefined;
  #over = false;

  constructor(owner: HandshakeOwner, wire: Wire, context: TlsContext, clock: Clock, timeoutMs: number) {
    this.#owner = owner;
    this.#wire = wire;
    this.context = context;
    this.#clock = clock;
    wire.data = this;
    this.#deadline = armDeadline(clock, undefined, timeoutMs, () => {
      this.#tell(handshakeTimedOut(), undefined);
      wire.terminate();
    });
  }

  bunServerName(name: string, waiter: SniWaiter): SniAnswer {
    return this.context.answer(name, waiter, (why) => {
      this.#refusal = why;
    });
  }
  bunSecured(wire: Wire, ok: boolean, error: unknown): void {
    const failure = this.context.failure(ok, error, this.#refusal);
    this.#tell(failure, error);
    // To the peer the handshake has succeeded, and Bun would end the connection as if nothing had happened.
    if (failure !== undefined && ok) wire.terminate();
  }
  bunClosed(error: unknown): void {
    this.#tell(handshakeError(error ?? { code: "ECONNRESET" }), error);
  }
  bunBroke(error: unknown): void {
    this.#tell(handshakeError(error), error);
  }

  /** Gives it up for others, and tells. */
  crowdOut(): void {
    const detail = "handshake: CROWDED_OUT by others that wait";
    this.#tell(new TLSError("CROWDED_OUT", "handshake", { detail }, "ECONNABORTED"), undefined);
    this.#wire.terminate();
  }

  /** Gives it up without a word. */
  abandon(): void {
    this.#finish();
    this.#wire.terminate();
  }

  #tell(failure: TLSError | undefined, error: unknown): void {
    if (this.#over) return;
    this.#finish();
    // Bun closes a failed one itself, after the alert that tells the peer why; if it does not, this does.
    if (failure !== undefined) setImmediate(() => this.#wire.terminate());
    this.#owner.handshakeOver(this, this.#wire, failure, error);
  }

  #finish(): void {
    this.#over = true;
    this.#deadline = clearDeadline(this.#clock, this.#deadline);
  }

  bunOpened(): void {}
  bunReceived(): void {}
  bunDrained(): void {}
  bunEnded(): void {}
}
