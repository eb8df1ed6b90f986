/**
 * The simplest correct echo on raw `Bun.listen` with TLS: what the dispatcher's is compared with. A write that came
 * short keeps its rest for `drain`; while nothing is kept, a connection owns no object of ours.
 */
import type { Socket } from "bun";

import { identity } from "./certificate.ts";
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
  tls: identity,
  socket: {
    data: send,
    drain(wire) {
      const kept = wire.data ?? [];
      wire.data = undefined;
      for (const chunk of kept) send(wire, chunk);
    },
    // What breaks a session; without it that would end the process.
    error(wire) {
      wire.terminate();
    },
  },
});
serving(listener.port);
