/** What the connections of a server share: the keys, the clients, and the block that replies are written in. */
import type { Client, Host } from "./client.ts";
import { REDIS_VERSION } from "./commands/connection.ts";
import { Keyspace } from "./keyspace.ts";
import { Replies } from "./replies.ts";
import { defaultRequestLimits, type RequestLimits, RequestParser } from "./request-parser.ts";

export class Service implements Host {
  readonly keys: Keyspace = new Keyspace();
  readonly replies: Replies = new Replies();
  readonly clients: Set<Client> = new Set();
  readonly limits: RequestLimits;
  readonly settings: Readonly<Record<string, string>>;
  /** Requests that were answered. */
  processed = 0;
  #accepted = 0;
  #parser: RequestParser | undefined;
  readonly #started = performance.now();

  /** @param limits what differs from the defaults */
  constructor(limits: Partial<RequestLimits> = {}) {
    this.limits = { ...defaultRequestLimits, ...limits };
    this.settings = {
      save: "",
      appendonly: "no",
      databases: "1",
      maxmemory: "0",
      "proto-max-bulk-len": String(this.limits.maxBulkBytes),
      "client-query-buffer-limit": String(this.limits.maxRequestBytes),
    };
  }

  /** @returns the number of the new client */
  add(client: Client): number {
    this.clients.add(client);
    return ++this.#accepted;
  }

  /**
   * A parser for a connection that has none: they share one, which only a connection with an unfinished request keeps, so
   * that it and its table stay in the processor's cache.
   */
  lendParser(): RequestParser {
    const parser = this.#parser ?? new RequestParser(this.limits);
    this.#parser = undefined;
    return parser;
  }
  /** Takes one back that holds nothing. */
  takeParser(parser: RequestParser): void {
    this.#parser = parser;
  }

  info(): Record<string, Record<string, string | number>> {
    const { keys } = this;
    const memory = process.memoryUsage();
    return {
      Server: {
        redis_version: REDIS_VERSION,
        redis_mode: "standalone",
        os: `${process.platform} ${process.arch}`,
        process_id: process.pid,
        uptime_in_seconds: Math.floor((performance.now() - this.#started) / 1000),
      },
      Clients: { connected_clients: this.clients.size },
      Memory: { used_memory: memory.heapUsed + memory.arrayBuffers, used_memory_rss: memory.rss },
      Persistence: { loading: 0 },
      Stats: {
        total_connections_received: this.#accepted,
        total_commands_processed: this.processed,
        expired_keys: keys.expired,
      },
      Replication: { role: "master", connected_slaves: 0 },
      Keyspace: keys.size === 0 ? {} : { db0: `keys=${keys.size},expires=${keys.volatileSize},avg_ttl=0` },
    };
  }
}
