// A key-value server that speaks Redis' protocol (RESP 2 and 3), in memory only. Try it: run it, then
// `redis-cli -p 6380 set greeting hello`, or `redis-benchmark -p 6380 -P 16 -q`. PORT, HOST or SOCKET (a unix path)
// choose the address, MAX_BULK_BYTES and MAX_REQUEST_BYTES bound what a client may send, MAX_REPLY_BYTES what may wait
// for one that does not read; Ctrl-C ends it. The parts: redis/request-parser.ts, replies.ts, keyspace.ts, commands/.
import { type ChannelMap, formatAddress, type Socket } from "asyncore";
import { serve } from "asyncore/server";

import { Service } from "./redis/service.ts";
import { Session } from "./redis/session.ts";

const { HOST, PORT, SOCKET, MAX_BULK_BYTES, MAX_REQUEST_BYTES, MAX_REPLY_BYTES } = process.env;

const service = new Service({
  ...(MAX_BULK_BYTES === undefined ? {} : { maxBulkBytes: Number(MAX_BULK_BYTES) }),
  ...(MAX_REQUEST_BYTES === undefined ? {} : { maxRequestBytes: Number(MAX_REQUEST_BYTES) }),
});

class Connection extends Session {
  constructor(socket: Socket, map?: ChannelMap) {
    super(socket, map, service);
  }
}

const server = serve(
  {
    ...(SOCKET === undefined
      ? { hostname: HOST ?? "127.0.0.1", port: Number(PORT ?? 6380) }
      : { unix: SOCKET }),
    limits: {
      highWaterBytes: 1024 * 1024,
      maxBufferedBytes: Number(MAX_REPLY_BYTES ?? 1024 * 1024 * 1024),
    },
    drainOn: true,
    drainTimeoutMs: 5000,
  },
  Connection,
);
console.log(`key-value server: try redis-cli; listening on ${formatAddress(server.address)}`);
