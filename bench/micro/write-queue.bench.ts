/** The write queue by itself: what a turn costs from the first append to everything having gone out. */
import { do_not_optimize as keep } from "mitata";

import { WriteQueue } from "../../src/bytes/write-queue.ts";
import { bench, finish } from "./harness.ts";

const bytes64 = Buffer.alloc(64, 1);
const bytes4k = Buffer.alloc(4096, 1);
const line32 = Buffer.alloc(32, 1);
const queue = new WriteQueue();

// As StreamSocket.flush() does it, with a kernel that takes everything.
function writeOut(): void {
  for (let front = queue.front; front !== undefined; front = queue.front) {
    keep(front);
    queue.consume(queue.frontLength);
  }
  queue.release();
}

await bench("append 64 B, write out", () => {
  queue.append(bytes64);
  writeOut();
});
await bench("append 16 x 32 B, write out", () => {
  for (let line = 0; line < 16; line++) queue.append(line32);
  writeOut();
});
await bench("append 4 KiB, write out", () => {
  queue.append(bytes4k);
  writeOut();
});
await bench("append 32 x 4 KiB (two blocks), write out", () => {
  for (let piece = 0; piece < 32; piece++) queue.append(bytes4k);
  writeOut();
});
await bench("appendText 64 ASCII, write out", () => {
  queue.appendText("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
  writeOut();
});
await bench("stalled: 64 x 64 B, half taken, write out", () => {
  queue.append(bytes64);
  queue.stall();
  for (let piece = 0; piece < 63; piece++) queue.append(bytes64);
  keep(queue.front);
  queue.consume(queue.frontLength >> 1);
  writeOut();
});
await finish();
