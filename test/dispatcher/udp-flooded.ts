// A server whose hook is slower than what a flood brings: says how many hooks ran, at most, before a timer of 10 ms had its
// turn, how much memory it took, and that every datagram was handled or counted. Floods itself with two processes, 1.5 s long, of datagrams of the
// size given. With "raw" as the second argument the hook runs in Bun's callback instead, for comparison.
import { Dispatcher, SOCK_DGRAM } from "asyncore";

import { UdpSocket } from "../../src/socket/udp.ts";
import { until } from "../support/until.ts";

const HOOK_MS = 0.05;
const FLOOD_MS = 1500;
const size = Number(process.argv[2]);
let handled = 0;
function work(): void {
  handled++;
  const end = performance.now() + HOOK_MS;
  while (performance.now() < end);
}

class Server extends Dispatcher {
  override handleRead(): void {
    while (this.recvfrom() !== null) work();
  }
}
const server = new Server();
let port: number;
if (process.argv[3] === "raw") {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0, socket: { data: work } });
  ({ port } = socket);
} else {
  server.createSocket({ type: SOCK_DGRAM });
  server.bind(["127.0.0.1", 0]);
  [, port] = server.getsockname() as [string, number];
}

const flooder = `
  const socket = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port: ${port} } });
  const many = Array.from({ length: 32 }, () => Buffer.alloc(${size}, 1));
  let sent = 0;
  for (const end = performance.now() + ${FLOOD_MS}; performance.now() < end;) sent += socket.sendMany(many);
  console.log(sent);
  process.exit(0);`;
const started = [1, 2].map(() => Bun.spawn([process.execPath, "-e", flooder], { stdout: "pipe" }));
Bun.gc(true);
const rss = process.memoryUsage.rss();
let mostRss = rss;
// Counted in hooks, and not in time: a busy machine has little of that for this process.
let before = 0;
let mostBetween = 0;
const look = (): void => {
  mostBetween = Math.max(mostBetween, handled - before);
  before = handled;
};
const timer = setInterval(() => {
  look();
  mostRss = Math.max(mostRss, process.memoryUsage.rss());
}, 10);
const counts = await Promise.all(started.map(async (child) => Number(await child.stdout.text())));
look();
clearInterval(timer);
const sent = counts.reduce((sum, count) => sum + count, 0);
const { socket } = server;
const dropped = (): number => (socket instanceof UdpSocket ? socket.dropped : 0);
if (socket !== undefined) await until(() => handled + dropped() === sent, `${sent} to be handled or counted`);
console.log(
  JSON.stringify({ mostBetween, handled, dropped: dropped(), sent, grownMiB: (mostRss - rss) / 2 ** 20 }),
);
process.exit(0);
