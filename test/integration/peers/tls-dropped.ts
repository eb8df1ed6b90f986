// Accepts connections with TLS, drops them as argv says, and collects garbage for each line on stdin. stdout:
// {listening: address}, {dropped: count}, and for each line {collected: true}.
import { AF_INET, Dispatcher, type Socket, TLSError } from "asyncore";

import { server as identity } from "../../support/certificates.ts";
import { until } from "../../support/until.ts";

const [scenario = "", count = "1"] = process.argv.slice(2);
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};
let accepted = 0;

/** Begins TLS, and leaves its map with it. */
class Upgraded extends Dispatcher {
  constructor(socket: Socket) {
    super(socket);
    this.startTls(identity);
  }
  override handleSecure(): void {
    accepted++;
    this.delChannel();
  }
}

class Server extends Dispatcher {
  constructor() {
    super();
    if (scenario === "upgraded and dropped") this.createSocket(AF_INET);
    else this.createSocket({ family: AF_INET, tls: identity });
    this.bind(["127.0.0.1", 0]);
    this.listen();
    say({ listening: this.getsockname() });
  }
  override handleAccepted(socket: Socket): void {
    if (scenario === "upgraded and dropped") {
      new Upgraded(socket);
      return;
    }
    accepted++;
    if (scenario === "accepted, written to and dropped") socket.send("hello");
  }
  override handleError(error: unknown): void {
    if (!(error instanceof TLSError)) throw error;
  }
}

new Server();
await until(() => accepted === Number(count), "the connections");
say({ dropped: accepted });
for await (const _line of console) {
  // Finalizers run in turns of their own.
  for (let i = 0; i < 5; i++) {
    Bun.gc(true);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  say({ collected: true });
}
