// Connects to the port in argv, says so and half-closes; takes what comes only when it is asked the eighth time.
import { Dispatcher, SHUT_WR } from "asyncore";

class Client extends Dispatcher {
  asked = 0;
  override handleConnect(): void {
    this.send("GET");
    this.shutdown(SHUT_WR);
  }
  override handleRead(): void {
    if (++this.asked < 8) return;
    const chunk = this.recv();
    if (chunk.length > 0) process.stdout.write(`read ${chunk.toString()}\n`);
  }
  override handleClose(): void {
    process.stdout.write("close\n");
    this.close();
  }
}

const client = new Client();
client.createSocket();
client.connect(["127.0.0.1", Number(process.argv[2])]);
