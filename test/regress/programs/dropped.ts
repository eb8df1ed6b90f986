// Connects ten times to the port in argv, lets go of each connection as argv says, and collects garbage for ever.
import { type Address, Dispatcher } from "asyncore";

import { until } from "../../support/until.ts";

const [how = "", port = ""] = process.argv.slice(2);
const address: Address = ["127.0.0.1", Number(port)];

class Client extends Dispatcher {
  override handleConnect(): void {}
}

// A function of its own, so that nothing of it is left on the stack.
async function connectAndDrop(): Promise<void> {
  const client = new Client();
  client.createSocket();
  client.connect(address);
  if (how !== "connecting") await until(() => client.connected, "connected");
  if (how === "sent") client.send("x");
  client.delChannel();
}

// One in the map keeps the process, and shows that only the dropped ones are closed.
const kept = new Client();
kept.createSocket();
kept.connect(address);
for (let i = 0; i < 10; i++) await connectAndDrop();
await until(() => kept.connected, "they are all connected");
setInterval(() => Bun.gc(true), 5);
