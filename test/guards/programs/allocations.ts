/**
 * Says, as one line of JSON, how many cells of the heap a message costs in each of some situations, by type. To be run with
 * `METER_ENV`. Most are on stand-in sockets, whose messages cost nothing: what is counted is the library's own.
 */
import {
  AsyncChat,
  ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  poll,
  type Socket,
  type StreamLimits,
  streamLimits,
} from "asyncore";

import type { Socket as Wire } from "bun";

import { allocatedBy, type Cells } from "../allocation-meter.ts";
import { StandInSocket } from "../../../bench/micro/stand-in-socket.ts";

const MESSAGES = 2000;
const PASSES = 200;
const TCP_MESSAGES = 500;
const message = Buffer.alloc(64, "m");
const line = Buffer.alloc(32, "l");
const large = Buffer.alloc(64 * 1024, "b");
const sixteenLines = Buffer.from(`${"l".repeat(31)}\n`.repeat(16));

class Sink extends Dispatcher {
  override handleRead(): void {
    this.recv();
  }
}
class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
}
class Sixteen extends Dispatcher {
  override handleRead(): void {
    this.recv();
    for (let count = 0; count < 16; count++) this.send(line);
  }
}
class SixteenTexts extends Dispatcher {
  override handleRead(): void {
    this.recv();
    for (let count = 0; count < 16; count++) this.send("a line of text\n");
  }
}
class Large extends Dispatcher {
  override handleRead(): void {
    this.recv();
    this.send(large);
  }
}
class Asked extends Echo {
  override readable(): boolean {
    return true;
  }
  override writable(): boolean {
    return false;
  }
}
class Timed extends Dispatcher {
  static override limits: StreamLimits = streamLimits({
    idleTimeoutMs: 60_000,
    lifetimeTimeoutMs: 3_600_000,
    requestTimeoutMs: 5000,
  });
  override handleRead(): void {
    this.beginRequest();
    this.send(this.recv());
    this.endRequest();
  }
}
class Buffered extends DispatcherWithSend {
  override handleRead(): void {
    this.send(this.recv());
  }
}
class Frames extends AsyncChat {
  override collectIncomingData(): void {}
  override foundTerminator(): void {
    this.push(line);
  }
}
class IdleAsked extends Sink {
  override readable(): boolean {
    return true;
  }
  override writable(): boolean {
    return false;
  }
}
/** Whose kernel is full until {@link drain}. */
class FullSocket extends StandInSocket {
  full = false;
  protected override wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    return this.full ? 0 : super.wireWrite(bytes, offset, length);
  }
  drain(): void {
    this.full = false;
    this.wireDrained();
  }
}

/** A message to a channel that was made for `socket`. */
function on(
  make: (socket: StandInSocket, map: ChannelMap) => Dispatcher,
  bytes: Buffer = message,
): () => void {
  const socket = new StandInSocket();
  make(socket, new ChannelMap());
  return () => socket.receive(bytes);
}

/** A message that one of 100 channels passes on to all. */
function broadcast(): () => void {
  const map = new ChannelMap();
  const all = Array.from({ length: 100 }, () => new Sink(new StandInSocket(), map));
  class Publisher extends Dispatcher {
    override handleRead(): void {
      const bytes = this.recv();
      for (let index = 0; index < all.length; index++) (all[index] as Sink).send(bytes);
    }
  }
  const socket = new StandInSocket();
  new Publisher(socket, map);
  return () => socket.receive(message);
}

/** A send outside of any turn, and the microtask that writes it. */
function outsideTurns(): () => Promise<void> {
  const channel = new Sink(new StandInSocket(), new ChannelMap());
  const written = Promise.resolve();
  return () => {
    channel.send(message);
    return written;
  };
}

/** Sixteen sends that a full kernel does not take, and the drain that empties the queue. */
function stalled(): () => void {
  const socket = new FullSocket();
  new Sixteen(socket, new ChannelMap());
  return () => {
    socket.full = true;
    socket.receive(message);
    socket.drain();
  };
}

/** A pass over `idle` channels that have nothing. */
async function passOver(idle: number, make: typeof Sink): Promise<Cells> {
  const map = new ChannelMap();
  for (let count = 0; count < idle; count++) new make(new StandInSocket(), map);
  for (let pass = 0; pass < 5; pass++) await poll(0, map);
  return allocatedBy(PASSES, () => poll(0, map));
}

/** A pass over 1,000 channels, one of which has a message. */
async function passFor(make: typeof Echo): Promise<Cells> {
  const map = new ChannelMap();
  for (let count = 0; count < 1000; count++) new Sink(new StandInSocket(), map);
  const socket = new StandInSocket();
  new make(socket, map);
  for (let pass = 0; pass < 5; pass++) await poll(0, map);
  return allocatedBy(PASSES, () => {
    socket.receive(message);
    return poll(0, map);
  });
}

/** A message over TCP to a server in this process, and its echo. What the client needs is counted too. */
async function overTcp(port: number): Promise<Cells> {
  let echoed: (() => void) | undefined;
  let received = 0;
  const data = (_wire: Wire, chunk: Buffer): void => {
    received += chunk.length;
    if (received % message.length === 0) echoed?.();
  };
  const wire = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data } });
  const cells = await allocatedBy(TCP_MESSAGES, () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    echoed = resolve;
    wire.write(message);
    return promise;
  });
  wire.terminate();
  return cells;
}
function listenRaw(): number {
  const socket = { data: (wire: Wire, chunk: Buffer): void => void wire.write(chunk) };
  return Bun.listen({ hostname: "127.0.0.1", port: 0, socket }).port;
}
function listenWith(make: new (socket: Socket) => Dispatcher): number {
  class Server extends Dispatcher {
    override handleAccepted(socket: Socket): void {
      new make(socket);
    }
  }
  const server = new Server();
  server.createSocket();
  server.bind(["127.0.0.1", 0]);
  server.listen();
  return (server.getsockname() as [string, number])[1];
}

let kept: unknown;
const figures: Record<string, Cells> = {
  // What the meter is worth: one object each, and a closure with what it closes over.
  nothing: await allocatedBy(MESSAGES, () => undefined),
  "an object": await allocatedBy(MESSAGES, () => (kept = {})),
  "a closure": await allocatedBy(MESSAGES, () => {
    const value = kept;
    kept = () => value;
  }),
  recv: await allocatedBy(
    MESSAGES,
    on((socket, map) => new Sink(socket, map)),
  ),
  "recv, send": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Echo(socket, map)),
  ),
  "recv, 16 x send": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Sixteen(socket, map)),
  ),
  "recv, 16 x send text": await allocatedBy(
    MESSAGES,
    on((socket, map) => new SixteenTexts(socket, map)),
  ),
  "recv, send 64 KiB": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Large(socket, map)),
  ),
  "recv, send, readable() and writable() asked": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Asked(socket, map)),
  ),
  "recv, send, in a request with timeouts": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Timed(socket, map)),
  ),
  "recv, send of DispatcherWithSend": await allocatedBy(
    MESSAGES,
    on((socket, map) => new Buffered(socket, map)),
  ),
  "16 lines of AsyncChat, each answered": await allocatedBy(
    MESSAGES,
    on((socket, map) => {
      const channel = new Frames(socket, map);
      channel.setTerminator("\n");
      return channel;
    }, sixteenLines),
  ),
  "one to 100 channels": await allocatedBy(MESSAGES / 10, broadcast()),
  "a send outside of turns": await allocatedBy(MESSAGES, outsideTurns()),
  "16 sends to a full kernel, drained": await allocatedBy(MESSAGES, stalled()),
  "over TCP, raw Bun.listen": await overTcp(listenRaw()),
  "over TCP, recv, send": await overTcp(listenWith(Echo)),
  "over TCP, recv, send, in a request with timeouts": await overTcp(listenWith(Timed)),
  "a pass over 10 idle channels": await passOver(10, Sink),
  "a pass over 1,000 idle channels": await passOver(1000, Sink),
  "a pass over 10 that are asked": await passOver(10, IdleAsked),
  "a pass over 1,000 that are asked": await passOver(1000, IdleAsked),
  "a pass for one with a message among 1,000": await passFor(Echo),
  "a pass for one that is asked, with a message": await passFor(Asked),
};
console.log(JSON.stringify(figures));
process.exit(0);
