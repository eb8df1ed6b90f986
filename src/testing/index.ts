/** The public API of `asyncore/testing`: re-exports only. */
export type { MemorySocket } from "../socket/memory.ts";
export { type ConformanceCase, socketConformance } from "./conformance.ts";
export type { Faults, LinkOptions } from "./faults.ts";
export { linkOf, MemoryLink } from "./memory-link.ts";
export { memoryPair, MemoryNetwork, type MemoryNetworkOptions } from "./memory-network.ts";
export { type Amount, Random } from "./random.ts";
export {
  memoryKind,
  socketKind,
  type SocketKind,
  type SocketKindOptions,
  type SocketPair,
} from "./socket-kind.ts";
export { VirtualClock } from "./virtual-clock.ts";
