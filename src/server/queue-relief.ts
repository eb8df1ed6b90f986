/**
 * What gives when all send queues of the process together pass their budget: the connection with the longest queue. Who
 * sends at that moment is mostly not who holds the memory.
 */
import { osError } from "../base/errors.ts";
import { queueMemory, setQueueBudget } from "../bytes/queue-memory.ts";
import type { Socket } from "../socket/socket.ts";

/** Sets the budget. `sockets` are those that may be given up. @returns takes it back */
export function relieveQueues(
  maxBytes: number,
  sockets: () => Iterable<Socket>,
  evicted: () => void,
): () => void {
  setQueueBudget(maxBytes, () => {
    // What others hold cannot be had from these: none of them is to go for nothing.
    let held = 0;
    for (const socket of sockets()) held += socket.bufferedAmount;
    if (queueMemory.bytes - held > queueMemory.budget) return false;
    while (queueMemory.bytes > queueMemory.budget) {
      const longest = longestQueue(sockets());
      if (longest === undefined) return false;
      const detail = `its ${longest.bufferedAmount} bytes were the longest queue, and all together are over ${maxBytes}`;
      longest.cut(osError("ENOBUFS", { syscall: "send", detail }));
      evicted();
    }
    return true;
  });
  return () => setQueueBudget();
}

function longestQueue(sockets: Iterable<Socket>): Socket | undefined {
  let longest: Socket | undefined;
  let most = 0;
  for (const socket of sockets) {
    // One that is gone already gives nothing back.
    if (socket.bufferedAmount <= most || socket.state === "ended" || socket.state === "closed") continue;
    most = socket.bufferedAmount;
    longest = socket;
  }
  return longest;
}
