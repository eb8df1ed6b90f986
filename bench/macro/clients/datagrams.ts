/**
 * Ping-pong over UDP: each socket sends one datagram, waits until it came back, sends the next. Every one carries its
 * socket and a serial number, so that a stale or strayed reply is a wrong one; one that is lost fails the run when it
 * pauses, for on loopback and with so few in flight none is.
 */
import type { udp } from "bun";

import { Latency } from "../latency.ts";
import { within } from "../server-process.ts";
import type { PausableLoad } from "../slices.ts";
import type { ClientJob } from "../workload.ts";

interface Exchange {
  readonly socket: udp.ConnectedSocket<"buffer">;
  readonly message: Buffer;
  /** When it went out. */
  begun: number;
  serial: number;
}

export class DatagramLoad implements PausableLoad {
  readonly bytesPerMessage: number;
  bytes = 0;
  readonly latency: Latency = new Latency();
  readonly failed: Promise<never>;
  readonly #reject: (error: Error) => void;
  #exchanges: readonly Exchange[] = [];
  #running = false;
  #resting = 0;
  #allRest: (() => void) | undefined;

  constructor(job: Extract<ClientJob, { kind: "datagrams" }>) {
    this.bytesPerMessage = job.bytes;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#reject = reject;
    // Somebody waits for it only while a slice runs.
    promise.catch(() => undefined);
  }

  async open(connections: number, port: number): Promise<void> {
    this.#exchanges = await Promise.all(
      Array.from({ length: connections }, (_, index) => this.#connect(index, port)),
    );
    this.#resting = connections;
  }

  async #connect(index: number, port: number): Promise<Exchange> {
    const message = Buffer.alloc(this.bytesPerMessage);
    for (let at = 0; at < message.length; at++) message[at] = (at * 31 + index * 7) & 0xff;
    const received = (payload: Buffer): void => this.#received(exchange, payload);
    const socket = await Bun.udpSocket({
      connect: { hostname: "127.0.0.1", port },
      socket: {
        data: (_socket, payload) => received(payload),
        // Bun gives it the error alone.
        error: (...told: unknown[]) => this.#reject(new Error(String(told.at(-1)))),
      },
    });
    const exchange: Exchange = { socket, message, begun: 0, serial: 0 };
    return exchange;
  }

  #received(exchange: Exchange, payload: Buffer): void {
    if (!payload.equals(exchange.message)) {
      this.#reject(new Error("wrong bytes came back"));
      return;
    }
    this.bytes += payload.length;
    this.latency.record(performance.now() - exchange.begun);
    exchange.message.writeUInt32LE(++exchange.serial, 0);
    if (this.#running) this.#send(exchange);
    else if (++this.#resting === this.#exchanges.length) this.#allRest?.();
  }

  #send(exchange: Exchange): void {
    exchange.begun = performance.now();
    if (!exchange.socket.send(exchange.message)) this.#reject(new Error("no room to send"));
  }

  start(): void {
    this.#running = true;
    this.#resting = 0;
    for (const exchange of this.#exchanges) this.#send(exchange);
  }

  pause(): Promise<void> {
    this.#running = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allRest = resolve;
    return within(Promise.race([promise, this.failed]), "every datagram to come back", 5000);
  }

  close(): void {
    for (const { socket } of this.#exchanges) socket.close();
  }
}
