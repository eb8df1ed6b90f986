/**
 * Streams on Bun's sockets: TCP over IPv4 and IPv6, and unix domain. Begins as an {@link Endpoint}, becomes a
 * listener (which hands out sockets of this class) or a connection. All buffering, half-close and closing is
 * `stream-socket.ts`'s; here Bun's callbacks become its wire events, and its wire operations Bun's calls.
 */
import dns from "node:dns/promises";

import { checkAddress, type Address, type Target } from "../base/address.ts";
import { AF_INET, AF_INET6, AF_UNIX, SO_ERROR, SOCK_STREAM, SOL_SOCKET } from "../base/constants.ts";
import { ArgumentRangeError, osError, toOSError, type OSError } from "../base/errors.ts";
import type { BunOwner, Endpoint, Wire } from "./endpoint.ts";
import { LibcEndpoint } from "./libc-endpoint.ts";
import { libc } from "./libc.ts";
import { Listener, type ListenerOwner } from "./listener.ts";
import { Parked } from "./parked.ts";
import { PlainEndpoint } from "./plain-endpoint.ts";
import type { Socket } from "./socket.ts";
import { StreamSocket } from "./stream-socket.ts";

export class TcpSocket extends StreamSocket implements BunOwner, ListenerOwner<TcpSocket> {
  #endpoint: Endpoint | undefined;
  #listener: Listener<TcpSocket> | undefined;
  #wire: Wire | undefined;
  #peer: Address | undefined;
  #parked: Parked | undefined;

  /** An idle socket, or with `wire` an accepted one. */
  private constructor(family: number, wire?: Wire) {
    super(family, wire === undefined ? "idle" : "open");
    this.#wire = wire;
    if (wire !== undefined) wire.data = this;
  }

  /**
   * A new socket, as socket(2) makes it.
   *
   * @throws {OSError} EAFNOSUPPORT family, EPROTONOSUPPORT type, EMFILE
   */
  static create(family: number, type: number = SOCK_STREAM): TcpSocket {
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_UNIX) {
      throw osError("EAFNOSUPPORT", { syscall: "socket", detail: `no address family ${String(family)}` });
    }
    if (type !== SOCK_STREAM) {
      throw osError("EPROTONOSUPPORT", { syscall: "socket", detail: `no socket type ${String(type)}` });
    }
    const socket = new TcpSocket(family);
    const c = libc();
    socket.#endpoint = c === undefined ? new PlainEndpoint(family) : new LibcEndpoint(c, family, type);
    return socket;
  }

  /** For the listener: the socket of a connection it accepted. */
  adopt(wire: Wire): TcpSocket {
    const socket = new TcpSocket(this.family, wire);
    socket.limits = this.limits;
    // Asked now: Bun forgets the address when the peer is gone.
    socket.#peer = this.family === AF_UNIX ? "" : [wire.remoteAddress ?? "", wire.remotePort];
    return socket;
  }

  /** For the listener: a connection is waiting. */
  acceptReady(): void {
    this.observer?.socketReady();
  }

  // --- from idle to listening or connected -------------------------------------------------------------------

  bind(address: Address): void {
    const endpoint = this.#idle("bind");
    endpoint.bind(address, checkAddress(this.family, address, "bind"));
  }

  listen(backlog: number): void {
    if (!Number.isInteger(backlog) || backlog < 0) {
      throw new ArgumentRangeError(`listen: the backlog is an integer of at least 0, not ${String(backlog)}`);
    }
    const endpoint = this.#idle("listen");
    const listener = new Listener(this, endpoint, Math.max(backlog, 1));
    endpoint.listen(backlog, listener);
    this.#listener = listener;
    this.startListening();
  }

  accept(): readonly [Socket, Address] | undefined {
    if (this.state === "closed")
      throw osError("EBADF", { syscall: "accept", detail: "the socket is closed" });
    if (this.#listener === undefined) throw osError("EINVAL", { syscall: "accept", detail: "not listening" });
    const socket = this.#listener.accept();
    if (socket === undefined) return undefined;
    this.bytesRead++;
    return [socket, socket.#peer ?? ""];
  }

  connect(address: Address): void {
    if (this.state === "connecting") throw osError("EALREADY", { syscall: "connect" });
    if (this.state === "open" || this.state === "ended") throw osError("EISCONN", { syscall: "connect" });
    const endpoint = this.#idle("connect");
    const target = checkAddress(this.family, address, "connect");
    this.#peer = address;
    this.startConnecting();
    if (target.kind === "unix" || target.literal) this.#connectTo(endpoint, target);
    else void this.#resolve(endpoint, target.host, target.port);
  }

  // Never rejects: what goes wrong is the connect's error.
  async #resolve(endpoint: Endpoint, host: string, port: number): Promise<void> {
    try {
      const found = await dns.lookup(host, { family: this.family === AF_INET6 ? 6 : 4 });
      if (this.state !== "connecting") return;
      this.#connectTo(endpoint, { kind: "inet", host: found.address, port, literal: true });
    } catch (error) {
      this.wireFailed(toOSError(error, { syscall: "getaddrinfo", address: host, port }, "ENOTFOUND"));
    }
  }

  #connectTo(endpoint: Endpoint, target: Target): void {
    endpoint.connect(this.#peer ?? "", target, this, (error) => this.wireFailed(error));
  }

  #idle(syscall: string): Endpoint {
    if (this.state === "closed") throw osError("EBADF", { syscall, detail: "the socket is closed" });
    if (this.state !== "idle" || this.#endpoint === undefined) {
      throw osError("EINVAL", { syscall, detail: `the socket is ${this.state}` });
    }
    return this.#endpoint;
  }

  protected override connectTimedOut(): OSError {
    return osError("ETIMEDOUT", { syscall: "connect", ...this.#peerDetails() });
  }

  #peerDetails(): { address?: string; port?: number } {
    const peer = this.#peer;
    if (peer === undefined) return {};
    return typeof peer === "string" ? { address: peer } : { address: peer[0], port: peer[1] };
  }

  // --- Bun's callbacks ---------------------------------------------------------------------------------------

  bunOpened(wire: Wire): void {
    if (this.state === "closed" || this.state === "ended") {
      // Given up before Bun was done.
      wire.terminate();
      return;
    }
    this.#wire = wire;
    // An adopted descriptor is still connecting: Bun's drain, or its close with the error, tells the outcome. Nothing
    // may be asked of it before that, for it would take the kernel's error away.
    if (this.#endpoint?.canPause !== true) this.wireOpened();
  }
  bunReceived(chunk: Buffer): void {
    if (this.state === "connecting") this.wireOpened();
    this.wireReceived(chunk);
  }
  bunDrained(): void {
    if (this.state !== "connecting") {
      this.wireDrained();
      if (this.observer === undefined) this.parkIfIdle();
    } else if (this.#wire !== undefined && this.#endpoint?.isConnected(this.#wire) === true) {
      this.wireOpened();
    }
  }
  bunEnded(): void {
    if (this.state === "connecting") this.wireOpened();
    this.wireEnded();
  }
  bunClosed(error: unknown): void {
    this.#wire = undefined;
    const connecting = this.state === "connecting";
    const details = connecting ? { syscall: "connect", ...this.#peerDetails() } : { syscall: "recv" };
    this.wireClosed(
      error === undefined || error === null ? undefined : toOSError(error, details, "ECONNRESET"),
    );
  }

  // --- the wire ----------------------------------------------------------------------------------------------

  protected wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#wire === undefined) return -1;
    const taken = this.#wire.write(bytes, offset, length);
    if (taken < length && this.#parked !== undefined) this.#unpark();
    return taken;
  }
  protected wireShutdown(): void {
    this.#unpark();
    this.#wire?.shutdown();
  }
  protected wirePause(): void {
    this.#wire?.pause();
  }
  protected wireResume(): void {
    this.#wire?.resume();
  }
  // TCP's end() is a bare close(2).
  protected wireClose(): void {
    this.#letGo()?.end();
  }
  protected wireTerminate(): void {
    this.#letGo()?.terminate();
  }

  #letGo(): Wire | undefined {
    this.#listener?.close();
    this.#endpoint?.close();
    this.#endpoint = undefined;
    this.#parked?.forget();
    const wire = this.#wire;
    this.#wire = undefined;
    return wire;
  }

  // --- garbage collection ------------------------------------------------------------------------------------

  /** For the listener: this was handed out; when nobody observes it, only the program's own references count. */
  parkIfIdle(): void {
    const wire = this.#wire;
    const idle = this.observer === undefined && this.state === "open" && this.bufferedAmount === 0;
    if (!idle || this.#parked !== undefined || wire === undefined) return;
    const { family } = this;
    this.#parked = new Parked(this, wire, () => new TcpSocket(family, wire).close());
  }

  override observe(observer: Parameters<Socket["observe"]>[0]): void {
    this.#unpark();
    super.observe(observer);
    if (observer === undefined) this.parkIfIdle();
  }

  #unpark(): void {
    if (this.#parked === undefined) return;
    this.#parked.forget();
    this.#parked = undefined;
    if (this.#wire !== undefined) this.#wire.data = this;
  }

  // --- a normal non-blocking socket --------------------------------------------------------------------------

  override get readReady(): boolean {
    return this.#listener === undefined ? super.readReady : this.#listener.ready;
  }
  override get writeReady(): boolean {
    return this.#listener === undefined && super.writeReady;
  }

  getsockname(): Address {
    if (this.#endpoint !== undefined && this.#endpoint.fd >= 0) return this.#endpoint.getsockname();
    const wire = this.#wire;
    if (wire !== undefined && this.family !== AF_UNIX) return [wire.localAddress, wire.localPort];
    const c = libc();
    if (wire !== undefined && wire.fd >= 0) return c?.getsockname(wire.fd) ?? "";
    if (this.#endpoint !== undefined) return this.#endpoint.getsockname();
    throw osError("EBADF", { syscall: "getsockname", detail: "the socket is closed" });
  }

  getpeername(): Address {
    if (this.state === "closed")
      throw osError("EBADF", { syscall: "getpeername", detail: "the socket is closed" });
    if (this.state === "idle" || this.state === "listening" || this.state === "connecting") {
      throw osError("ENOTCONN", { syscall: "getpeername" });
    }
    return this.#peer ?? "";
  }

  getsockopt(level: number, name: number): number {
    if (level === SOL_SOCKET && name === SO_ERROR) {
      const error = this.takeError();
      if (error !== undefined || this.#wire === undefined) return error?.errno ?? 0;
    }
    const wire = this.#wireFd();
    if (wire >= 0) return (libc() ?? noLibrary("getsockopt")).getsockopt(wire, level, name);
    return this.#anyEndpoint("getsockopt").getsockopt(level, name);
  }

  setsockopt(level: number, name: number, value: number): void {
    const wire = this.#wireFd();
    if (wire >= 0) (libc() ?? noLibrary("setsockopt")).setsockopt(wire, level, name, value);
    else this.#anyEndpoint("setsockopt").setsockopt(level, name, value);
  }

  fileno(): number {
    const wire = this.#wireFd();
    return wire >= 0 ? wire : (this.#endpoint?.fd ?? -1);
  }

  #wireFd(): number {
    return this.#wire?.fd ?? -1;
  }

  #anyEndpoint(syscall: string): Endpoint {
    return this.#endpoint ?? noDescriptor(syscall);
  }
}

function noLibrary(syscall: string): never {
  throw osError("ENOSYS", { syscall, detail: "socket options need the C library" });
}

function noDescriptor(syscall: string): never {
  throw osError("EBADF", { syscall, detail: "the socket is closed" });
}
