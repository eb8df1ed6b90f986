/** The workloads with one publisher and many subscribers. */
import { stalledColumns, trafficColumns } from "./columns.ts";
import { fanout } from "./peers.ts";
import { cpuAtMost, fasterBy, withinSpread } from "./targets.ts";
import type { ClientJob, Peer, Timing, Workload } from "./workload.ts";

// With sixteen lines to a thousand subscribers a packet is sixteen thousand messages.
const timing: Partial<Timing> = { windowMs: 2000, sliceMs: 500, warmupMs: 1000 };

const { raw, rawTuned, asyncore, nodeOnBun, nodeOnNode } = fanout;
const everybody: readonly Peer[] = [
  raw,
  rawTuned,
  asyncore,
  nodeOnBun,
  nodeOnNode,
  fanout.asyncio,
  fanout.uvloop,
  fanout.go,
  fanout.tokio,
];

const crowd = (subscribers: number, linesPerPacket: number): ClientJob => ({
  kind: "fanout",
  subscribers,
  linesPerPacket,
  lineBytes: 64,
  stalled: true,
});
const blocks = (stalled: boolean, subscribers = 50): ClientJob => ({
  kind: "fanout",
  subscribers,
  linesPerPacket: 1,
  lineBytes: 16 * 1024,
  stalled,
});

const calm: Peer = {
  ...asyncore,
  name: "asyncore, none stalled",
  client: blocks(false),
  quickClient: blocks(false, 10),
};

export const fanoutWorkloads: readonly Workload[] = [
  {
    name: "fanout",
    about: "one publisher, packets of 16 lines of 64 bytes to 1,000 subscribers and one that never reads",
    client: crowd(1000, 16),
    quickClient: crowd(100, 16),
    peers: everybody,
    baseline: raw.name,
    figure: "messagesPerSecond",
    columns: stalledColumns,
    targets: [
      ...fasterBy(3, asyncore, nodeOnBun),
      ...fasterBy(3, asyncore, nodeOnNode),
      ...fasterBy(0.95, asyncore, rawTuned),
    ],
    rounds: 5,
    timing,
  },
  {
    name: "fanout-1",
    about: "the same, one line a packet: nothing to put together",
    client: crowd(1000, 1),
    quickClient: crowd(100, 1),
    peers: everybody,
    baseline: raw.name,
    figure: "messagesPerSecond",
    columns: trafficColumns,
    targets: [
      ...fasterBy(1, asyncore, raw),
      ...fasterBy(3, asyncore, nodeOnBun),
      ...fasterBy(3, asyncore, nodeOnNode),
    ],
    rounds: 5,
  },
  {
    name: "stalled",
    about: "one publisher, blocks of 16 KiB to 50 subscribers, and always one that never reads",
    client: blocks(true),
    quickClient: blocks(true, 10),
    peers: [calm, asyncore, raw, nodeOnBun, nodeOnNode, fanout.go],
    baseline: calm.name,
    figure: "messagesPerSecond",
    columns: stalledColumns,
    targets: [
      // It has its share, one delivery in 51, until it is cut.
      withinSpread(cpuAtMost(1 + 1 / 51, asyncore, calm)),
      withinSpread({ peer: asyncore.name, figure: "p99Us", against: calm.name, bound: "at most", value: 1 }),
      // What the kernel takes for it, some 4 MiB, and the mebibyte that is its cap.
      { peer: asyncore.name, figure: "cutAfterBytes", bound: "at most", value: 8e6 },
    ],
    rounds: 7,
  },
];
