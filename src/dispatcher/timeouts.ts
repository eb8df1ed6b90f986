/**
 * The timeouts of one channel: idle, request and lifetime (`StreamLimits`), told by `handleTimeout()`. One entry of the
 * clock's wheel serves all three, and exists only where a limit asks for it. Nothing is done when bytes come or go:
 * the socket's counters are looked at ten times in the time that a channel may be idle. So what is told is never early,
 * and late by at most an eighth of its time and 50 ms.
 *
 * connect, handshake and close are the socket's own deadlines; here is only how they are recognized. `lingerTimeoutMs` tells
 * nobody: when it passes everything was sent, and the peer only does not end its side.
 */
import { type OSError, osError, TLSError } from "../base/errors.ts";
import { TimerWheel, WheelEntry } from "../base/timer-wheel.ts";
import type { Socket } from "../socket/socket.ts";

/**
 * What has taken too long; the time for each is in {@link StreamLimits}.
 *
 * - `connect`: the connect, name look-up included
 * - `handshake`: the TLS handshake
 * - `idle`: nothing was received, and the peer has taken nothing of what is queued
 * - `request`: from `beginRequest()` to `endRequest()`
 * - `lifetime`: the connection stands
 * - `close`: after `close()` the peer has taken nothing of what is queued. The rest is lost; no other hook comes after `close()`
 *
 * @example A server that waits for nobody for ever, and says so
 * ```ts
 * import { Dispatcher, type Socket, streamLimits, type TimeoutKind } from "asyncore";
 *
 * class Session extends Dispatcher {
 *   static override limits = streamLimits({ idleTimeoutMs: 50, lifetimeTimeoutMs: 3_600_000 });
 *   override handleRead() {
 *     this.send(this.recv());
 *   }
 *   override handleTimeout(kind: TimeoutKind) {
 *     this.send(`${kind} for too long\n`);
 *     this.close();
 *   }
 * }
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     new Session(socket);
 *     this.close();
 *   }
 * }
 * class Client extends Dispatcher {
 *   override handleRead() {
 *     console.log(this.recv().toString()); // idle for too long
 *   }
 *   override handleClose() {
 *     this.close();
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 * const client = new Client();
 * client.createSocket();
 * client.connect(server.getsockname());
 * ```
 */
export type TimeoutKind = "connect" | "handshake" | "idle" | "request" | "lifetime" | "close";

/** Of which deadline of the socket's `error` tells, where a connect has ended with it. */
export function connectTimeout(error: OSError): "connect" | "handshake" | undefined {
  if (error.code !== "ETIMEDOUT") return undefined;
  return error instanceof TLSError ? "handshake" : "connect";
}

/** What is told when the deadline of `close()` has passed. */
export function closeTimeout(unsentBytes: number): OSError {
  return osError("ETIMEDOUT", { syscall: "close", detail: `the peer did not take ${unsentBytes} bytes` });
}

/** Whose timeouts they are. */
export interface TimeoutOwner {
  /** Runs `hook` as one of the channel's own, now or later. */
  runDue(hook: () => void | Promise<void>): void;
  handleTimeout(kind: TimeoutKind, error: OSError): void | Promise<void>;
}

/** How often the counters are looked at in the time that a channel may be idle. */
const LOOKS = 10;

/** Those of one socket. Limits are read whenever it looks, so they may be replaced; {@link look} looks now. */
export class Timeouts extends WheelEntry {
  readonly #owner: TimeoutOwner;
  readonly #socket: Socket;
  readonly #wheel: TimerWheel;
  /** The channel is in its map: else no hook could be run. */
  #running = false;
  /** A hook that tells is due and has not run. */
  #telling = false;
  /** When the connection stood. Until then there is neither idle nor lifetime. */
  #startedAt = Infinity;
  #lifetimeTold = false;
  #requestDue = Infinity;
  /** Bytes read and sent when it last looked, how many of them were still queued, and when anything had moved. */
  #bytes = 0;
  #queued = 0;
  #progressAt = Infinity;
  /** It was idle when looked at, and the event loop has had a turn since. */
  #suspected = false;

  constructor(owner: TimeoutOwner, socket: Socket) {
    super();
    this.#owner = owner;
    this.#socket = socket;
    this.#wheel = TimerWheel.of(socket.clock);
  }

  /** The channel is in its map (again), where it can be told. The time outside was nobody's idleness. */
  resume(): void {
    this.#running = true;
    if (this.#startedAt < Infinity) this.#progressAt = this.#now();
    this.look();
  }

  /** The channel left its map, or has another socket. */
  pause(): void {
    this.#running = false;
    this.#wheel.cancel(this);
  }

  /** The connection stands: idle and lifetime count from now. */
  start(): void {
    if (this.#startedAt === Infinity) {
      this.#startedAt = this.#progressAt = this.#now();
      this.#hasMoved();
    }
    this.look();
  }

  /** The limits may be new. */
  look(): void {
    this.#arm(this.#now());
  }

  beginRequest(): void {
    const now = this.#now();
    this.#requestDue = now + this.#socket.limits.requestTimeoutMs;
    // An entry that is armed for earlier will find this one then: the wheel is not touched for each request.
    if (!this.armed || this.#requestDue < this.due) this.#arm(now);
  }

  endRequest(): void {
    this.#requestDue = Infinity;
  }

  #arm(now: number): void {
    if (!this.#running || this.#telling) return;
    const { idleTimeoutMs, lifetimeTimeoutMs } = this.#socket.limits;
    let next = this.#requestDue;
    // A comparison is false for what is no number.
    const lifetime = this.#lifetimeTold ? Infinity : this.#startedAt + lifetimeTimeoutMs;
    if (lifetime < next) next = lifetime;
    const idle = this.#progressAt + idleTimeoutMs;
    if (idle < Infinity) next = Math.min(next, idle, now + idleTimeoutMs / LOOKS);
    if (next < Infinity) this.#wheel.arm(this, Math.max(0, next - now));
    else this.#wheel.cancel(this);
  }

  expired(): void {
    const now = this.#now();
    const kind = this.#ranOut(now);
    if (kind === undefined) {
      this.#arm(now);
    } else if (kind === "idle" && !this.#suspected) {
      // After a hook that took long, what the peer has sent meanwhile comes after the timers.
      this.#suspected = true;
      this.#wheel.arm(this, 0);
    } else {
      this.#telling = true;
      this.#owner.runDue(() => this.#tell());
    }
  }

  #ranOut(now: number): TimeoutKind | undefined {
    const { idleTimeoutMs, lifetimeTimeoutMs } = this.#socket.limits;
    if (this.#hasMoved()) this.#progressed(now);
    if (!this.#lifetimeTold && now - this.#startedAt >= lifetimeTimeoutMs) return "lifetime";
    if (now >= this.#requestDue) return "request";
    if (!(now - this.#progressAt >= idleTimeoutMs)) return undefined;
    if (!this.#socket.readReady && !this.#socket.throttled) return "idle";
    // Bytes that wait to be read, or rates that hold it back: it is the program that is slow, not its peer.
    this.#progressed(now);
    return undefined;
  }

  #progressed(now: number): void {
    if (this.#startedAt < Infinity) this.#progressAt = now;
    this.#suspected = false;
  }

  // Whether the program has read or the kernel has taken anything since it last looked. Where all of ten thousand are
  // looked at, it is the memory touched that costs: where nothing is queued and nothing was, the queue is not.
  #hasMoved(): boolean {
    const socket = this.#socket;
    const bytes = socket.bytesRead + socket.bytesSent;
    if (bytes === this.#bytes && this.#queued === 0) return false;
    const queued = socket.bufferedAmount;
    const moved = bytes - queued !== this.#bytes - this.#queued;
    this.#bytes = bytes;
    this.#queued = queued;
    return moved;
  }

  #tell(): void | Promise<void> {
    this.#telling = false;
    const now = this.#now();
    // In poll mode some time may have passed, and what was missed may have come.
    const kind = this.#ranOut(now);
    try {
      return kind === undefined ? undefined : this.#owner.handleTimeout(kind, this.#told(kind, now));
    } finally {
      this.#arm(this.#now());
    }
  }

  // Idle is told again after as much time as before; the others are told once.
  #told(kind: TimeoutKind, now: number): OSError {
    const { idleTimeoutMs, lifetimeTimeoutMs, requestTimeoutMs } = this.#socket.limits;
    if (kind === "lifetime") {
      this.#lifetimeTold = true;
      return timedOut(`the connection has stood for ${lifetimeTimeoutMs} ms`);
    }
    if (kind === "request") {
      this.#requestDue = Infinity;
      return timedOut(`the request has taken ${requestTimeoutMs} ms`);
    }
    this.#progressAt = now;
    this.#suspected = false;
    return timedOut(`nothing received or sent for ${idleTimeoutMs} ms`);
  }

  #now(): number {
    return this.#socket.clock.now();
  }
}

function timedOut(detail: string): OSError {
  return osError("ETIMEDOUT", { detail });
}
