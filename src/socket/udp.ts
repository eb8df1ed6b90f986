/**
 * Datagrams: UDP over IPv4 and IPv6. Bun reads for us and never stops while something comes, so what it reads is only
 * put into a bounded queue here, and the observer is told in the next turn: one `handleRead()` for a batch.
 *
 *   Bun: bunDatagram() ──► DatagramQueue ──► recvfrom(): at most `maxPerTurn` a turn, the rest in the next
 *                              │ full: dropped and counted, and from then on
 *                              └─────► the kernel drops (`refuse`), until half of the queue was taken
 *
 *   idle ──connect()──► connecting (a name is looked up) ──► open ──► closed
 *    bound or not: it sends and receives in all states but closed; open means that it has a peer
 *
 * What ICMP has to say of a datagram is told to a connected socket, by its next recv() or send(), and it stays open. An
 * unconnected one hears nothing, as on BSD: it cannot know whom it is about, and a send to another must not fail by it.
 *
 * Addresses stay as the kernel writes them: on an IPv6 socket the peers of IPv4 are `::ffff:192.0.2.1`, and those of the
 * link carry their interface, `fe80::1%eth0`. `sendto()` takes both back.
 */
import dns from "node:dns/promises";

import { type Address, addressDetails, checkAddress } from "../base/address.ts";
import { LONGEST_TIMER_MS, type TimerHandle } from "../base/clock.ts";
import { AF_INET, AF_INET6, SHUT_RD, SHUT_WR, SO_ERROR, SOCK_DGRAM, SOL_SOCKET } from "../base/constants.ts";
import { ArgumentRangeError, osError, toOSError, type OSError } from "../base/errors.ts";
import { type Datagram, DatagramQueue } from "../bytes/datagram-queue.ts";
import { bytesOf, type SendData } from "../bytes/send-data.ts";
import { checkHow, checkSize } from "./arguments.ts";
import { libc } from "./libc.ts";
import { LibcUdp } from "./libc-udp.ts";
import { defaultLimits } from "./limits.ts";
import { Multicast } from "./multicast.ts";
import { PlainUdp } from "./plain-udp.ts";
import type { Socket, SocketObserver, SocketState, StreamLimits } from "./socket.ts";
import type { TlsOptions } from "./tls-options.ts";
import type { BunUdpSocket, DatagramOwner, UdpEndpoint, UdpWire } from "./udp-wire.ts";

/** How much a datagram socket takes in; see {@link UdpSocket.setReceiveLimits}. The kernel's own buffer is SO_RCVBUF. */
export interface ReceiveLimits {
  /** Most memory for datagrams nobody has taken yet, each counted as its length and 1 KiB. Default 4 MiB. */
  readonly maxQueuedBytes: number;
  /** After so many `recv()` and `recvfrom()` in a row the rest waits for the next turn, and others have theirs. Default 64. */
  readonly maxPerTurn: number;
}

const DEFAULT_RECEIVE_LIMITS: ReceiveLimits = Object.freeze({
  maxQueuedBytes: 4 * 1024 * 1024,
  maxPerTurn: 64,
});
/** Errors of a send that another datagram's ICMP answer has left behind, icmp(7), and that only look like this one's. */
const LEFT_BEHIND: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENONET",
  "ENOPROTOOPT",
  "EOPNOTSUPP",
  "EPROTO",
  "EACCES",
]);

export class UdpSocket extends Multicast implements DatagramOwner {
  /** Of a stream's deadlines it has `connectTimeoutMs`: how long a name may be looked up. */
  limits: StreamLimits = defaultLimits;
  /** Bytes of payload handed out; an empty datagram counts as one, for it is progress. */
  bytesRead = 0;
  /** Bytes of payload sent; an empty datagram counts as one. */
  bytesSent = 0;
  #state: SocketState = "idle";
  readonly #endpoint: UdpEndpoint;
  /** The endpoint's, once there is one. */
  #wire: UdpWire | undefined;
  #observer: SocketObserver | undefined;
  readonly #queue = new DatagramQueue(DEFAULT_RECEIVE_LIMITS.maxQueuedBytes);
  #maxPerTurn = DEFAULT_RECEIVE_LIMITS.maxPerTurn;
  /** How many were taken in a row. */
  #taken = 0;
  /** The cap was reached: nothing is ready before the next turn. */
  #resting = false;
  /** The observer will be told in the next turn. */
  #telling = false;
  /** The queue was full, and the kernel drops for us. */
  #refusing = false;
  /** A send found no room; drain will tell. */
  #full = false;
  #peer: Address | undefined;
  #peerHost = "";
  #peerPort = 0;
  /** What a datagram to the peer was answered with. */
  #error: OSError | undefined;
  /** connect() has ended and {@link takeError} has not told how … */
  #connectEnded = false;
  /** … if it failed. */
  #connectError: OSError | undefined;
  #timer: TimerHandle;
  #readShut = false;
  #writeShut = false;

  private constructor(family: number, endpoint: UdpEndpoint) {
    super(family);
    this.#endpoint = endpoint;
  }

  /**
   * A new socket, as socket(2) makes it.
   *
   * @throws {OSError} EPROTONOSUPPORT AF_UNIX, or TLS; EAFNOSUPPORT, EMFILE
   */
  static create(family: number, tls?: TlsOptions): UdpSocket {
    if (family !== AF_INET && family !== AF_INET6) {
      const detail = `no datagrams of address family ${String(family)}`;
      throw osError("EPROTONOSUPPORT", { syscall: "socket", detail });
    }
    if (tls !== undefined)
      throw osError("EPROTONOSUPPORT", { syscall: "socket", detail: "no TLS on datagrams" });
    const c = libc();
    return new UdpSocket(family, c === undefined ? new PlainUdp(family) : new LibcUdp(c, family));
  }

  // --- state -------------------------------------------------------------------------------------------------

  override get type(): number {
    return SOCK_DGRAM;
  }
  get state(): SocketState {
    return this.#state;
  }
  /** None: a datagram is the kernel's or was not sent. */
  get bufferedAmount(): number {
    return 0;
  }
  get readReady(): boolean {
    // While a connect is under way a read would look like its end.
    if (this.#resting || this.#state === "connecting") return false;
    return this.#queue.count !== 0 || this.#error !== undefined || this.#connectError !== undefined;
  }
  get writeReady(): boolean {
    return (this.#state === "idle" || this.#state === "open") && !this.#full && !this.#writeShut;
  }
  /** Datagrams that came and were thrown away for want of room, here or (Linux) in the kernel; and those from port 0. */
  get dropped(): number {
    return this.#queue.dropped + this.#endpoint.dropped();
  }
  get receiveLimits(): ReceiveLimits {
    return { maxQueuedBytes: this.#queue.maxBytes, maxPerTurn: this.#maxPerTurn };
  }
  /** May be called at any time; what waits already stays. @throws {ArgumentRangeError} not a number of at least 1 */
  setReceiveLimits(changes: Partial<ReceiveLimits>): void {
    const limits = { ...this.receiveLimits, ...changes };
    for (const [name, value] of Object.entries(limits)) {
      if (typeof value !== "number" || !(value >= 1)) {
        throw new ArgumentRangeError(`${name}: a number of at least 1, not ${String(value)}`);
      }
    }
    this.#queue.maxBytes = limits.maxQueuedBytes;
    this.#maxPerTurn = limits.maxPerTurn;
    this.#admit();
  }

  get observer(): SocketObserver | undefined {
    return this.#observer;
  }
  observe(observer: SocketObserver | undefined): void {
    this.#observer = observer;
    if (this.#state !== "closed") this.#watchWire();
  }

  // Bun keeps an open socket, and with it the process, alive: only for somebody.
  #watchWire(): void {
    if (this.#observer === undefined) this.#wire?.park(this);
    else this.#wire?.hold(this);
  }

  takeError(): OSError | undefined {
    if (this.#connectEnded) {
      // What came after the connect is not its outcome.
      this.#connectEnded = false;
      const failure = this.#connectError;
      this.#connectError = undefined;
      return failure;
    }
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  // --- Bun's callbacks, not for programs ---------------------------------------------------------------------

  bunDatagram(payload: Buffer, port: number, host: string): void {
    if (this.#readShut) return;
    if (port === 0) {
      // RFC 768: it wants no answer. A server that answers all the same would fail, by anybody's forged datagram.
      this.#queue.dropped++;
      return;
    }
    if (!this.#queue.push(payload, host, port)) this.#refuse(true);
    this.#tellLater();
  }

  bunDrained(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#tellLater();
  }

  bunFailed(error: unknown): void {
    const failure = toOSError(error, { syscall: "recv", ...addressDetails(this.#peer ?? "") });
    // Without the C library Bun asks for everybody's ICMP errors, and tells a datagram that was too long once more.
    const asked = this.#endpoint.redirects || this.#state === "open";
    if (!asked || failure.code === "EMSGSIZE") return;
    this.#error = failure;
    this.#tellLater();
  }

  // Once for all that Bun has read in one go, and outside of its callbacks.
  #tellLater(): void {
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(this.#tell);
  }
  readonly #tell = (): void => {
    this.#telling = false;
    this.#resting = false;
    this.#taken = 0;
    this.#observer?.socketReady();
  };

  // --- receiving ---------------------------------------------------------------------------------------------

  recv(size: number = Infinity): Buffer | undefined {
    checkSize(size);
    const payload = this.#take("recv")?.[0];
    // recv(2): what does not fit is lost.
    return payload === undefined || payload.length <= size ? payload : payload.subarray(0, size);
  }

  override recvfrom(): Datagram | undefined {
    return this.#take("recvfrom");
  }

  #take(syscall: string): Datagram | undefined {
    if (this.#resting) return undefined;
    const queue = this.#queue;
    const datagram = queue.take();
    if (datagram === undefined) {
      this.#throwError();
      if (this.#state === "closed") this.#refuseClosed(syscall);
      return undefined;
    }
    this.bytesRead += datagram[0].length || 1;
    if (this.#refusing) this.#admit();
    if (queue.count === 0) this.#taken = 0;
    else if (++this.#taken >= this.#maxPerTurn) {
      // Others have their turn; then the observer is told again.
      this.#resting = true;
      this.#tellLater();
    }
    return datagram;
  }

  #throwError(): void {
    const error = this.#connectError ?? this.#error;
    if (error === undefined) return;
    if (error === this.#connectError) this.#connectError = undefined;
    else this.#error = undefined;
    throw error;
  }

  // A flood that comes faster than Bun reads would keep Bun from ever returning to timers and other sockets.
  #refuse(refuse: boolean): void {
    if (refuse === this.#refusing) return;
    this.#refusing = refuse;
    this.#endpoint.refuse(refuse);
  }
  #admit(): void {
    if (!this.#readShut && this.#queue.bytes * 2 <= this.#queue.maxBytes) this.#refuse(false);
  }

  // --- sending -----------------------------------------------------------------------------------------------

  /**
   * Sends one datagram to the peer.
   *
   * @returns its length in bytes; 0 when it was not sent: the kernel has no room, or the peer's name is being looked up
   * @throws {OSError} EDESTADDRREQ not connected; EMSGSIZE; ECONNREFUSED … what an earlier one was answered with, and this
   *   one was not sent; EPIPE after `shutdown(SHUT_WR)`; EBADF
   */
  send(data: SendData): number {
    return this.#sendToPeer(data, "send");
  }

  /**
   * `address` is numeric, or `localhost`, or `<broadcast>` as Python has it: another name would have to be looked up, and
   * whoever sends would wait.
   *
   * @throws {OSError} as {@link Socket.sendto}; EINVAL a host name; EAFNOSUPPORT; EISCONN connected, without the C library
   * @throws {ArgumentTypeError|ArgumentRangeError} malformed address, port 0
   */
  override sendto(data: SendData, address?: Address): number {
    if (address === undefined) return this.#sendToPeer(data, "sendto");
    this.#refuseSend("sendto");
    const payload = typeof data === "string" ? Buffer.from(data) : bytesOf(data);
    const wire = this.#wire ?? this.#open();
    if (wire.connected || !this.#isPlausible(address)) return this.#sendChecked(payload, address);
    let sent: boolean;
    try {
      sent = wire.send(payload, address[1], address[0]);
    } catch (error) {
      // Either the address is none, which is found out there, or it is tried once more.
      return this.#sendChecked(payload, address, error);
    }
    return this.#accepted(payload.length, sent);
  }

  // What Bun would make something of all the same; the rest it refuses by itself, and nobody pays for a check.
  #isPlausible(address: Address): address is readonly [string, number] {
    if (!Array.isArray(address) || address.length !== 2) return false;
    const [host, port] = address as readonly unknown[];
    if (typeof host !== "string" || typeof port !== "number") return false;
    return this.family === AF_INET || host.includes(":");
  }

  #sendToPeer(data: SendData, syscall: string): number {
    this.#refuseSend(syscall);
    const payload = typeof data === "string" ? Buffer.from(data) : bytesOf(data);
    const wire = this.#wire;
    if (this.#state === "connecting") return 0;
    if (this.#state !== "open" || wire === undefined) throw osError("EDESTADDRREQ", { syscall });
    let sent: boolean;
    try {
      sent = wire.send(payload, this.#peerPort, this.#peerHost);
    } catch (error) {
      return this.#failed(toOSError(error, { syscall, ...addressDetails(this.#peer ?? "") }));
    }
    return this.#accepted(payload.length, sent);
  }

  #accepted(length: number, sent: boolean): number {
    if (!sent) {
      this.#full = true;
      return 0;
    }
    this.bytesSent += length || 1;
    return length;
  }

  // No room is no error; ENOBUFS is a device's word for it, and nobody tells when that is over.
  #failed(error: OSError): number {
    if (error.code === "ENOBUFS" || error.code === "EAGAIN") return 0;
    throw error;
  }

  // The way of what is not usual: strange addresses, and errors. The first may be one that an earlier datagram has left
  // behind on the socket. Then this one has not been sent, and can be now.
  #sendChecked(payload: Uint8Array, address: Address, before?: unknown): number {
    const [host, port] = this.#destination(address);
    const wire = this.#open();
    const details = { syscall: "sendto", ...addressDetails(address) };
    if (wire.connected) {
      if (host === this.#peerHost && port === this.#peerPort) return this.#sendToPeer(payload, "sendto");
      throw osError("EISCONN", details);
    }
    let failure = before === undefined ? undefined : toOSError(before, details);
    for (let mayRetry = true; ; mayRetry = false) {
      try {
        const sent = wire.send(payload, port, host);
        // It was about a datagram to the peer, and is told to who reads; without a peer, to nobody.
        if (this.#state === "open" && LEFT_BEHIND.has(failure?.code ?? "")) this.bunFailed(failure);
        return this.#accepted(payload.length, sent);
      } catch (error) {
        failure = toOSError(error, details);
        if (!mayRetry || !LEFT_BEHIND.has(failure.code)) return this.#failed(failure);
      }
    }
  }

  #destination(address: Address): readonly [host: string, port: number] {
    const target = checkAddress(this.family, address, "sendto");
    if (target.kind === "inet") {
      const { host, port } = target;
      if (target.literal) return [host, port];
      // RFC 6761, 6.3: it is always this.
      if (host === "localhost") return [this.family === AF_INET6 ? "::1" : "127.0.0.1", port];
      if (host === "<broadcast>" && this.family === AF_INET) return ["255.255.255.255", port];
    }
    const detail = "not a numeric address: look the name up before, or connect() to it";
    throw osError("EINVAL", { syscall: "sendto", ...addressDetails(address), detail });
  }

  #refuseSend(syscall: string): void {
    this.#refuseClosed(syscall);
    if (this.#writeShut) throw osError("EPIPE", { syscall, detail: "sending was shut down" });
  }

  // --- bound and connected -----------------------------------------------------------------------------------

  bind(address: Address): void {
    this.#refuseClosed("bind");
    this.#endpoint.bind(address, checkAddress(this.family, address, "bind"));
    this.#attach();
  }

  /**
   * Names the peer: `send()` goes to it, and only its datagrams are received. No packet is sent. May be called again, for
   * another. The outcome is told like a stream's, also where it is certain at once.
   */
  connect(address: Address): void {
    this.#refuseClosed("connect");
    if (this.#state === "connecting") throw osError("EALREADY", { syscall: "connect" });
    const target = checkAddress(this.family, address, "connect");
    if (target.kind !== "inet") throw osError("EAFNOSUPPORT", { syscall: "connect" });
    const { host, port, literal } = target;
    this.#connectEnded = false;
    if (literal) this.#connectTo(address, host, port);
    else void this.#resolve(address, host, port);
  }

  // Never rejects: what goes wrong is the connect's error.
  async #resolve(address: Address, host: string, port: number): Promise<void> {
    const before = this.#state;
    const isWaiting = (): boolean => this.#state === "connecting";
    this.#state = "connecting";
    const ended = (): void => {
      this.clock.clearTimer(this.#timer);
      this.#timer = undefined;
      this.#state = before;
    };
    this.#timer = this.clock.setTimer(
      () => {
        ended();
        this.#connectFailed(osError("ETIMEDOUT", { syscall: "getaddrinfo", address: host, port }));
      },
      Math.min(this.limits.connectTimeoutMs, LONGEST_TIMER_MS),
    );
    const timer = this.#timer;
    try {
      const found = await dns.lookup(host, { family: this.family === AF_INET6 ? 6 : 4 });
      if (!isWaiting() || timer !== this.#timer) return;
      ended();
      this.#connectTo(address, found.address, port);
    } catch (error) {
      if (!isWaiting() || timer !== this.#timer) return;
      ended();
      this.#connectFailed(toOSError(error, { syscall: "getaddrinfo", address: host, port }, "ENOTFOUND"));
    }
  }

  #connectTo(address: Address, host: string, port: number): void {
    const failure = this.#endpoint.connect(address, { kind: "inet", host, port, literal: true });
    this.#attach();
    if (failure !== undefined) {
      this.#connectFailed(failure);
      return;
    }
    this.#peer = [host, port];
    this.#peerHost = host;
    this.#peerPort = port;
    this.#state = "open";
    this.#connectEnded = true;
    this.#observer?.socketChanged();
  }

  #connectFailed(error: OSError): void {
    this.#connectEnded = true;
    this.#connectError = error;
    this.#observer?.socketChanged();
  }

  #open(): UdpWire {
    const wire = this.#endpoint.open();
    this.#attach();
    return wire;
  }

  // The endpoint may have got a wire, or another one.
  #attach(): void {
    const { wire } = this.#endpoint;
    if (wire === this.#wire) return;
    this.#wire = wire;
    this.#watchWire();
  }

  /** Linux: only a connected one. SHUT_RD drops what waits and what comes; there is no end for anybody to be told. */
  shutdown(how: number): void {
    checkHow(how);
    this.#refuseClosed("shutdown");
    if (this.#state !== "open") throw osError("ENOTCONN", { syscall: "shutdown" });
    if (how !== SHUT_RD) this.#writeShut = true;
    if (how !== SHUT_WR) {
      this.#readShut = true;
      this.#queue.clear();
      this.#refuse(true);
    }
  }

  /** Releases the descriptor at once; what waits to be received is dropped. */
  close(): void {
    this.#observer = undefined;
    if (this.#state === "closed") return;
    this.#release("closed");
    this.tellReleased();
  }
  /** The same: there is nothing to reset. */
  abort(): void {
    this.close();
  }

  /** Ended by somebody else: nothing is received or sent any more, and the next `recv()` throws `error`. */
  cut(error: OSError): void {
    if (this.#state === "closed" || this.#state === "ended") return;
    this.#release("ended");
    this.#error = error;
    this.#observer?.socketChanged();
  }

  #release(state: "ended" | "closed"): void {
    this.#state = state;
    this.#resting = false;
    this.clock.clearTimer(this.#timer);
    this.#queue.clear();
    this.#error = undefined;
    this.#connectEnded = false;
    this.#connectError = undefined;
    this.#endpoint.close();
    this.#wire = undefined;
  }

  protected override get unsentBytes(): number {
    return 0;
  }

  // --- a normal socket ---------------------------------------------------------------------------------------

  getsockname(): Address {
    this.#refuseClosed("getsockname");
    return this.#endpoint.getsockname();
  }
  getpeername(): Address {
    this.#refuseClosed("getpeername");
    if (this.#state !== "open" || this.#peer === undefined)
      throw osError("ENOTCONN", { syscall: "getpeername" });
    return this.#peer;
  }
  getsockopt(level: number, name: number): number {
    this.#refuseClosed("getsockopt");
    if (level === SOL_SOCKET && name === SO_ERROR) {
      const error = this.takeError();
      if (error !== undefined || !this.#endpoint.redirects) return error?.errno ?? 0;
    }
    return this.#endpoint.getsockopt(level, name);
  }
  setsockopt(level: number, name: number, value: number): void {
    this.#refuseClosed("setsockopt");
    this.#endpoint.setsockopt(level, name, value);
    this.#attach();
  }
  fileno(): number {
    return this.#endpoint.fd;
  }

  #refuseClosed(syscall: string): void {
    if (this.#state === "closed" || this.#state === "ended")
      throw osError("EBADF", { syscall, detail: "the socket is closed" });
  }

  protected override openBun(syscall: string): BunUdpSocket {
    this.#refuseClosed(syscall);
    return (this.#wire ?? this.#open()).bun;
  }

  // --- what streams have -------------------------------------------------------------------------------------

  flush(): void {}
  listen(_backlog: number): void {
    throw osError("EOPNOTSUPP", { syscall: "listen", detail: "datagrams are no stream" });
  }
  accept(): readonly [Socket, Address] | undefined {
    throw osError("EOPNOTSUPP", { syscall: "accept", detail: "datagrams are no stream" });
  }
}
