/** The workloads of servers with TLS. */
import { trafficColumns } from "./columns.ts";
import { capacityAtLeast, cpuAtMost } from "./targets.ts";
import type { Peer, Workload } from "./workload.ts";

const raw: Peer = { name: "raw Bun.listen", program: "raw-bun-tls-echo.ts" };
const asyncore: Peer = { name: "asyncore", program: "asyncore-tls-echo.ts" };
const asyncorePoll: Peer = { name: "asyncore loop()", program: "asyncore-tls-echo.ts", args: ["--poll"] };

export const tlsWorkloads: readonly Workload[] = [
  {
    name: "tls64",
    about: "64-byte echo through TLS on 50 connections, one message in flight on each",
    client: { kind: "tls-echo", connections: 50, bytes: 64 },
    peers: [raw, asyncore, asyncorePoll],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [cpuAtMost(1.05, asyncore, raw), capacityAtLeast(0.97, asyncore, raw)],
    rounds: 7,
  },
];
