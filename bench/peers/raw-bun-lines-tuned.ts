/**
 * Line replies on raw `Bun.listen`, tuned by hand: the replies of one chunk are put together and go out with one
 * `write`. What does not fit, or comes short, waits for `drain`.
 */
import type { Socket } from "bun";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

// Shared by all connections: it is empty whenever a callback ends.
const replies = Buffer.allocUnsafeSlow(512 * 1024);
let filled = 0;

class Connection {
  readonly #wire: Socket<Connection>;
  readonly #lines = new LineSplitter();
  #kept: Buffer[] = [];

  constructor(wire: Socket<Connection>) {
    this.#wire = wire;
  }
  received(chunk: Buffer): void {
    this.#lines.feed(chunk, this.#reply);
    this.#flush();
  }
  drained(): void {
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) this.#write(bytes);
  }
  readonly #reply = (line: Buffer): void => {
    if (line.length > replies.length - filled) this.#flush();
    if (line.length > replies.length) {
      this.#write(line);
      return;
    }
    replies.set(line, filled);
    filled += line.length;
  };
  #flush(): void {
    const bytes = replies.subarray(0, filled);
    filled = 0;
    if (bytes.length > 0) this.#write(bytes);
  }
  #write(bytes: Buffer): void {
    if (this.#kept.length === 0) {
      const taken = this.#wire.write(bytes);
      if (taken < 0 || taken === bytes.length) return;
      bytes = bytes.subarray(taken);
    }
    // The shared memory is another's with the next callback.
    this.#kept.push(Buffer.from(bytes));
  }
}

const listener = Bun.listen<Connection>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(wire) {
      wire.data = new Connection(wire);
    },
    data: (wire, chunk) => wire.data.received(chunk),
    drain: (wire) => wire.data.drained(),
  },
});
serving(listener.port);
