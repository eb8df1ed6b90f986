/**
 * `channel.opened` and `channel.closed`: what becomes of a channel, as promises. Made when somebody asks for one of them,
 * or when a connect has failed, so that asking later tells why; for every other channel it is one undefined field. One
 * object is one socket's: what was promised of it is not told of the next.
 */
import { type OSError, osError } from "../base/errors.ts";
import type { Socket } from "../socket/socket.ts";

/** What {@link Dispatcher.closed} resolves with. */
export interface Closed {
  /** Bytes accepted by `send()` that the kernel did not take: 0 when everything got out. */
  readonly unsentBytes: number;
}

export class Milestones {
  readonly #channel: unknown;
  #socket: Socket | undefined;
  /** It stands, or the reason why it never will. */
  #outcome: "open" | OSError | undefined;
  #opened: PromiseWithResolvers<unknown> | undefined;
  #closed: PromiseWithResolvers<Closed> | undefined;

  /** `socket`: undefined before createSocket(). */
  constructor(channel: unknown, socket: Socket | undefined) {
    this.#channel = channel;
    this.#socket = socket;
  }

  /** createSocket() came after somebody had asked. */
  attach(socket: Socket): void {
    if (this.#socket === socket) return;
    this.#socket = socket;
    if (this.#closed !== undefined) resolveAtRelease(socket, this.#closed);
    if (this.#opened !== undefined) this.#giveUpAtRelease(socket);
  }

  // --- told by the dispatcher; the first outcome counts -------------------------------------------------------

  /** The connection stands, or the listener listens. */
  open(): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = "open";
    this.#opened?.resolve(this.#channel);
  }

  /** The connect ended with `error`. */
  fail(error: OSError): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = error;
    this.#opened?.reject(error);
  }

  /** `close()` or `abort()` was called, or another socket takes the place of this one. */
  giveUp(): void {
    this.fail(osError("ECANCELED", { syscall: "connect", detail: "the channel is closed" }));
    // There is nothing to release.
    if (this.#socket === undefined) this.#closed?.resolve({ unsentBytes: 0 });
  }

  // --- asked for ----------------------------------------------------------------------------------------------

  /** Resolves with the channel. */
  get opened(): Promise<unknown> {
    if (this.#opened === undefined) {
      this.#opened = Promise.withResolvers<unknown>();
      if (this.#outcome === "open") this.#opened.resolve(this.#channel);
      else if (this.#outcome !== undefined) this.#opened.reject(this.#outcome);
      else if (this.#socket !== undefined) this.#giveUpAtRelease(this.#socket);
    }
    return this.#opened.promise;
  }

  get closed(): Promise<Closed> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers<Closed>();
      if (this.#socket !== undefined) resolveAtRelease(this.#socket, this.#closed);
      // Without a socket there is no outcome but having been given up.
      else if (this.#outcome !== undefined) this.#closed.resolve({ unsentBytes: 0 });
    }
    return this.#closed.promise;
  }

  // A socket may go without the dispatcher's close(): it is cut when handleError() fails too.
  #giveUpAtRelease(socket: Socket): void {
    socket.whenReleased(() => this.giveUp());
  }
}

function resolveAtRelease(socket: Socket, closed: PromiseWithResolvers<Closed>): void {
  socket.whenReleased((unsentBytes) => closed.resolve({ unsentBytes }));
}
