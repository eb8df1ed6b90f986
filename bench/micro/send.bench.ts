/** `send()` of text and bytes inside one turn, over a stand-in socket: the price of an encoding and of a copy. */

import { enterTurn, leaveTurn } from "../../src/socket/turn.ts";
import { bench, finish } from "./harness.ts";
import { StandInSocket } from "./stand-in-socket.ts";

const socket = new StandInSocket();

function oneTurn(send: () => void): () => void {
  return () => {
    enterTurn();
    send();
    leaveTurn();
  };
}

for (const length of [64, 4096]) {
  const ascii = "a".repeat(length);
  const accents = "\u00e9".repeat(length);
  const mixed = "\u20aca".repeat(length / 2);
  const bytes = Buffer.from(ascii);
  await bench(
    `send ${length} B bytes`,
    oneTurn(() => socket.send(bytes)),
  );
  await bench(
    `send ${length} ASCII`,
    oneTurn(() => socket.send(ascii)),
  );
  await bench(
    `send ${length} Latin-1`,
    oneTurn(() => socket.send(accents)),
  );
  await bench(
    `send ${length} two-byte text`,
    oneTurn(() => socket.send(mixed)),
  );
}
const big = Buffer.alloc(64 * 1024, 1);
await bench(
  "send 64 KiB bytes (written at once)",
  oneTurn(() => socket.send(big)),
);
let count = 0;
await bench(
  "send of a fresh template string",
  oneTurn(() => socket.send(`reply ${count++} ok\r\n`)),
);
await finish();
