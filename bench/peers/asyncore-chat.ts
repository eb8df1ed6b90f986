/**
 * Line replies on `AsyncChat`: a terminator, and one `push()` per line. With `--poll` under `await loop()`, as a program
 * that came from Python runs; without, in push mode.
 */
import { AsyncChat, Dispatcher, loop, type Socket } from "asyncore";

import { serving } from "./life.ts";

const NEWLINE = Buffer.from("\n");

class Replier extends AsyncChat {
  #line: Buffer[] = [];

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\n");
  }
  override collectIncomingData(data: Buffer): void {
    this.#line.push(data);
  }
  override foundTerminator(): void {
    this.#line.push(NEWLINE);
    this.push(Buffer.concat(this.#line));
    this.#line.length = 0;
  }
}

class LineServer extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Replier(socket);
  }
}

const [, port] = new LineServer().getsockname() as [string, number];
serving(port);
if (process.argv.includes("--poll")) await loop();
