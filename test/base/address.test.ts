import { describe, expect, test } from "bun:test";

import {
  type Address,
  checkAddress,
  formatAddress,
  MAX_UNIX_PATH_BYTES,
  sameAddress,
} from "../../src/base/address.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../../src/base/constants.ts";
import { ArgumentRangeError, ArgumentTypeError, OSError } from "../../src/base/errors.ts";

const TYPE = [ArgumentTypeError, "ERR_INVALID_ARG_TYPE"] as const;
const RANGE = [ArgumentRangeError, "ERR_OUT_OF_RANGE"] as const;

/** What `action` throws. */
function thrownBy(action: () => unknown): { code?: string; message: string } {
  try {
    action();
  } catch (error) {
    return error as { code?: string; message: string };
  }
  throw new Error("nothing was thrown");
}

describe("checkAddress()", () => {
  test.each([
    [AF_INET, ["127.0.0.1", 80], true],
    [AF_INET, ["127.0.0.1", 65_535], true],
    [AF_INET, ["255.255.255.255", 1], true],
    [AF_INET, ["localhost", 80], false],
    [AF_INET, ["127.1", 80], false],
    [AF_INET, [" 127.0.0.1", 80], false],
    [AF_INET6, ["::1", 80], true],
    [AF_INET6, ["::ffff:1.2.3.4", 80], true],
    [AF_INET6, ["fe80::1%lo", 80], true],
    [AF_INET6, ["localhost", 80], false],
  ] as [number, [string, number], boolean][])(
    "checkAddress(%p, %j) takes it apart, literal %p",
    (family, [host, port], literal) => {
      for (const use of ["bind", "connect"] as const) {
        expect(checkAddress(family, [host, port], use)).toEqual({ kind: "inet", host, port, literal });
      }
    },
  );

  test("checkAddress() takes port 0 and an empty host for bind", () => {
    expect(checkAddress(AF_INET, ["", 0], "bind")).toEqual({
      kind: "inet",
      host: "",
      port: 0,
      literal: false,
    });
  });

  test.each(["/tmp/s", "s", "\0abstract", "é".repeat(53), "x".repeat(107), `\0${"x".repeat(106)}`])(
    "checkAddress() takes the unix address %j",
    (path) => {
      expect(checkAddress(AF_UNIX, path, "bind")).toEqual({ kind: "unix", path });
      expect(checkAddress(AF_UNIX, path, "connect")).toEqual({ kind: "unix", path });
    },
  );

  test.each([
    ["undefined", undefined],
    ["null", null],
    ["a number", 80],
    ["an object", { host: "h", port: 1 }],
    ["a string", "127.0.0.1:80"],
    ["no elements", []],
    ["a host alone", ["127.0.0.1"]],
    ["three elements", ["::1", 80, 0]],
    ["a host that is a number", [127, 80]],
    ["a host that is null", [null, 80]],
    ["a host that is undefined", [undefined, 80]],
    ["a host with NUL", ["local\0host", 80]],
    ["a port that is text", ["h", "80"]],
    ["a port that is missing", ["h", undefined]],
    ["a port that is null", ["h", null]],
    ["a port that is a bigint", ["h", 80n]],
  ])("checkAddress() throws ArgumentTypeError for an internet address that is %s", (_what, address) => {
    for (const family of [AF_INET, AF_INET6]) {
      for (const use of ["bind", "connect"] as const) {
        const error = thrownBy(() => checkAddress(family, address as unknown as Address, use));
        expect([error.constructor, error.code]).toEqual([...TYPE]);
        expect(error.message).toStartWith(`${use}: `);
      }
    }
  });

  test.each([-1, 65_536, 1.5, NaN, Infinity, -Infinity, 2 ** 32 + 80])(
    "checkAddress() throws ArgumentRangeError for port %p",
    (port) => {
      for (const use of ["bind", "connect"] as const) {
        const error = thrownBy(() => checkAddress(AF_INET, ["127.0.0.1", port], use));
        expect([error.constructor, error.code]).toEqual([...RANGE]);
        expect(error.message).toContain(String(port));
      }
    },
  );

  test("checkAddress() refuses port 0 and an empty host for connect", () => {
    const port = thrownBy(() => checkAddress(AF_INET, ["127.0.0.1", 0], "connect"));
    expect([port.constructor, port.message]).toEqual([
      ArgumentRangeError,
      "connect: the port is an integer in 1..65535, not 0",
    ]);
    const host = thrownBy(() => checkAddress(AF_INET, ["", 80], "connect"));
    expect([host.constructor, host.message]).toEqual([ArgumentTypeError, "connect: the host is missing"]);
  });

  test.each([
    [AF_INET6, "127.0.0.1"],
    [AF_INET, "::1"],
    [AF_INET, "fe80::1%lo"],
  ])("checkAddress(%p, %p) throws EAFNOSUPPORT: a number of the other family", (family, host) => {
    const error = thrownBy(() => checkAddress(family, [host, 80], "bind")) as OSError;
    expect(error).toBeInstanceOf(OSError);
    expect([error.code, error.syscall, error.address, error.port]).toEqual([
      "EAFNOSUPPORT",
      "bind",
      host,
      80,
    ]);
  });

  test.each([
    ["undefined", undefined],
    ["null", null],
    ["a number", 80],
    ["[host, port]", ["127.0.0.1", 80]],
    ["a Buffer", Buffer.from("/tmp/s")],
    ["empty", ""],
  ])("checkAddress() throws ArgumentTypeError for a unix address that is %s", (_what, address) => {
    const error = thrownBy(() => checkAddress(AF_UNIX, address as unknown as Address, "connect"));
    expect([error.constructor, error.code]).toEqual([...TYPE]);
  });

  test.each([
    ["x".repeat(108), 108],
    [`/${"é".repeat(54)}`, 109],
    [`\0${"x".repeat(107)}`, 108],
  ])("checkAddress() throws ENAMETOOLONG for a unix path over the limit in bytes (%j)", (path, bytes) => {
    expect(MAX_UNIX_PATH_BYTES).toBe(107);
    const error = thrownBy(() => checkAddress(AF_UNIX, path, "bind")) as OSError;
    expect([error.code, error.syscall, error.address]).toEqual(["ENAMETOOLONG", "bind", path]);
    expect(error.message).toEndWith(`unix path of ${bytes} bytes, the limit is 107`);
  });

  test("checkAddress() throws EINVAL for NUL inside a unix path, which C would cut there", () => {
    for (const path of ["/tmp/a\0b", "a\0"]) {
      const error = thrownBy(() => checkAddress(AF_UNIX, path, "bind")) as OSError;
      expect([error.constructor, error.code]).toEqual([OSError, "EINVAL"]);
    }
  });
});

describe("formatAddress()", () => {
  test.each([
    [["127.0.0.1", 80], "127.0.0.1:80"],
    [["::1", 80], "[::1]:80"],
    [["fe80::1%2", 0], "[fe80::1%2]:0"],
    [["example.org", 443], "example.org:443"],
    [["", 80], ":80"],
    ["/run/s", "unix:/run/s"],
    ["\0name", "unix:@name"],
    ["", "unix:"],
  ] as [Address, string][])("formatAddress(%j) is %p", (address, text) => {
    expect(formatAddress(address)).toBe(text);
  });
});

describe("sameAddress()", () => {
  test.each([
    [["h", 1], ["h", 1], true],
    [["h", 1], ["h", 2], false],
    [["h", 1], ["i", 1], false],
    ["/a", "/a", true],
    ["/a", "/b", false],
    ["h:1", ["h", 1], false],
    [["h", 1], "h,1", false],
  ] as [Address, Address, boolean][])("sameAddress(%j, %j) is %p", (a, b, same) => {
    expect(sameAddress(a, b)).toBe(same);
    expect(sameAddress(b, a)).toBe(same);
  });
});
