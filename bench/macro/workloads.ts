/**
 * The workloads of the foundation and the promises about them. To add one: describe it here; a new kind of client
 * goes into `clients/`, a new server into `bench/peers/`.
 */
import type { Column, Peer, Target, Workload } from "./workload.ts";

const rawEcho: Peer = { name: "raw Bun.listen", program: "raw-bun-echo.ts" };
const asyncoreEcho: Peer = { name: "asyncore", program: "asyncore-echo.ts" };
const asyncorePollEcho: Peer = { name: "asyncore loop()", program: "asyncore-echo.ts", args: ["--poll"] };

const rawLines: Peer = { name: "raw Bun.listen", program: "raw-bun-lines.ts" };
const nodeNetLines: Peer = { name: "node:net on Bun", program: "node-net-lines.ts" };
const nodeLines: Peer = { name: "node:net on Node", program: "node-net-lines.ts", runtime: "node" };
const asyncoreLines: Peer = { name: "asyncore", program: "asyncore-lines.ts" };

const asyncoreChat: Peer = { name: "asyncore", program: "asyncore-chat.ts" };
const asyncorePollChat: Peer = { name: "asyncore loop()", program: "asyncore-chat.ts", args: ["--poll"] };

const pythonPeer = (name: string, program: string, ...args: readonly string[]): Peer => ({
  name,
  program,
  args,
  runtime: "python",
});
const pythonEcho: Peer = pythonPeer("CPython, select", "cpython-echo.py");
const pythonPollEcho: Peer = pythonPeer("CPython, poll", "cpython-echo.py", "--poll");
const pythonLines: Peer = pythonPeer("CPython, select", "cpython-lines.py");
const pythonPollLines: Peer = pythonPeer("CPython, poll", "cpython-lines.py", "--poll");
const pythonPasses: Peer = pythonPeer("CPython, select", "cpython-passes.py");
const pythonPollPasses: Peer = pythonPeer("CPython, poll", "cpython-passes.py", "--poll");

const idlePasses: Peer = { name: "asyncore", program: "asyncore-passes.ts" };
const askedPasses: Peer = { name: "asyncore, asked", program: "asyncore-passes.ts", args: ["--asked"] };

const trafficColumns: readonly Column[] = [
  { figure: "messagesPerSecond", title: "messages/s", digits: 0 },
  { figure: "bytesPerSecond", title: "MB/s", digits: 1, per: 1e6 },
  { figure: "cpuUsPerMessage", title: "CPU us/message", digits: 3 },
  { figure: "userUsPerMessage", title: "user", digits: 3 },
  { figure: "systemUsPerMessage", title: "system", digits: 3 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
  { figure: "serverCpuShare", title: "CPUs: server", digits: 2 },
  { figure: "generatorCpuShare", title: "generator", digits: 2 },
];

const idleColumns: readonly Column[] = [
  { figure: "connections", title: "connections", digits: 0 },
  { figure: "bytesPerConnection", title: "RSS bytes/connection", digits: 0 },
  { figure: "heapBytesPerConnection", title: "of it JS heap", digits: 0 },
  { figure: "bytesPerUsedConnection", title: "after one echo each", digits: 0 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
];

const passColumns: readonly Column[] = [
  { figure: "usPerPass0", title: "us/pass with 0", digits: 1 },
  { figure: "usPerPass1000", title: "1,000", digits: 1 },
  { figure: "usPerPass10000", title: "10,000 channels", digits: 1 },
  { figure: "nsPerChannel", title: "ns/channel", digits: 1 },
  { figure: "growth", title: "most : 0", digits: 2 },
];

const cpuAtMost = (value: number, peer = asyncoreEcho): Target => ({
  peer: peer.name,
  figure: "cpuUsPerMessage",
  against: rawEcho.name,
  bound: "at most",
  value,
});
const throughputAtLeast = (value: number, against: Peer, peer = asyncoreLines): Target => ({
  peer: peer.name,
  figure: "messagesPerSecond",
  against: against.name,
  bound: "at least",
  value,
});

export const workloads: readonly Workload[] = [
  {
    name: "echo64",
    about: "64-byte echo on 50 connections, one message in flight on each",
    client: { kind: "echo", connections: 50, bytes: 64 },
    peers: [rawEcho, asyncoreEcho, asyncorePollEcho],
    baseline: rawEcho.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [cpuAtMost(1.05)],
    rounds: 7,
  },
  {
    name: "echo1k",
    about: "1 KiB echo on 50 connections, one message in flight on each",
    client: { kind: "echo", connections: 50, bytes: 1024 },
    peers: [rawEcho, asyncoreEcho],
    baseline: rawEcho.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [],
    rounds: 5,
  },
  {
    name: "echo64k",
    about: "64 KiB echo on 8 connections, one block in flight on each",
    client: { kind: "echo", connections: 8, bytes: 64 * 1024 },
    peers: [rawEcho, asyncoreEcho],
    baseline: rawEcho.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [cpuAtMost(1.1)],
    rounds: 5,
  },
  {
    name: "lines",
    about: "packets of 16 lines of 32 bytes on 50 connections, each line answered by itself",
    client: { kind: "lines", connections: 50, linesPerPacket: 16, lineBytes: 32, packetsInFlight: 4 },
    peers: [rawLines, nodeNetLines, nodeLines, asyncoreLines],
    baseline: rawLines.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: [
      throughputAtLeast(8, rawLines),
      throughputAtLeast(8, nodeNetLines),
      throughputAtLeast(8, nodeLines),
    ],
    rounds: 5,
  },
  {
    name: "poll64",
    about:
      "64-byte echo on 50 connections: hooks in Bun's callbacks, in await loop(), and in CPython's loop()",
    client: { kind: "echo", connections: 50, bytes: 64 },
    peers: [asyncoreEcho, asyncorePollEcho, pythonEcho, pythonPollEcho],
    baseline: asyncoreEcho.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [
      {
        peer: asyncorePollEcho.name,
        figure: "cpuUsPerMessage",
        against: asyncoreEcho.name,
        bound: "at most",
        value: 1.3,
      },
    ],
    rounds: 7,
  },
  {
    name: "chat",
    about: "packets of 16 lines of 32 bytes on 50 connections, a terminator and one push() per line",
    client: { kind: "lines", connections: 50, linesPerPacket: 16, lineBytes: 32, packetsInFlight: 4 },
    peers: [pythonLines, pythonPollLines, asyncorePollChat, asyncoreChat],
    baseline: pythonLines.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: [asyncoreChat, asyncorePollChat].flatMap((peer) => [
      throughputAtLeast(5, pythonLines, peer),
      throughputAtLeast(5, pythonPollLines, peer),
    ]),
    rounds: 5,
  },
  {
    name: "passes",
    about: "one pass of poll() over idle channels, with nothing to wait for",
    client: { kind: "passes", channels: [0, 1000, 10_000] },
    quickClient: { kind: "passes", channels: [0, 1000] },
    peers: [idlePasses, askedPasses, pythonPasses, pythonPollPasses],
    baseline: idlePasses.name,
    figure: "usPerPass1000",
    columns: passColumns,
    targets: [{ peer: idlePasses.name, figure: "growth", bound: "at most", value: 1.25 }],
    rounds: 5,
  },
  {
    name: "idle",
    about: "10,000 accepted connections that say nothing",
    client: { kind: "idle", connections: 10_000 },
    quickClient: { kind: "idle", connections: 3_000 },
    peers: [rawEcho, asyncoreEcho],
    baseline: rawEcho.name,
    figure: "bytesPerConnection",
    columns: idleColumns,
    targets: [{ peer: asyncoreEcho.name, figure: "bytesPerConnection", bound: "at most", value: 2500 }],
    rounds: 5,
  },
];
