/**
 * The ONE handler object behind every Bun socket of this library, listening or connected. It only passes each
 * callback to `socket.data`, so a thousand listeners share one hidden class and reloading code cannot lose a socket.
 * All handlers are installed, always: a missing `end` closes at the peer's FIN, a missing `error` ends the process.
 */
import type { Wire, WireHandlers } from "./endpoint.ts";

export const wireHandlers: WireHandlers = {
  binaryType: "buffer",
  open: (wire) => wire.data.bunOpened(wire as Wire),
  data: (wire, chunk) => wire.data.bunReceived(chunk),
  drain: (wire) => wire.data.bunDrained(),
  end: (wire) => wire.data.bunEnded(),
  close: (wire, error) => wire.data.bunClosed(error),
  error: (_wire, error) => {
    // Users' errors are caught by the dispatcher, and plain sockets have no others: this is a bug of ours. Throwing
    // here makes it an uncaught exception instead of a connection that silently stops.
    throw error;
  },
  connectError: (wire, error) => wire.data.bunClosed(error),
};
