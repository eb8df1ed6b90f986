/** Line replies on node:net, one `write` per line. Runs on Bun, and bundled on Node. */
import net from "node:net";

import { LineSplitter } from "./line-splitter.ts";
import { serving } from "./life.ts";

const server = net.createServer({ noDelay: true }, (socket) => {
  const lines = new LineSplitter();
  const reply = (line: Buffer): void => {
    socket.write(line);
  };
  socket.on("data", (chunk: Buffer) => lines.feed(chunk, reply));
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => serving((server.address() as net.AddressInfo).port));
