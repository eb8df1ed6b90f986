/**
 * Load on one server that can be paused: what the clients that exchange messages share. A kind of load sends, checks
 * every byte that comes back, and counts; `slices.ts` decides when. Nothing may be allocated per message here.
 */
import type { Socket, SocketHandler } from "bun";

import { Latency } from "../latency.ts";
import { within } from "../server-process.ts";
import { connectAll } from "./connect.ts";

export abstract class Load<D> {
  /** What the reports count: a reply, a line. */
  abstract readonly bytesPerMessage: number;
  /** Bytes that came back and were right. */
  bytes = 0;
  readonly latency: Latency = new Latency();
  /** Rejects when the run is worthless: wrong bytes, a lost connection. */
  readonly failed: Promise<never>;
  /** While false nothing new is sent. */
  protected running = false;
  #wires: readonly Socket<D>[] = [];
  #resting = 0;
  #allRest: (() => void) | undefined;
  readonly #reject: (error: Error) => void;
  #over = false;

  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#reject = reject;
    // Somebody waits for it only while a slice runs.
    promise.catch(() => undefined);
  }

  /** Sends what may be sent now. */
  protected abstract send(wire: Socket<D>): void;
  /** Checks and counts; then sends, or calls {@link rests}. */
  protected abstract received(wire: Socket<D>, chunk: Buffer): void;
  /** What belongs to connection `index`. */
  protected abstract dataOf(index: number): D;

  async open(connections: number, port: number): Promise<void> {
    this.#wires = await this.connect(connections, port, {
      data: (wire, chunk) => this.received(wire, chunk),
      drain: (wire) => this.send(wire),
      close: () => this.fail("the server closed a connection"),
      error: (_wire, error) => this.fail(String(error)),
    });
    this.#resting = connections;
  }

  /** Opens the connections; a load over something else than TCP has its own way. */
  protected connect(count: number, port: number, handlers: SocketHandler<D>): Promise<Socket<D>[]> {
    return connectAll<D>(count, port, handlers, (index) => this.dataOf(index));
  }

  start(): void {
    this.running = true;
    this.#resting = 0;
    for (const wire of this.#wires) this.send(wire);
  }

  /** Resolves when everything sent has come back. */
  pause(): Promise<void> {
    this.running = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allRest = resolve;
    return within(Promise.race([promise, this.failed]), "everything sent to come back", 5000);
  }

  close(): void {
    this.#over = true;
    for (const wire of this.#wires) wire.terminate();
  }

  /** One connection has nothing in flight, and the load is pausing. */
  protected rests(): void {
    if (++this.#resting === this.#wires.length) this.#allRest?.();
  }

  protected fail(why: string): void {
    if (!this.#over) this.#reject(new Error(why));
  }
}
