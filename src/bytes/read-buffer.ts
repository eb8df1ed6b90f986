/**
 * The chunks a stream has received and its owner has not taken yet. Pure memory: the socket pushes each chunk as
 * it came, `recv()` takes from the front. Must never copy: a whole chunk is handed on, a part of one is a view.
 *
 *     #first [ ___####### ]   #rest [ ######## ][ ##### ] …   (almost always only #first, or nothing)
 *                 └ #offset
 */
export class ReadBuffer {
  /** Bytes waiting. */
  length = 0;
  #first: Buffer | undefined;
  #offset = 0;
  #rest: Buffer[] | undefined;

  /** Adds a chunk and keeps it: nobody else may write to it. Empty chunks are dropped. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.length += chunk.length;
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#rest === undefined) this.#rest = [chunk];
    else this.#rest.push(chunk);
  }

  /**
   * Takes up to `size` bytes, never past the end of the first chunk; undefined when empty. The whole chunk costs
   * no copy and no view; a part is a view that keeps its chunk (at most 512 KiB) alive.
   */
  take(size: number): Buffer | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    const left = first.length - this.#offset;
    if (size < left) {
      const part = first.subarray(this.#offset, this.#offset + size);
      this.#offset += size;
      this.length -= size;
      return part;
    }
    const whole = this.#offset === 0 ? first : first.subarray(this.#offset);
    this.length -= left;
    this.#offset = 0;
    // shift() moves the few chunks that can arrive before a pause takes hold; a ring would not pay.
    this.#first = this.#rest?.shift();
    if (this.#rest?.length === 0) this.#rest = undefined;
    return whole;
  }

  /** Drops everything. */
  clear(): void {
    this.length = 0;
    this.#first = undefined;
    this.#offset = 0;
    this.#rest = undefined;
  }
}
