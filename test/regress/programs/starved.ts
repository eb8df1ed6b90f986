// A listener whose queue has filled is started again while no descriptor is free (run it with a low `ulimit -n`).
// Prints how many of four connections it accepted, and how many errors it met.
import { closeSync, openSync } from "node:fs";

import { Dispatcher, type Socket } from "asyncore";

import { RawPeer } from "../../integration/support/raw.ts";
import { turns, until } from "../../support/until.ts";

class Server extends Dispatcher {
  held = true;
  errors = 0;
  readonly accepted: Socket[] = [];
  override handleAccept(): void {
    const pair = this.held ? null : this.accept();
    if (pair !== null) this.accepted.push(pair[0]);
  }
  override handleError(): void {
    this.errors++;
  }
}

const server = new Server();
server.createSocket();
server.bind(["127.0.0.1", 0]);
server.listen(2);
const peers: RawPeer[] = [];
const connect = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) peers.push(await RawPeer.connect(server.getsockname()));
};
await connect(2);
await turns(20);

const hoard: number[] = [];
try {
  for (;;) hoard.push(openSync("/dev/null", "r"));
} catch {
  // No descriptor is left.
}
server.held = false;
server.wake();
await until(() => server.accepted.length === 2, "what waited is accepted all the same");
for (const fd of hoard) closeSync(fd);

// No more than the kernel's queue holds, or the rest would have to knock again, a second later.
await connect(2);
await until(() => server.accepted.length === 4, "it listens again");
process.stdout.write(
  `hoarded ${hoard.length > 0}, accepted ${server.accepted.length}, errors ${server.errors}\n`,
);
process.exit(0);
