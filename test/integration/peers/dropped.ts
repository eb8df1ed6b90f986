// Makes sockets, drops them as argv says, and collects garbage for each line on stdin, so that the process that
// started it can see what became of them. stdout: {listening: address}, {dropped: count, descriptors}, and for each
// line {collected: true, descriptors}.
import { type Address, Dispatcher, type Socket } from "asyncore";

import { descriptors, hasProc } from "../support/process-stat.ts";
import { until } from "../../support/until.ts";

const [scenario = "", count = "1"] = process.argv.slice(2);
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify({ ...answer, descriptors: hasProc ? descriptors() : 0 })}\n`);
};
const kept: Socket[] = [];
let accepted = 0;

class Server extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
    say({ listening: this.getsockname() satisfies Address });
  }
  override handleAccepted(socket: Socket): void {
    accepted++;
    if (scenario === "accepted and kept") kept.push(socket);
    if (scenario === "accepted, written to and dropped") socket.send("hello");
    if (scenario.startsWith("a channel that left its map")) {
      const channel = new Dispatcher(socket);
      channel.delChannel();
      if (scenario.endsWith("let go of it")) socket.observe(undefined);
    }
  }
}

if (scenario === "never connected") {
  for (let i = 0; i < Number(count); i++) {
    const channel = new Dispatcher();
    channel.createSocket();
    // Bound or not.
    if (i % 2 === 0) channel.bind(["127.0.0.1", 0]);
    channel.delChannel();
  }
} else {
  new Server();
  await until(() => accepted === Number(count), "the connections");
}
say({ dropped: Number(count) });
for await (const _line of console) {
  // Finalizers run in turns of their own.
  for (let i = 0; i < 5; i++) {
    Bun.gc(true);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  say({ collected: true, kept: kept.length });
}
