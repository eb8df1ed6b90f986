/**
 * Streams without a kernel: a {@link MemorySocket} has all of `stream-socket.ts`, and in place of Bun's socket a
 * {@link MemoryWire} that some host of ours provides. The hosts are in `asyncore/testing` (`MemoryNetwork`); this
 * file knows no names of peers, no delays and no faults. A wire must never call the socket from inside one of the
 * socket's calls: what it tells are events of their own, as they are with a kernel.
 */
import { type Address, addressDetails, checkAddress } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { AF_INET6, AF_UNIX, SO_ERROR, SOL_SOCKET } from "../base/constants.ts";
import { osError, type OSError } from "../base/errors.ts";
import { checkBacklog } from "./arguments.ts";
import type { Socket } from "./socket.ts";
import { StreamSocket } from "./stream-socket.ts";

/** One end of a connection in memory, as its socket uses it: what a descriptor is to a kernel's socket. */
export interface MemoryWire {
  /** @returns how many bytes were taken (and copied), -1 when the connection is gone */
  write(bytes: Uint8Array, offset: number, length: number): number;
  shutdown(): void;
  pause(): void;
  resume(): void;
  /** close(2): what was written still goes out. After this the wire tells nothing. */
  close(): void;
  /** Reset. After this the wire tells nothing. */
  terminate(): void;
}

/** What memory sockets ask of the network they live in. */
export interface MemoryHost {
  /** Whose time the deadlines of the sockets run on. */
  readonly clock: Clock;
  /** Gives `socket` a name; port 0 chooses one. @throws {OSError} EADDRINUSE, EADDRNOTAVAIL */
  bind(socket: MemorySocket, address: Address): Address;
  /** From now on connections to the bound name are offered to `socket`. @returns its name */
  listen(socket: MemorySocket): Address;
  /** Later calls `linkOpened` or `linkRefused`. @returns the name the socket connects from */
  connect(socket: MemorySocket, address: Address): Address;
  /** `accept()` made room in the queue. */
  accepted(socket: MemorySocket): void;
  /** The socket's names are free again, and a connect under way is given up. Harmless when there is nothing. */
  release(socket: MemorySocket): void;
}

export class MemorySocket extends StreamSocket {
  readonly #host: MemoryHost;
  #wire: MemoryWire | undefined;
  #local: Address | undefined;
  #peer: Address | undefined;
  #accepted: MemorySocket[] = [];
  #held = false;
  #backlog = 0;

  private constructor(host: MemoryHost, family: number, state: "idle" | "open") {
    super(family, state);
    this.#host = host;
  }

  /** For the host: a socket as socket(2) makes it. */
  static idle(host: MemoryHost, family: number): MemorySocket {
    return new MemorySocket(host, family, "idle");
  }

  /** For the host: one end of a connection that stands. `wire` may be given later, before anything happens. */
  static open(host: MemoryHost, family: number, local: Address, peer: Address): MemorySocket {
    const socket = new MemorySocket(host, family, "open");
    socket.#local = local;
    socket.#peer = peer;
    return socket;
  }

  /** The connection's wire; undefined before and after there is one. */
  get wire(): MemoryWire | undefined {
    return this.#wire;
  }
  set wire(wire: MemoryWire) {
    this.#wire = wire;
  }

  // --- what the host tells, always as an event of its own -----------------------------------------------------

  /** The connection stands. @returns false when the attempt was given up meanwhile */
  linkOpened(wire: MemoryWire): boolean {
    if (!this.pending) return false;
    this.#wire = wire;
    this.wireOpened();
    return true;
  }
  linkRefused(error: OSError): void {
    this.#letGo();
    this.wireFailed(error);
  }
  linkReceived(chunk: Buffer): void {
    this.wireReceived(chunk);
  }
  linkDrained(): void {
    this.wireDrained();
  }
  linkEnded(): void {
    this.wireEnded();
  }
  /** The wire is gone; with the reason, where it did not end by both FINs. */
  linkClosed(error: OSError | undefined): void {
    this.#letGo();
    this.wireClosed(error);
  }

  /** Whether the accept queue takes one more. */
  get hasRoom(): boolean {
    return this.#accepted.length < this.#backlog;
  }
  /** Puts an open socket into the accept queue. */
  offer(socket: MemorySocket): void {
    socket.limits = this.limits;
    this.#accepted.push(socket);
    this.observer?.socketReady();
  }

  // --- from idle to listening or connected --------------------------------------------------------------------

  bind(address: Address): void {
    this.#needIdle("bind");
    checkAddress(this.family, address, "bind");
    if (this.#local !== undefined) throw osError("EINVAL", { syscall: "bind", detail: "already bound" });
    this.#local = this.#host.bind(this, address);
  }

  listen(backlog: number): void {
    checkBacklog(backlog);
    this.#needIdle("listen");
    if (this.#local === undefined && this.family === AF_UNIX) throw osError("EINVAL", { syscall: "listen" });
    this.#backlog = Math.max(backlog, 1);
    this.#local = this.#host.listen(this);
    this.startListening();
  }

  accept(): readonly [Socket, Address] | undefined {
    if (this.state === "closed")
      throw osError("EBADF", { syscall: "accept", detail: "the socket is closed" });
    if (this.state !== "listening") throw osError("EINVAL", { syscall: "accept", detail: "not listening" });
    const socket = this.#accepted.shift();
    if (socket === undefined) return undefined;
    // A listener's progress: what a dispatcher looks at to see whether its hook took anything.
    this.bytesRead++;
    this.#host.accepted(this);
    return [socket, socket.#peer ?? ""];
  }

  connect(address: Address): void {
    if (this.state === "connecting") throw osError("EALREADY", { syscall: "connect" });
    if (this.state === "open") throw osError("EISCONN", { syscall: "connect" });
    this.#needIdle("connect");
    checkAddress(this.family, address, "connect");
    this.#peer = address;
    this.startConnecting();
    this.#local = this.#host.connect(this, address);
  }

  #needIdle(syscall: string): void {
    if (this.state === "idle") return;
    if (this.state !== "listening" && this.state !== "open" && this.state !== "ended") {
      throw osError("EBADF", { syscall, detail: "the socket is closed" });
    }
    throw osError("EINVAL", { syscall, detail: `the socket is ${this.state}` });
  }

  protected override connectTimedOut(): OSError {
    return osError("ETIMEDOUT", { syscall: "connect", ...addressDetails(this.#peer ?? "") });
  }

  override get clock(): Clock {
    return this.#host.clock;
  }

  // --- the wire -----------------------------------------------------------------------------------------------

  protected wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    return this.#wire === undefined ? -1 : this.#wire.write(bytes, offset, length);
  }
  protected wireShutdown(): void {
    this.#wire?.shutdown();
  }
  protected wirePause(): void {
    this.#wire?.pause();
  }
  protected wireResume(): void {
    this.#wire?.resume();
  }
  protected wireClose(): void {
    this.#letGo()?.close();
  }
  protected wireTerminate(): void {
    this.#letGo()?.terminate();
  }

  #letGo(): MemoryWire | undefined {
    const wire = this.#wire;
    this.#wire = undefined;
    this.#host.release(this);
    const waiting = this.#accepted;
    this.#accepted = [];
    for (const socket of waiting) socket.abort();
    return wire;
  }

  // --- a normal non-blocking socket ---------------------------------------------------------------------------

  override pauseAccepting(): void {
    if (this.state !== "listening") super.pauseAccepting();
    this.#held = true;
  }
  override resumeAccepting(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.readReady) this.observer?.socketChanged();
  }
  protected override get acceptReady(): boolean {
    return this.#accepted.length > 0 && !this.#held;
  }

  getsockname(): Address {
    this.#needOpen("getsockname");
    if (this.#local !== undefined) return this.#local;
    return this.family === AF_UNIX ? "" : [this.family === AF_INET6 ? "::" : "0.0.0.0", 0];
  }

  getpeername(): Address {
    this.#needOpen("getpeername");
    if (this.state === "idle" || this.state === "listening" || this.state === "connecting") {
      throw osError("ENOTCONN", { syscall: "getpeername" });
    }
    return this.#peer ?? "";
  }

  getsockopt(level: number, name: number): number {
    this.#needOpen("getsockopt");
    if (level === SOL_SOCKET && name === SO_ERROR) return this.takeError()?.errno ?? 0;
    throw osError("ENOPROTOOPT", { syscall: "getsockopt" });
  }

  setsockopt(_level: number, _name: number, _value: number): void {
    this.#needOpen("setsockopt");
    throw osError("ENOPROTOOPT", { syscall: "setsockopt" });
  }

  #needOpen(syscall: string): void {
    if (this.state === "closed") throw osError("EBADF", { syscall, detail: "the socket is closed" });
  }

  fileno(): number {
    return -1;
  }
}
