// Run in a network namespace of its own where even the loopback device is down: says how a connect ends.
import { Dispatcher, type OSError } from "asyncore";

class Client extends Dispatcher {
  override handleError(error: unknown): void {
    const { code, errno, address, port } = error as OSError;
    console.log(JSON.stringify({ code, errno, address, port }));
    this.close();
  }
}
const client = new Client();
client.createSocket();
client.connect(["127.0.0.1", 9]);
