/**
 * A network in memory: sockets with names, listeners, connects that are refused, take their time or wait for room
 * in an accept queue. Nothing of it happens inside a call; everything is an event of the network's clock.
 */
import { type Address, addressDetails } from "../base/address.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../base/constants.ts";
import { osError } from "../base/errors.ts";
import { type MemoryHost, MemorySocket } from "../socket/memory.ts";
import type { LinkOptions } from "./faults.ts";
import { MemoryLink } from "./memory-link.ts";
import { Random } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Options of {@link MemoryNetwork} and {@link memoryPair}. */
export interface MemoryNetworkOptions extends LinkOptions {
  /** Default: one of its own. */
  readonly clock?: VirtualClock;
  /** Where the chance in the faults begins. Default 1. */
  readonly seed?: number;
}

interface Connecting {
  readonly socket: MemorySocket;
  readonly to: Address;
}

const FIRST_EPHEMERAL_PORT = 32_768;

/**
 * Addresses are names here and nothing is resolved: `["10.0.0.1", 80]`, `["db", 5432]`, `"/run/x"` all work.
 *
 * @example Dispatchers over a network in memory
 * ```ts
 * import { Dispatcher, type Socket } from "asyncore";
 * import { MemoryNetwork } from "asyncore/testing";
 *
 * const network = new MemoryNetwork();
 * class Echo extends Dispatcher {
 *   override handleRead() {
 *     this.send(this.recv());
 *   }
 *   override handleClose() {
 *     this.close();
 *   }
 * }
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     new Echo(socket);
 *   }
 * }
 * const server = new Server(network.createSocket());
 * server.bind(["10.0.0.1", 7]);
 * server.listen();
 * class Client extends Dispatcher {
 *   answer = "";
 *   override handleConnect() {
 *     this.send("hello");
 *   }
 *   override handleRead() {
 *     this.answer += String(this.recv());
 *   }
 * }
 * const client = new Client(network.createSocket());
 * client.connect(["10.0.0.1", 7]);
 * await network.clock.runUntil(() => client.answer === "hello", "the answer");
 * ```
 */
export class MemoryNetwork implements MemoryHost {
  readonly clock: VirtualClock;
  /** What the chance in faults and latencies comes from. */
  readonly random: Random;
  readonly #options: LinkOptions;
  readonly #bound = new Map<MemorySocket, Address>();
  readonly #listeners = new Set<MemorySocket>();
  readonly #connecting = new Set<Connecting>();
  #port = FIRST_EPHEMERAL_PORT;

  constructor(options: MemoryNetworkOptions = {}) {
    this.clock = options.clock ?? new VirtualClock();
    this.random = new Random(options.seed ?? 1);
    this.#options = options;
  }

  /** An idle socket, as socket(2) makes it. @throws {OSError} EAFNOSUPPORT */
  createSocket(family: number = AF_INET): MemorySocket {
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_UNIX) {
      throw osError("EAFNOSUPPORT", { syscall: "socket", detail: `no address family ${family}` });
    }
    return MemorySocket.idle(this, family);
  }

  /** Two sockets that are connected already. */
  pair(options: LinkOptions = this.#options): [MemorySocket, MemorySocket] {
    const names: [Address, Address] = [this.#freeName("127.0.0.1"), this.#freeName("127.0.0.1")];
    const a = MemorySocket.open(this, AF_INET, names[0], names[1]);
    const b = MemorySocket.open(this, AF_INET, names[1], names[0]);
    const { wires } = new MemoryLink(this.clock, this.random, options, a, b);
    [a.wire, b.wire] = wires;
    return [a, b];
  }

  // --- for the sockets ----------------------------------------------------------------------------------------

  bind(socket: MemorySocket, address: Address): Address {
    const anyHost = socket.family === AF_INET6 ? "::" : "0.0.0.0";
    let name = address;
    if (typeof address !== "string") {
      const host = address[0] === "" ? anyHost : address[0];
      name = address[1] === 0 ? this.#freeName(host) : [host, address[1]];
    }
    if (this.#isTaken(name)) throw osError("EADDRINUSE", { syscall: "bind", ...addressDetails(name) });
    this.#bound.set(socket, name);
    return name;
  }

  listen(socket: MemorySocket): Address {
    const name = this.#bound.get(socket) ?? this.bind(socket, ["", 0]);
    this.#listeners.add(socket);
    return name;
  }

  connect(socket: MemorySocket, to: Address): Address {
    const attempt = { socket, to };
    this.#connecting.add(attempt);
    this.#later(() => this.#arrive(attempt));
    const bound = this.#bound.get(socket);
    if (bound !== undefined) return bound;
    if (socket.family === AF_UNIX) return "";
    return this.#freeName(socket.family === AF_INET6 ? "::1" : "127.0.0.1");
  }

  accepted(listener: MemorySocket): void {
    // Whoever waits for room asks again, in the order they came.
    for (const attempt of this.#connecting) {
      if (this.#listenerAt(attempt.to) === listener) this.#later(() => this.#arrive(attempt), 0);
    }
  }

  release(socket: MemorySocket): void {
    this.#bound.delete(socket);
    for (const attempt of this.#connecting) if (attempt.socket === socket) this.#connecting.delete(attempt);
    if (!this.#listeners.delete(socket)) return;
    for (const attempt of this.#connecting) this.#later(() => this.#arrive(attempt), 0);
  }

  // --- inside -------------------------------------------------------------------------------------------------

  #later(callback: () => void, delayMs = this.random.amount(this.#options.latencyMs ?? 0)): void {
    this.clock.setTimer(callback, delayMs);
  }

  // A connect has reached its address: refused, put into the accept queue, or left to wait for room there.
  #arrive(attempt: Connecting): void {
    const { socket, to } = attempt;
    if (!this.#connecting.has(attempt)) return;
    const listener = this.#listenerAt(to);
    if (listener === undefined) {
      this.#connecting.delete(attempt);
      const missing = typeof to === "string" && !to.startsWith("\0") && !this.#isTaken(to);
      const code = missing ? "ENOENT" : "ECONNREFUSED";
      socket.linkRefused(osError(code, { syscall: "connect", ...addressDetails(to) }));
      return;
    }
    if (!listener.hasRoom) return;
    this.#connecting.delete(attempt);
    const child = MemorySocket.open(this, socket.family, to, socket.getsockname());
    const [near, far] = new MemoryLink(this.clock, this.random, this.#options, socket, child).wires;
    child.wire = far;
    // The answer to the connect is an event of its own; no byte may overtake it, and the socket may give up before.
    near.pause();
    this.#later(() => {
      near.resume();
      if (!socket.linkOpened(near)) near.terminate();
    });
    listener.offer(child);
  }

  #listenerAt(to: Address): MemorySocket | undefined {
    for (const socket of this.#listeners) {
      const name = this.#bound.get(socket);
      if (name !== undefined && overlaps(name, to)) return socket;
    }
    return undefined;
  }

  #isTaken(name: Address): boolean {
    for (const other of this.#bound.values()) if (overlaps(other, name)) return true;
    return false;
  }

  #freeName(host: string): Address {
    for (let tries = FIRST_EPHEMERAL_PORT; tries < 65_536; tries++) {
      const name: Address = [host, this.#port];
      this.#port = this.#port === 65_535 ? FIRST_EPHEMERAL_PORT : this.#port + 1;
      if (!this.#isTaken(name)) return name;
    }
    throw osError("EADDRNOTAVAIL", { syscall: "bind", address: host, detail: "no port is free" });
  }
}

/**
 * Two connected memory sockets. To meddle with the connection: `linkOf(a)`.
 *
 * @example A connection that is reset after three bytes
 * ```ts
 * import { memoryPair, VirtualClock } from "asyncore/testing";
 *
 * const clock = new VirtualClock();
 * const [a, b] = memoryPair({ clock, faults: { rstAfterBytes: 3 } });
 * a.send("hello");
 * await clock.runAll();
 * console.log(String(b.recv()), b.takeError()?.code); // hel ECONNRESET
 * ```
 */
export function memoryPair(options: MemoryNetworkOptions = {}): [MemorySocket, MemorySocket] {
  return new MemoryNetwork(options).pair();
}

function overlaps(a: Address, b: Address): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  if (a[1] !== b[1]) return false;
  return a[0] === b[0] || isAnyHost(a[0]) || isAnyHost(b[0]);
}

function isAnyHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
