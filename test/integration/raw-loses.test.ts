// The control experiment of `nothing-lost.test.ts`: the same bytes to the same peers over plain `Bun.listen` with
// `end()`. It loses, so the matrix can fail.
import { afterAll, describe, expect, test } from "bun:test";

import type { Address } from "asyncore";

import { type Behaviour, behaviours, closePeers, type Language, languages, peer } from "./support/peers.ts";
import { families, type Family } from "./support/family.ts";
import { freeBunAddress, removePaths } from "./support/place.ts";
import { noPython, python } from "./support/python.ts";
import type { Way } from "./support/sender.ts";
import { type Report, streamBytes, wholeReport } from "./support/stream.ts";

const MIB = 1024 * 1024;

interface Progress {
  sent: number;
}

/** As the documentation has it: `end(data)` at once; or `write()` and `drain`, then `end()`. */
async function rawTransfer(
  size: number,
  family: Family,
  behaviour: Behaviour,
  way: Way,
  language: Language,
): Promise<Report> {
  const data = streamBytes(size);
  const pump = (wire: Bun.Socket<Progress>): void => {
    const progress = wire.data;
    while (progress.sent < size) {
      const taken = wire.write(data, progress.sent, size - progress.sent);
      if (taken <= 0) return;
      progress.sent += taken;
    }
    wire.end();
  };
  const at = freeBunAddress(family);
  const listener = Bun.listen<Progress>({
    ...at,
    allowHalfOpen: true,
    socket: {
      open(wire) {
        wire.data = { sent: 0 };
        listener.stop();
        if (way === "at once") wire.end(data);
        else pump(wire);
      },
      data() {},
      drain(wire) {
        if (way === "in pieces") pump(wire);
      },
      end() {},
      close() {},
      error() {},
    },
  } as Bun.TCPSocketListenOptions<Progress>);
  const to: Address = "unix" in at ? at.unix : [at.hostname, (listener as { port: number }).port];
  const other = peer(language, behaviour);
  const id = other.nextId();
  other.connect(id, to);
  if (behaviour === "stalled") setTimeout(() => other.resume(id), 50);
  return other.report(id);
}

const isWhole = (report: Report, size: number): boolean =>
  JSON.stringify(report) === JSON.stringify(wholeReport(size));

afterAll(closePeers);
afterAll(removePaths);

describe("the control: plain Bun.listen", () => {
  for (const language of languages) {
    const run = test.skipIf(language === "Python" && python === undefined);
    const reason = language === "Python" && python === undefined ? ` (${noPython})` : "";
    for (const family of families) {
      for (const behaviour of behaviours) {
        run(
          `Socket.end(data) loses of 16 MiB over ${family} to a ${behaviour} ${language} peer${reason}`,
          async () => {
            const report = await rawTransfer(16 * MIB, family, behaviour, "at once", language);
            expect(report.bytes).toBeLessThan(16 * MIB);
          },
        );
      }
      // On a unix socket nothing is lost here (it may end with a reset): the peer's queue already holds all of it.
      if (family === "unix") continue;
      run(
        `Socket.end() after the last write() loses of 16 MiB over ${family} to a chatty ${language} peer${reason}`,
        async () => {
          // Whether the peer has caught up when end() is called is a matter of luck: three tries.
          const reports: Report[] = [];
          for (let i = 0; i < 3; i++) {
            reports.push(await rawTransfer(16 * MIB, family, "chatty", "in pieces", language));
          }
          expect(reports.filter((report) => !isWhole(report, 16 * MIB))).not.toEqual([]);
        },
      );
    }
  }
});
