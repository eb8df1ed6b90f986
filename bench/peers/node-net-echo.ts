/** Echo on node:net, which stops reading while the peer does not. Runs on Bun, and bundled on Node. */
import net from "node:net";

import { serving } from "./life.ts";

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on("data", (chunk: Buffer) => {
    if (!socket.write(chunk)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.on("error", () => socket.destroy());
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 512 }, () =>
  serving((server.address() as net.AddressInfo).port),
);
