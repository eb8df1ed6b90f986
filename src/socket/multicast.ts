/**
 * Broadcast and multicast, which a program reaches through its channel's socket, in the words of node:dgram. Base of
 * `udp.ts`; Bun does the work.
 */
import { ArgumentRangeError, ArgumentTypeError, osError, toOSError } from "../base/errors.ts";
import { BareSocket } from "./bare-socket.ts";
import type { BunUdpSocket } from "./udp-wire.ts";

export abstract class Multicast extends BareSocket {
  /** Bun's socket, made if need be. @throws {OSError} EBADF */
  protected abstract openBun(syscall: string): BunUdpSocket;

  /** Lets it send to broadcast addresses (SO_BROADCAST); without, that fails with EACCES. @throws {OSError} EBADF */
  setBroadcast(on: boolean): void {
    this.#option("setBroadcast", (bun) => bun.setBroadcast(on));
  }
  /** Hops for unicast, 1..255. @throws {OSError} EINVAL, EBADF */
  setTTL(hops: number): void {
    this.#option("setTTL", (bun) => bun.setTTL(whole("setTTL", hops)));
  }
  /** Hops for multicast, 0..255; the default 1 stays in the local network. @throws {OSError} EINVAL, EBADF */
  setMulticastTTL(hops: number): void {
    this.#option("setMulticastTTL", (bun) => bun.setMulticastTTL(whole("setMulticastTTL", hops)));
  }
  /** Whether members on this machine receive what it sends to a group. Default true. @throws {OSError} EBADF */
  setMulticastLoopback(on: boolean): void {
    this.#option("setMulticastLoopback", (bun) => bun.setMulticastLoopback(on));
  }
  /**
   * The interface multicast leaves by: one of its own addresses, or for IPv6 `::%eth0`.
   *
   * @throws {OSError} EINVAL, ENODEV, EADDRNOTAVAIL, EBADF
   */
  setMulticastInterface(address: string): void {
    this.#option("setMulticastInterface", (bun) => bun.setMulticastInterface(text("address", address)));
  }
  /**
   * Joins a multicast group, on the interface that has the address `through` (IPv6: `::%eth0`) or one of the kernel's choice.
   * Bind first, to the group's port. On Linux one that is bound to all addresses also gets what is sent to groups that
   * others on this machine have joined, unless IP_MULTICAST_ALL is 0.
   *
   * @throws {OSError} EINVAL no group, ENODEV no such interface, EADDRINUSE joined already, EBADF
   */
  addMembership(group: string, through?: string): void {
    this.#membership("addMembership", [group], through);
  }
  /** Leaves it. @throws {OSError} EADDRNOTAVAIL not a member, EINVAL, EBADF */
  dropMembership(group: string, through?: string): void {
    this.#membership("dropMembership", [group], through);
  }
  /** Joins a group for what one `source` sends to it. @throws {OSError} as {@link addMembership} */
  addSourceSpecificMembership(source: string, group: string, through?: string): void {
    this.#membership("addSourceSpecificMembership", [source, group], through);
  }
  /** Leaves it. @throws {OSError} as {@link dropMembership} */
  dropSourceSpecificMembership(source: string, group: string, through?: string): void {
    this.#membership("dropSourceSpecificMembership", [source, group], through);
  }

  #membership(method: keyof BunUdpSocket, addresses: readonly string[], through: string | undefined): void {
    for (const address of addresses) text("address", address);
    if (through !== undefined) text("interface", through);
    const call = (bun: BunUdpSocket): unknown =>
      (bun[method] as (...given: readonly unknown[]) => unknown).call(bun, ...addresses, through);
    this.#option(method, call);
  }

  #option(syscall: string, set: (bun: BunUdpSocket) => unknown): void {
    const bun = this.openBun(syscall);
    let done: unknown;
    try {
      done = set(bun);
    } catch (error) {
      if (error instanceof ArgumentTypeError || error instanceof ArgumentRangeError) throw error;
      throw toOSError(error, { syscall }, "EINVAL");
    }
    // Bun's answer to an interface that it cannot read.
    if (syscall === "setMulticastInterface" && done === false) throw osError("EINVAL", { syscall });
  }
}

function whole(what: string, value: number): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new ArgumentRangeError(`${what}: an integer, not ${String(value)}`);
}

function text(what: string, value: string): string {
  if (typeof value === "string") return value;
  throw new ArgumentTypeError(`the ${what} is a string, not ${typeof value}`);
}
