// A socket that nobody holds is closed when it is garbage-collected. In child processes, where Bun.gc(true) finds
// nothing of the test's own on the stack.
import { describe, expect, test } from "bun:test";

import type { Address } from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { hasProc, noProc } from "./support/process-stat.ts";
import { Program } from "./support/program.ts";
import { RawPeer } from "./support/raw.ts";
import { TooLate, until } from "../support/until.ts";

const COUNT = 10;

async function collect(child: Program): Promise<number> {
  child.tell({});
  const answer = await child.answer((one) => one["collected"] === true, "the collection");
  return Number(answer["descriptors"]);
}

/** Collects until `condition` holds; the last object may hide in a register for a while. */
async function collectUntil(child: Program, condition: (descriptors: number) => boolean): Promise<void> {
  for (let i = 0; i < 40; i++) if (condition(await collect(child))) return;
  throw new TooLate("40 collections did not close what was dropped");
}

describe("a dropped socket", () => {
  for (const [scenario, received] of [
    ["accepted and dropped", ""],
    ["accepted, written to and dropped", "hello"],
    ["a channel that left its map and let go of it", ""],
    ["a channel that left its map", ""],
  ] as const) {
    for (const says of ["", "unread bytes"]) {
      const peerSays = says === "" ? "" : ", with bytes of the peer's unread";
      const name = `Socket is closed by garbage collection: ${scenario}${peerSays}`;
      test(name, async () => {
        using peers = new DisposableStack();
        await using child = Program.bun("dropped.ts", [scenario, String(COUNT)]);
        const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
        const all: RawPeer[] = [];
        for (let i = 0; i < COUNT; i++) {
          all.push(peers.use(await RawPeer.connect(listening as Address, { answersFin: true })));
        }
        await child.answer((one) => one["dropped"] !== undefined, "the drop");
        if (says !== "") for (const peer of all) peer.send(says);
        await collectUntil(child, () => all.every((peer) => peer.ended));
        await until(() => all.every((peer) => peer.closed), "the end of every connection");
        // With a FIN, not a reset: what was sent before arrives.
        for (const { events, received: got } of all) {
          expect({ events, got }).toEqual({ events: ["open", "fin", "closed"], got: received });
        }
      });
    }
  }

  test("Socket stays open through garbage collection while the program holds it", async () => {
    using peers = new DisposableStack();
    await using child = Program.bun("dropped.ts", ["accepted and kept", String(COUNT)]);
    const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
    const all: RawPeer[] = [];
    for (let i = 0; i < COUNT; i++) all.push(peers.use(await RawPeer.connect(listening as Address)));
    await child.answer((one) => one["dropped"] !== undefined, "the accepting");
    for (let i = 0; i < 5; i++) await collect(child);
    expect(all.filter((peer) => peer.ended)).toEqual([]);
  });

  const reason = libc() === undefined ? "SKIPPED: no descriptor without the C library" : noProc;
  const runs = hasProc && libc() !== undefined;
  test.skipIf(!runs)(
    `Socket releases its descriptor when it was never connected and is dropped${runs ? "" : ` (${reason})`}`,
    async () => {
      await using child = Program.bun("dropped.ts", ["never connected", String(COUNT)]);
      const { descriptors } = await child.answer((one) => one["dropped"] !== undefined, "the drop");
      const before = Number(descriptors);
      await collectUntil(child, (now) => now <= before - COUNT);
    },
  );
});
