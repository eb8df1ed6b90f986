/**
 * What a server counts, as plain numbers: the parts of `server/` add to one object, a program reads it whenever it likes.
 * All but `active` only grow, so that two readings tell what happened between them.
 */

/** Why a connection was not let in. */
export type RefuseReason =
  /** Its address is in the deny list, or in no allow list. */
  | "denied"
  /** As many connections as there may be. */
  | "connections"
  /** As many from its address as there may be. */
  | "perAddress"
  /** More in a second than may come. */
  | "rate";

/** Which deadline passed. */
export type TimeoutKind =
  | "proxy"
  | "handshake"
  | "idle"
  | "request"
  | "lifetime"
  | "close"
  | "slowReceive"
  | "slowSend"
  | "drain";

/** For what a connection was closed: room for another one, or memory for the queues of all. */
export type EvictReason = "connections" | "perAddress" | "queues";

/** See the file's head. */
export interface ServerStats {
  /** Connections let in. */
  accepted: number;
  /** Of these, those that are there now. */
  active: number;
  /** Connections not let in. */
  refused: Record<RefuseReason, number>;
  /** Connections closed for the good of the others. */
  evicted: Record<EvictReason, number>;
  /** How often accepting was put off. */
  pauses: Record<"connections" | "rate", number>;
  /** Connections given up because they took too long. */
  timeouts: Record<TimeoutKind, number>;
  /** TLS handshakes that failed, those that took too long not counted. */
  handshakeFailures: number;
  /** PROXY headers that were missing, wrong or not allowed, those that took too long not counted. */
  proxyErrors: number;
  /** Bytes the channels have received, of connections that are over and of those that are there. */
  bytesRead: number;
  /** Bytes the channels have sent. */
  bytesSent: number;
  /** Bytes that were sent and did not get out, because the connection was lost or cut. */
  bytesUnsent: number;
}

/** All zero. */
export function newServerStats(): ServerStats {
  return {
    accepted: 0,
    active: 0,
    refused: { denied: 0, connections: 0, perAddress: 0, rate: 0 },
    evicted: { connections: 0, perAddress: 0, queues: 0 },
    pauses: { connections: 0, rate: 0 },
    timeouts: {
      proxy: 0,
      handshake: 0,
      idle: 0,
      request: 0,
      lifetime: 0,
      close: 0,
      slowReceive: 0,
      slowSend: 0,
      drain: 0,
    },
    handshakeFailures: 0,
    proxyErrors: 0,
    bytesRead: 0,
    bytesSent: 0,
    bytesUnsent: 0,
  };
}

/** The sums of several: of a server's listeners, or of its workers. */
export function sumServerStats(all: Iterable<ServerStats>): ServerStats {
  const total = newServerStats();
  for (const stats of all) add(total as unknown as Counters, stats as unknown as Counters);
  return total;
}

/** Numbers, and records of numbers. */
interface Counters {
  [name: string]: number | Counters;
}

function add(total: Counters, more: Counters): void {
  for (const [name, value] of Object.entries(total)) {
    const other = more[name];
    if (typeof value === "number") total[name] = value + (other as number);
    else add(value, other as Counters);
  }
}
