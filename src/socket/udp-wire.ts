/**
 * Bun's UDP socket as `udp.ts` uses it: opened within the call (Bun hands out a promise, which is settled already), its
 * callbacks passed to an owner, and held weakly while nobody observes that owner, so that garbage collection can close
 * it. And what the two kinds of endpoint have in common: `libc-udp.ts` begins with a descriptor of its own,
 * `plain-udp.ts` with what Bun alone can do.
 */
import type { Address, Target } from "../base/address.ts";
import { osError, type OSError } from "../base/errors.ts";

/** Whom the callbacks reach. None of these may run a user's code: Bun reads on for as long as something comes. */
export interface DatagramOwner {
  bunDatagram(payload: Buffer, port: number, host: string): void;
  bunDrained(): void;
  bunFailed(error: unknown): void;
}

/** Bun's socket, with what its types lack or have wrong. */
export interface BunUdpSocket {
  readonly fd: number;
  readonly address: { readonly address: string; readonly port: number };
  send(payload: Uint8Array, port?: number, host?: string): boolean;
  close(): void;
  ref(): void;
  unref(): void;
  setBroadcast(on: boolean): unknown;
  setTTL(ttl: number): unknown;
  setMulticastTTL(ttl: number): unknown;
  setMulticastLoopback(on: boolean): unknown;
  setMulticastInterface(address: string): unknown;
  addMembership(group: string, through?: string): unknown;
  dropMembership(group: string, through?: string): unknown;
  addSourceSpecificMembership(source: string, group: string, through?: string): unknown;
  dropSourceSpecificMembership(source: string, group: string, through?: string): unknown;
}

/** A descriptor that Bun takes over, or what it is to bind and connect. */
export type UdpWireOptions =
  | { readonly fd: number }
  | {
      readonly hostname: string;
      readonly port: number;
      readonly connect?: { readonly hostname: string; readonly port: number };
    };

type OpenSocket = (options: object) => Promise<BunUdpSocket>;

export class UdpWire {
  readonly bun: BunUdpSocket;
  /** Whether Bun knows the peer, and takes no other. */
  readonly connected: boolean;
  #owner: DatagramOwner | undefined;
  #parked: WeakRef<DatagramOwner> | undefined;

  /** Opens one for nobody yet: {@link hold} or {@link park} names the owner. @throws what Bun throws */
  constructor(options: UdpWireOptions) {
    this.connected = "connect" in options && options.connect !== undefined;
    const socket = {
      data: (_bun: unknown, payload: Buffer, port: number, host: string): void =>
        this.#whom()?.bunDatagram(payload, port, host),
      drain: (): void => this.#whom()?.bunDrained(),
      // Bun calls it with the error alone, its types say (socket, error).
      error: (...told: unknown[]): void => this.#whom()?.bunFailed(told.at(-1)),
    };
    this.bun = settled((Bun.udpSocket as unknown as OpenSocket)({ ...options, socket }));
  }

  #whom(): DatagramOwner | undefined {
    return this.#owner ?? this.#parked?.deref();
  }

  /** `owner` is observed: the open socket keeps it, and the process, alive. */
  hold(owner: DatagramOwner): void {
    abandoned.unregister(this);
    this.#owner = owner;
    this.#parked = undefined;
    this.bun.ref();
  }

  /** Nobody observes `owner`: only the program's own references keep it. */
  park(owner: DatagramOwner): void {
    if (this.#parked !== undefined) return;
    this.#owner = undefined;
    this.#parked = new WeakRef(owner);
    abandoned.register(owner, this.bun, this);
    this.bun.unref();
  }

  /** @returns false when the kernel has no room: nothing was sent, and `bunDrained` will be called */
  send(payload: Uint8Array, port: number, host: string): boolean {
    return this.connected ? this.bun.send(payload) : this.bun.send(payload, port, host);
  }

  close(): void {
    abandoned.unregister(this);
    this.#owner = undefined;
    this.#parked = undefined;
    this.bun.close();
  }
}

// "Sockets are automatically closed when they are garbage-collected."
const abandoned = new FinalizationRegistry<BunUdpSocket>((bun) => bun.close());

function settled(opening: Promise<BunUdpSocket>): BunUdpSocket {
  const status = Bun.peek.status(opening);
  if (status === "fulfilled") return Bun.peek(opening) as BunUdpSocket;
  opening.then(
    (late) => late.close(),
    () => {
      // Thrown here.
    },
  );
  if (status === "rejected") throw Bun.peek(opening) as unknown as Error;
  throw osError("EAGAIN", { syscall: "socket", detail: "Bun did not open a UDP socket at once" });
}

/** A datagram socket before and while it has a wire. */
export interface UdpEndpoint {
  /** The descriptor, -1 when there is none. */
  readonly fd: number;
  /** Undefined until something calls for one: `open()`, `bind()`, `connect()`. */
  readonly wire: UdpWire | undefined;
  /** Whether a connected one may still send to others. */
  readonly redirects: boolean;
  /** Bun's socket, bound by the kernel if it was not bound before. */
  open(): UdpWire;
  bind(address: Address, target: Target): void;
  /**
   * To a numeric target.
   *
   * @returns what the network says against it: ENETUNREACH, EACCES …
   * @throws {OSError} EINVAL a scope that names no interface
   */
  connect(address: Address, target: Target): OSError | undefined;
  getsockname(): Address;
  getsockopt(level: number, name: number): number;
  setsockopt(level: number, name: number, value: number): void;
  /** Has the kernel drop what comes, or take it again; does nothing where it cannot be asked to. */
  refuse(refuse: boolean): void;
  /** What the kernel has dropped so far, as far as it tells. */
  dropped(): number;
  close(): void;
}
