/**
 * Fan-out: one connection publishes packets of numbered lines, and every subscriber must get each line, with the two
 * bytes before it that make it a delivery. Two packets are in flight: the next one goes out when every subscriber has
 * all of the one before the last. Where the job has a stalled subscriber, it never reads; when the server cuts it off,
 * what the kernel still held for it is checked and another one takes its place.
 *
 * A connection's first line says what it is, `SUB` or `PUB`, and the server answers `ready`.
 */
import type { Socket } from "bun";

import { Latency } from "../latency.ts";
import { within } from "../server-process.ts";
import type { PausableLoad } from "../slices.ts";
import type { ClientJob, Figures } from "../workload.ts";
import { connectAll } from "./connect.ts";

const IN_FLIGHT = 2;
const RING_PACKETS = 64;
/** Packets of which something may be under way, as a power of two above {@link IN_FLIGHT}. */
const COUNTED = 4;
const READY = Buffer.from("ready\n");
const PREFIX = "> ";

interface Subscriber {
  readonly stalls: boolean;
  /** Bytes of `ready` that came. */
  greeted: number;
  /** Where in the ring the next byte is expected; -1 until the first came. */
  back: number;
  part: number;
  packets: number;
}

export class FanoutLoad implements PausableLoad {
  readonly bytesPerMessage: number;
  bytes = 0;
  readonly latency: Latency = new Latency();
  readonly failed: Promise<never>;
  readonly #reject: (error: Error) => void;
  readonly #subscribers: number;
  readonly #stalls: boolean;
  /** What is published, and what must arrive. */
  readonly #lines: Buffer;
  readonly #deliveries: Buffer;
  readonly #publishBytes: number;
  readonly #packetBytes: number;
  readonly #begun = new Float64Array(COUNTED);
  /** Subscribers that have all of a packet. */
  readonly #done = new Uint32Array(COUNTED);
  #published = 0;
  #completed = 0;
  #running = false;
  #allRest: (() => void) | undefined;
  #over = false;
  #port = 0;
  #publisher: Socket<Subscriber> | undefined;
  #wires: readonly Socket<Subscriber>[] = [];
  #stalled: Socket<Subscriber> | undefined;
  #stalledSince = 0;
  #cuts = 0;
  #cutAfterBytes = 0;
  #becameReady: (() => void) | undefined;
  #unready = 0;

  constructor(job: Extract<ClientJob, { kind: "fanout" }>) {
    this.bytesPerMessage = job.lineBytes;
    this.#subscribers = job.subscribers;
    this.#stalls = job.stalled;
    const count = RING_PACKETS * job.linesPerPacket;
    const lines = Array.from({ length: count }, (_, line) =>
      `line ${line} `.padEnd(job.lineBytes - PREFIX.length - 1, ".").concat("\n"),
    );
    this.#lines = Buffer.from(lines.join(""));
    this.#deliveries = Buffer.from(lines.map((line) => PREFIX + line).join(""));
    this.#publishBytes = this.#lines.length / RING_PACKETS;
    this.#packetBytes = this.#deliveries.length / RING_PACKETS;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#reject = reject;
    // Somebody waits for it only while a slice runs.
    promise.catch(() => undefined);
  }

  get figures(): Figures {
    if (!this.#stalls) return {};
    return { cuts: this.#cuts, ...(this.#cuts > 0 ? { cutAfterBytes: this.#cutAfterBytes } : {}) };
  }

  async open(_connections: number, port: number): Promise<void> {
    this.#port = port;
    this.#wires = await this.#connect("SUB", this.#subscribers);
    if (this.#stalls) await this.#stall();
    const [publisher] = await this.#connect("PUB", 1);
    this.#publisher = publisher;
  }

  start(): void {
    this.#running = true;
    this.#publish();
  }

  pause(): Promise<void> {
    this.#running = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allRest = resolve;
    if (this.#completed === this.#published) resolve();
    return within(Promise.race([promise, this.failed]), "every subscriber to have all of it", 5000);
  }

  close(): void {
    this.#over = true;
    this.#publisher?.terminate();
    this.#stalled?.terminate();
    for (const wire of this.#wires) wire.terminate();
  }

  /** Connects, says what these are, and waits until the server knows. */
  async #connect(role: "SUB" | "PUB", count: number, stalls = false): Promise<readonly Socket<Subscriber>[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#becameReady = resolve;
    this.#unready = count;
    const wires = await connectAll<Subscriber>(
      count,
      this.#port,
      {
        data: (wire, chunk) => this.#received(wire, chunk),
        close: (wire) => this.#closed(wire),
        error: (_wire, error) => this.#fail(String(error)),
      },
      () => ({ stalls, greeted: 0, back: stalls ? -1 : 0, part: 0, packets: 0 }),
    );
    for (const wire of wires) wire.write(`${role}\n`);
    await within(Promise.race([promise, this.failed]), "the server to be ready");
    return wires;
  }

  async #stall(): Promise<void> {
    [this.#stalled] = await this.#connect("SUB", 1, true);
  }

  #closed(wire: Socket<Subscriber>): void {
    if (!wire.data.stalls) {
      this.#fail("the server closed a connection");
      return;
    }
    if (this.#over) return;
    this.#cuts++;
    this.#cutAfterBytes = (this.#published - this.#stalledSince) * this.#packetBytes;
    this.#stall().catch((error: unknown) => this.#fail(String(error)));
  }

  #publish(): void {
    while (this.#running && this.#published - this.#completed < IN_FLIGHT) {
      const slot = this.#published % COUNTED;
      this.#done[slot] = 0;
      this.#begun[slot] = performance.now();
      const at = (this.#published % RING_PACKETS) * this.#publishBytes;
      this.#published++;
      // So little is in flight that the kernel has room.
      const taken = this.#publisher?.write(this.#lines, at, this.#publishBytes);
      if (taken !== this.#publishBytes) this.#fail("a short write");
    }
  }

  #received(wire: Socket<Subscriber>, chunk: Buffer): void {
    const subscriber = wire.data;
    if (subscriber.greeted < READY.length) {
      chunk = this.#greeted(subscriber, chunk);
      if (subscriber.stalls) {
        wire.pause();
        this.#stalledSince = this.#published;
      }
      if (chunk.length === 0) return;
    }
    const ring = this.#deliveries;
    // It joined at some packet, and tells which when it is cut.
    if (subscriber.back === -1) subscriber.back = ring.indexOf(chunk.subarray(0, this.bytesPerMessage));
    const { length } = chunk;
    for (let at = 0; at < length;) {
      const piece = Math.min(length - at, ring.length - subscriber.back);
      if (chunk.compare(ring, subscriber.back, subscriber.back + piece, at, at + piece) !== 0) {
        this.#fail("wrong bytes came back");
        return;
      }
      at += piece;
      subscriber.back = (subscriber.back + piece) % ring.length;
    }
    if (subscriber.stalls) return;
    this.bytes += length;
    subscriber.part += length;
    while (subscriber.part >= this.#packetBytes) {
      subscriber.part -= this.#packetBytes;
      this.#delivered(subscriber.packets++ % COUNTED);
    }
  }

  #delivered(slot: number): void {
    this.latency.record(performance.now() - (this.#begun[slot] ?? Number.NaN));
    const done = (this.#done[slot] ?? 0) + 1;
    this.#done[slot] = done;
    if (done < this.#subscribers) return;
    this.#completed++;
    if (this.#running) this.#publish();
    else if (this.#completed === this.#published) this.#allRest?.();
  }

  /** What follows the greeting. */
  #greeted(subscriber: Subscriber, chunk: Buffer): Buffer {
    const { greeted } = subscriber;
    const end = Math.min(READY.length, greeted + chunk.length);
    if (chunk.compare(READY, greeted, end, 0, end - greeted) !== 0) this.#fail("no greeting");
    subscriber.greeted = end;
    if (end === READY.length && --this.#unready === 0) this.#becameReady?.();
    return chunk.subarray(end - greeted);
  }

  #fail(why: string): void {
    if (!this.#over) this.#reject(new Error(why));
  }
}
