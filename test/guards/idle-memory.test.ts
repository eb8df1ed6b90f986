// What a connection holds while nothing comes on it: most connections of most servers. Counted on the JS heap of a process
// of its own, between 500 connections and 2,500, so that what there is once does not count.
import { estimateShallowMemoryUsageOf } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import path from "node:path";

import type { Socket } from "bun";

import { StandInSocket } from "../../bench/micro/stand-in-socket.ts";
import { Timeouts } from "../../src/dispatcher/timeouts.ts";
import { Program } from "../integration/support/program.ts";
import { until, within } from "../support/until.ts";
import type { Held } from "./programs/idle-connections.ts";

const BEFORE = 500;
const CONNECTIONS = 2000;
/** Measurements of each kind whose mean counts: one is off by up to 30 bytes. */
const ROUNDS = 3;

/** What one connection holds, cells by type to a tenth. With `echoed` after it has had one message, and its echo. */
async function heldByOne(kind: "raw" | "plain" | "timed", echoed: boolean = false): Promise<Held> {
  const program = path.join(import.meta.dirname, "programs/idle-connections.ts");
  await using server = new Program([process.execPath, program, kind]);
  const { port } = (await server.answer((one) => "port" in one, "the port")) as { port: number };
  const wires: Socket[] = [];
  let echoes = 0;
  const socket = { data: (): void => void echoes++ };
  const open = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 100) {
      const batch = Array.from({ length: 100 }, () => Bun.connect({ hostname: "127.0.0.1", port, socket }));
      const opened = await within(Promise.all(batch), "100 connections");
      wires.push(...opened);
      if (!echoed) continue;
      for (const wire of opened) wire.write("hello");
      await until(() => echoes === wires.length, "100 echoes");
    }
  };
  const measured = async (): Promise<Held> => {
    server.tell({ connections: wires.length });
    return (await server.answer((one) => "cells" in one, "the measurement")) as unknown as Held;
  };
  await open(BEFORE);
  // The first one also frees what the start of the program has left.
  await measured();
  const before = await measured();
  await open(CONNECTIONS);
  const { bytes, cells, types, shallow } = await measured();
  for (const wire of wires) wire.terminate();
  const typesOfOne: Record<string, number> = {};
  for (const [type, count] of Object.entries(types)) {
    const tenths = Math.round(((count - (before.types[type] ?? 0)) / CONNECTIONS) * 10);
    if (tenths !== 0) typesOfOne[type] = tenths / 10;
  }
  const held = {
    bytes: (bytes - before.bytes) / CONNECTIONS,
    cells: (cells - before.cells) / CONNECTIONS,
    types: typesOfOne,
  };
  return shallow === undefined ? held : { ...held, shallow };
}

/** No more of each type than `most` says, and nothing else. */
function expectAtMost(types: Held["types"], most: Readonly<Record<string, number>>): void {
  const more = Object.entries(types).filter(([type, count]) => count > (most[type] ?? 0));
  expect(more).toEqual([]);
  // It was measured at all.
  expect(types["Object"]).toBeGreaterThanOrEqual(1);
}

const CONNECTION = { Object: 4, Array: 1, string: 1, TCPSocket: 1 };

describe("an idle connection that was accepted", () => {
  // The channel, its dispatch, its socket and the socket's read buffer; the peer's address, an array and a text; Bun's own
  // socket. Measured 860 to 876 bytes with Bun's 104, an entry in the map included.
  test("holds seven cells beyond Bun's own, and 950 bytes at most", async () => {
    const raw = await heldByOne("raw");
    const held = await heldByOne("plain");
    expect(raw.types).toEqual({ TCPSocket: 1 });
    expectAtMost(held.types, CONNECTION);
    // With the array's own memory, which has no type.
    expect(held.cells - raw.cells).toBeWithin(1, 7.1);
    expect(held.bytes).toBeWithin(1, 950);
    // The sizes of the objects as they are. A field is 8 bytes, and the engine's steps are 16 to 32: whoever adds one that
    // needs the next step should know that a million connections have a million of it.
    expect(held.shallow?.channel).toBeWithin(1, 112 + 1);
    expect(held.shallow?.dispatch).toBeWithin(1, 160 + 1);
    expect(held.shallow?.socket).toBeWithin(1, 256 + 1);
  });

  // A queue of its own, from when it has had to keep something; never a buffer. Measured 1,002 to 1,012.
  test("holds one object more, no memory for bytes, and 1,080 bytes at most after an echo", async () => {
    const held = await heldByOne("plain", true);
    expectAtMost(held.types, { ...CONNECTION, Object: 5 });
    expect(held.bytes).toBeWithin(1, 1080);
  });

  // One entry of the clock's wheel for all its timeouts, and no timer of the engine's. Measured 1,037 to 1,078.
  test("holds one object more, no timer, and 1,150 bytes at most with timeouts", async () => {
    const held = await heldByOne("timed");
    expectAtMost(held.types, { ...CONNECTION, Object: 5 });
    expect(held.bytes).toBeWithin(1, 1150);
  });

  // The object of its timeouts, which is the entry itself: measured 130 to 186 in single rounds.
  test("costs 200 bytes more at most with timeouts than without", async () => {
    let more = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const plain = await heldByOne("plain");
      const timed = await heldByOne("timed");
      expect(timed.cells - plain.cells).toBeWithin(0.9, 1.1);
      more += (timed.bytes - plain.bytes) / ROUNDS;
    }
    expect(more).toBeWithin(1, 200 + 1);
    // Without anything of the connection's: three fields of the wheel's, twelve of its own. The engine's steps are 112, 160
    // and 224 bytes, and this is the second with room for three fields more.
    const timeouts = new Timeouts({ runDue() {}, handleTimeout() {} }, new StandInSocket());
    expect(estimateShallowMemoryUsageOf(timeouts)).toBeWithin(1, 160 + 1);
  });
});
