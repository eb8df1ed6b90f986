import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";

import * as fc from "fast-check";

import { formatIp, ipVersion, isMapped, readIp } from "../../src/base/ip-address.ts";

const words = new Uint32Array(4);

function read(text: string): [version: number, ...words: number[]] | undefined {
  const version = readIp(text, words);
  return version === 0 ? undefined : [version, ...words];
}

describe("readIp()", () => {
  test.each([
    ["0.0.0.0", [4, 0, 0, 0xffff, 0]],
    ["192.0.2.1", [4, 0, 0, 0xffff, 0xc0000201]],
    ["255.255.255.255", [4, 0, 0, 0xffff, 0xffffffff]],
    ["::", [6, 0, 0, 0, 0]],
    ["::1", [6, 0, 0, 0, 1]],
    ["1::", [6, 0x10000, 0, 0, 0]],
    ["2001:DB8::a:b", [6, 0x20010db8, 0, 0, 0x000a000b]],
    ["1:2:3:4:5:6:7:8", [6, 0x10002, 0x30004, 0x50006, 0x70008]],
    ["1:2:3:4:5:6:7::", [6, 0x10002, 0x30004, 0x50006, 0x70000]],
    ["::2:3:4:5:6:7:8", [6, 0x2, 0x30004, 0x50006, 0x70008]],
    ["1:2::7:8", [6, 0x10002, 0, 0, 0x70008]],
    ["::ffff:192.0.2.1", [6, 0, 0, 0xffff, 0xc0000201]],
    ["64:ff9b::192.0.2.1", [6, 0x0064ff9b, 0, 0, 0xc0000201]],
    ["1:2:3:4:5:6:1.2.3.4", [6, 0x10002, 0x30004, 0x50006, 0x01020304]],
  ] as const)("readIp(%p) is %p", (text, expected) => {
    expect(read(text)).toEqual([...expected]);
  });

  test.each(
    [
      "",
      " ",
      ".",
      ":",
      ":::",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.4.",
      ".1.2.3.4",
      "1..2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.00",
      "1.2.3.4 ",
      " 1.2.3.4",
      "+1.2.3.4",
      "0x1.2.3.4",
      "1.2.3.4/8",
      "localhost",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8",
      "::1::2",
      "12345::",
      "::g",
      "1:",
      ":1",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::1.2.3",
      "::1.2.3.04",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "fe80::1%lo",
      "[::1]",
      "::1 ",
      "٣.1.1.1",
    ].map((text) => [text]),
  )("readIp(%p) is no address", (text) => {
    expect(read(text)).toBeUndefined();
  });

  test("readIp() takes what node's isIP() takes, zones left out", () => {
    const character = fc.constantFrom(..."0123456789abcdefABCDEF::::....gx% ".split(""));
    const piece = fc.oneof(
      fc.constantFrom("::", ":", ".", "ffff", "0", "00", "255", "256", "1.2.3.4"),
      fc.string({ unit: character, maxLength: 5 }),
    );
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(piece, { maxLength: 10 }).map((parts) => parts.join("")),
      fc
        .array(fc.constantFrom("0", "1", "12", "ffff", ""), { minLength: 6, maxLength: 9 })
        .map((all) => all.join(":")),
      fc
        .array(fc.constantFrom("0", "1", "12", "255", ""), { minLength: 3, maxLength: 5 })
        .map((all) => all.join(".")),
    );
    fc.assert(
      fc.property(text, (some) => {
        fc.pre(!some.includes("%"));
        expect([some, readIp(some, words)]).toEqual([some, isIP(some) as 0 | 4 | 6]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("ipVersion()", () => {
  test.each([
    ["127.0.0.1", 4],
    ["::1", 6],
    ["::ffff:1.2.3.4", 6],
    ["fe80::1%eth0", 6],
    ["fe80::1%1", 6],
    ["fe80::1%a.b:c-d", 6],
    ["fe80::1%", 0],
    ["fe80::1%eth0 ", 0],
    ["fe80::1%eth0%1", 0],
    ["fe80::1%\u00e9", 0],
    ["fe80::1%\u017f", 0],
    ["1.2.3.4%eth0", 0],
    ["%eth0", 0],
    ["localhost", 0],
    ["", 0],
  ] as const)("ipVersion(%p) is %p, as isIP() says", (text, version) => {
    expect(ipVersion(text)).toBe(version);
    expect(isIP(text)).toBe(version);
  });

  test("ipVersion() is isIP(), whatever the text", () => {
    const piece = fc.constantFrom("::", ":", "1", "fe80", "%", "%eth0", ".", "1.2.3.4", "-", " ", "\u00e9");
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(piece, { maxLength: 6 }).map((all) => all.join("")),
    );
    fc.assert(
      fc.property(text, (some) => {
        expect([some, ipVersion(some)]).toEqual([some, isIP(some) as 0 | 4 | 6]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("formatIp()", () => {
  test.each([
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:2:0:0:0:3:0", "1:0:2::3:0"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["0:1:2:3:4:5:6:0", "0:1:2:3:4:5:6:0"],
    ["::ffff:a00:1", "::ffff:10.0.0.1"],
    ["::10.0.0.1", "::a00:1"],
  ])("formatIp() writes %p as %p", (text, canonical) => {
    expect(readIp(text, words)).toBe(6);
    expect(formatIp(words, 6)).toBe(canonical);
  });

  test("formatIp() writes what readIp() has read, as URL does", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const version = readIp(text, words);
        if (version === 0) throw new Error(`${text} is not read`);
        const written = formatIp(words, version);
        const before = [...words];
        expect(readIp(written, words)).toBe(version);
        expect([...words]).toEqual(before);
        if (version === 4) expect(written).toBe(text);
        else if (!isMapped(words)) {
          const full = before
            .flatMap((word) => [word >>> 16, word & 0xffff])
            .map((part) => part.toString(16));
          expect(`[${written}]`).toBe(new URL(`http://[${full.join(":")}]`).hostname);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
