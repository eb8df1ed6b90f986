/**
 * Cuts the chunks of one connection into lines, for the line servers: the same code in every peer, so that what is
 * compared is the sending. Keeps the start of an unfinished line until the rest of it comes.
 */
const NEWLINE = 10;

export class LineSplitter {
  #start: Buffer | undefined;

  /** Calls `reply` with every line that `chunk` completes, its newline included, in order. */
  feed(chunk: Buffer, reply: (line: Buffer) => void): void {
    const bytes = this.#start === undefined ? chunk : Buffer.concat([this.#start, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(NEWLINE, at); end !== -1; end = bytes.indexOf(NEWLINE, at)) {
      reply(bytes.subarray(at, end + 1));
      at = end + 1;
    }
    this.#start = at === bytes.length ? undefined : bytes.subarray(at);
  }
}
