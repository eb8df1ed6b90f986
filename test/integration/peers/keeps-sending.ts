// A server that sends to every connection as fast as it can and heeds nothing, with a cap of 1 MiB a connection.
// stdout: {listening: address}, and {closed: code} for each channel that was closed by an error.
import { Dispatcher, OSError, type Socket, streamLimits } from "asyncore";

const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};
const piece = Buffer.alloc(60_000, "x");
const senders = new Set<Sender>();

class Sender extends Dispatcher {
  static override limits: ReturnType<typeof streamLimits> = streamLimits({ maxBufferedBytes: 1024 * 1024 });

  override handleError(error: unknown): void {
    senders.delete(this);
    say({ closed: error instanceof OSError ? error.code : String(error), buffered: this.bufferedAmount });
    this.close();
  }
}
class Server extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    senders.add(new Sender(socket));
  }
}

const server = new Server();
server.createSocket();
server.bind(["127.0.0.1", 0]);
server.listen();
say({ listening: server.getsockname() });
setInterval(() => {
  for (const sender of senders) {
    try {
      for (let i = 0; i < 8; i++) sender.send(piece);
    } catch (error) {
      // handleError() is told too.
      if (!(error instanceof OSError)) throw error;
      senders.delete(sender);
    }
  }
}, 1);
