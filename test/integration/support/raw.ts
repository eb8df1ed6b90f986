/** Peers on raw Bun sockets in the test's own process, for where what the peer does matters and its process does not. */
import type { Address } from "asyncore";

export type RawSocket = Bun.Socket<RawPeer>;

/** What a raw peer is to do; nothing by default, not even to answer a FIN. */
export interface RawOptions {
  /** Never reads. */
  readonly paused?: boolean;
  /** Writes for as long as the kernel takes it. */
  readonly floods?: boolean;
  /** Sends FIN at once. */
  readonly halfCloses?: boolean;
  /** Answers a FIN with its own, as most programs do. */
  readonly answersFin?: boolean;
}

export class RawPeer implements Disposable {
  readonly options: RawOptions;
  wire: RawSocket | undefined;
  /** What happened: `open`, `fin`, `closed`, `closed ECONNRESET`. */
  readonly events: string[] = [];
  received: string = "";
  bytes = 0;

  constructor(options: RawOptions = {}) {
    this.options = options;
  }

  static async connect(to: Address, options?: RawOptions): Promise<RawPeer> {
    const peer = new RawPeer(options);
    const common = { data: peer, socket: handlers, allowHalfOpen: true };
    if (typeof to === "string") await Bun.connect({ unix: to, ...common });
    else await Bun.connect({ hostname: to[0], port: to[1], ...common });
    return peer;
  }

  get ended(): boolean {
    return this.events.includes("fin") || this.closed;
  }
  get closed(): boolean {
    return this.events.some((event) => event.startsWith("closed"));
  }
  send(data: string | Uint8Array): void {
    this.wire?.write(data);
  }
  [Symbol.dispose](): void {
    this.wire?.terminate();
  }
}

const MOST_KEPT = 100_000;
const flood = Buffer.alloc(65_536, "f");
function pump(wire: RawSocket): void {
  if (!wire.data.options.floods) return;
  while (wire.write(flood) === flood.length);
}

/** The handlers of a {@link RawPeer}, for `Bun.listen` too. */
export const handlers: Bun.SocketHandler<RawPeer> = {
  open(wire) {
    const peer = wire.data;
    peer.wire = wire;
    peer.events.push("open");
    if (peer.options.paused === true) wire.pause();
    if (peer.options.halfCloses === true) wire.shutdown();
    pump(wire);
  },
  data(wire, chunk) {
    const peer = wire.data;
    peer.bytes += chunk.length;
    if (peer.received.length < MOST_KEPT) peer.received += chunk.toString("latin1");
  },
  drain: pump,
  end(wire) {
    wire.data.events.push("fin");
    if (wire.data.options.answersFin === true) wire.shutdown();
  },
  close(wire, error) {
    const code = (error as { code?: string } | undefined)?.code;
    wire.data.events.push(code === undefined ? "closed" : `closed ${code}`);
  },
  error(_wire, error) {
    throw error;
  },
};
