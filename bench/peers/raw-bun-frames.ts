/**
 * Frames on raw `Bun.listen`: four bytes of length, highest first, then the body; each frame is answered with itself, one
 * `write` each. With `--tuned` the replies of one chunk go out together.
 */
import type { Socket } from "bun";

import { serving } from "./life.ts";

const LENGTH_BYTES = 4;
const tuned = process.argv.includes("--tuned");

class Connection {
  readonly #wire: Socket<Connection>;
  #start: Buffer | undefined;
  #replies: Buffer[] = [];
  #kept: Buffer[] = [];

  constructor(wire: Socket<Connection>) {
    this.#wire = wire;
  }
  received(chunk: Buffer): void {
    const bytes = this.#start === undefined ? chunk : Buffer.concat([this.#start, chunk]);
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      const frame = bytes.subarray(at, end);
      if (tuned) this.#replies.push(frame);
      else this.#write(frame);
      at = end;
    }
    this.#start = at === bytes.length ? undefined : bytes.subarray(at);
    if (this.#replies.length === 0) return;
    this.#write(Buffer.concat(this.#replies));
    this.#replies = [];
  }
  drained(): void {
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) this.#write(bytes);
  }
  #write(bytes: Buffer): void {
    if (this.#kept.length === 0) {
      const taken = this.#wire.write(bytes);
      if (taken < 0 || taken === bytes.length) return;
      bytes = bytes.subarray(taken);
    }
    this.#kept.push(bytes);
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
