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

/** Both: throughput is what a user sees, and proves nothing where the generator set it; then the other does. */
export const fasterBy = (value: number, peer: Peer, against: Peer): readonly Target[] => [
  throughputAtLeast(value, peer, against),
  capacityAtLeast(value, peer, against),
];

/** Not missed while the spread reaches the bound. */
export const withinSpread = (target: Target): Target => ({ ...target, withinSpread: true });
