/**
 * Fan-out on a `Dispatcher`: what the publisher says, every subscriber gets, one `send` each. A subscriber that takes
 * nothing is cut when a mebibyte waits for it.
 */
import { Dispatcher, type Socket, streamLimits, type StreamLimits } from "asyncore";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

const PREFIX = Buffer.from("> ");
const subscribers = new Set<Participant>();

class Participant extends Dispatcher {
  static override limits: StreamLimits = streamLimits({ maxBufferedBytes: 1024 * 1024 });
  readonly #lines = new LineSplitter();
  #known = false;
  readonly #said = (line: Buffer): void => {
    if (this.#known) {
      const message = Buffer.concat([PREFIX, line]);
      for (const subscriber of subscribers) subscriber.send(message);
      return;
    }
    this.#known = true;
    if (line.toString() === "SUB\n") subscribers.add(this);
    this.send("ready\n");
  };

  override handleRead(): void {
    this.#lines.feed(this.recv(), this.#said);
  }
  override handleClose(): void {
    this.close();
  }
  override handleError(): void {
    this.close();
  }
  override close(): void {
    subscribers.delete(this);
    super.close();
  }
}

class FanoutServer extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Participant(socket);
  }
}

const [, port] = new FanoutServer().getsockname() as [string, number];
serving(port);
