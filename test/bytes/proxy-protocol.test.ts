import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Address } from "../../src/base/address.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../../src/base/errors.ts";
import { crc32c } from "../../src/bytes/crc32c.ts";
import { type ProxyFault, type ProxyHeader, ProxyProtocolError } from "../../src/bytes/proxy-header.ts";
import {
  encodeProxyHeader,
  type ProxyHeaderInit,
  ProxyHeaderParser,
  type ProxyParserOptions,
} from "../../src/bytes/proxy-protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
/** 192.0.2.1:56324 to 192.0.2.9:443. */
const INET = "c0000201c0000209dc0401bb";

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join("").replaceAll(/\s/g, ""), "hex");
/** A header of version 2: command, family and block in hex, with the right length. */
function v2(versionAndCommand: string, family: string, ...block: string[]): Buffer {
  const body = hex(...block);
  return Buffer.concat([hex(SIGNATURE, versionAndCommand, family), uint16(body.length), body]);
}
function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
function tlv(type: number, value: string | Uint8Array): string {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([type]), uint16(bytes.length), bytes]).toString("hex");
}

/** Reads as a socket would be read: never more than is wanted. */
function readExactly(stream: Buffer, options?: ProxyParserOptions): [ProxyHeader | undefined, taken: number] {
  const parser = new ProxyHeaderParser(options);
  let at = 0;
  while (parser.wanted > 0 && at < stream.length) {
    const piece = stream.subarray(at, at + parser.wanted);
    expect(parser.push(piece)).toBe(piece.length);
    at += piece.length;
  }
  return [parser.header, at];
}

function read(stream: Buffer | string, options?: ProxyParserOptions): ProxyHeader {
  const parser = new ProxyHeaderParser(options);
  const bytes = Buffer.from(stream);
  expect(parser.push(bytes)).toBe(bytes.length);
  if (parser.header === undefined) throw new Error("the header is not complete");
  return parser.header;
}

/** What a stream comes to in one piece: a header and how long it was, a fault and what was said of it, or neither. */
function outcome(stream: Buffer, cuts: readonly number[] = []): unknown {
  const parser = new ProxyHeaderParser();
  let taken = 0;
  let from = 0;
  try {
    for (const cut of [...cuts, stream.length]) {
      const count = parser.push(stream.subarray(from, cut));
      taken += count;
      if (count < cut - from) break;
      from = cut;
    }
  } catch (error) {
    if (!(error instanceof ProxyProtocolError)) throw error;
    expect(parser.wanted).toBe(0);
    expect(() => parser.push(Buffer.from("more"))).toThrow(error);
    return { fault: error.fault };
  }
  return { header: parser.header, taken };
}

const noAddresses = { transport: undefined, source: undefined, destination: undefined };
const nothingElse = { checksum: false, clientVerified: false };

describe("ProxyHeaderParser, version 1", () => {
  test.each<[string, Address, Address]>([
    ["PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n", ["192.0.2.1", 56324], ["192.0.2.9", 443]],
    ["PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", ["0.0.0.0", 0], ["0.0.0.0", 0]],
    [
      "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
      ["255.255.255.255", 65535],
      ["255.255.255.255", 65535],
    ],
    ["PROXY TCP6 :: ::1 1 2\r\n", ["::", 1], ["::1", 2]],
    ["PROXY TCP6 2001:DB8:0:0:0:0:0:1 2001:db8::2 1 2\r\n", ["2001:db8::1", 1], ["2001:db8::2", 2]],
    ["PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ["::ffff:192.0.2.1", 1], ["::1", 2]],
    [
      `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`,
      ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535],
      ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535],
    ],
  ])("reads %j", (line, source, destination) => {
    const header = {
      version: 1,
      command: "proxy",
      transport: "stream",
      source,
      destination,
      ...nothingElse,
    } as const;
    expect(read(line)).toEqual(header);
    expect(readExactly(Buffer.from(`${line}PROXY and more`))).toEqual([header, line.length]);
  });

  test.each([
    "PROXY UNKNOWN\r\n",
    "PROXY UNKNOWN \r\n",
    "PROXY UNKNOWN a\r\n",
    "PROXY UNKNOWN a b\r\n",
    "PROXY UNKNOWN what ever 1 2 3 4 5 6\r\n",
    `PROXY UNKNOWN ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`,
  ])("reads %j, which names nobody", (line) => {
    const header = { version: 1, command: "proxy", ...noAddresses, ...nothingElse } as const;
    expect(read(line)).toEqual(header);
    expect(readExactly(Buffer.from(`${line}GET`))).toEqual([header, line.length]);
  });

  test.each<[string, ProxyFault, string]>([
    ["GET / HTTP/1.1\r\n\r\n", "MISSING", 'begins with "GET / HTTP/1'],
    ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "MISSING", "no PROXY header"],
    ["proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "MISSING", "no PROXY header"],
    [" PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "MISSING", "no PROXY header"],
    ["PROXYTCP4 1.1.1.1 1.1.1.1 1 1\r\n", "MISSING", "no PROXY header"],
    ["PROX", "MISSING", ""],
    ["PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "FAMILY", '"" instead of'],
    ["PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n", "FAMILY", '"TCP5"'],
    ["PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", "FAMILY", '"UDP4"'],
    ["PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n", "FAMILY", '"tcp4"'],
    ["PROXY UNKNOWNS\r\n", "FAMILY", '"UNKNOWNS"'],
    ["PROXY UNKNOW \r\n", "FAMILY", '"UNKNOW"'],
    ["PROXY TCP4\t1.1.1.1 1.1.1.1 1 1\r\n", "FAMILY", "TCP4"],
    ["PROXY \r\nGET / HTTP", "FAMILY", '"" instead of'],
    ["PROXY TCP4\r\nGET ", "LINE", "0 fields"],
    ["PROXY TCP4 \r\n...", "LINE", "1 fields"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "LINE", "3 fields"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", "LINE", "5 fields"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", "LINE", "5 fields"],
    ["PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n", "LINE", "5 fields"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", "LINE", "LF without CR"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\r\n", "LINE", "CR without LF"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rX", "LINE", "CR without LF"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1\r 1\r\n", "LINE", "CR without LF"],
    ["PROXY UNKNOWN a\nb\r\n", "LINE", "LF without CR"],
    ["PROXY TCP4 1.1.1 1.1.1.1 1 1\r\nxx", "ADDRESS", '"1.1.1"'],
    ["PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", "ADDRESS", "IPv4"],
    ["PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n", "ADDRESS", "IPv4"],
    ["PROXY TCP4 localhost 1.1.1.1 1 1\r\n", "ADDRESS", "IPv4"],
    ["PROXY TCP4 1.1.1.1 ::1 1 1\r\n....", "ADDRESS", "IPv4"],
    ["PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n", "ADDRESS", "IPv6"],
    ["PROXY TCP6 ::1%lo ::1 1 1\r\n", "ADDRESS", "IPv6"],
    ["PROXY TCP6 1::2::3 ::1 1 1\r\n", "ADDRESS", "IPv6"],
    ["PROXY TCP6 [::1] ::1 1 1\r\n", "ADDRESS", "IPv6"],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "PORT", '"65536"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n", "PORT", '"99999"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "PORT", '"01"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n", "PORT", '"-1"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 0x1 1\r\n", "PORT", '"0x1"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1e1 1\r\n", "PORT", '"1e1"'],
    ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\0\r\n", "PORT", "1"],
    [`PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "TOO_LONG", "107"],
    [`PROXY TCP4 ${"1".repeat(200)}`, "TOO_LONG", "107"],
  ])("refuses %j: %s", (stream, fault, about) => {
    const parser = new ProxyHeaderParser();
    if (stream === "PROX") {
      expect(parser.push(Buffer.from(stream))).toBe(4);
      expect(parser.incomplete("CLOSED").fault).toBe("TRUNCATED");
      return;
    }
    let thrown: unknown;
    try {
      parser.push(Buffer.from(stream, "latin1"));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProxyProtocolError);
    expect(thrown).toMatchObject({ name: "ProxyProtocolError", fault, code: "EPROTO", syscall: "proxy" });
    expect((thrown as Error).message).toStartWith(`proxy: EPROTO ${fault}: `);
    expect((thrown as Error).message).toContain(about);
  });

  test("refuses at the first byte that cannot be, without waiting for more", () => {
    expect(() => new ProxyHeaderParser().push(Buffer.from("G"))).toThrow("MISSING");
    expect(() => new ProxyHeaderParser().push(Buffer.from("PROXX"))).toThrow("MISSING");
    expect(() => new ProxyHeaderParser().push(hex("0d0a0d0b"))).toThrow("MISSING");
    expect(() => new ProxyHeaderParser().push(v2("11", "11").subarray(0, 13))).toThrow("VERSION");
    expect(() => new ProxyHeaderParser().push(v2("21", "41").subarray(0, 14))).toThrow("FAMILY");
  });

  test("names the peer in its errors", () => {
    const parser = new ProxyHeaderParser({ peer: ["10.0.0.1", 4711] });
    expect(() => parser.push(Buffer.from("GET / HTTP/1.1"))).toThrow("proxy 10.0.0.1:4711: EPROTO MISSING");
    expect(new ProxyHeaderParser({ peer: "/run/s" }).incomplete("CLOSED").message).toBe(
      "proxy /run/s: ECONNRESET CLOSED: the connection ended before any byte",
    );
  });
});

describe("ProxyHeaderParser, version 2", () => {
  const common = { version: 2, command: "proxy", transport: "stream", ...nothingElse } as const;

  test.each<[string, Buffer, Partial<ProxyHeader>]>([
    [
      "TCP over IPv4",
      v2("21", "11", INET),
      { source: ["192.0.2.1", 56324], destination: ["192.0.2.9", 443] },
    ],
    [
      "UDP over IPv4",
      v2("21", "12", INET),
      { transport: "datagram", source: ["192.0.2.1", 56324], destination: ["192.0.2.9", 443] },
    ],
    [
      "TCP over IPv6",
      v2("21", "21", "20010db8000000000000000000000001", "00000000000000000000ffff0a000001", "0001", "ffff"),
      { source: ["2001:db8::1", 1], destination: ["::ffff:10.0.0.1", 65535] },
    ],
    [
      "UDP over IPv6",
      v2("21", "22", "00".repeat(16), "00".repeat(15), "01", "0001", "0002"),
      { transport: "datagram", source: ["::", 1], destination: ["::1", 2] },
    ],
    [
      "a unix stream",
      v2("21", "31", Buffer.from("/run/client".padEnd(108, "\0")).toString("hex"), "61".repeat(108)),
      { source: "/run/client", destination: "a".repeat(108) },
    ],
    [
      "unix datagrams, an abstract name, and no name",
      v2("21", "32", Buffer.from("\0abs\0tract".padEnd(108, "\0")).toString("hex"), "00".repeat(108)),
      { transport: "datagram", source: "\0abs\0tract", destination: "" },
    ],
    ["LOCAL", v2("20", "00"), { command: "local", ...noAddresses }],
    ["LOCAL with a block that is skipped", v2("20", "11", INET, "ff"), { command: "local", ...noAddresses }],
    ["LOCAL with a family there is none of", v2("20", "ff", "0102"), { command: "local", ...noAddresses }],
    ["UNSPEC", v2("21", "00"), noAddresses],
    ["UNSPEC with a block that is skipped", v2("21", "00", "ffffffffff"), noAddresses],
    ["a family without transport", v2("21", "10", INET), noAddresses],
    ["a transport without family", v2("21", "01", INET), noAddresses],
  ])("reads %s", (_name, bytes, header) => {
    expect(read(bytes)).toEqual({ ...common, ...header } as ProxyHeader);
    const [exact, taken] = readExactly(Buffer.concat([bytes, bytes]));
    expect([exact, taken]).toEqual([{ ...common, ...header } as ProxyHeader, bytes.length]);
  });

  test("reads every TLV that is registered, and hands on the others", () => {
    const ssl = [
      "07 00000000",
      tlv(0x21, "TLSv1.3"),
      tlv(0x22, "Jörg"),
      tlv(0x23, "TLS_AES_128_GCM_SHA256"),
      tlv(0x24, "RSA-SHA256"),
      tlv(0x25, "RSA2048"),
      tlv(0x26, "X25519"),
    ];
    const header = read(
      v2(
        "21",
        "11",
        INET,
        tlv(0x04, "\0\0\0"),
        tlv(0x01, "h2"),
        tlv(0x02, "münchen.example"),
        tlv(0x05, hex("00ff80")),
        tlv(0x20, hex(...ssl)),
        tlv(0x30, "blue"),
        tlv(0xea, hex("01767063")),
        tlv(0xea, ""),
        tlv(0x04, ""),
      ),
    );
    expect(header).toEqual({
      ...common,
      source: ["192.0.2.1", 56324],
      destination: ["192.0.2.9", 443],
      alpn: "h2",
      authority: "münchen.example",
      uniqueId: hex("00ff80"),
      ssl: {
        client: 7,
        verify: 0,
        version: "TLSv1.3",
        commonName: "Jörg",
        cipher: "TLS_AES_128_GCM_SHA256",
        signatureAlgorithm: "RSA-SHA256",
        keyAlgorithm: "RSA2048",
        tlvs: [{ type: 0x26, value: Buffer.from("X25519") }],
      },
      netns: "blue",
      tlvs: [
        { type: 0xea, value: hex("01767063") },
        { type: 0xea, value: Buffer.alloc(0) },
      ],
      clientVerified: true,
    });
  });

  test.each([
    // HAProxy says verify 0 for clients that have shown nothing.
    ["no certificate", "01 00000000", false],
    ["a bad certificate", "03 00000012", false],
    ["a good certificate", "03 00000000", true],
    ["a good certificate earlier in the session", "05 00000000", true],
    ["no TLS", "00 00000000", false],
  ])("clientVerified: a client with %s", (_name, ssl, verified) => {
    expect(read(v2("21", "11", INET, tlv(0x20, hex(ssl)))).clientVerified).toBe(verified);
  });

  test("verifies a checksum, wherever it stands", () => {
    for (const others of [[], [tlv(0x02, "a.example")], [tlv(0x04, "xyz"), tlv(0x02, "a.example")]]) {
      for (let place = 0; place <= others.length; place++) {
        const bytes = v2(
          "21",
          "11",
          INET,
          ...others.slice(0, place),
          "03 0004 00000000",
          ...others.slice(place),
        );
        const at = bytes.indexOf(hex("030004")) + 3;
        bytes.writeUInt32BE(crc32c(bytes), at);
        expect(read(bytes).checksum).toBe(true);
        bytes.writeUInt32BE(0, at);
        expect(() => read(bytes)).toThrow("CHECKSUM: 0x0 in the header");
      }
    }
  });

  test("a byte that was changed on the way is noticed where there is a checksum", () => {
    const bytes = encodeProxyHeader({
      source: ["192.0.2.1", 1],
      destination: ["192.0.2.9", 2],
      authority: "a.example",
      checksum: true,
    });
    for (let at = 0; at < bytes.length; at++) {
      // Its own type: then it is no checksum.
      if (at === bytes.length - 7) continue;
      for (const bit of [1, 0x10, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ bit;
        const parser = new ProxyHeaderParser();
        try {
          parser.push(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyProtocolError);
          continue;
        }
        // A greater length waits for more; LOCAL and UNSPEC say nothing that could be wrong.
        expect([at, parser.header?.source]).toEqual([at, undefined]);
      }
    }
  });

  test.each<[string, Buffer, ProxyFault, string]>([
    ["version 1", v2("11", "11", INET), "VERSION", "version 1"],
    ["version 3", v2("31", "11", INET), "VERSION", "version 3"],
    ["an unknown command", v2("22", "11", INET), "COMMAND", "command 2"],
    ["an unknown family", v2("21", "41", INET), "FAMILY", "family 4, transport 1"],
    ["an unknown transport", v2("21", "13", INET), "FAMILY", "family 1, transport 3"],
    ["no room for IPv4", v2("21", "11", INET.slice(2)), "ADDRESS", "11 bytes cannot hold"],
    ["no room for IPv6", v2("21", "21", INET), "ADDRESS", "12 bytes cannot hold"],
    ["no room for unix", v2("21", "31", "00".repeat(215)), "ADDRESS", "215 bytes"],
    ["no addresses", v2("21", "11"), "ADDRESS", "0 bytes"],
    ["one byte too many", v2("21", "11", INET, "01"), "TLV", "1 bytes behind the last TLV"],
    ["two bytes too many", v2("21", "11", INET, "0100"), "TLV", "2 bytes behind"],
    [
      "a TLV that is longer than the header",
      v2("21", "11", INET, "01000568"),
      "TLV",
      "TLV 0x01 is 4 bytes longer",
    ],
    ["two names", v2("21", "11", INET, tlv(2, "a"), tlv(2, "b")), "TLV", "TLV 0x02 is there twice"],
    ["two checksums", v2("21", "11", INET, tlv(3, "abcd"), tlv(3, "abcd")), "TLV", "TLV 0x03 is there twice"],
    ["two SSLs", v2("21", "11", INET, tlv(0x20, "abcde"), tlv(0x20, "abcde")), "TLV", "TLV 0x20"],
    ["a short checksum", v2("21", "11", INET, tlv(3, "abc")), "TLV", "3 bytes instead of 4"],
    ["a wrong checksum", v2("21", "11", INET, tlv(3, "abcd")), "CHECKSUM", "0x61626364 in the header"],
    ["a long unique id", v2("21", "11", INET, tlv(5, Buffer.alloc(129))), "TLV", "129 bytes"],
    ["a name that is no text", v2("21", "11", INET, tlv(2, hex("c0af"))), "TLV", "authority is not UTF-8"],
    [
      "a namespace that is no text",
      v2("21", "11", INET, tlv(0x30, hex("ff"))),
      "TLV",
      "namespace is not UTF-8",
    ],
    ["a short SSL", v2("21", "11", INET, tlv(0x20, "abcd")), "TLV", "SSL TLV of 4 bytes"],
    ["junk in SSL", v2("21", "11", INET, tlv(0x20, "abcdeX")), "TLV", "1 bytes behind the last SSL TLV"],
    [
      "a TLV longer than SSL",
      v2("21", "11", INET, tlv(0x20, hex("0100000000", "21000154", "220002", "54")), tlv(4, "xx")),
      "TLV",
      "SSL TLV 0x22 is 1 bytes longer",
    ],
    [
      "two common names",
      v2("21", "11", INET, tlv(0x20, hex("0300000000", tlv(0x22, "a"), tlv(0x22, "b")))),
      "TLV",
      "SSL TLV 0x22 is there twice",
    ],
    ["over 4 KiB", v2("21", "11", INET, tlv(4, Buffer.alloc(4066))), "TOO_LONG", "4097 bytes, at most 4096"],
  ])("refuses %s", (_name, bytes, fault, about) => {
    expect(outcome(bytes)).toEqual({ fault });
    expect(() => read(bytes)).toThrow(about);
  });

  test("refuses a header that is too long before its block has come", () => {
    const parser = new ProxyHeaderParser({ maxHeaderBytes: 27 });
    expect(() => parser.push(v2("21", "11", INET).subarray(0, 16))).toThrow("28 bytes, at most 27");
    expect(read(v2("21", "11", INET), { maxHeaderBytes: 28 }).source).toEqual(["192.0.2.1", 56324]);
    const longest = v2("21", "11", INET, tlv(4, Buffer.alloc(65_535 - 15)));
    expect(read(longest, { maxHeaderBytes: 65_551 }).source).toEqual(["192.0.2.1", 56324]);
  });

  test.each([15, 65_552, 16.5, Number.NaN, Infinity, "64"])(
    "maxHeaderBytes %p is out of range",
    (maxHeaderBytes) => {
      expect(() => new ProxyHeaderParser({ maxHeaderBytes: maxHeaderBytes as number })).toThrow(
        ArgumentRangeError,
      );
    },
  );
});

describe("ProxyHeaderParser.incomplete()", () => {
  test.each([
    ["", "CLOSED", "CLOSED", "ECONNRESET", "the connection ended before any byte"],
    ["PROXY", "CLOSED", "TRUNCATED", "EPROTO", "the connection ended after 5 bytes of the header"],
    ["", "TIMEOUT", "TIMEOUT", "ETIMEDOUT", "too late before any byte"],
    ["PROXY TCP4", "TIMEOUT", "TIMEOUT", "ETIMEDOUT", "too late after 10 bytes of the header"],
  ] as const)("after %j says of %s: %s", (sent, why, fault, code, text) => {
    const parser = new ProxyHeaderParser();
    parser.push(Buffer.from(sent));
    const cause = new Error("why");
    const error = parser.incomplete(why, cause);
    expect(error).toMatchObject({ fault, code, cause, message: `proxy: ${code} ${fault}: ${text}` });
  });
});

const port = fc.integer({ min: 0, max: 65_535 });
const ipv4 = fc.tuple(fc.ipV4(), port) as fc.Arbitrary<Address>;
const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
// In canonical form, and not mapped: mapped ones go out as IPv4.
const ipv6 = fc.tuple(
  fc
    .tuple(fc.integer({ min: 1, max: 0xffff }), fc.array(word, { minLength: 7, maxLength: 7 }))
    .map(([first, rest]) => {
      const text = [first, ...rest].map((part) => part.toString(16)).join(":");
      return new URL(`http://[${text}]`).hostname.slice(1, -1);
    }),
  port,
) as fc.Arbitrary<Address>;
const path = fc.oneof(
  fc.constant(""),
  fc.string({ unit: fc.constantFrom("/", "a", "b", "é"), minLength: 1, maxLength: 54 }),
  fc.string({ unit: fc.constantFrom("/", "a", "b"), minLength: 1, maxLength: 50 }).map((name) => `\0${name}`),
);
const ends = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6), fc.tuple(path, path));
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const tlvs = fc.array(
  fc.record({ type: fc.integer({ min: 0xe0, max: 0xff }), value: fc.uint8Array({ maxLength: 40 }) }),
  { minLength: 1, maxLength: 4 },
);
const ssl = fc.record(
  {
    client: fc.integer({ min: 0, max: 255 }),
    verify: fc.integer({ min: 0, max: 0xffff_ffff }),
    version: text,
    commonName: text,
    cipher: text,
    signatureAlgorithm: text,
    keyAlgorithm: text,
    tlvs,
  },
  { requiredKeys: ["client", "verify"] },
);
const details = fc.record(
  {
    alpn: fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
      maxLength: 20,
    }),
    authority: text,
    uniqueId: fc.uint8Array({ maxLength: 128 }),
    netns: text,
    ssl,
    tlvs,
  },
  { requiredKeys: [] },
);
const init: fc.Arbitrary<ProxyHeaderInit> = fc
  .tuple(ends, details, fc.boolean(), fc.constantFrom("stream" as const, "datagram" as const))
  .map(([[source, destination], more, checksum, transport]) => ({
    source,
    destination,
    ...more,
    checksum,
    transport,
  }));

/** Byte arrays of one kind, for comparing. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

describe("encodeProxyHeader() and ProxyHeaderParser", () => {
  test("version 2: what was encoded is read, cut anywhere, and no byte more", () => {
    fc.assert(
      fc.property(init, fc.array(fc.nat()), fc.uint8Array({ maxLength: 20 }), (header, cuts, behind) => {
        const bytes = encodeProxyHeader(header);
        const stream = Buffer.concat([bytes, behind]);
        const places = cuts.map((cut) => cut % stream.length).toSorted((a, b) => a - b);
        const parser = new ProxyHeaderParser();
        let taken = 0;
        let from = 0;
        for (const cut of [...places, stream.length]) {
          taken += parser.push(stream.subarray(from, cut));
          from = cut;
        }
        expect(taken).toBe(bytes.length);
        const read_ = parser.header as ProxyHeader;
        const { clientVerified, version, command, ...rest } = read_;
        expect(plain(rest)).toEqual(plain(header));
        expect([version, command]).toEqual([2, "proxy"]);
        expect(clientVerified).toBe(header.ssl?.verify === 0 && (header.ssl.client & 6) !== 0);
        // And so it can be handed on.
        expect(encodeProxyHeader(read_)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("version 1: what was encoded is read, and as long as the protocol says", () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6)), ([source, destination]) => {
        const line = encodeProxyHeader({ version: 1, source, destination });
        expect(line.length).toBeLessThanOrEqual(104);
        expect(read(line)).toMatchObject({ version: 1, source, destination });
        expect(readExactly(Buffer.concat([line, line]))[1]).toBe(line.length);
      }),
      { numRuns: 500 },
    );
  });

  test("each header is the same cut at every byte, and byte by byte", () => {
    const headers = [
      Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n"),
      Buffer.from("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"),
      Buffer.from("PROXY UNKNOWN\r\n"),
      encodeProxyHeader({ source: "/a", destination: "\0b", checksum: true, authority: "x" }),
      encodeProxyHeader({
        source: ["::1", 1],
        destination: ["::2", 2],
        ssl: { client: 1, verify: 0, version: "T" },
      }),
      encodeProxyHeader({ command: "local" }),
    ];
    for (const bytes of headers) {
      const stream = Buffer.concat([bytes, Buffer.from("PROXY TCP4 behind")]);
      const whole = outcome(stream);
      expect(whole).toMatchObject({ taken: bytes.length });
      for (let cut = 0; cut <= stream.length; cut++) expect(outcome(stream, [cut])).toEqual(whole);
      const every = Array.from(stream, (_, index) => index);
      expect(outcome(stream, every)).toEqual(whole);
    }
  });

  test("whatever comes ends in a header or in one kind of error, the same for all cuts", () => {
    const mutated = fc
      .tuple(
        fc.oneof(
          init.map(encodeProxyHeader),
          fc
            .tuple(ipv6, ipv6)
            .map(([source, destination]) => encodeProxyHeader({ version: 1, source, destination })),
          fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.concat([hex(SIGNATURE), bytes])),
          fc
            .string({ unit: fc.constantFrom(..."TCP46UNKOW 1.:\r\n".split("")), maxLength: 120 })
            .map((s) => Buffer.from(`PROXY ${s}`)),
        ),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      )
      .map(([bytes, changes]) => {
        const changed = Buffer.from(bytes);
        for (const [at, byte] of changes) if (changed.length > 0) changed[at % changed.length] = byte;
        return changed;
      });
    fc.assert(
      fc.property(mutated, fc.array(fc.nat(), { maxLength: 6 }), (stream, cuts) => {
        const places = cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b);
        const every = Array.from(stream, (_, index) => index);
        const whole = outcome(stream);
        expect(outcome(stream, places)).toEqual(whole);
        expect(outcome(stream, every)).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encodeProxyHeader()", () => {
  const source: Address = ["192.0.2.1", 56324];
  const destination: Address = ["192.0.2.9", 443];

  test("writes the bytes of the protocol", () => {
    expect(encodeProxyHeader({ source, destination })).toEqual(v2("21", "11", INET));
    expect(encodeProxyHeader({ source, destination, transport: "datagram", alpn: "h2" })).toEqual(
      v2("21", "12", INET, tlv(1, "h2")),
    );
    expect(encodeProxyHeader({ command: "local" })).toEqual(v2("20", "00"));
    expect(encodeProxyHeader({})).toEqual(v2("21", "00"));
    expect(String(encodeProxyHeader({ version: 1, source, destination }))).toBe(
      "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n",
    );
  });

  test.each<[string, ProxyHeaderInit, string]>([
    ["nobody", {}, "PROXY UNKNOWN\r\n"],
    ["a local connection", { command: "local", source, destination }, "PROXY UNKNOWN\r\n"],
    ["datagrams", { transport: "datagram", source, destination }, "PROXY UNKNOWN\r\n"],
    ["unix", { source: "/a", destination: "/b" }, "PROXY UNKNOWN\r\n"],
    [
      "what is mapped on one side",
      { source: ["::1", 1], destination },
      "PROXY TCP6 ::1 ::ffff:192.0.2.9 1 443\r\n",
    ],
    [
      "what is mapped on the other",
      { source, destination: ["::1", 1] },
      "PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 1\r\n",
    ],
    [
      "what is mapped on both sides",
      { source: ["::ffff:192.0.2.1", 1], destination: ["::ffff:c000:209", 2] },
      "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n",
    ],
    [
      "a zone",
      { source: ["fe80::1%eth0", 1], destination: ["fe80::2", 2] },
      "PROXY TCP6 fe80::1 fe80::2 1 2\r\n",
    ],
    [
      "more than fits",
      { source, destination, alpn: "h2", checksum: true },
      "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n",
    ],
  ])("version 1, %s", (_name, header, line) => {
    expect(String(encodeProxyHeader({ ...header, version: 1 }))).toBe(line);
  });

  test("leaves out what cannot be told without addresses", () => {
    expect(encodeProxyHeader({ alpn: "h2", checksum: true })).toEqual(v2("21", "00"));
    expect(encodeProxyHeader({ command: "local", source, destination, alpn: "h2" })).toEqual(v2("20", "00"));
  });

  test.each<[object, typeof ArgumentRangeError | typeof ArgumentTypeError, string]>([
    [{ source }, ArgumentRangeError, "both source and destination"],
    [{ destination }, ArgumentRangeError, "both source and destination"],
    [{ source, destination: "/b" }, ArgumentRangeError, "unix"],
    [{ source: ["localhost", 1], destination }, ArgumentRangeError, "source: a numeric host"],
    [{ source, destination: ["", 1] }, ArgumentRangeError, "destination: a numeric host"],
    [{ source: ["1.1.1.1", 65_536], destination }, ArgumentRangeError, "port"],
    [{ source: ["1.1.1.1", 1.5], destination }, ArgumentRangeError, "port"],
    [{ source: ["1.1.1.1", "1"], destination }, ArgumentTypeError, "source: [host, port]"],
    [{ source: "x".repeat(109), destination: "" }, ArgumentRangeError, "source: a unix path of 109 bytes"],
    [{ source, destination, version: 3 }, ArgumentRangeError, "version: 1 or 2"],
    [{ source, destination, alpn: "h€" }, ArgumentRangeError, "alpn"],
    [{ source, destination, authority: 5 }, ArgumentTypeError, "authority: text"],
    [{ source, destination, uniqueId: Buffer.alloc(129) }, ArgumentRangeError, "uniqueId: at most 128"],
    [{ source, destination, tlvs: [{ type: 2, value: Buffer.alloc(1) }] }, ArgumentRangeError, "type 0x02"],
    [{ source, destination, tlvs: [{ type: 256, value: Buffer.alloc(1) }] }, ArgumentRangeError, "TLV type"],
    [{ source, destination, tlvs: [{ type: 0xe0, value: "x" }] }, ArgumentTypeError, "Uint8Array"],
    [
      { source, destination, tlvs: [{ type: 0xe0, value: Buffer.alloc(65_536) }] },
      ArgumentRangeError,
      "TLV length",
    ],
    [
      { source, destination, tlvs: [1, 2].map((n) => ({ type: 0xe0 + n, value: Buffer.alloc(40_000) })) },
      ArgumentRangeError,
      "80034 bytes",
    ],
    [{ source, destination, ssl: { client: 256, verify: 0 } }, ArgumentRangeError, "ssl.client"],
    [{ source, destination, ssl: { client: 1, verify: -1 } }, ArgumentRangeError, "ssl.verify"],
    [
      { source, destination, ssl: { client: 1, verify: 0, tlvs: [{ type: 0x22, value: Buffer.alloc(1) }] } },
      ArgumentRangeError,
      "ssl.tlvs: type 0x22",
    ],
  ])("encodeProxyHeader(%j) throws", (header, kind, about) => {
    expect(() => encodeProxyHeader(header as ProxyHeaderInit)).toThrow(kind);
    expect(() => encodeProxyHeader(header as ProxyHeaderInit)).toThrow(about);
  });
});
