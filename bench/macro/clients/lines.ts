/**
 * Lines: each connection keeps some packets of lines in flight and sends one more for each that was answered, every
 * packet with a write of its own. What is sent is a ring of numbered lines that all connections share, each from
 * another place, so that a lost, doubled or strayed line is a wrong one. Lines may also be frames with their length in
 * front. Latency is a packet's: from its first byte out to its last byte back.
 */
import type { Socket } from "bun";

import type { ClientJob } from "../workload.ts";
import { Load } from "./load.ts";

const RING_PACKETS = 64;
const LENGTH_BYTES = 4;

interface Stream {
  /** Where in the ring the next byte goes out … */
  out: number;
  /** … and the next one is expected back. */
  back: number;
  /** Bytes that may go out now. */
  credit: number;
  /** Bytes of the packet under way that came back. */
  part: number;
  /** When each packet in flight was begun; a ring. */
  readonly begun: Float64Array;
  /** Packets begun, and packets that came back. */
  packetsOut: number;
  packetsBack: number;
}

export class LinesLoad extends Load<Stream> {
  readonly bytesPerMessage: number;
  readonly #packetBytes: number;
  readonly #windowBytes: number;
  readonly #inFlight: number;
  readonly #ring: Buffer;

  constructor(job: Extract<ClientJob, { kind: "lines" }>) {
    super();
    this.bytesPerMessage = job.lineBytes;
    this.#packetBytes = job.linesPerPacket * job.lineBytes;
    this.#windowBytes = job.packetsInFlight * this.#packetBytes;
    this.#inFlight = job.packetsInFlight;
    const { lineBytes, framing = "newline" } = job;
    this.#ring = Buffer.alloc(RING_PACKETS * this.#packetBytes);
    for (let line = 0; line < RING_PACKETS * job.linesPerPacket; line++) {
      const at = line * lineBytes;
      if (framing === "newline") {
        this.#ring.write(`line ${line} `.padEnd(lineBytes - 1, ".") + "\n", at);
      } else {
        this.#ring.writeUInt32BE(lineBytes - LENGTH_BYTES, at);
        this.#ring.write(`frame ${line} `.padEnd(lineBytes - LENGTH_BYTES, "."), at + LENGTH_BYTES);
      }
    }
  }

  protected dataOf(index: number): Stream {
    const start = (index % RING_PACKETS) * this.#packetBytes;
    return {
      out: start,
      back: start,
      credit: this.#windowBytes,
      part: 0,
      begun: new Float64Array(this.#inFlight),
      packetsOut: 0,
      packetsBack: 0,
    };
  }

  protected send(wire: Socket<Stream>): void {
    const stream = wire.data;
    while (stream.credit > 0) {
      // After a short write the rest of that packet goes first.
      const left = this.#packetBytes - (stream.out % this.#packetBytes);
      // The load is pausing: packets that were begun are finished, no other is begun.
      if (left === this.#packetBytes) {
        if (!this.running) return;
        // Again where nothing of it went out the first time: it starts when its first byte does.
        stream.begun[stream.packetsOut % this.#inFlight] = performance.now();
      }
      const taken = wire.write(this.#ring, stream.out, left);
      if (taken < 0) {
        this.fail("a connection is gone");
        return;
      }
      stream.out = (stream.out + taken) % this.#ring.length;
      stream.credit -= taken;
      if (left === this.#packetBytes && taken > 0) stream.packetsOut++;
      if (taken < left) return;
    }
  }

  protected received(wire: Socket<Stream>, chunk: Buffer): void {
    const stream = wire.data;
    const ring = this.#ring;
    const { length } = chunk;
    for (let at = 0; at < length;) {
      const piece = Math.min(length - at, ring.length - stream.back);
      if (chunk.compare(ring, stream.back, stream.back + piece, at, at + piece) !== 0) {
        this.fail("wrong bytes came back");
        return;
      }
      at += piece;
      stream.back = (stream.back + piece) % ring.length;
    }
    this.bytes += length;
    stream.part += length;
    while (stream.part >= this.#packetBytes) {
      stream.part -= this.#packetBytes;
      stream.credit += this.#packetBytes;
      const begun = stream.begun[stream.packetsBack++ % this.#inFlight] ?? Number.NaN;
      this.latency.record(performance.now() - begun);
    }
    this.send(wire);
    if (!this.running && stream.credit === this.#windowBytes && stream.part === 0) this.rests();
  }
}
