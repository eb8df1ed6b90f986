/** Line replies on raw `Bun.listen`: one `write`, and so one system call, per line. */
import type { Socket } from "bun";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

class Connection {
  readonly #wire: Socket<Connection>;
  readonly #lines = new LineSplitter();
  #kept: Buffer[] = [];

  constructor(wire: Socket<Connection>) {
    this.#wire = wire;
  }
  received(chunk: Buffer): void {
    this.#lines.feed(chunk, this.#reply);
  }
  drained(): void {
    const kept = this.#kept;
    this.#kept = [];
    for (const line of kept) this.#reply(line);
  }
  readonly #reply = (line: Buffer): void => {
    if (this.#kept.length === 0) {
      const taken = this.#wire.write(line);
      if (taken < 0 || taken === line.length) return;
      line = line.subarray(taken);
    }
    this.#kept.push(line);
  };
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
