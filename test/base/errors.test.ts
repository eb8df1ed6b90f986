import { describe, expect, test } from "bun:test";
import os from "node:os";

import {
  ArgumentRangeError,
  ArgumentTypeError,
  BlockingIOError,
  BrokenPipeError,
  codeOf,
  ConnectionAbortedError,
  ConnectionError,
  ConnectionRefusedError,
  ConnectionResetError,
  DISCONNECTED,
  errnoOf,
  ExitNow,
  FileExistsError,
  FileNotFoundError,
  InterruptedError,
  OSError,
  osError,
  PermissionError,
  ResolveError,
  strerror,
  TimeoutError,
  toOSError,
} from "../../src/base/errors.ts";

const { errno } = os.constants;
const platform = Object.entries(errno);
const resolver = [
  "EAI_ADDRFAMILY",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EAI_FAMILY",
  "EAI_MEMORY",
  "EAI_NODATA",
  "ENOTFOUND",
];

describe("errno tables", () => {
  test("codeOf() gives back the code of errnoOf(), for every code of the platform", () => {
    expect(platform.length).toBeGreaterThan(60);
    // Two names for one number, here: the usual one, or the first, is given back.
    const twins: Record<string, string> = { EWOULDBLOCK: "EAGAIN", EOPNOTSUPP: "ENOTSUP" };
    for (const [code, number] of platform) {
      expect(errnoOf(code)).toBe(number);
      expect(codeOf(number)).toBe(twins[code] ?? code);
      expect(codeOf(-number)).toBe(twins[code] ?? code);
    }
  });

  test("codeOf() gives back the resolver's codes too", () => {
    for (const code of resolver) {
      expect(errnoOf(code)).toBeGreaterThanOrEqual(3000);
      expect(codeOf(errnoOf(code))).toBe(code);
      expect(strerror(code)).not.toBe("unknown error");
    }
  });

  test.each(["", "EWHATEVER", "constructor", "toString", "__proto__", "hasOwnProperty"])(
    "errnoOf(%p) is 0 and strerror() has no sentence for it",
    (code) => {
      expect(errnoOf(code)).toBe(0);
      expect(strerror(code)).toBe("unknown error");
    },
  );

  test.each([0, 1e6, -1e6, NaN, Infinity, 1.5])("codeOf(%p) is EUNKNOWN", (number) => {
    expect(codeOf(number)).toBe("EUNKNOWN");
  });

  test("errnoOf() and codeOf() know the codes that sockets meet and node's table lacks", () => {
    if (process.platform !== "linux") return;
    const met = { ESHUTDOWN: 108, EHOSTDOWN: 112, ENONET: 64, ESOCKTNOSUPPORT: 94 };
    for (const [code, number] of Object.entries(met)) {
      expect(`${code} ${errnoOf(code)}`).toBe(`${code} ${number}`);
      expect(codeOf(number)).toBe(code);
    }
  });

  test("strerror() says what strerror(3) says", () => {
    expect(strerror("ECONNREFUSED")).toBe("connection refused");
    expect(strerror("EADDRINUSE")).toBe("address already in use");
    expect(strerror("ENOTFOUND")).toBe("name or service not known");
  });

  test("strerror() has a sentence for every code a connect(2) or accept(2) is documented to fail with", () => {
    const codes = ["EINPROGRESS", "ENETUNREACH", "EHOSTUNREACH", "ENETRESET", "ECONNABORTED", "EPROTO"];
    expect(codes.filter((code) => strerror(code) === "unknown error")).toEqual([]);
  });
});

describe("OSError", () => {
  // PEP 3151, in Python's words.
  test.each([
    ["EAGAIN", BlockingIOError],
    ["EALREADY", BlockingIOError],
    ["EINPROGRESS", BlockingIOError],
    ["EWOULDBLOCK", BlockingIOError],
    ["EPIPE", BrokenPipeError],
    ["ESHUTDOWN", BrokenPipeError],
    ["ECONNABORTED", ConnectionAbortedError],
    ["ECONNREFUSED", ConnectionRefusedError],
    ["ECONNRESET", ConnectionResetError],
    ["EEXIST", FileExistsError],
    ["ENOENT", FileNotFoundError],
    ["EINTR", InterruptedError],
    ["EACCES", PermissionError],
    ["EPERM", PermissionError],
    ["ETIMEDOUT", TimeoutError],
    ["ENOTFOUND", ResolveError],
    ["EAI_AGAIN", ResolveError],
    ["EADDRINUSE", OSError],
    ["EBADF", OSError],
    ["EWHATEVER", OSError],
  ])("osError(%p) is a %p", (code, Kind) => {
    const error = osError(code);
    expect(error.constructor).toBe(Kind);
    expect(error.name).toBe(Kind.name);
    expect(error).toBeInstanceOf(OSError);
    expect(error).toBeInstanceOf(Error);
    expect([error.code, error.errno]).toEqual([code, errnoOf(code)]);
    expect(String(error)).toStartWith(`${Kind.name}: ${code} `);
  });

  test("ConnectionError is the base of the four errors of a connection that is gone, and of no other", () => {
    const codes = [...platform.map(([code]) => code), "ESHUTDOWN", ...resolver];
    const found = codes.filter((code) => osError(code) instanceof ConnectionError);
    expect(new Set(found)).toEqual(
      new Set(["EPIPE", "ESHUTDOWN", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET"]),
    );
  });

  test("osError() makes an OSError of the platform's number for every code of the platform", () => {
    for (const [code, number] of platform) {
      const error = osError(code, { syscall: "connect", address: "127.0.0.1", port: 1 });
      expect(error).toBeInstanceOf(OSError);
      expect([error.code, error.errno]).toEqual([code, number]);
      expect(error.message).toStartWith(`connect 127.0.0.1:1: ${code} `);
    }
  });

  test.each(["constructor", "toString", "__proto__", ""])(
    "osError(%p) is an OSError as any other",
    (code) => {
      const error = osError(code);
      expect(error).toBeInstanceOf(OSError);
      expect(error.message).toBe(`${code} unknown error`);
    },
  );

  test.each([
    [
      { syscall: "connect", address: "127.0.0.1", port: 1 },
      "connect 127.0.0.1:1: ECONNREFUSED connection refused",
    ],
    [{ syscall: "connect", address: "::1", port: 80 }, "connect [::1]:80: ECONNREFUSED connection refused"],
    [{ syscall: "connect", address: "/tmp/s" }, "connect /tmp/s: ECONNREFUSED connection refused"],
    [{ syscall: "connect", address: "\0name" }, "connect @name: ECONNREFUSED connection refused"],
    [{ syscall: "recv" }, "recv: ECONNREFUSED connection refused"],
    [{ address: "host", port: 0 }, "host:0: ECONNREFUSED connection refused"],
    [{}, "ECONNREFUSED connection refused"],
    [{ syscall: "recv", detail: "in short" }, "recv: ECONNREFUSED in short"],
    [{ syscall: "recv", address: "" }, "recv: ECONNREFUSED connection refused"],
  ])("OSError.message of %j is %p", (details, message) => {
    const error = osError("ECONNREFUSED", details);
    expect(error.message).toBe(message);
    expect([error.syscall, error.address, error.port]).toEqual([
      (details as { syscall?: string }).syscall,
      (details as { address?: string }).address,
      (details as { port?: number }).port,
    ]);
  });

  test("OSError.cause is there only when there is one", () => {
    expect("cause" in osError("EIO")).toBe(false);
    expect("cause" in osError("EIO", { cause: undefined })).toBe(false);
    expect(osError("EIO", { cause: null }).cause).toBe(null);
    expect(osError("EIO", { cause: "x" }).cause).toBe("x");
  });

  test("OSError.stack begins where osError() was called or above, and names the error", () => {
    const error = osError("EIO", { syscall: "recv" });
    expect(error.stack).toContain("recv: EIO");
    expect(error.stack).toContain("errors.test.ts");
  });
});

describe("toOSError()", () => {
  const shaped = (fields: object): Error => Object.assign(new Error("from elsewhere"), fields);

  test("toOSError() lets an OSError pass through", () => {
    const error = osError("EPIPE", { syscall: "send" });
    expect(toOSError(error, { syscall: "other", address: "h", port: 1 }, "EIO")).toBe(error);
  });

  test.each([
    [
      "a connect error of Bun's (negative errno)",
      { code: "ECONNREFUSED", errno: -errno.ECONNREFUSED, syscall: "connect" },
      "ECONNREFUSED",
    ],
    [
      "a listen error of Bun's (positive errno)",
      { code: "EADDRINUSE", errno: errno.EADDRINUSE },
      "EADDRINUSE",
    ],
    [
      "a read error of Bun's",
      { code: "ECONNRESET", errno: -errno.ECONNRESET, syscall: "read" },
      "ECONNRESET",
    ],
    ["a resolver's error", { code: "ENOTFOUND", errno: 4, syscall: "getaddrinfo" }, "ENOTFOUND"],
    ["a resolver's error in Bun's words", { code: "DNS_ENOTFOUND", errno: 4 }, "ENOTFOUND"],
    ["a resolver's error that passes", { code: "EAI_AGAIN" }, "EAI_AGAIN"],
    ["a number alone, negative", { errno: -errno.ETIMEDOUT }, "ETIMEDOUT"],
    ["a number alone, positive", { errno: errno.EPIPE }, "EPIPE"],
    ["a code whose number lies", { code: "EPIPE", errno: 1 }, "EPIPE"],
    ["no code", {}, "EHOSTUNREACH"],
    ["a code that is a number", { code: 111 }, "EHOSTUNREACH"],
    ["a number that is text", { errno: "111" }, "EHOSTUNREACH"],
    ["a number out of any range", { errno: -9999 }, "EHOSTUNREACH"],
    ["a number that is none", { errno: NaN }, "EHOSTUNREACH"],
    ["a code that is a name of Object's", { code: "constructor" }, "EHOSTUNREACH"],
    ["a code of JavaScript's", { code: "ERR_INVALID_ARG_TYPE" }, "EHOSTUNREACH"],
    // c-ares numbers its errors from 1: they are no errno values (4 is not EINTR here).
    ["a resolver's code that is unknown", { code: "DNS_ESERVFAIL", errno: 3 }, "EHOSTUNREACH"],
    ["a resolver's code that is unknown", { code: "DNS_ETIMEOUT", errno: 12 }, "EHOSTUNREACH"],
  ])("toOSError() makes of %s %j: %p", (_what, fields, code) => {
    const from = shaped(fields);
    const error = toOSError(from, { syscall: "connect", address: "h", port: 5 }, "EHOSTUNREACH");
    expect([error.code, error.errno]).toEqual([code, errnoOf(code)]);
    expect(error.constructor).toBe(osError(code).constructor);
    expect(error.cause).toBe(from);
    expect(error.message).toBe(`connect h:5: ${code} ${strerror(code)}`);
    expect([error.syscall, error.address, error.port]).toEqual(["connect", "h", 5]);
  });

  test("toOSError() does not believe a syscall, address or port that the error brings", () => {
    const error = toOSError(shaped({ code: "EPIPE", syscall: "read", address: "x", port: 9 }));
    expect([error.syscall, error.address, error.port]).toEqual([undefined, undefined, undefined]);
    expect(error.message).toBe("EPIPE broken pipe");
  });

  test.each([
    ["a string", "ECONNRESET"],
    ["null", null],
    ["a number", 111],
    ["a symbol", Symbol("s")],
    ["a function", (): void => undefined],
    ["an object without a prototype", Object.create(null) as object],
    ["a frozen object", Object.freeze({ code: 1, errno: "x" })],
  ])("toOSError() makes the fallback of %s, and keeps it as the cause", (_what, thrown) => {
    const error = toOSError(thrown);
    expect([error.code, error.errno]).toEqual(["EIO", errnoOf("EIO")]);
    expect(error.cause).toBe(thrown);
  });

  test("toOSError() makes the fallback of undefined, which is no cause", () => {
    const error = toOSError(undefined, { syscall: "recv" }, "ECONNRESET");
    expect([error.code, "cause" in error]).toEqual(["ECONNRESET", false]);
  });

  test("toOSError() reads a frozen error", () => {
    const from = Object.freeze(shaped({ code: "EPIPE" }));
    expect(toOSError(from)).toMatchObject({ code: "EPIPE", cause: from });
  });

  test.each([
    [
      "a getter that throws",
      Object.defineProperty({}, "code", {
        get() {
          throw new Error("no");
        },
      }) as unknown,
    ],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          get() {
            throw new Error("no");
          },
        },
      ) as unknown,
    ],
  ])("toOSError() does not throw itself when given %s", (_what, thrown) => {
    const error = toOSError(thrown);
    expect(error.code).toBe("EIO");
    expect(error.cause === thrown).toBe(true);
  });
});

describe("the other errors", () => {
  test("DISCONNECTED holds asyncore's codes", () => {
    expect([...DISCONNECTED].toSorted()).toEqual(
      ["EBADF", "ECONNABORTED", "ECONNRESET", "ENOTCONN", "EPIPE", "ESHUTDOWN"].toSorted(),
    );
  });

  test("ArgumentTypeError, ArgumentRangeError and ExitNow are no OSErrors, and carry their code", () => {
    const type = new ArgumentTypeError("t");
    const range = new ArgumentRangeError("r");
    expect(type).toBeInstanceOf(TypeError);
    expect(range).toBeInstanceOf(RangeError);
    expect([type.code, range.code]).toEqual(["ERR_INVALID_ARG_TYPE", "ERR_OUT_OF_RANGE"]);
    expect(new ExitNow("bye")).toMatchObject({ name: "ExitNow", message: "bye" });
    for (const error of [type, range, new ExitNow()]) expect(error).not.toBeInstanceOf(OSError);
  });
});
