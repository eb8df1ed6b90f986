/**
 * Fan-out on raw `Bun.listen`: what the publisher says, every subscriber gets, one `write` each. What comes short is
 * kept for `drain`; a subscriber that takes nothing is cut when a mebibyte waits for it. With `--tuned` what one chunk of
 * the publisher's brings is put together by hand, and goes to each subscriber with one `write`.
 */
import type { Socket } from "bun";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

const PREFIX = Buffer.from("> ");
const MOST_KEPT_BYTES = 1024 * 1024;
const subscribers = new Set<Participant>();
const tuned = process.argv.includes("--tuned");
let together: Buffer[] = [];

class Participant {
  readonly #wire: Socket<Participant>;
  readonly #lines = new LineSplitter();
  #known = false;
  #kept: Buffer[] = [];
  #keptBytes = 0;

  constructor(wire: Socket<Participant>) {
    this.#wire = wire;
  }
  received(chunk: Buffer): void {
    this.#lines.feed(chunk, this.#said);
    if (together.length === 0) return;
    const messages = Buffer.concat(together);
    together = [];
    for (const subscriber of subscribers) subscriber.send(messages);
  }
  send(message: Buffer): void {
    if (this.#kept.length === 0) {
      const taken = this.#wire.write(message);
      if (taken < 0 || taken === message.length) return;
      message = message.subarray(taken);
    }
    this.#kept.push(message);
    this.#keptBytes += message.length;
    if (this.#keptBytes > MOST_KEPT_BYTES) this.#wire.terminate();
  }
  drained(): void {
    const kept = this.#kept;
    this.#kept = [];
    this.#keptBytes = 0;
    for (const message of kept) this.send(message);
  }
  closed(): void {
    subscribers.delete(this);
  }
  readonly #said = (line: Buffer): void => {
    if (this.#known) {
      const message = Buffer.concat([PREFIX, line]);
      if (tuned) together.push(message);
      else for (const subscriber of subscribers) subscriber.send(message);
      return;
    }
    this.#known = true;
    if (line.toString() === "SUB\n") subscribers.add(this);
    this.send(Buffer.from("ready\n"));
  };
}

const listener = Bun.listen<Participant>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(wire) {
      wire.data = new Participant(wire);
    },
    data: (wire, chunk) => wire.data.received(chunk),
    drain: (wire) => wire.data.drained(),
    close: (wire) => wire.data.closed(),
  },
});
serving(listener.port);
