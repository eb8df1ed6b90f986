// Drops datagram sockets in every state and collects until their descriptors are closed; a held one goes on.
import { readdirSync } from "node:fs";

import { type Address, AF_INET, SOCK_DGRAM } from "asyncore";

import { createSocket } from "../../src/socket/create-socket.ts";
import type { Socket } from "../../src/socket/socket.ts";

const openCount = (): number => readdirSync("/proc/self/fd").length;
const make = (): Socket => createSocket({ family: AF_INET, type: SOCK_DGRAM });
const nobody = { socketReady(): void {}, socketChanged(): void {} };

const held = make();
held.bind(["127.0.0.1", 0]);
const sender = make();
sender.sendto("before", held.getsockname());
const before = openCount();

function drop(): void {
  const address: Address = held.getsockname();
  for (let i = 0; i < 10; i++) {
    make();
    const bound = make();
    bound.bind(["127.0.0.1", 0]);
    sender.sendto("unread", bound.getsockname());
    const connected = make();
    connected.observe(nobody);
    connected.connect(address);
    connected.observe(undefined);
  }
}
drop();
// Without the C library a fresh one has no descriptor yet.
if (openCount() < before + 20) console.log("closed too early");
for (let i = 0; i < 200 && openCount() > before; i++) {
  Bun.gc(true);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(openCount() > before ? "still open" : "collected");
console.log(held.recvfrom()?.[0].toString());
// Nobody observes it: the process ends although it is open.
