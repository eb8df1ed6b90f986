/**
 * The bytes every transfer carries, the same in `peers/peer.py`: an endless stream of 4096-byte sectors, each with
 * its number scrambled into the first four bytes and noise after them, so that lost, repeated or swapped bytes show
 * and tell where.
 */
const SECTOR_BYTES = 4096;
const NOISE_BYTES = SECTOR_BYTES - 4;
const SHIFTS = 251;

const noise: Buffer = makeNoise(NOISE_BYTES + SHIFTS);

// xorshift32, top byte of each state.
function makeNoise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x2545_f491;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function fillSector(into: Buffer, sector: number): void {
  into.writeUInt32BE(Math.imul(sector + 1, 0x9e37_79b1) >>> 0, 0);
  const shift = sector % SHIFTS;
  noise.copy(into, 4, shift, shift + NOISE_BYTES);
}

let made: Buffer = Buffer.alloc(0);

/** The first `size` bytes of the stream. Made once; do not write into them. */
export function streamBytes(size: number): Buffer {
  if (made.length < size) {
    const bytes = Buffer.alloc(Math.ceil(size / SECTOR_BYTES) * SECTOR_BYTES);
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
      fillSector(bytes.subarray(at, at + SECTOR_BYTES), at / SECTOR_BYTES);
    }
    made = bytes;
  }
  return made.subarray(0, size);
}

const hashes = new Map<number, string>();

/** SHA-256 of {@link streamBytes}, in hexadecimal. */
export function streamHash(size: number): string {
  let hash = hashes.get(size);
  if (hash === undefined) {
    hash = new Bun.CryptoHasher("sha256").update(streamBytes(size)).digest("hex");
    hashes.set(size, hash);
  }
  return hash;
}

/** What a receiver reports. */
export interface Report {
  readonly bytes: number;
  readonly sha256: string;
  /** `fin` or `reset`. */
  readonly end: string;
  /** Where the first byte differs from the stream, -1 when none does. */
  readonly badAt: number;
}

/** The report of a receiver that lost nothing. */
export function wholeReport(size: number): Report {
  return { bytes: size, sha256: streamHash(size), end: "fin", badAt: -1 };
}

/** Receives the stream: counts, hashes, and compares while it comes, without holding it. */
export class StreamCheck {
  bytes = 0;
  badAt = -1;
  readonly #hash: Bun.CryptoHasher = new Bun.CryptoHasher("sha256");
  readonly #sector: Buffer = Buffer.alloc(SECTOR_BYTES);
  #loaded = -1;

  update(chunk: Buffer): void {
    this.#hash.update(chunk);
    let at = 0;
    while (this.badAt < 0 && at < chunk.length) {
      const offset = this.bytes + at;
      const sector = Math.floor(offset / SECTOR_BYTES);
      if (sector !== this.#loaded) {
        fillSector(this.#sector, sector);
        this.#loaded = sector;
      }
      const start = offset % SECTOR_BYTES;
      const length = Math.min(SECTOR_BYTES - start, chunk.length - at);
      const came = chunk.subarray(at, at + length);
      const meant = this.#sector.subarray(start, start + length);
      if (!came.equals(meant)) this.badAt = offset + came.findIndex((byte, i) => byte !== meant[i]);
      at += length;
    }
    this.bytes += chunk.length;
  }

  report(end: string): Report {
    return { bytes: this.bytes, sha256: this.#hash.digest("hex"), end, badAt: this.badAt };
  }
}
