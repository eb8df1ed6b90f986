/**
 * An endpoint with a descriptor of its own, made by the C library and handed to Bun when it connects or listens. It
 * has what Bun's API lacks: errors raised by `bind()`, a backlog, options before the connection, the kernel's own
 * error for a failed connect, a connect that can be given up, and a listener that can be paused (Bun listens on a
 * duplicate of the descriptor, so stopping it leaves the queue in the kernel alone).
 *
 * Owner of the descriptor: this object until `connect()` gives it to Bun; while listening it keeps its own.
 */
import { type Address, addressDetails, type Target } from "../base/address.ts";
import { OSError, osError, toOSError } from "../base/errors.ts";
import { handling } from "./bun-handlers.ts";
import { nearDescriptorLimit } from "./descriptor-limit.ts";
import type { BunOwner, Endpoint, Wire, WireListener } from "./endpoint.ts";
import type { Libc } from "./libc.ts";
import type { BunTlsOptions } from "./tls-context.ts";
import { replaceStaleSocket, UnixPath } from "./unix-path.ts";

type ListenByFd = (options: object) => WireListener;
type ConnectByFd = (options: object) => Promise<unknown>;

export class LibcEndpoint implements Endpoint {
  readonly canPause = true;
  tls: BunTlsOptions | undefined = undefined;
  readonly #c: Libc;
  readonly #family: number;
  readonly #type: number;
  #fd: number;
  #backlog = 0;
  #path: UnixPath | undefined;
  #target: Target | undefined;
  #listener: WireListener | undefined;
  #owner: BunOwner | undefined;

  /** @param fd an inherited descriptor, which becomes ours. @throws {OSError} EMFILE, EAFNOSUPPORT … */
  constructor(c: Libc, family: number, type: number, fd: number = c.socket(family, type)) {
    this.#c = c;
    this.#family = family;
    this.#type = type;
    this.#fd = fd;
    descriptors.register(this, { c, fd: this.#fd }, this);
  }

  get fd(): number {
    return this.#fd;
  }

  bind(address: Address, target: Target): void {
    const name = this.#c.sockaddr(this.#family, target);
    try {
      this.#c.bind(this.#fd, name, address);
    } catch (error) {
      if (target.kind !== "unix" || (error as OSError).code !== "EADDRINUSE") throw error;
      const probe = (): boolean => this.#isStale(target);
      if (!replaceStaleSocket(target.path, probe)) throw error;
      this.#c.bind(this.#fd, name, address);
    }
    if (target.kind === "unix") {
      this.#path = UnixPath.made(target.path);
      this.#target = target;
    }
  }

  // A socket file is stale when connecting to it is refused. Anything else, also a full backlog, is a live one.
  #isStale(target: Target): boolean {
    const fd = this.#c.socket(this.#family, this.#type);
    try {
      return this.#c.connect(fd, this.#c.sockaddr(this.#family, target)) === "ECONNREFUSED";
    } finally {
      this.#c.close(fd);
    }
  }

  // Unless somebody else listens on it by now, who was given our descriptor. Without one to ask with, nobody does.
  #isAbandoned(target: Target): boolean {
    try {
      return this.#isStale(target);
    } catch (error) {
      if (error instanceof OSError) return true;
      throw error;
    }
  }

  getsockname(): Address {
    return this.#c.getsockname(this.#fd);
  }
  getsockopt(level: number, name: number): number {
    return this.#c.getsockopt(this.#fd, level, name);
  }
  setsockopt(level: number, name: number, value: number): void {
    this.#c.setsockopt(this.#fd, level, name, value);
  }

  listen(backlog: number, owner: BunOwner): void {
    // Here for its errors; startAccepting() says it again.
    this.#c.listen(this.#fd, backlog);
    this.#backlog = backlog;
    this.#owner = owner;
    this.startAccepting();
  }

  stopAccepting(): void {
    this.#listener?.stop();
    this.#listener = undefined;
  }

  startAccepting(): void {
    if (this.#listener !== undefined || this.#fd < 0) return;
    const fd = this.#c.duplicate(this.#fd);
    try {
      if (nearDescriptorLimit(fd)) throw osError("EMFILE", { syscall: "accept" });
      const listen = Bun.listen as unknown as ListenByFd;
      this.#listener = listen({ fd, data: this.#owner, allowHalfOpen: true, ...handling(this.tls) });
      // Bun has called listen(fd, 511) on it, which set the backlog of the socket both descriptors stand for.
      this.#c.listen(this.#fd, this.#backlog);
    } catch (error) {
      this.#c.close(fd);
      throw toOSError(error, { syscall: "listen" });
    }
  }

  check(target: Target): void {
    this.#c.sockaddr(this.#family, target);
  }

  connect(address: Address, target: Target, owner: BunOwner, failed: (error: OSError) => void): void {
    const code = this.#c.connect(this.#fd, this.#c.sockaddr(this.#family, target));
    if (code !== undefined) {
      queueMicrotask(() => failed(osError(code, { syscall: "connect", ...addressDetails(address) })));
      return;
    }
    const fd = this.#fd;
    this.#disown();
    const connect = Bun.connect as unknown as ConnectByFd;
    connect({ fd, data: owner, allowHalfOpen: true, ...handling(this.tls) }).catch((error: unknown) =>
      failed(toOSError(error, { syscall: "connect" })),
    );
  }

  isConnected(wire: Wire): boolean {
    return this.#c.getpeername(wire.fd) !== undefined;
  }

  close(): void {
    this.stopAccepting();
    this.#owner = undefined;
    if (this.#fd >= 0) {
      const fd = this.#fd;
      this.#disown();
      this.#c.close(fd);
    }
    if (this.#target !== undefined && this.#isAbandoned(this.#target)) this.#path?.remove();
    this.#path = undefined;
    this.#target = undefined;
  }

  #disown(): void {
    descriptors.unregister(this);
    this.#fd = -1;
  }
}

// "Sockets are automatically closed when they are garbage-collected": here those that never reached Bun.
const descriptors = new FinalizationRegistry<{ c: Libc; fd: number }>(({ c, fd }) => c.close(fd));
