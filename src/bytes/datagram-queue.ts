/**
 * The datagrams a socket has received and its owner has not taken yet. Pure memory, bounded: what does not fit is
 * dropped and counted, the newest first, as the kernel does it. Called by `udp.ts`. Must never copy a payload.
 *
 *     #ring [ _ _ ▓ ▓ ▓ ▓ _ _ ]    a power of two; doubled when full, small again after a flood
 *                 └ #head   └ #head + count
 */
import type { Address } from "../base/address.ts";

/** A payload and its sender. */
export type Datagram = readonly [payload: Buffer, from: Address];

/** What a waiting datagram costs besides its payload: a Buffer, its memory block, an address (measured: 0.9 to 1.2 KB). */
export const DATAGRAM_BYTES = 1024;

const SMALLEST_RING = 64;
/** An empty ring longer than this is given back. */
const LARGEST_KEPT_RING = 1024;

export class DatagramQueue {
  /** Most memory that may wait here; each datagram counts as its length and {@link DATAGRAM_BYTES}. */
  maxBytes: number;
  /** Datagrams waiting. */
  count = 0;
  /** Memory that waits. */
  bytes = 0;
  /** Datagrams that found no room. */
  dropped = 0;
  #ring: (Datagram | undefined)[] = emptyRing(SMALLEST_RING);
  #head = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Keeps a datagram, or drops it. One always fits: whatever the bound, each can be received. @returns whether it was kept */
  push(payload: Buffer, host: string, port: number): boolean {
    const bytes = this.bytes + payload.length + DATAGRAM_BYTES;
    if (bytes > this.maxBytes && this.count !== 0) {
      this.dropped++;
      return false;
    }
    if (this.count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.count) & (this.#ring.length - 1)] = [payload, [host, port]];
    this.count++;
    this.bytes = bytes;
    return true;
  }

  /** The oldest datagram, undefined when there is none. */
  take(): Datagram | undefined {
    const datagram = this.#ring[this.#head];
    if (datagram === undefined) return undefined;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.bytes -= datagram[0].length + DATAGRAM_BYTES;
    if (--this.count === 0 && this.#ring.length > LARGEST_KEPT_RING) this.clear();
    return datagram;
  }

  /** Drops everything, without counting it. */
  clear(): void {
    this.#ring = emptyRing(SMALLEST_RING);
    this.#head = 0;
    this.count = 0;
    this.bytes = 0;
  }

  #grow(): void {
    const ring = this.#ring;
    this.#ring = [...ring.slice(this.#head), ...ring.slice(0, this.#head), ...emptyRing(ring.length)];
    this.#head = 0;
  }
}

const emptyRing = (length: number): undefined[] => Array.from({ length });
