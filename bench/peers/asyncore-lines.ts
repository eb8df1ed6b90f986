/** Line replies on a `Dispatcher`: one `send` per line, and what the library makes of it. */
import { Dispatcher, type Socket } from "asyncore";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

class Replier extends Dispatcher {
  readonly #lines = new LineSplitter();
  readonly #reply = (line: Buffer): void => {
    this.send(line);
  };
  override handleRead(): void {
    this.#lines.feed(this.recv(), this.#reply);
  }
  override handleClose(): void {
    this.close();
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
