import { describe, expect, test } from "bun:test";

import { crc32c } from "../../src/bytes/crc32c.ts";

describe("crc32c()", () => {
  // The check value of the CRC catalogues, and the examples of RFC 3720, appendix B.4.
  test.each([
    ["nothing", Buffer.alloc(0), 0],
    ["123456789", Buffer.from("123456789"), 0xe3069283],
    ["32 bytes of zeroes", Buffer.alloc(32), 0x8a9136aa],
    ["32 bytes of ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
    ["32 bytes counting up", Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ["32 bytes counting down", Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ])("crc32c() of %s", (_name, bytes, checksum) => {
    expect(crc32c(bytes)).toBe(checksum);
  });
});
