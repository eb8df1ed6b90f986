import { describe, expect, test } from "bun:test";

import { orderAddresses } from "../../src/client/address-order.ts";

describe("orderAddresses()", () => {
  test("leaves the resolver's order alone where it can know no better", () => {
    const given = ["2001:db8::2", "fd00::1", "2001:db8::1", "::1"];
    expect(orderAddresses(given)).toEqual(given);
    const four = ["192.0.2.9", "10.0.0.1", "127.0.0.1", "169.254.0.1"];
    expect(orderAddresses(four)).toEqual(four);
  });

  test("puts transition and deprecated prefixes last, and link-local addresses without a scope after them", () => {
    const given = [
      "fe80::1",
      "3ffe::1",
      "fec0::1",
      "2001:0:1::",
      "2002:c000:201::1",
      "::ffff:192.0.2.1",
      "2001:db8::1",
      "fe80::1%eth0",
    ];
    expect(orderAddresses(given)).toEqual([
      "2001:db8::1",
      "fe80::1%eth0",
      "::ffff:192.0.2.1",
      "2002:c000:201::1",
      "2001:0:1::",
      "3ffe::1",
      "fec0::1",
      "fe80::1",
    ]);
  });

  test.each([
    ["2001:1::1", "2001::1"],
    ["2003::1", "2002::1"],
    ["fec0:1::", "fe80::"],
    ["::fffe:192.0.2.1", "::ffff:192.0.2.1"],
    ["ff00::1", "feff::1"],
  ])("takes the bits of a prefix and no more: %s before %s", (first, second) => {
    expect(orderAddresses([second, first])).toEqual([first, second]);
    expect(orderAddresses([first, second])).toEqual([first, second]);
  });

  test("does not change what it was given", () => {
    const given = Object.freeze(["fe80::1", "::1"]);
    expect(orderAddresses(given)).toEqual(["::1", "fe80::1"]);
    expect(orderAddresses([])).toEqual([]);
  });
});
