/** The workloads over UDP and the promise about them. */
import type { Column, Peer, Workload } from "./workload.ts";

const raw: Peer = { name: "raw Bun.udpSocket", program: "raw-bun-udp-echo.ts" };
const asyncore: Peer = { name: "asyncore", program: "asyncore-udp-echo.ts" };
const asyncorePoll: Peer = { name: "asyncore loop()", program: "asyncore-udp-echo.ts", args: ["--poll"] };

const columns: readonly Column[] = [
  { figure: "messagesPerSecond", title: "datagrams/s", digits: 0 },
  { figure: "cpuUsPerMessage", title: "CPU us/datagram", digits: 3 },
  { figure: "userUsPerMessage", title: "user", digits: 3 },
  { figure: "systemUsPerMessage", title: "system", digits: 3 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
  { figure: "serverCpuShare", title: "CPUs: server", digits: 2 },
  { figure: "generatorCpuShare", title: "generator", digits: 2 },
];

export const udpWorkloads: readonly Workload[] = [
  {
    name: "udp64",
    about: "64-byte datagrams echoed to 50 sockets, one in flight on each",
    client: { kind: "datagrams", connections: 50, bytes: 64 },
    peers: [raw, asyncore, asyncorePoll],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns,
    targets: [
      { peer: asyncore.name, figure: "cpuUsPerMessage", against: raw.name, bound: "at most", value: 1.1 },
    ],
    rounds: 7,
  },
];
