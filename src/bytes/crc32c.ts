/** CRC-32C (Castagnoli), the checksum of PROXY headers: RFC 4960, appendix B. Bun's own `crc32` is another polynomial. */

/** 0x1edc6f41 with its bits reversed, for a register that shifts right. */
const POLYNOMIAL = 0x82f63b78;

let table: Uint32Array | undefined;

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
    made[byte] = value;
  }
  return made;
}

/** The checksum of `bytes`, an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  table ??= makeTable();
  let value = 0xffff_ffff;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 255] as number);
  return ~value >>> 0;
}
