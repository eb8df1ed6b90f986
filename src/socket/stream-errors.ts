/** What the calls of a stream throw, by its state. For `stream-socket.ts` alone. */
import { osError, type OSError } from "../base/errors.ts";
import { queueMemory } from "../bytes/queue-memory.ts";
import type { SocketState } from "./socket.ts";

// Of a socket that is not connected yet, or closed; undefined for any other.
function withoutConnection(state: SocketState, syscall: string): OSError | undefined {
  switch (state) {
    case "idle":
    case "listening":
      return osError("ENOTCONN", { syscall });
    case "flushing":
    case "lingering":
    case "closed":
      return osError("EBADF", { syscall, detail: "the socket is closed" });
    case "connecting":
    case "open":
    case "ended":
      return undefined;
  }
}

/** Why `send()` refuses. `lost`: what a write, or the end of the connection, has told. */
export function sendRefusal(state: SocketState, lost: OSError | undefined): OSError {
  const syscall = "send";
  const shut = state === "ended" ? {} : { detail: "sending was shut down" };
  return withoutConnection(state, syscall) ?? lost ?? osError("EPIPE", { syscall, ...shut });
}

/** Why there is nothing to `recv()` and never will be; undefined while there may be. */
export function recvRefusal(state: SocketState, securing: boolean): OSError | undefined {
  const syscall = "recv";
  if (state === "connecting" && !securing) return osError("ENOTCONN", { syscall });
  return withoutConnection(state, syscall);
}

/** `count` bytes on top of `length` that are queued would pass the channel's cap. */
export function overCap(count: number, length: number, cap: number): OSError {
  const detail = `${count} bytes on top of ${length} pass the cap of ${cap}`;
  return osError("ENOBUFS", { syscall: "send", detail });
}

/** The process holds more in its queues than it may. */
export function overBudget(): OSError {
  const { bytes, budget } = queueMemory;
  const detail = `${bytes} bytes are queued in the process, over its budget of ${budget}`;
  return osError("ENOBUFS", { syscall: "send", detail });
}
