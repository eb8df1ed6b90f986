/**
 * Reads the PROXY header of a connection that was accepted, before any dispatcher has it. Only from peers that are
 * trusted: whoever may send a header may claim to be anybody. Which peers have to send one is settled by their address
 * and never by what they send; guessing is what the protocol forbids.
 */
import type { Address } from "../base/address.ts";
import type { TimerHandle } from "../base/clock.ts";
import { armDeadline, clearDeadline } from "../base/deadline.ts";
import { ArgumentRangeError, OSError } from "../base/errors.ts";
import { type ProxyHeader, ProxyProtocolError } from "../bytes/proxy-header.ts";
import { ProxyHeaderParser } from "../bytes/proxy-protocol.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import { CidrList } from "./cidr.ts";

/** What {@link proxyPolicy} takes. */
export interface ProxyPolicyOptions {
  /** The proxies: they have to send a header, and are believed. */
  readonly trusted: CidrList | Iterable<string>;
  /**
   * What becomes of everybody else: `refuse` resets them at once, unread; `direct` takes them for clients without a
   * proxy, and should they send a header, it is to the server like anything else they say. Default `refuse`.
   */
  readonly untrusted?: "refuse" | "direct" | undefined;
  /** Longest time until the header is complete. Default 5 s. */
  readonly timeoutMs?: number | undefined;
  /** Longest header of version 2. Default 4096. */
  readonly maxHeaderBytes?: number | undefined;
}

/** Whose headers are read, and how. One object serves any number of connections. */
export interface ProxyPolicy {
  readonly trusted: CidrList;
  readonly untrusted: "refuse" | "direct";
  readonly timeoutMs: number;
  readonly maxHeaderBytes: number | undefined;
}

/** Checks the options once, for all connections. @throws {ArgumentRangeError|ArgumentTypeError} a bad option */
export function proxyPolicy(options: ProxyPolicyOptions): ProxyPolicy {
  const { untrusted = "refuse", timeoutMs = 5000, maxHeaderBytes } = options;
  if (untrusted !== "refuse" && untrusted !== "direct") {
    throw new ArgumentRangeError(`untrusted: refuse or direct, not ${String(untrusted)}`);
  }
  if (typeof timeoutMs !== "number" || !(timeoutMs > 0)) {
    throw new ArgumentRangeError(`timeoutMs: a number over 0, not ${String(timeoutMs)}`);
  }
  // Its parser is the one that knows the range.
  new ProxyHeaderParser({ maxHeaderBytes });
  return Object.freeze({ trusted: CidrList.of(options.trusted), untrusted, timeoutMs, maxHeaderBytes });
}

/** Who is told how it ended: one of the two, once, never before the reader's constructor has returned. Must not throw. */
export interface ProxyOutcome {
  /**
   * The header was read, `socket.origin` is the client's address if it named one, and the next byte of the socket is the
   * first behind the header. Give the socket to a dispatcher now; where it has a `preface`, call `startTls()` too. Without
   * a header when an untrusted peer is `direct`.
   */
  proxyRead(socket: Socket, header: ProxyHeader | undefined): void;
  /** There was no good header in time, or it may not be sent from there. The connection has been reset. */
  proxyFailed(socket: Socket, error: ProxyProtocolError): void;
}

/**
 * Observes `socket` until its header is there.
 *
 * @example A server behind a proxy
 * ```ts
 * import { Dispatcher, type Socket } from "asyncore";
 * import { encodeProxyHeader, proxyPolicy, ProxyReader, type ProxyProtocolError } from "asyncore/server";
 *
 * class Greeter extends Dispatcher {
 *   constructor(socket: Socket) {
 *     super(socket);
 *     this.send(`hello, ${String(this.addr)}`);
 *     this.close();
 *   }
 * }
 * const policy = proxyPolicy({ trusted: ["127.0.0.0/8", "::1"] });
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     new ProxyReader(socket, policy, this);
 *   }
 *   proxyRead(socket: Socket) {
 *     new Greeter(socket);
 *     this.close();
 *   }
 *   proxyFailed(_socket: Socket, error: ProxyProtocolError) {
 *     this.logInfo(error.message, "error");
 *   }
 * }
 * class Proxy extends Dispatcher {
 *   override handleConnect() {
 *     this.send(encodeProxyHeader({ source: ["192.0.2.1", 56324], destination: ["192.0.2.9", 443] }));
 *   }
 *   override handleRead() {
 *     if (this.recv().toString() !== "hello, 192.0.2.1,56324") throw new Error("not the client");
 *     this.close();
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 * const proxy = new Proxy();
 * proxy.createSocket();
 * proxy.connect(server.getsockname());
 * ```
 */
export class ProxyReader implements SocketObserver {
  readonly #socket: Socket;
  readonly #outcome: ProxyOutcome;
  readonly #parser: ProxyHeaderParser;
  #timer: TimerHandle;
  #over = false;

  constructor(socket: Socket, policy: ProxyPolicy, outcome: ProxyOutcome) {
    this.#socket = socket;
    this.#outcome = outcome;
    const peer = peerOf(socket);
    this.#parser = new ProxyHeaderParser({ maxHeaderBytes: policy.maxHeaderBytes, peer });
    socket.observe(this);
    if (peer === undefined || !policy.trusted.has(peer)) {
      queueMicrotask(() => this.#dismiss(peer, policy.untrusted));
      return;
    }
    this.#timer = armDeadline(socket.clock, undefined, policy.timeoutMs, () => this.#late());
    // It may all be there already.
    queueMicrotask(() => this.socketReady());
  }

  /** Gives up without telling anybody. The socket is left as it is. */
  cancel(): void {
    if (!this.#stillReading()) return;
    this.#settle();
    this.#socket.observe(undefined);
  }

  socketChanged(): void {
    queueMicrotask(() => this.socketReady());
  }

  socketReady(): void {
    if (!this.#stillReading()) return;
    let error: ProxyProtocolError | undefined;
    try {
      error = this.#read();
    } catch (thrown) {
      if (!(thrown instanceof OSError)) throw thrown;
      error = thrown instanceof ProxyProtocolError ? thrown : this.#parser.incomplete("CLOSED", thrown);
    }
    if (error !== undefined) this.#fail(error);
    else if (this.#parser.header !== undefined) this.#succeed(this.#parser.header);
  }

  // Never more than is the header's for sure: what follows stays with the socket.
  #read(): ProxyProtocolError | undefined {
    const parser = this.#parser;
    while (parser.wanted > 0) {
      // Before TLS there is a way to read that takes nothing of the handshake.
      const bytes = (this.#socket.preface ?? this.#socket).recv(parser.wanted);
      if (bytes === undefined) return undefined;
      if (bytes.length === 0) return parser.incomplete("CLOSED");
      parser.push(bytes);
    }
    return undefined;
  }

  // Whoever closes the socket, or takes it over, is not to be told anything any more.
  #stillReading(): boolean {
    if (!this.#over && this.#socket.observer !== this) this.#settle();
    return !this.#over;
  }

  #settle(): void {
    this.#over = true;
    this.#timer = clearDeadline(this.#socket.clock, this.#timer);
  }

  #late(): void {
    if (this.#stillReading()) this.#fail(this.#parser.incomplete("TIMEOUT"));
  }

  #dismiss(peer: Address | undefined, untrusted: "refuse" | "direct"): void {
    if (!this.#stillReading()) return;
    if (peer === undefined) this.#fail(this.#parser.incomplete("CLOSED"));
    else if (untrusted === "direct") this.#succeed(undefined);
    else this.#fail(new ProxyProtocolError("UNTRUSTED", "connections from here are refused", peer));
  }

  #succeed(header: ProxyHeader | undefined): void {
    const socket = this.#socket;
    this.#settle();
    if (header?.source !== undefined) socket.origin = header.source;
    try {
      this.#outcome.proxyRead(socket, header);
    } finally {
      // Only if nobody took it: then it is as it was when it was accepted.
      if (socket.observer === this) socket.observe(undefined);
    }
  }

  #fail(error: ProxyProtocolError): void {
    this.#settle();
    // A peer that said nothing and left, a port check, is owed no reset.
    if (error.fault === "CLOSED") this.#socket.close();
    else this.#socket.abort();
    this.#outcome.proxyFailed(this.#socket, error);
  }
}

// Undefined when it is gone already: then nobody can say who it was, and it must not count as trusted.
function peerOf(socket: Socket): Address | undefined {
  try {
    const peer = socket.getpeername();
    return typeof peer !== "string" && peer[0] === "" ? undefined : peer;
  } catch (error) {
    if (error instanceof OSError) return undefined;
    throw error;
  }
}
