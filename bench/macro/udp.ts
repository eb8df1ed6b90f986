/** The workloads over UDP and the promises about them. */
import { trafficColumns } from "./columns.ts";
import { capacityAtLeast, cpuAtMost } from "./targets.ts";
import type { Peer, Workload } from "./workload.ts";

const raw: Peer = { name: "raw Bun.udpSocket", program: "raw-bun-udp-echo.ts" };
const asyncore: Peer = { name: "asyncore", program: "asyncore-udp-echo.ts" };
const asyncorePoll: Peer = { name: "asyncore loop()", program: "asyncore-udp-echo.ts", args: ["--poll"] };

export const udpWorkloads: readonly Workload[] = [
  {
    name: "udp64",
    about: "64-byte datagrams echoed to 50 sockets, one in flight on each",
    client: { kind: "datagrams", connections: 50, bytes: 64 },
    peers: [raw, asyncore, asyncorePoll],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [cpuAtMost(1.1, asyncore, raw), capacityAtLeast(0.95, asyncore, raw)],
    rounds: 7,
  },
];
