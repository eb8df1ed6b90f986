/** startTls(): what was sent before it, and has to go out in plain before the handshake may begin. */
import type { WriteQueue } from "../bytes/write-queue.ts";

export class PlainTail {
  readonly #queue: WriteQueue;
  /** Begins the handshake. */
  readonly upgrade: () => void;
  #done = false;

  constructor(queue: WriteQueue, upgrade: () => void) {
    this.#queue = queue;
    this.upgrade = upgrade;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Writes what `wireWrite` takes. @returns true once: when the last byte is out */
  write(wireWrite: (bytes: Uint8Array, offset: number, length: number) => number): boolean {
    const queue = this.#queue;
    while (queue.front !== undefined) {
      const length = queue.frontLength;
      const taken = wireWrite(queue.front, queue.start, length);
      // Lost: the wire tells it.
      if (taken < 0) return false;
      queue.consume(taken);
      if (taken < length) return false;
    }
    if (this.#done) return false;
    this.#done = true;
    queue.clear();
    return true;
  }

  clear(): void {
    this.#queue.clear();
  }
}
