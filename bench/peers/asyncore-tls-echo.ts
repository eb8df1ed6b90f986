/** Echo on a `Dispatcher` with TLS. With `--poll` the hooks run inside `await loop()`. */
import { AF_INET, Dispatcher, loop, type Socket } from "asyncore";

import { identity } from "./certificate.ts";
import { serving } from "./life.ts";

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

class EchoServer extends Dispatcher {
  constructor() {
    super();
    this.createSocket({ family: AF_INET, tls: identity });
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Echo(socket);
  }
}

const [, port] = new EchoServer().getsockname() as [string, number];
serving(port);
if (process.argv.includes("--poll")) await loop();
