/**
 * From the data callback through dispatch and the hook and back, over a stand-in socket: what the library adds to a
 * message in CPU time, without the kernel and Bun.
 */
import { do_not_optimize as keep } from "mitata";

import { Dispatcher } from "../../src/index.ts";
import { bench, finish } from "./harness.ts";
import { StandInSocket } from "./stand-in-socket.ts";

const message = Buffer.alloc(64, 1);
const line = Buffer.alloc(32, 1);

class Sink extends Dispatcher {
  override handleRead(): void {
    keep(this.recv());
  }
}
class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
}
class SixteenReplies extends Dispatcher {
  override handleRead(): void {
    keep(this.recv());
    for (let count = 0; count < 16; count++) this.send(line);
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
class AsyncEcho extends Dispatcher {
  settled: Promise<void> = Promise.resolve();
  override handleRead(): Promise<void> {
    this.settled = this.#echo();
    return this.settled;
  }
  async #echo(): Promise<void> {
    this.send(this.recv());
  }
}

function on<D extends Dispatcher>(make: (socket: StandInSocket) => D): [StandInSocket, D] {
  const socket = new StandInSocket();
  return [socket, make(socket)];
}

const [sink] = on((socket) => new Sink(socket));
const [echo] = on((socket) => new Echo(socket));
const [replies] = on((socket) => new SixteenReplies(socket));
const [asked] = on((socket) => new Asked(socket));
const [asynchronous, asyncEcho] = on((socket) => new AsyncEcho(socket));

await bench("64 B in, recv", () => sink.receive(message));
await bench("64 B in, recv, send, one write", () => echo.receive(message));
await bench("64 B in, recv, 16 x send 32 B, one write", () => replies.receive(message));
await bench("64 B in, readable and writable asked, echo", () => asked.receive(message));
await bench("64 B in, async handleRead, echo", async () => {
  asynchronous.receive(message);
  await asyncEcho.settled;
});
await finish();
process.exit(0);
