// An echo server. Try it: `nc 127.0.0.1 8007`, then type. PORT and HOST choose the address; Ctrl-C ends it.
import { type Address, closeAll, Dispatcher, formatAddress, type Socket } from "asyncore";

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

class EchoServer extends Dispatcher {
  constructor(address: Address) {
    super();
    this.createSocket();
    this.setReuseAddr();
    this.bind(address);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Echo(socket);
  }
}

const host = process.env["HOST"] ?? "127.0.0.1";
const server = new EchoServer([host, Number(process.env["PORT"] ?? 8007)]);
const [shownHost, port] = server.getsockname() as [string, number];

const stop = (): void => closeAll();
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
console.log(
  `echo server: try \`nc ${shownHost} ${port}\` and type; listening on ${formatAddress([shownHost, port])}`,
);
