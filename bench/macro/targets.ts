/** Short ways to write promises. */
import type { Peer, Target } from "./workload.ts";

/** Server CPU of a message, as a ratio to another peer's. */
export const cpuAtMost = (value: number, peer: Peer, against: Peer): Target => ({
  peer: peer.name,
  figure: "cpuUsPerMessage",
  against: against.name,
  bound: "at most",
  value,
});

/** What one CPU of the server's does: the same as {@link cpuAtMost}, said the other way round. */
export const capacityAtLeast = (value: number, peer: Peer, against: Peer): Target => ({
  peer: peer.name,
  figure: "messagesPerCpuSecond",
  against: against.name,
  bound: "at least",
  value,
});

export const throughputAtLeast = (value: number, peer: Peer, against: Peer): Target => ({
  peer: peer.name,
  figure: "messagesPerSecond",
  against: against.name,
  bound: "at least",
  value,
});

/** Not missed while the spread reaches the bound. */
export const withinSpread = (target: Target): Target => ({ ...target, withinSpread: true });
