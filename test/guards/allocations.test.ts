// What a message allocates is paid twice, when it is made and when it is collected, and the second is paid by somebody
// else's message. The heap's cells are counted in a process that collects nothing, so the figures are exact: one object or
// closure more for each message is 1 where 0 is asked for.
import { describe, expect, test } from "bun:test";

import { Program } from "../support/program.ts";
import { within } from "../support/until.ts";
import { type Cells, METER_ENV } from "./allocation-meter.ts";

type Figures = Readonly<Record<string, Cells>>;

async function counted(): Promise<Figures> {
  await using program = new Program(["test/guards/programs/allocations.ts"], METER_ENV);
  await within(program.exited, "the counts", 25_000);
  if (!program.stdout.endsWith("\n")) throw new Error(`no counts: ${program.stderr}`);
  return JSON.parse(program.stdout) as Figures;
}

// One run for all: the first test that asks waits for it.
let figures: Promise<Figures> | undefined;
async function cellsOf(what: string): Promise<Cells> {
  figures ??= counted();
  const cells = (await figures)[what];
  if (cells === undefined) throw new Error(`nothing was counted for ${what}`);
  return cells;
}
const total = (cells: Cells): number => Object.values(cells).reduce((sum, count) => sum + count, 0);

describe("the meter", () => {
  test("counts what is made, and nothing where nothing is", async () => {
    expect(await cellsOf("nothing")).toEqual({});
    expect(await cellsOf("an object")).toEqual({ Object: 1 });
    expect(await cellsOf("a closure")).toEqual({ Function: 1, JSLexicalEnvironment: 1 });
  });
});

describe("a message allocates nothing of the library's", () => {
  test.each([
    "recv",
    "recv, send",
    "recv, 16 x send",
    "recv, 16 x send text",
    "recv, send 64 KiB",
    "recv, send, readable() and writable() asked",
    "recv, send, in a request with timeouts",
    "recv, send of DispatcherWithSend",
    "one to 100 channels",
    "a send outside of turns",
  ])("%s", async (what) => {
    expect(await cellsOf(what)).toEqual({});
  });

  // Bun makes a view for each chunk; the rest is the client's that waits for its echo.
  test.each(["over TCP, recv, send", "over TCP, recv, send, in a request with timeouts"])(
    "%s: what raw Bun.listen has, and no more",
    async (what) => {
      const [raw, ours] = [await cellsOf("over TCP, raw Bun.listen"), await cellsOf(what)];
      expect(raw["Uint8Array"]).toBeWithin(1, 3);
      // A few hundredths: Bun's own timers, which run when they will.
      expect(total(ours)).toBeLessThan(total(raw) + 0.5);
    },
  );
});

describe("what has to be allocated", () => {
  test("is the view of each line where AsyncChat cuts a chunk into lines", async () => {
    expect(await cellsOf("16 lines of AsyncChat, each answered")).toEqual({ Uint8Array: 16 });
  });

  // The copy of what was not taken and the list of such chunks, once for a stall and not for each send.
  test("is a few for sixteen sends to a full kernel", async () => {
    expect(total(await cellsOf("16 sends to a full kernel, drained"))).toBeLessThan(6);
  });
});

describe("a pass of poll() allocates", () => {
  // Its promises and the closures it waits with: measured 48.
  test("a fixed number of cells, however many channels are idle", async () => {
    const few = total(await cellsOf("a pass over 10 idle channels"));
    const many = total(await cellsOf("a pass over 1,000 idle channels"));
    expect(few).toBeLessThan(60);
    expect(many).toBeLessThan(few + 1);
  });

  test("one cell at most for each channel that is asked", async () => {
    const few = total(await cellsOf("a pass over 10 that are asked"));
    const many = total(await cellsOf("a pass over 1,000 that are asked"));
    expect(few).toBeLessThan(70);
    expect(many - few).toBeLessThanOrEqual(990);
  });

  test("no more for a channel that has a message, among 1,000 that have none", async () => {
    expect(total(await cellsOf("a pass for one with a message among 1,000"))).toBeLessThan(60);
    expect(total(await cellsOf("a pass for one that is asked, with a message"))).toBeLessThan(60);
  });
});
