// Run in a network namespace of its own, for what loopback has not: a full device, link-local addresses, broadcasts to
// everybody, an unreachable network. Prints one line of JSON.
import { type Address, AF_INET, AF_INET6, Dispatcher, SO_SNDBUF, SOCK_DGRAM, SOL_SOCKET } from "asyncore";

import { UdpSocket } from "../../src/socket/udp.ts";
import { until } from "../support/until.ts";

const said: Record<string, unknown> = {};

function ip(command: string): string {
  const run = Bun.spawnSync(["ip", ...command.split(" ")]);
  if (run.exitCode !== 0) throw new Error(`ip ${command}: ${run.stderr.toString()}`);
  return run.stdout.toString();
}

class Channel extends Dispatcher {
  readonly got: [string, Address][] = [];
  readonly events: string[] = [];
  constructor(address?: Address, family: number = AF_INET) {
    super();
    this.createSocket(family, SOCK_DGRAM);
    if (address !== undefined) this.bind(address);
  }
  get udp(): UdpSocket {
    if (this.socket instanceof UdpSocket) return this.socket;
    throw new TypeError("no UdpSocket");
  }
  get port(): number {
    return (this.getsockname() as [string, number])[1];
  }
  override handleRead(): void {
    for (let next = this.recvfrom(); next !== null; next = this.recvfrom()) {
      this.got.push([next[0].toString(), next[1]]);
    }
  }
  override handleConnect(): void {
    this.events.push("connect");
  }
  override handleError(error: unknown): void {
    this.events.push(String((error as { code?: string }).code));
  }
}

// No device is up: connect() does not throw what the network says.
const lost = new Channel();
lost.connect(["192.0.2.1", 53]);
await until(() => lost.events.length > 0, "the connect's end");
try {
  lost.sendto("x", ["192.0.2.1", 53]);
} catch (error) {
  lost.events.push(`sendto ${String((error as { code?: string }).code)}`);
}
said["unreachable"] = [lost.events, lost.connected, lost.socket?.state];

ip("link set lo up");
ip("link add va type veth peer name vb");
ip("addr add 10.9.0.1/24 broadcast 10.9.0.255 dev va");
ip("addr add 10.9.1.1/24 dev vb");
ip("link set va up");
ip("link set vb up");

// Nobody answers the question who has 10.9.0.77, so what is sent there fills the socket's buffer.
class Full extends Channel {
  wants = 1;
  writes = 0;
  override writable(): boolean {
    return this.wants > 0;
  }
  override handleWrite(): void {
    this.writes++;
    this.wants--;
    this.events.push(`write ${this.sendto("w".repeat(1000), nowhere)}`);
  }
}
const nowhere: Address = ["10.9.0.77", 9];
const full = new Full();
full.setsockopt(SOL_SOCKET, SO_SNDBUF, 4608);
full.bind(["10.9.0.1", 0]);
await until(() => full.writes === 1, "the first handleWrite");
const results: number[] = [];
for (let i = 0; i < 20 && results.at(-1) !== 0; i++) results.push(full.sendto("x".repeat(1000), nowhere));
said["full"] = [results.length > 1, results.at(-1), full.socket?.writeReady, full.socket?.bytesSent];
said["sentBytes"] = 1000 * results.length;
full.wants = 1;
full.wake();
for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
const before = full.writes;
ip("neigh replace 10.9.0.77 lladdr 02:00:00:00:00:01 dev va");
await until(() => full.writes > before, "handleWrite after the drain");
said["drained"] = [before, full.writes, full.socket?.writeReady, full.events];
full.close();

// A broadcast to everybody, in Python's word for it.
const hears = new Channel(["", 0]);
const caller = new Channel(["10.9.0.1", 0]);
caller.udp.setBroadcast(true);
caller.sendto("subnet", ["10.9.0.255", hears.port]);
await until(() => hears.got.length >= 1, "the broadcast");
said["broadcast"] = [hears.got[0], caller.sendto("all", ["<broadcast>", hears.port])];

// Multicast that is not to come back to this machine does not.
const member = new Channel(["", 0]);
member.udp.addMembership("239.1.2.3", "10.9.0.1");
caller.udp.setMulticastInterface("10.9.0.1");
caller.udp.setMulticastLoopback(false);
caller.sendto("to others only", ["239.1.2.3", member.port]);
caller.udp.setMulticastLoopback(true);
caller.sendto("to all", ["239.1.2.3", member.port]);
await until(() => member.got.length > 0, "the multicast");
said["multicast"] = member.got.map(([text]) => text);

// Link-local addresses carry their interface, both ways. They are tentative for a while.
const linkLocal = (): string | undefined =>
  /inet6 (fe80::[0-9a-f:]+)\/64 scope link (?!.*tentative)/.exec(ip("-6 addr show dev va"))?.[1];
await until(() => linkLocal() !== undefined, "a link-local address");
const own = linkLocal() ?? "";
const six = new Channel([`${own}%va`, 0], AF_INET6);
const other = new Channel(["::", 0], AF_INET6);
other.sendto("hello", [`${own}%va`, six.port]);
await until(() => six.got.length > 0, "the datagram");
const [text, from] = six.got[0] as [string, Address];
six.sendto(`${text} back`, from);
await until(() => other.got.length > 0, "the answer");
said["linkLocal"] = [from[0] === `${own}%va`, other.got[0]?.[0], other.got[0]?.[1][0] === `${own}%va`];
other.connect([`${own}%va`, six.port]);
await until(() => other.connected, "the connect");
other.send("connected");
await until(() => six.got.length > 1, "the datagram");
six.udp.setMulticastInterface("::%va");
other.close();
const group = new Channel(["::", 0], AF_INET6);
group.udp.addMembership("ff02::4321", "::%va");
six.sendto("group", ["ff02::4321%va", group.port]);
await until(() => group.got.length > 0, "the multicast over IPv6");
said["sixGroup"] = group.got[0]?.[0];

console.log(JSON.stringify(said));
process.exit(0);
