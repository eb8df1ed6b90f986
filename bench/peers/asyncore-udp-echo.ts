/** Datagram echo on a `Dispatcher`. With `--poll` the hooks run inside `await loop()`. */
import { Dispatcher, loop, SOCK_DGRAM } from "asyncore";

import { serving } from "./life.ts";

class Echo extends Dispatcher {
  constructor() {
    super();
    this.createSocket({ type: SOCK_DGRAM });
    this.bind(["127.0.0.1", 0]);
  }
  override handleRead(): void {
    for (let datagram = this.recvfrom(); datagram !== null; datagram = this.recvfrom()) {
      this.sendto(datagram[0], datagram[1]);
    }
  }
}

const [, port] = new Echo().getsockname() as [string, number];
serving(port);
if (process.argv.includes("--poll")) await loop();
