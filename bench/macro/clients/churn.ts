/**
 * Churn: some slots, each of which connects, sends one message, gets it back, closes, and connects again when the
 * connection is gone on this side. Latency is from the call to connect to the last byte back. A connection that is not
 * made, gives wrong bytes, or is closed by the server, fails the run.
 */
import type { Socket, SocketHandler } from "bun";

import { Latency } from "../latency.ts";
import { within } from "../server-process.ts";
import type { PausableLoad } from "../slices.ts";
import type { ClientJob } from "../workload.ts";

interface Slot {
  readonly message: Buffer;
  begun: number;
  received: number;
  serial: number;
}

export class ChurnLoad implements PausableLoad {
  readonly bytesPerMessage: number;
  bytes = 0;
  readonly latency: Latency = new Latency();
  readonly failed: Promise<never>;
  readonly #reject: (error: Error) => void;
  readonly #slots: readonly Slot[];
  #port = 0;
  #running = false;
  #resting: number;
  #allRest: (() => void) | undefined;

  constructor(job: Extract<ClientJob, { kind: "churn" }>) {
    this.bytesPerMessage = job.bytes;
    this.#slots = Array.from({ length: job.atOnce }, (_, index) => {
      const message = Buffer.alloc(job.bytes);
      for (let at = 0; at < message.length; at++) message[at] = (at * 31 + index * 7) & 0xff;
      return { message, begun: 0, received: 0, serial: 0 };
    });
    this.#resting = job.atOnce;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#reject = reject;
    // Somebody waits for it only while a slice runs.
    promise.catch(() => undefined);
  }

  open(_connections: number, port: number): Promise<void> {
    this.#port = port;
    return Promise.resolve();
  }

  start(): void {
    this.#running = true;
    this.#resting = 0;
    for (const slot of this.#slots) this.#connect(slot);
  }

  pause(): Promise<void> {
    this.#running = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allRest = resolve;
    if (this.#resting === this.#slots.length) resolve();
    return within(Promise.race([promise, this.failed]), "every connection to end", 5000);
  }

  /** Nothing is open while it rests. */
  close(): void {}

  #connect(slot: Slot): void {
    slot.message.writeUInt32LE(++slot.serial, 0);
    slot.received = 0;
    slot.begun = performance.now();
    Bun.connect({ hostname: "127.0.0.1", port: this.#port, socket: this.#handlers, data: slot }).catch(
      (error: unknown) => this.#reject(new Error(`a connection was not made: ${String(error)}`)),
    );
  }

  readonly #handlers: SocketHandler<Slot> = {
    open: (wire) => {
      // An empty send buffer takes so little whole.
      const { message } = wire.data;
      if (wire.write(message) !== message.length) this.#reject(new Error("a short write"));
    },
    data: (wire, chunk) => this.#received(wire, chunk),
    close: (wire) => {
      if (wire.data.received < this.bytesPerMessage) {
        this.#reject(new Error("the server closed a connection"));
      } else if (this.#running) this.#connect(wire.data);
      else if (++this.#resting === this.#slots.length) this.#allRest?.();
    },
    error: (_wire, error) => this.#reject(error),
  };

  #received(wire: Socket<Slot>, chunk: Buffer): void {
    const slot = wire.data;
    const end = slot.received + chunk.length;
    if (end > this.bytesPerMessage || chunk.compare(slot.message, slot.received, end) !== 0) {
      this.#reject(new Error("wrong bytes came back"));
      return;
    }
    slot.received = end;
    if (end < this.bytesPerMessage) return;
    this.bytes += end;
    this.latency.record(performance.now() - slot.begun);
    // close(2): all it sent was read here, so the kernel sends a FIN.
    wire.end();
  }
}
