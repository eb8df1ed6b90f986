// A TCP relay. Try it: `bun examples/proxy.ts 127.0.0.1 8080`, then talk to port 8009 instead of 8080.
// Back-pressure both ways: a side is read only while the other takes what it is given. Half-close both ways: one
// side's FIN is passed on, and the other direction goes on until it ends too.
import {
  type Address,
  closeAll,
  Dispatcher,
  formatAddress,
  type OSError,
  SHUT_WR,
  type Socket,
} from "asyncore";

class Side extends Dispatcher {
  other!: Side;
  #ended = false;

  // Not read while the other side is connecting, or has more queued than it takes.
  override readable(): boolean {
    return this.other.connected && this.other.bufferedAmount < 65_536;
  }
  // Its queue has drained: the other side may be read again.
  override handleWrite(): void {
    this.other.wake();
  }
  override handleConnect(): void {}
  override handleRead(): void {
    const chunk = this.recv();
    if (chunk.length > 0) this.other.send(chunk);
  }
  override handleClose(reason?: OSError): void {
    if (reason !== undefined) {
      this.#cut();
      return;
    }
    this.#ended = true;
    this.other.shutdown(SHUT_WR);
    if (!this.other.#ended) return;
    this.close();
    this.other.close();
  }
  override handleError(error: unknown): void {
    this.logInfo(String(error), "error");
    this.#cut();
  }
  // A connection that was lost must not look complete on the other side.
  #cut(): void {
    this.abort();
    this.other.abort();
  }
}

class Relay extends Dispatcher {
  readonly #target: Address;

  constructor(target: Address) {
    super();
    this.#target = target;
  }
  override handleAccepted(socket: Socket): void {
    const [client, upstream] = [new Side(socket), new Side()];
    client.other = upstream;
    upstream.other = client;
    upstream.createSocket();
    upstream.connect(this.#target);
  }
}

const [host = "127.0.0.1", port = "8080"] = process.argv.slice(2);
const relay = new Relay([host, Number(port)]);
relay.createSocket();
relay.setReuseAddr();
relay.bind([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8009)]);
relay.listen();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`relay to ${host}:${port} on ${formatAddress(relay.getsockname())}`);
