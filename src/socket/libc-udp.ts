/**
 * A datagram socket made by the C library and handed to Bun when it is bound, connected or first sends. Made so it has
 * options before `bind()`, an exact error for everything, and none of IP_RECVERR, which Bun sets on its own sockets: there
 * the ICMP error of one peer makes the next send, to another, fail.
 *
 * Owner of the descriptor: this object until it has a wire, then Bun.
 */
import { type Address, addressDetails, type Target } from "../base/address.ts";
import { osError, type OSError, toOSError } from "../base/errors.ts";
import { SOCK_DGRAM } from "../base/constants.ts";
import type { Libc } from "./libc.ts";
import { type UdpEndpoint, UdpWire } from "./udp-wire.ts";

export class LibcUdp implements UdpEndpoint {
  readonly redirects = true;
  wire: UdpWire | undefined;
  readonly #c: Libc;
  readonly #family: number;
  #fd: number;
  /** The kernel's count at the end. */
  #dropped = 0;

  /** @throws {OSError} EMFILE, EAFNOSUPPORT … */
  constructor(c: Libc, family: number) {
    this.#c = c;
    this.#family = family;
    this.#fd = c.socket(family, SOCK_DGRAM);
    descriptors.register(this, { c, fd: this.#fd }, this);
  }

  get fd(): number {
    return this.wire === undefined ? this.#fd : this.wire.bun.fd;
  }

  open(): UdpWire {
    if (this.wire !== undefined) return this.wire;
    try {
      this.wire = new UdpWire({ fd: this.#fd });
    } catch (error) {
      throw toOSError(error, { syscall: "socket" });
    }
    descriptors.unregister(this);
    this.#fd = -1;
    return this.wire;
  }

  bind(address: Address, target: Target): void {
    this.#c.bind(this.fd, this.#c.sockaddr(this.#family, target), address);
    this.open();
  }

  connect(address: Address, target: Target): OSError | undefined {
    const code = this.#c.connect(this.fd, this.#c.sockaddr(this.#family, target));
    if (code !== undefined) return osError(code, { syscall: "connect", ...addressDetails(address) });
    this.open();
    return undefined;
  }

  getsockname(): Address {
    return this.#c.getsockname(this.fd);
  }
  getsockopt(level: number, name: number): number {
    return this.#c.getsockopt(this.fd, level, name);
  }
  setsockopt(level: number, name: number, value: number): void {
    this.#c.setsockopt(this.fd, level, name, value);
  }

  refuse(refuse: boolean): void {
    // Where the kernel will not, what is too much is read and dropped here.
    this.#c.refuseDatagrams(this.fd, refuse);
  }
  dropped(): number {
    const { fd } = this;
    return fd < 0 ? this.#dropped : this.#c.droppedDatagrams(fd);
  }

  close(): void {
    this.#dropped = this.dropped();
    if (this.wire !== undefined) {
      this.wire.close();
    } else if (this.#fd >= 0) {
      descriptors.unregister(this);
      this.#c.close(this.#fd);
      this.#fd = -1;
    }
  }
}

// "Sockets are automatically closed when they are garbage-collected": here those that never reached Bun.
const descriptors = new FinalizationRegistry<{ c: Libc; fd: number }>(({ c, fd }) => c.close(fd));
