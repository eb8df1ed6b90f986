/**
 * An echo server whose connections all have timeouts, and stay open when they are idle for too long. Each is looked at
 * every 50 ms, a tenth of the time it may be idle. Prints its port, and ends when its input does.
 */
import { Dispatcher, type Socket, type StreamLimits, streamLimits } from "asyncore";

import { serving } from "../../../bench/peers/life.ts";

class Timed extends Dispatcher {
  static override limits: StreamLimits = streamLimits({
    idleTimeoutMs: 500,
    lifetimeTimeoutMs: 3_600_000,
    requestTimeoutMs: 3_600_000,
  });
  constructor(socket: Socket) {
    super(socket);
    this.beginRequest();
  }
  override handleRead(): void {
    this.send(this.recv());
  }
  // It stays open, and its time begins anew.
  override handleTimeout(): void {}
  override handleClose(): void {
    this.close();
  }
}
class Server extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    new Timed(socket);
  }
}

const server = new Server();
server.createSocket();
server.bind(["127.0.0.1", 0]);
server.listen();
serving((server.getsockname() as [string, number])[1]);
