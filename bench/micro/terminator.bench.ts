/**
 * Frames of 1 to 64 MiB cut by `AsyncChat` from chunks of 64 KiB, over a stand-in socket. A chunk that the kernel has just
 * written is in the cache, so the rows use one chunk again and again; the last two go through 64 MiB that lie side by
 * side, and there the memory's speed shows from 16 MiB on, without `AsyncChat` as with it. After mitata's table comes one
 * in ns per byte: what is linear stays the same from 1 to 64 MiB.
 */
import { do_not_optimize as keep } from "mitata";

import { AsyncChat, type Terminator } from "../../src/index.ts";
import { bench, finish } from "./harness.ts";
import { StandInSocket } from "./stand-in-socket.ts";

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;
const SIZES = [1, 4, 16, 64];
const LARGEST = 64 * MIB;
/** Bytes of a short line, its ending included. */
const LINE = 33;
const SHORT_LINES = `lines of ${LINE} bytes`;
const SEARCH_ALONE = "the same, indexOf alone";

class Counting extends AsyncChat {
  static override maxCollectBytes = Infinity;
  bytes = 0;
  frames = 0;
  override collectIncomingData(data: Buffer): void {
    this.bytes += data.length;
  }
  override foundTerminator(): void {
    this.frames++;
  }
}

interface Shape {
  readonly name: string;
  /** For a frame of `size` bytes. */
  readonly terminator: (size: number) => Terminator;
  /** What comes after the bytes of the frame. */
  readonly end: string;
  readonly chunks: readonly Buffer[];
}

/** As many chunks as the largest frame has, all the same one. */
function repeated(content: string): readonly Buffer[] {
  return Array.from<Buffer>({ length: LARGEST / CHUNK }).fill(Buffer.alloc(CHUNK, content));
}
function cut(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: bytes.length / CHUNK }, (_, at) =>
    bytes.subarray(at * CHUNK, (at + 1) * CHUNK),
  );
}

const PROSE = "The quick brown fox jumps over the lazy dog. ";
const text = repeated(PROSE);
const sideBySide = cut(Buffer.alloc(LARGEST, PROSE));
const sameLetter = repeated("a");
const returnAtEnd = repeated(`${"x".repeat(CHUNK - 1)}\r`);
const boundary = `\r\n--${"0123456789abcdef".repeat(4)}--`;
const ended = (terminator: string): Pick<Shape, "terminator" | "end"> => ({
  terminator: () => terminator,
  end: terminator,
});

const shapes: readonly Shape[] = [
  { name: '"\\r\\n"', ...ended("\r\n"), chunks: text },
  { name: `${boundary.length} bytes`, ...ended(boundary), chunks: text },
  { name: '"\\r\\n", chunks end in "\\r"', ...ended("\r\n"), chunks: returnAtEnd },
  { name: '"aaaaaaab" in "aaa…"', ...ended("aaaaaaab"), chunks: sameLetter },
  { name: '"aba" in "aaa…"', ...ended("aba"), chunks: sameLetter },
  { name: "a count", terminator: (size) => size, end: "", chunks: text },
  { name: "null: collect all", terminator: () => null, end: "", chunks: text },
  { name: '"\\r\\n" in 64 MiB of memory', ...ended("\r\n"), chunks: sideBySide },
];

for (const { name, terminator, end, chunks } of shapes) {
  const last = Buffer.from(end);
  for (const size of SIZES) {
    const bytes = size * MIB;
    const pieces = chunks.slice(0, bytes / CHUNK);
    const socket = new StandInSocket();
    const chat = new Counting(socket);
    const wanted = terminator(bytes);
    const frames = wanted === null ? 0 : 1;
    await bench(nameOf(name, size), () => {
      chat.setTerminator(wanted);
      chat.bytes = 0;
      chat.frames = 0;
      for (const piece of pieces) socket.receive(piece);
      if (last.length > 0) socket.receive(last);
      if (chat.bytes !== bytes || chat.frames !== frames) throw new Error(`${name}: not the frame sent`);
    });
  }
}

// The same search over the same memory without AsyncChat.
for (const size of SIZES) {
  const pieces = sideBySide.slice(0, (size * MIB) / CHUNK);
  const needle = Buffer.from("\r\n");
  await bench(nameOf(SEARCH_ALONE, size), () => {
    for (const piece of pieces) keep(piece.indexOf(needle));
  });
}

// As many chunks as a line has bytes: every chunk but the last ends inside a line, the last one with a line.
const lines = cut(Buffer.alloc(CHUNK * LINE, `${"x".repeat(LINE - 2)}\r\n`));
const lineSocket = new StandInSocket();
const lineChat = new Counting(lineSocket);
lineChat.setTerminator("\r\n");
await bench(SHORT_LINES, () => {
  lineChat.frames = 0;
  for (const piece of lines) lineSocket.receive(piece);
  if (lineChat.frames !== CHUNK) throw new Error(`${SHORT_LINES}: not the lines sent`);
});

const figures = await finish();
const row = (name: string, cells: readonly string[]): void =>
  console.log(`  ${name.padEnd(28)}${cells.map((cell) => cell.padStart(20)).join("")}`);
row("ns/byte (MiB/s), median", [...SIZES.map((size) => `${size} MiB`), "64 MiB : 1 MiB"]);
for (const name of [...shapes.map((shape) => shape.name), SEARCH_ALONE]) {
  const perByte = SIZES.map((size) => medianOf(nameOf(name, size)) / (size * MIB));
  const growth = (perByte.at(-1) ?? Number.NaN) / (perByte[0] ?? Number.NaN);
  row(name, [...perByte.map(asRate), growth.toFixed(2)]);
}
console.log("  A count and null look at no byte: what they cost is the chunk's.");
const perLine = medianOf(SHORT_LINES) / CHUNK;
console.log(`  ${SHORT_LINES}: ${perLine.toFixed(0)} ns a line, ${asRate(perLine / LINE)}`);
process.exit(0);

function nameOf(shape: string, size: number): string {
  return `${size} MiB, ${shape}`;
}

function medianOf(name: string): number {
  return figures.find((figure) => figure.name === name)?.p50 ?? Number.NaN;
}

function asRate(nsPerByte: number): string {
  return `${nsPerByte.toFixed(4)} (${Math.round(1e9 / nsPerByte / MIB).toLocaleString("en")})`;
}
