import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { CidrList } from "asyncore/server";
import { ArgumentRangeError, ArgumentTypeError } from "asyncore";

const at = (host: string): [string, number] => [host, 4711];

describe("CidrList.has()", () => {
  test.each([
    [
      ["10.0.0.0/8"],
      ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
      ["9.255.255.255", "11.0.0.0", "::1", "::10.0.0.0"],
    ],
    [["192.0.2.7"], ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"], ["192.0.2.6", "192.0.2.8"]],
    [["192.0.2.6/31"], ["192.0.2.6", "192.0.2.7"], ["192.0.2.5", "192.0.2.8"]],
    [["0.0.0.0/0"], ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::", "::1", "ffff::"]],
    [["128.0.0.0/1"], ["128.0.0.0", "255.255.255.255"], ["127.255.255.255"]],
    [
      ["::/0"],
      ["::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
      ["0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4"],
    ],
    [["2001:db8::/32"], ["2001:db8::", "2001:db8:ffff:ffff::1"], ["2001:db7:ffff::", "2001:db9::"]],
    [["2001:db8::/33"], ["2001:db8:7fff::"], ["2001:db8:8000::"]],
    [["fe80::/10"], ["fe80::1", "fe80::1%eth0", "febf::"], ["fec0::", "fe7f::"]],
    [["::1"], ["::1"], ["::", "::2", "127.0.0.1"]],
    [["::ffff:10.0.0.0/104"], ["10.1.1.1", "::ffff:10.1.1.1"], ["11.1.1.1"]],
    [["::ffff:0:0/96"], ["10.1.1.1"], ["::1"]],
    [["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"], ["10.1.2.3", "10.1.9.9", "10.9.9.9"], ["11.1.2.3"]],
    [["10.1.2.3", "10.1.0.0/16"], ["10.1.2.3", "10.1.9.9"], ["10.2.0.0"]],
    [["10.1.2.3", "10.1.2.3/32"], ["10.1.2.3"], ["10.1.2.4"]],
    [[], [], ["10.0.0.1", "::1"]],
  ])("new CidrList(%j) has %j and not %j", (entries, inside, outside) => {
    const list = new CidrList(entries);
    expect(inside.filter((host) => !list.has(at(host)))).toEqual([]);
    expect(outside.filter((host) => list.has(at(host)))).toEqual([]);
  });

  test("a host that is not numeric is in no list", () => {
    const all = new CidrList(["0.0.0.0/0", "::/0", "unix"]);
    for (const host of ["", "localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::1::", "%eth0"]) {
      expect([host, all.has(at(host))]).toEqual([host, false]);
    }
  });

  test("unix sockets are in a list that says so", () => {
    for (const path of ["", "/run/x", "\0abstract"]) {
      expect(new CidrList(["unix"]).has(path)).toBe(true);
      expect(new CidrList(["0.0.0.0/0", "::/0"]).has(path)).toBe(false);
    }
    expect(new CidrList(["unix"]).has(at("127.0.0.1"))).toBe(false);
  });

  test("is what comparing the leading bits of all networks is", () => {
    const byte = fc.constantFrom(0, 1, 2, 127, 128, 255);
    const ipv4 = fc.array(byte, { minLength: 4, maxLength: 4 });
    const ipv6 = fc.array(byte, { minLength: 16, maxLength: 16 });
    const bitsOf = (bytes: readonly number[]): string =>
      bytes.map((b) => b.toString(2).padStart(8, "0")).join("");
    const textOf = (bits: string): string => {
      if (bits.length === 32) return (bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)).join(".");
      return (bits.match(/.{16}/g) ?? []).map((b) => Number.parseInt(b, 2).toString(16)).join(":");
    };
    const network = fc
      .oneof(
        fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
        fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })),
      )
      .map(([bytes, prefix]) => {
        const bits = bitsOf(bytes);
        return { bits: bits.slice(0, prefix), width: bits.length };
      });
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 30 }),
        fc.array(fc.oneof(ipv4, ipv6), { minLength: 20, maxLength: 20 }),
        fc.nat(),
        (networks, addresses, salt) => {
          const list = new CidrList(
            networks.map(({ bits, width }) => `${textOf(bits.padEnd(width, "0"))}/${bits.length}`),
          );
          const probes = [
            ...addresses.map(bitsOf),
            // The edges of the networks: most mistakes would be there.
            ...networks.flatMap(({ bits, width }) => [bits.padEnd(width, "0"), bits.padEnd(width, "1")]),
            ...networks.map(({ bits, width }) => (bits + salt.toString(2).repeat(128)).slice(0, width)),
          ];
          for (const probe of probes) {
            const isIn = networks.some(({ bits, width }) => width === probe.length && probe.startsWith(bits));
            expect([textOf(probe), list.has(at(textOf(probe)))]).toEqual([textOf(probe), isIn]);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("new CidrList()", () => {
  test.each([
    ["", "is not a network"],
    ["localhost", "is not a network"],
    ["10.0.0.0/", "the prefix is 0..32"],
    ["10.0.0.0/33", "the prefix is 0..32"],
    ["10.0.0.0/-1", "the prefix is 0..32"],
    ["10.0.0.0/08", "the prefix is 0..32"],
    ["10.0.0.0/8.0", "the prefix is 0..32"],
    ["10.0.0.0/255.0.0.0", "the prefix is 0..32"],
    ["10.0.0.0/8/8", "is not a network"],
    ["10.0.0/8", "is not a network"],
    ["010.0.0.0/8", "is not a network"],
    [" 10.0.0.0/8", "is not a network"],
    ["::/129", "the prefix is 0..128"],
    ["fe80::%eth0/64", "is not a network"],
    ["UNIX", "is not a network"],
    ["10.1.2.3/8", "has bits behind its prefix; the network is 10.0.0.0/8"],
    ["2001:db8::1/64", "has bits behind its prefix; the network is 2001:db8::/64"],
    ["::ffff:10.1.2.3/104", "has bits behind its prefix; the network is ::ffff:10.0.0.0/104"],
  ])("new CidrList([%j]) throws: %s", (entry, about) => {
    expect(() => new CidrList(["10.0.0.0/8", entry])).toThrow(ArgumentRangeError);
    expect(() => new CidrList([entry])).toThrow(`CidrList: ${JSON.stringify(entry)}`);
    expect(() => new CidrList([entry])).toThrow(about);
  });

  test("what is not text, or is one text, is a mistake of type", () => {
    expect(() => new CidrList([10 as unknown as string])).toThrow(ArgumentTypeError);
    expect(() => CidrList.of("10.0.0.0/8")).toThrow(ArgumentTypeError);
  });

  test("CidrList.of() takes lists and entries", () => {
    const list = new CidrList(["10.0.0.0/8"]);
    expect(CidrList.of(list)).toBe(list);
    expect(CidrList.of(new Set(["10.0.0.0/8"])).has(at("10.0.0.1"))).toBe(true);
  });
});
