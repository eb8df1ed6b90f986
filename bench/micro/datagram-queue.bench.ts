/** The queue of received datagrams by itself: one comes and is taken, a batch comes and is taken, what does not fit. */
import { do_not_optimize as keep } from "mitata";

import { DATAGRAM_BYTES, DatagramQueue } from "../../src/bytes/datagram-queue.ts";
import { bench, finish } from "./harness.ts";

const payload = Buffer.alloc(64, 1);
const queue = new DatagramQueue(1024 * 1024);
const full = new DatagramQueue(DATAGRAM_BYTES);
full.push(payload, "127.0.0.1", 1);

await bench("push 64 B, take", () => {
  queue.push(payload, "127.0.0.1", 4000);
  keep(queue.take());
});
await bench("push 64 x 64 B, take 64", () => {
  for (let count = 0; count < 64; count++) queue.push(payload, "127.0.0.1", 4000);
  for (let count = 0; count < 64; count++) keep(queue.take());
});
await bench("push to a full one: dropped and counted", () => keep(full.push(payload, "127.0.0.1", 4000)));
await finish();
