// The control experiment of the TLS cases of `nothing-lost.test.ts`: the same bytes to the same peers over plain
// `Bun.listen` with TLS and `end(data)`. It loses, so that matrix can fail.
import { afterAll, describe, expect, test } from "bun:test";

import { server } from "../support/certificates.ts";
import { type Behaviour, behaviours, closePeers, type Language, peer } from "./support/peers.ts";
import { noPython, python } from "./support/python.ts";
import { type Report, streamBytes } from "./support/stream.ts";

const SIZE = 16 * 1024 * 1024;

async function rawTransfer(behaviour: Behaviour, language: Language): Promise<Report> {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    tls: server,
    socket: {
      handshake(wire) {
        listener.stop();
        wire.end(streamBytes(SIZE));
      },
      data() {},
      drain() {},
      end() {},
      close() {},
      error() {},
    },
  });
  const other = peer(language, behaviour);
  const id = other.nextId();
  other.connect(id, ["127.0.0.1", listener.port], "TLSv1.3");
  if (behaviour === "stalled") setTimeout(() => other.resume(id), 50);
  return other.report(id);
}

afterAll(closePeers);

describe("the control: plain Bun.listen with TLS", () => {
  for (const behaviour of behaviours) {
    test(`Socket.end(data) loses of 16 MiB to a ${behaviour} Bun peer`, async () => {
      expect((await rawTransfer(behaviour, "Bun")).bytes).toBeLessThan(SIZE);
    });
  }
  // Others are left without an end, and learn of it only when Bun gives up ten seconds later.
  const reason = python === undefined ? ` (${noPython})` : "";
  test.skipIf(python === undefined)(
    `Socket.end(data) loses of 16 MiB to a half-closing Python peer${reason}`,
    async () => {
      expect((await rawTransfer("half-closing", "Python")).bytes).toBeLessThan(SIZE);
    },
  );
});
