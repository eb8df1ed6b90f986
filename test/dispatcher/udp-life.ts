// A datagram channel keeps its process alive while it is in its map: serves one datagram, says so, and then ends by
// itself, because the channel was closed ("close") or left its map ("leave").
import { Dispatcher, SOCK_DGRAM } from "asyncore";

class Server extends Dispatcher {
  override handleRead(): void {
    console.log(`got ${this.recv().toString()}`);
    if (process.argv[2] === "close") this.close();
    else this.delChannel();
  }
}
const server = new Server();
server.createSocket({ type: SOCK_DGRAM });
server.bind(["127.0.0.1", 0]);
console.log(`on ${(server.getsockname() as [string, number])[1]}`);
