/**
 * The accepting half of a listening socket: the queue between Bun, which accepts at once whatever has connected,
 * and `accept()`. With TLS a connection joins it when its handshake has succeeded. Bounded by the backlog: with a full
 * queue the listener is paused and connections wait in the kernel, as they would for a slow acceptor; where it cannot
 * be paused, the newest are reset. It is paused too when its owner says so, and before descriptors run out.
 */
import type { Address } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { osError, TLSError } from "../base/errors.ts";
import { nearDescriptorLimit } from "./descriptor-limit.ts";
import type { BunOwner, Endpoint, Wire } from "./endpoint.ts";
import { Handshake, type HandshakeOwner } from "./handshake.ts";
import type { SniAnswer, SniWaiter, TlsContext } from "./tls-context.ts";
import type { Secured } from "./tls-session.ts";

/** What the queue holds. */
export interface Accepted {
  abort(): void;
  parkIfIdle(): void;
}

/** The listening socket. */
export interface ListenerOwner<S extends Accepted> {
  readonly clock: Clock;
  readonly limits: { readonly handshakeTimeoutMs: number };
  /** Makes the socket for a connection. */
  adopt(wire: Wire, secured?: Secured): S;
  /** A connection is waiting, or the error of one that failed. */
  connectionCame(): void;
}

/** How long a listener that found no descriptor waits before it looks again. */
const RETRY_MS = 100;
/** Handshakes under way at once; more wait in the kernel … */
const MAX_HANDSHAKES = 1024;
/** … and if after so long … */
const CROWD_MS = 2000;
/** … more than this part of them are where they were, these give way. A busy machine takes seconds for a rush of clients. */
const STUCK_PART = 7 / 8;

export class Listener<S extends Accepted> implements BunOwner, HandshakeOwner {
  readonly #owner: ListenerOwner<S>;
  readonly #endpoint: Endpoint;
  readonly #backlog: number;
  /** The local address of the last connection: nearly all have the same. */
  name: Address | undefined = undefined;
  /** Whether a connection from `address` is to be had at all; asked before anything is done for it. */
  filter: ((address: Address) => boolean) | undefined = undefined;
  #tls: TlsContext | undefined;
  /** Connections, and why some of them failed. */
  #queue: (S | TLSError)[] = [];
  readonly #handshakes = new Set<Handshake>();
  /** Its owner wants no more connections now. */
  #held = false;
  #paused = false;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #look: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: ListenerOwner<S>, endpoint: Endpoint, backlog: number, tls?: TlsContext) {
    this.#owner = owner;
    this.#endpoint = endpoint;
    this.#backlog = backlog;
    this.#tls = tls;
  }

  /** Whether `accept()` has something to say. */
  get ready(): boolean {
    return this.waiting && !this.#held;
  }
  /** Whether it would say it now. */
  get waiting(): boolean {
    return this.#queue.length > 0;
  }

  /** Connections from now on speak TLS so. @throws {OSError} ENOSYS without the C library */
  renewTls(tls: TlsContext): void {
    if (!this.#endpoint.canPause) {
      throw osError("ENOSYS", { syscall: "listen", detail: "renewing TLS needs the C library" });
    }
    this.#endpoint.tls = tls.bunOptions();
    this.#tls = tls;
    if (this.#paused) return;
    this.#pause();
    this.#resume();
  }

  /** Bun accepted a connection. */
  bunOpened(wire: Wire): void {
    const { canPause } = this.#endpoint;
    // Bun may have accepted more in the same go than a hook wanted that closed the listener.
    if (this.#closed || (this.#full && !canPause)) {
      wire.terminate();
      return;
    }
    if (this.filter?.([wire.remoteAddress ?? "", wire.remotePort ?? 0]) === false) {
      wire.terminate();
      return;
    }
    const tls = this.#tls;
    if (tls === undefined) {
      this.#came(this.#owner.adopt(wire));
    } else {
      const { clock, limits } = this.#owner;
      this.#handshakes.add(new Handshake(this, wire, tls, clock, limits.handshakeTimeoutMs));
      if (this.#handshakes.size >= MAX_HANDSHAKES) this.#watchCrowd();
    }
    if (!canPause || this.#paused || this.#closed) return;
    if (this.#full) this.#pause();
    else if (nearDescriptorLimit(wire.fd)) {
      this.#pause();
      this.#retryLater();
    }
  }

  handshakeOver(handshake: Handshake, wire: Wire, failure: TLSError | undefined, error: unknown): void {
    this.#handshakes.delete(handshake);
    if (this.#closed) {
      wire.terminate();
      return;
    }
    if (failure !== undefined) this.#came(failure);
    else {
      const { context } = handshake;
      this.#came(this.#owner.adopt(wire, { context, error: context.authorizationError(error) }));
    }
    this.#resumeIfRoom();
  }

  /** Bun asks the listener; the connection that waits has its own context. */
  bunServerName(name: string, waiter: SniWaiter): SniAnswer {
    return (waiter as SniWaiter & Wire).data.bunServerName?.(name, waiter);
  }

  #came(what: S | TLSError): void {
    this.#queue.push(what);
    this.#owner.connectionCame();
  }

  get #full(): boolean {
    return this.#held || this.#queue.length >= this.#backlog || this.#handshakes.size >= MAX_HANDSHAKES;
  }

  // Of a rush of clients many are through after a while; who does not go on must keep nobody out.
  #watchCrowd(): void {
    if (this.#look !== undefined) return;
    const crowd = [...this.#handshakes];
    this.#look = setTimeout(() => {
      this.#look = undefined;
      const left = crowd.filter((handshake) => this.#handshakes.has(handshake));
      if (left.length > crowd.length * STUCK_PART) for (const handshake of left) handshake.crowdOut();
      if (this.#handshakes.size > MAX_HANDSHAKES / 2) this.#watchCrowd();
    }, CROWD_MS);
  }

  /** @throws {TLSError} a connection's handshake has failed */
  accept(): S | undefined {
    const next = this.#queue.shift();
    this.#resumeIfRoom();
    if (next instanceof TLSError) throw next;
    if (next !== undefined) handedOut(next);
    return next;
  }

  /** Leaves connections waiting in the kernel … @throws {OSError} ENOSYS without the C library */
  pauseAccepting(): void {
    if (!this.#endpoint.canPause) {
      throw osError("ENOSYS", { syscall: "listen", detail: "pausing a listener needs the C library" });
    }
    this.#held = true;
    if (!this.#paused && !this.#closed) this.#pause();
  }

  /** … until now. */
  resumeAccepting(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#resumeIfRoom();
  }

  #pause(): void {
    this.#paused = true;
    this.#endpoint.stopAccepting();
  }

  #resumeIfRoom(): void {
    if (!this.#paused || this.#closed || this.#held) return;
    if (this.#queue.length === 0 && this.#handshakes.size <= MAX_HANDSHAKES * STUCK_PART) this.#resume();
  }

  // It takes a descriptor. Where there is none the connection in hand must not be lost, and accepting is tried again.
  #resume(): void {
    try {
      this.#endpoint.startAccepting();
      this.#paused = false;
    } catch {
      this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#resumeIfRoom();
    }, RETRY_MS);
  }

  /** Resets what nobody accepted; the kernel does the same to what waits there. */
  close(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#look);
    for (const handshake of this.#handshakes) handshake.abandon();
    this.#handshakes.clear();
    for (const socket of queue) if (!(socket instanceof TLSError)) socket.abort();
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
