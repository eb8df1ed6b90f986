/** The workloads that an echo server serves: small messages, bulk, connections that come and go, idle ones beside. */
import { churnColumns, trafficColumns } from "./columns.ts";
import { echo } from "./peers.ts";
import { capacityAtLeast, cpuAtMost, fasterBy, withinSpread } from "./targets.ts";
import type { ClientJob, Peer, Target, Workload } from "./workload.ts";

const { raw, asyncore, asyncorePoll, nodeOnBun, nodeOnNode, epoll, libuv, go, tokio } = echo;
const scripted: readonly Peer[] = [echo.pythonPoll, echo.asyncio, echo.uvloop, echo.twisted];

const echo64 = (connections: number): ClientJob => ({ kind: "echo", connections, bytes: 64 });
const echoTargets = (more: readonly Peer[]): readonly Target[] => [
  withinSpread(cpuAtMost(1, asyncore, raw)),
  cpuAtMost(1.15, asyncore, epoll),
  ...[nodeOnBun, nodeOnNode, go, echo.uvloop, ...more].map((peer) => cpuAtMost(1, asyncore, peer)),
];

const crowded = (peer: Peer): Peer => ({
  ...peer,
  name: `${peer.name}, 10,000 idle`,
  client: { kind: "echo", connections: 50, bytes: 64, bystanders: 10_000 },
  quickClient: { kind: "echo", connections: 50, bytes: 64, bystanders: 500 },
});

// What a read takes at most, as in Bun.
const largeBlock = (peer: Peer): Peer => ({ ...peer, args: [...(peer.args ?? []), String(512 * 1024)] });

// Two workloads: the generator has not the descriptors for two crowds.
const crowd = (name: string, peer: Peer, how: string): Workload => ({
  name,
  about: `64-byte echo on 50 connections, without and with 10,000 idle ones beside them, ${how}`,
  client: echo64(50),
  peers: [peer, crowded(peer)],
  baseline: peer.name,
  figure: "cpuUsPerMessage",
  columns: trafficColumns,
  targets: [withinSpread(cpuAtMost(1, crowded(peer), peer))],
  rounds: 7,
});

export const echoWorkloads: readonly Workload[] = [
  {
    name: "echo64",
    about: "64-byte echo on 50 connections, one message in flight on each",
    client: echo64(50),
    peers: [raw, asyncore, asyncorePoll, nodeOnBun, nodeOnNode, ...scripted, epoll, libuv, go, tokio],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: echoTargets([echo.twisted]),
    rounds: 7,
  },
  {
    name: "echo64-1",
    about: "64-byte echo on one connection, one message in flight: how long a message takes",
    client: echo64(1),
    peers: [raw, asyncore, nodeOnBun, nodeOnNode, echo.uvloop, epoll, libuv, go, tokio],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: echoTargets([]),
    rounds: 5,
  },
  {
    name: "echo64-1000",
    about: "64-byte echo on 1,000 connections, one message in flight on each",
    client: echo64(1000),
    quickClient: echo64(200),
    peers: [raw, asyncore, nodeOnBun, nodeOnNode, echo.uvloop, echo.twisted, epoll, libuv, go, tokio],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: echoTargets([echo.twisted]),
    rounds: 5,
  },
  {
    name: "echo1k",
    about: "1 KiB echo on 50 connections, one message in flight on each",
    client: { kind: "echo", connections: 50, bytes: 1024 },
    peers: [raw, asyncore],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [],
    rounds: 5,
  },
  {
    name: "bulk",
    about: "64 KiB blocks both ways on 8 connections, four blocks in flight on each",
    client: {
      kind: "lines",
      connections: 8,
      linesPerPacket: 1,
      lineBytes: 64 * 1024,
      packetsInFlight: 4,
    },
    peers: [
      raw,
      asyncore,
      nodeOnBun,
      nodeOnNode,
      echo.uvloop,
      epoll,
      libuv,
      largeBlock(go),
      largeBlock(tokio),
    ],
    baseline: raw.name,
    figure: "messagesPerCpuSecond",
    columns: [
      { figure: "messagesPerCpuSecond", title: "blocks/CPU second", digits: 0 },
      ...trafficColumns.map((column) => ({ ...column, title: column.title.replace("message", "block") })),
    ],
    targets: [
      ...fasterBy(0.95, asyncore, raw),
      ...[nodeOnBun, nodeOnNode, go, libuv].map((peer) => capacityAtLeast(1, asyncore, peer)),
    ],
    rounds: 5,
  },
  {
    name: "churn",
    about: "connect, one 64-byte exchange, close, 32 connections at a time",
    client: { kind: "churn", atOnce: 32, bytes: 64 },
    peers: [raw, asyncore, nodeOnBun, nodeOnNode, echo.uvloop, epoll, libuv, go, tokio],
    baseline: raw.name,
    figure: "cpuUsPerMessage",
    columns: churnColumns,
    targets: fasterBy(0.95, asyncore, raw),
    rounds: 5,
  },
  crowd("crowd", asyncore, "hooks in Bun's callbacks"),
  crowd("crowd-poll", asyncorePoll, "hooks in await loop()"),
  {
    name: "poll64",
    about:
      "64-byte echo on 50 connections: hooks in Bun's callbacks, in await loop(), and in CPython's loop()",
    client: echo64(50),
    peers: [asyncore, asyncorePoll, echo.python, echo.pythonPoll],
    baseline: asyncore.name,
    figure: "cpuUsPerMessage",
    columns: trafficColumns,
    targets: [cpuAtMost(1.3, asyncorePoll, asyncore)],
    rounds: 7,
  },
];
