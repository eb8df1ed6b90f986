/** A pass of `poll()` by itself, with nothing to wait for: over no channel that is asked, over one, over a hundred. */
import { ChannelMap, Dispatcher, poll } from "../../src/index.ts";
import { bench, finish } from "./harness.ts";
import { StandInSocket } from "./stand-in-socket.ts";

class Idle extends Dispatcher {
  override handleRead(): void {
    this.recv();
  }
}
class Asked extends Idle {
  override readable(): boolean {
    return true;
  }
  override writable(): boolean {
    return false;
  }
}
class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
}

function mapOf(count: number, Kind: new (socket: StandInSocket, map: ChannelMap) => Dispatcher): ChannelMap {
  const map = new ChannelMap();
  for (let channel = 0; channel < count; channel++) new Kind(new StandInSocket(), map);
  return map;
}

const idle = mapOf(1000, Idle);
const asked1 = mapOf(1, Asked);
const asked100 = mapOf(100, Asked);
const busy = new ChannelMap();
const socket = new StandInSocket();
new Echo(socket, busy);
const message = Buffer.alloc(64, 1);

await bench("a pass over 1,000 channels with the default predicates", () => poll(0, idle));
await bench("a pass over one channel with predicates of its own", () => poll(0, asked1));
await bench("a pass over 100 channels with predicates of their own", () => poll(0, asked100));
await bench("64 B in, a pass that reads and answers it", async () => {
  socket.receive(message);
  await poll(0, busy);
});
await finish();
process.exit(0);
