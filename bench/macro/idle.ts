/** The workloads in which nothing happens: what an idle connection holds, and what a pass over idle channels costs. */
import { idleColumns, passColumns } from "./columns.ts";
import { echo, passes } from "./peers.ts";
import type { Peer, Workload } from "./workload.ts";

// These hold a buffer for each connection. 64 KiB are for bulk; nobody would have them for ten thousand idle ones.
const smallBuffer = (peer: Peer): Peer => ({ ...peer, args: [...(peer.args ?? []), "4096"] });

export const idleWorkloads: readonly Workload[] = [
  {
    name: "idle",
    about: "10,000 accepted connections that say nothing",
    client: { kind: "idle", connections: 10_000 },
    quickClient: { kind: "idle", connections: 1000 },
    peers: [
      echo.raw,
      echo.asyncore,
      echo.nodeOnBun,
      echo.nodeOnNode,
      echo.asyncio,
      echo.uvloop,
      echo.twisted,
      echo.epoll,
      echo.libuv,
      smallBuffer(echo.go),
      smallBuffer(echo.tokio),
    ],
    baseline: echo.raw.name,
    figure: "bytesPerConnection",
    columns: idleColumns,
    targets: ["bytesPerConnection", "bytesPerUsedConnection"].map((figure) => ({
      peer: echo.asyncore.name,
      figure,
      bound: "at most",
      value: 2000,
    })),
    rounds: 5,
  },
  {
    name: "passes",
    about: "one pass of poll() over idle channels, with nothing to wait for",
    client: { kind: "passes", channels: [0, 1000, 10_000] },
    quickClient: { kind: "passes", channels: [0, 1000] },
    peers: [passes.asyncore, passes.asked, passes.python, passes.pythonPoll],
    baseline: passes.asyncore.name,
    figure: "usPerPass1000",
    columns: passColumns,
    targets: [{ peer: passes.asyncore.name, figure: "growth", bound: "at most", value: 1.25 }],
    rounds: 5,
  },
];
