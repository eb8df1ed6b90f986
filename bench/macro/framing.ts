/** The workloads about messages in a stream: lines, long lines, frames with their length in front. */
import { trafficColumns } from "./columns.ts";
import { frames, lines } from "./peers.ts";
import { fasterBy } from "./targets.ts";
import type { ClientJob, Workload } from "./workload.ts";

const { raw, rawTuned, asyncore, chat, chatPoll, python, pythonPoll } = lines;

const shortLines: ClientJob = {
  kind: "lines",
  connections: 50,
  linesPerPacket: 16,
  lineBytes: 32,
  packetsInFlight: 4,
};

export const framingWorkloads: readonly Workload[] = [
  {
    name: "lines",
    about: "packets of 16 lines of 32 bytes on 50 connections, each line answered by itself",
    client: shortLines,
    peers: [
      raw,
      rawTuned,
      lines.nodeOnBun,
      lines.nodeOnNode,
      asyncore,
      pythonPoll,
      lines.asyncio,
      lines.uvloop,
      lines.twisted,
      lines.go,
      lines.tokio,
    ],
    baseline: raw.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: [
      ...fasterBy(10, asyncore, raw),
      ...fasterBy(0.95, asyncore, rawTuned),
      ...fasterBy(8, asyncore, lines.nodeOnBun),
      ...fasterBy(8, asyncore, lines.nodeOnNode),
      ...fasterBy(5, asyncore, pythonPoll),
    ],
    rounds: 5,
  },
  {
    name: "chat",
    about: "packets of 16 lines of 32 bytes on 50 connections, a terminator and one push() per line",
    client: shortLines,
    peers: [python, pythonPoll, chatPoll, chat],
    baseline: python.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: [chat, chatPoll].flatMap((peer) => [
      ...fasterBy(5, peer, python),
      ...fasterBy(5, peer, pythonPoll),
    ]),
    rounds: 5,
  },
  {
    name: "chat64k",
    about: "lines of 64 KiB on 8 connections, two in flight on each, a terminator and one push() per line",
    client: {
      kind: "lines",
      connections: 8,
      linesPerPacket: 1,
      lineBytes: 64 * 1024,
      packetsInFlight: 2,
    },
    peers: [rawTuned, chat, pythonPoll, lines.asyncio, lines.twisted, lines.go],
    baseline: rawTuned.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: fasterBy(5, chat, pythonPoll),
    rounds: 5,
  },
  {
    name: "frames",
    about: "packets of 16 frames of 4 + 60 bytes on 50 connections, their length in front",
    client: {
      kind: "lines",
      connections: 50,
      linesPerPacket: 16,
      lineBytes: 64,
      packetsInFlight: 4,
      framing: "length",
    },
    peers: [
      frames.raw,
      frames.rawTuned,
      frames.asyncore,
      frames.python,
      frames.asyncio,
      frames.twisted,
      frames.go,
    ],
    baseline: frames.rawTuned.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: fasterBy(5, frames.asyncore, frames.python),
    rounds: 5,
  },
];
