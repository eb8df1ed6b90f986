/** Datagram sockets as the tests want them: with an observer that writes down what it is told. */
import { type Address, AF_INET, SOCK_DGRAM, type SocketObserver } from "asyncore";

import { createSocket } from "../../src/socket/create-socket.ts";
import { UdpSocket } from "../../src/socket/udp.ts";
import { until } from "../support/until.ts";

/** A socket that reports to itself, closed at the end of its block. */
export class Probe implements SocketObserver, Disposable {
  readonly socket: UdpSocket;
  ready = 0;
  changed = 0;

  /** Bound to `address`, or unbound. */
  constructor(address?: Address, family: number = AF_INET) {
    const socket = createSocket({ family, type: SOCK_DGRAM });
    if (!(socket instanceof UdpSocket)) throw new TypeError("no UdpSocket");
    this.socket = socket;
    socket.observe(this);
    if (address !== undefined) socket.bind(address);
  }
  static bound(): Probe {
    return new Probe(["127.0.0.1", 0]);
  }

  socketReady(): void {
    this.ready++;
  }
  socketChanged(): void {
    this.changed++;
  }
  get address(): readonly [string, number] {
    return this.socket.getsockname() as readonly [string, number];
  }
  get port(): number {
    return this.address[1];
  }

  /** Connected to `peer`, and told so. */
  async connected(peer: { readonly address: Address }): Promise<this> {
    this.socket.connect(peer.address);
    await until(() => this.socket.state === "open", "the connect");
    const error = this.socket.takeError();
    if (error !== undefined) throw error;
    return this;
  }

  /** The next datagram: its text, and who sent it. */
  async next(): Promise<readonly [string, Address]> {
    await until(() => this.socket.readReady, "a datagram");
    const datagram = this.socket.recvfrom();
    if (datagram === undefined) throw new Error("ready, and nothing there");
    return [datagram[0].toString("latin1"), datagram[1]];
  }
  /** The next `count` of them, without their senders. */
  async texts(count: number): Promise<string[]> {
    const all: string[] = [];
    while (all.length < count) all.push((await this.next())[0]);
    return all;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

/** An address of loopback where nobody is; what is sent there is answered with "port unreachable". */
export function deadAddress(): Address {
  using probe = new Probe(["127.0.0.77", 0]);
  return probe.address;
}

/** What `action` throws, as `code` or the name of its class. */
export function codeOf(action: () => unknown): string {
  try {
    const result = action();
    return `returned ${String(result)}`;
  } catch (error) {
    const { code, constructor } = error as { code?: string; constructor: { name: string } };
    return code?.startsWith("ERR_") === true ? constructor.name : (code ?? constructor.name);
  }
}
