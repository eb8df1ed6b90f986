/**
 * Urgent ("out of band") data of TCP. Bun's epoll does not ask for it, so the kernel is asked to send SIGURG, and the
 * signal, which does not say for which socket, starts one poll(2) over the sockets that are watched. Only sockets
 * whose channel has a `handleExpt()` of its own are watched; the others pay nothing. Linux, main thread only.
 */
import type { Libc } from "./libc.ts";

/** What is watched. */
export interface UrgentSocket {
  fileno(): number;
  /** There is urgent data. */
  urgentCame(): void;
}

export class UrgentWatch {
  readonly #c: Libc;
  readonly #sockets = new Set<UrgentSocket>();
  #queued = false;
  #seen = false;

  constructor(c: Libc) {
    this.#c = c;
  }

  /** @throws {OSError} the descriptor is closed */
  add(socket: UrgentSocket): void {
    if (this.#sockets.has(socket)) return;
    this.#c.ownSignals(socket.fileno());
    if (this.#sockets.size === 0) process.on("SIGURG", this.#signalled);
    this.#sockets.add(socket);
    // It may have come before anybody asked for the signal.
    this.#look();
  }

  delete(socket: UrgentSocket): void {
    if (this.#sockets.delete(socket) && this.#sockets.size === 0) process.off("SIGURG", this.#signalled);
  }

  /** Bytes were received: the signal may have come before the urgent byte itself. Cheap until a first one was seen. */
  received(socket: UrgentSocket): void {
    if (this.#seen && this.#c.urgent([socket.fileno()]).length > 0) socket.urgentCame();
  }

  readonly #signalled = (): void => {
    this.#seen = true;
    this.#look();
  };

  // One look serves a burst of signals.
  #look(): void {
    if (this.#queued) return;
    this.#queued = true;
    setImmediate(this.#scan);
  }

  readonly #scan = (): void => {
    this.#queued = false;
    const sockets = [...this.#sockets].filter((socket) => socket.fileno() >= 0);
    const fds = sockets.map((socket) => socket.fileno());
    for (const index of this.#c.urgent(fds)) {
      const socket = sockets[index] as UrgentSocket;
      // An earlier one's hook may have closed it.
      if (socket.fileno() === fds[index]) socket.urgentCame();
    }
  };
}
