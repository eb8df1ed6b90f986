// A TCP relay. Try it: `bun examples/proxy.ts 127.0.0.1 8080`, then talk to port 8009 instead of 8080.
// A side is read only while the other takes what it is given; a FIN on one side is passed on, and so is a reset.
import { closeAll, Dispatcher, formatAddress, type OSError, SHUT_WR, type Socket } from "asyncore";

class Side extends Dispatcher {
  other!: Side;
  #ended = false;

  override readable(): boolean {
    return this.other.connected && this.other.bufferedAmount < 65_536;
  }
  // This side connected or has room again: the other may be read.
  override handleWrite(): void {
    this.other.wake();
  }
  override handleConnect(): void {}
  override handleRead(): void {
    const chunk = this.recv();
    if (chunk.length > 0) this.other.send(chunk);
  }
  override handleClose(lost?: OSError): void {
    if (lost !== undefined) throw lost;
    this.#ended = true;
    this.other.shutdown(SHUT_WR);
    if (!this.other.#ended) return;
    this.close();
    this.other.close();
  }
  override handleError(error: unknown): void {
    this.logInfo(String(error), "error");
    this.abort();
    this.other.abort();
  }
}

class Relay extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    const [client, upstream] = [new Side(socket), new Side()];
    client.other = upstream;
    upstream.other = client;
    upstream.createSocket();
    upstream.connect([host, Number(port)]);
  }
}

const [host = "127.0.0.1", port = "8080"] = process.argv.slice(2);
const relay = new Relay();
relay.createSocket();
relay.setReuseAddr();
relay.bind([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8009)]);
relay.listen();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`relay to ${host}:${port} on ${formatAddress(relay.getsockname())}`);
