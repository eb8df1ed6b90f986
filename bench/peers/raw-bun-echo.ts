/**
 * The simplest correct echo on raw `Bun.listen`: the metal that the dispatcher is compared with. A write that came
 * short keeps its rest for `drain`; while nothing is kept, a connection owns no object of ours.
 */
import type { Socket } from "bun";

import { serving } from "./life.ts";

type Wire = Socket<Buffer[] | undefined>;

function send(wire: Wire, chunk: Buffer): void {
  if (wire.data !== undefined) {
    wire.data.push(chunk);
    return;
  }
  const taken = wire.write(chunk);
  if (taken < chunk.length && taken >= 0) wire.data = [chunk.subarray(taken)];
}

const listener = Bun.listen<Buffer[] | undefined>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data: send,
    drain(wire) {
      const kept = wire.data ?? [];
      wire.data = undefined;
      for (const chunk of kept) send(wire, chunk);
    },
  },
});
serving(listener.port);
