/** A relay between a client and a server that can tamper with what it passes on, or cut it off. */
import net from "node:net";

/** `up` is from the client to the server. */
export type Direction = "up" | "down";

export class Relay implements Disposable {
  readonly #listener: net.Server;
  /** What it does to the next chunk of a direction. */
  readonly #next: Partial<Record<Direction, (chunk: Buffer) => Buffer>> = {};
  #client: net.Socket | undefined;
  #server: net.Socket | undefined;

  private constructor(target: number) {
    this.#listener = net.createServer({ allowHalfOpen: true }, (client) => {
      const server = net.connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
      this.#client = client;
      this.#server = server;
      this.#pass(client, server, "up");
      this.#pass(server, client, "down");
    });
  }

  /** Relays one connection to a port of this machine. */
  static async to(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((listening) => relay.#listener.listen(0, "127.0.0.1", listening));
    return relay;
  }

  get address(): [string, number] {
    return ["127.0.0.1", (this.#listener.address() as net.AddressInfo).port];
  }

  #pass(from: net.Socket, to: net.Socket, direction: Direction): void {
    from.on("data", (chunk: Buffer) => {
      const change = this.#next[direction];
      delete this.#next[direction];
      to.write(change === undefined ? chunk : change(Buffer.from(chunk)));
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
  }

  /** Changes the next chunk that goes in `direction`. */
  tamper(direction: Direction, change: (chunk: Buffer) => Buffer): void {
    this.#next[direction] = change;
  }
  /** Ends `direction` with a bare FIN, or resets it. */
  cut(direction: Direction, how: "fin" | "rst"): void {
    const receiver = direction === "up" ? this.#server : this.#client;
    if (how === "fin") receiver?.end();
    else receiver?.resetAndDestroy();
  }
  [Symbol.dispose](): void {
    this.#listener.close();
    this.#client?.destroy();
    this.#server?.destroy();
  }
}
