/**
 * Bun keeps a socket alive for as long as it is open, and with it its `data`. A socket that was accepted and then
 * held by nobody would stay open for ever, so while nobody observes it Bun is given this stand-in, which refers to
 * it weakly; when the program drops the socket, garbage collection closes the connection, as in Python.
 */
import type { BunOwner, Wire } from "./endpoint.ts";

export class Parked implements BunOwner {
  readonly #socket: WeakRef<BunOwner>;

  /** `reap` closes the connection of a socket that was collected; it must not refer to that socket. */
  constructor(socket: BunOwner, wire: Wire, reap: () => void) {
    this.#socket = new WeakRef(socket);
    abandoned.register(socket, reap, this);
    wire.data = this;
  }

  /** The socket was taken up again, or closed. */
  forget(): void {
    abandoned.unregister(this);
  }

  bunOpened(): void {}
  bunReceived(chunk: Buffer): void {
    this.#socket.deref()?.bunReceived(chunk);
  }
  bunDrained(): void {
    this.#socket.deref()?.bunDrained();
  }
  bunEnded(): void {
    this.#socket.deref()?.bunEnded();
  }
  bunSession(session: Buffer): void {
    this.#socket.deref()?.bunSession?.(session);
  }
  bunBroke(error: unknown): void {
    this.#socket.deref()?.bunBroke?.(error);
  }
  bunClosed(error: unknown): void {
    this.forget();
    this.#socket.deref()?.bunClosed(error);
  }
}

const abandoned = new FinalizationRegistry<() => void>((reap) => reap());
