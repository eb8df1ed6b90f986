/**
 * Fan-out on node:net: what the publisher says, every subscriber gets, one `write` each. A subscriber that takes nothing
 * is cut when a mebibyte waits for it. Runs on Bun, and bundled on Node.
 */
import net from "node:net";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

const PREFIX = Buffer.from("> ");
const MOST_KEPT_BYTES = 1024 * 1024;
const subscribers = new Set<net.Socket>();

const server = net.createServer({ noDelay: true }, (socket) => {
  const lines = new LineSplitter();
  let known = false;
  const said = (line: Buffer): void => {
    if (known) {
      const message = Buffer.concat([PREFIX, line]);
      for (const subscriber of subscribers) {
        subscriber.write(message);
        if (subscriber.writableLength > MOST_KEPT_BYTES) subscriber.resetAndDestroy();
      }
      return;
    }
    known = true;
    if (line.toString() === "SUB\n") subscribers.add(socket);
    socket.write("ready\n");
  };
  socket.on("data", (chunk: Buffer) => lines.feed(chunk, said));
  socket.on("close", () => subscribers.delete(socket));
  socket.on("error", () => socket.destroy());
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 512 }, () =>
  serving((server.address() as net.AddressInfo).port),
);
