/** An echo server for tests that need a process of its own. Prints its port, then a line for each connection's end. */
import { Dispatcher } from "asyncore";
import { inheritedListeners, serve, type ServeOptions } from "asyncore/server";

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

const [inherited] = inheritedListeners();
const options = JSON.parse(process.env["SERVE"] ?? "{}") as ServeOptions;
const server = serve(inherited === undefined ? options : { ...options, fd: inherited.fd }, Echo);
console.log(`port ${server.address[1]}`);
process.on("SIGUSR2", () => console.log(JSON.stringify(server.stats())));
