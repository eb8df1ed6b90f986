/** The read buffer by itself: a chunk comes and is taken whole, in parts, or after others. */
import { do_not_optimize as keep } from "mitata";

import { ReadBuffer } from "../../src/bytes/read-buffer.ts";
import { bench, finish } from "./harness.ts";

const chunk = Buffer.alloc(1024, 1);
const buffer = new ReadBuffer();

await bench("push 1 KiB, take whole", () => {
  buffer.push(chunk);
  keep(buffer.take(Infinity));
});
await bench("push 1 KiB, take 16 x 64 B", () => {
  buffer.push(chunk);
  for (let part = 0; part < 16; part++) keep(buffer.take(64));
});
await bench("push 8 x 1 KiB, take 8 x whole", () => {
  for (let count = 0; count < 8; count++) buffer.push(chunk);
  for (let count = 0; count < 8; count++) keep(buffer.take(Infinity));
});
await bench("push 64 x 1 KiB, take 64 x whole", () => {
  for (let count = 0; count < 64; count++) buffer.push(chunk);
  for (let count = 0; count < 64; count++) keep(buffer.take(Infinity));
});
await finish();
