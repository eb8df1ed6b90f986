/** The simplest echo on raw `Bun.udpSocket`: each datagram goes back at once. What finds no room is lost, as UDP may. */
import { serving } from "./life.ts";

const socket = await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data(wire, payload, port, host) {
      wire.send(payload, port, host);
    },
  },
});
serving(socket.port);
