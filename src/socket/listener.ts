/**
 * The accepting half of a listening socket: the queue between Bun, which accepts at once whatever has connected,
 * and `accept()`. Bounded by the backlog: with a full queue the listener is paused and connections wait in the
 * kernel, as they would for a slow acceptor; where it cannot be paused, the newest are reset.
 */
import type { Address } from "../base/address.ts";
import type { BunOwner, Endpoint, Wire } from "./endpoint.ts";

/** What the queue holds. */
export interface Accepted {
  abort(): void;
  parkIfIdle(): void;
}

/** The listening socket. */
export interface ListenerOwner<S extends Accepted> {
  /** Makes the socket for a connection. */
  adopt(wire: Wire): S;
  /** A connection is waiting. */
  connectionCame(): void;
}

/** How long a listener that found no descriptor waits before it looks again. */
const RETRY_MS = 100;

export class Listener<S extends Accepted> implements BunOwner {
  readonly #owner: ListenerOwner<S>;
  readonly #endpoint: Endpoint;
  readonly #backlog: number;
  /** The local address of the last connection. */
  name: Address | undefined = undefined;
  #queue: S[] = [];
  #paused = false;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: ListenerOwner<S>, endpoint: Endpoint, backlog: number) {
    this.#owner = owner;
    this.#endpoint = endpoint;
    this.#backlog = backlog;
  }

  /** Whether `accept()` has a connection to give. */
  get ready(): boolean {
    return this.#queue.length > 0;
  }

  /** Bun accepted a connection. */
  bunOpened(wire: Wire): void {
    // Bun may have accepted more in the same go than a hook wanted that closed the listener.
    if (this.#closed || (this.#queue.length >= this.#backlog && !this.#endpoint.canPause)) {
      wire.terminate();
      return;
    }
    this.#queue.push(this.#owner.adopt(wire));
    this.#owner.connectionCame();
    const full = this.#queue.length >= this.#backlog;
    if (full && this.#endpoint.canPause && !this.#paused && !this.#closed) {
      this.#paused = true;
      this.#endpoint.stopAccepting();
    }
  }

  accept(): S | undefined {
    const socket = this.#queue.shift();
    if (this.#paused && !this.#closed && this.#queue.length === 0) this.#resume();
    if (socket !== undefined) handedOut(socket);
    return socket;
  }

  // It takes a descriptor. Where there is none the connection in hand must not be lost, and accept() tries again.
  #resume(): void {
    try {
      this.#endpoint.startAccepting();
      this.#paused = false;
    } catch {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        if (this.#paused && this.#queue.length === 0) this.#resume();
      }, RETRY_MS);
    }
  }

  /** Resets what nobody accepted; the kernel does the same to what waits there. */
  close(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const socket of queue) socket.abort();
  }

  // A listening socket has no data of its own; connections get their own owner in bunOpened.
  bunReceived(): void {}
  bunDrained(): void {}
  bunEnded(): void {}
  bunClosed(): void {}
}

let unclaimed: Accepted[] = [];

// Whoever accepts a socket nearly always gives it to a dispatcher at once. Looking next turn, and once for all of
// a burst, spares each connection the cost of being parked and taken up again.
function handedOut(socket: Accepted): void {
  if (unclaimed.push(socket) === 1) setImmediate(parkUnclaimed);
}

function parkUnclaimed(): void {
  const sockets = unclaimed;
  unclaimed = [];
  for (const socket of sockets) socket.parkIfIdle();
}
