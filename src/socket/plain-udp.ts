/**
 * A datagram socket without the C library: only what `Bun.udpSocket` can do. It is there from `bind()`, `connect()` or
 * the first send on. What is missing: socket options but SO_BROADCAST, sending to others while connected, and help
 * of the kernel's against a flood. Bun sets IP_RECVERR on Linux; `udp.ts` undoes what that does to others.
 */
import { type Address, addressDetails, type Target } from "../base/address.ts";
import { AF_INET6, SO_BROADCAST, SOL_SOCKET } from "../base/constants.ts";
import { osError, type OSError, toOSError } from "../base/errors.ts";
import { type UdpEndpoint, UdpWire, type UdpWireOptions } from "./udp-wire.ts";

export class PlainUdp implements UdpEndpoint {
  readonly redirects = false;
  wire: UdpWire | undefined;
  readonly #anyHost: string;
  #hostname: string;

  constructor(family: number) {
    this.#anyHost = family === AF_INET6 ? "::" : "0.0.0.0";
    this.#hostname = this.#anyHost;
  }

  get fd(): number {
    return this.wire?.bun.fd ?? -1;
  }

  open(): UdpWire {
    this.wire ??= make({ hostname: this.#hostname, port: 0 }, "socket", [this.#hostname, 0]);
    return this.wire;
  }

  bind(address: Address, target: Target): void {
    if (this.wire !== undefined) throw osError("EINVAL", { syscall: "bind", detail: "already bound" });
    const { host, port } = inet(target);
    const hostname = host === "" ? this.#anyHost : host;
    this.wire = make({ hostname, port }, "bind", address);
    this.#hostname = hostname;
  }

  // Bun connects a socket when it makes it. The bound one goes first, and for a moment its port is nobody's.
  connect(address: Address, target: Target): OSError | undefined {
    const { host, port } = inet(target);
    const before = this.wire?.bun.address.port ?? 0;
    this.wire?.close();
    this.wire = undefined;
    const connect = { hostname: host, port };
    const own = { hostname: this.#hostname, port: before };
    try {
      this.wire = make({ ...own, connect }, "connect", address);
      return undefined;
    } catch (error) {
      if (before !== 0) this.wire = make(own, "bind", [own.hostname, own.port]);
      return error as OSError;
    }
  }

  getsockname(): Address {
    const bound = this.wire?.bun.address;
    return bound === undefined ? [this.#anyHost, 0] : [bound.address, bound.port];
  }
  getsockopt(_level: number, _name: number): number {
    return unsupported("getsockopt");
  }
  setsockopt(level: number, name: number, value: number): void {
    if (level !== SOL_SOCKET || name !== SO_BROADCAST) unsupported("setsockopt");
    this.open().bun.setBroadcast(value !== 0);
  }
  refuse(_refuse: boolean): void {}
  dropped(): number {
    return 0;
  }

  close(): void {
    this.wire?.close();
  }
}

function make(options: UdpWireOptions, syscall: string, address: Address): UdpWire {
  try {
    return new UdpWire(options);
  } catch (error) {
    throw toOSError(error, { syscall, ...addressDetails(address) }, "EADDRNOTAVAIL");
  }
}

function inet(target: Target): Extract<Target, { kind: "inet" }> {
  if (target.kind === "inet") return target;
  throw osError("EAFNOSUPPORT", { syscall: "bind", address: target.path });
}

function unsupported(syscall: string): never {
  throw osError("ENOSYS", { syscall, detail: "socket options need the C library" });
}
