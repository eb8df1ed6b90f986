import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Address, checkAddress } from "../../src/base/address.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "../../src/base/constants.ts";
import { OSError, ResolveError } from "../../src/base/errors.ts";
import { type Libc, libc, type SockAddr } from "../../src/socket/libc.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "asyncore-libc-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: number[] = [];
function thrownBy(action: () => unknown): OSError {
  try {
    action();
  } catch (error) {
    return error as OSError;
  }
  throw new Error("nothing was thrown");
}

describe.if(libc() !== undefined)("Libc", () => {
  const c = libc() as Libc;
  const socket = (family: number): number => {
    const fd = c.socket(family, SOCK_STREAM);
    open.push(fd);
    return fd;
  };
  afterAll(() => {
    for (const fd of open) c.close(fd);
  });
  const encode = (family: number, address: Address): SockAddr =>
    c.sockaddr(family, checkAddress(family, address, "bind"));
  const bind = (family: number, address: Address): number => {
    const fd = socket(family);
    c.bind(fd, encode(family, address), address);
    return fd;
  };
  const hex = (name: SockAddr): string => Buffer.from(name.bytes.subarray(0, name.length)).toString("hex");

  // --- addresses as the kernel has them -----------------------------------------------------------------------

  // family, port, address; for IPv6 port, flow, address, scope.
  test.each([
    [AF_INET, ["127.0.0.1", 80], "0200 0050 7f000001 0000000000000000"],
    [AF_INET, ["1.2.3.4", 0x1234], "0200 1234 01020304 0000000000000000"],
    [AF_INET, ["", 65_535], "0200 ffff 00000000 0000000000000000"],
    [AF_INET, ["255.255.255.255", 0], "0200 0000 ffffffff 0000000000000000"],
    [AF_INET6, ["::1", 80], "0a00 0050 00000000 00000000000000000000000000000001 00000000"],
    [AF_INET6, ["", 258], "0a00 0102 00000000 00000000000000000000000000000000 00000000"],
    [AF_INET6, ["2001:db8::ff00:42:8329", 1], "0a00 0001 00000000 20010db8000000000000ff0000428329 00000000"],
    [AF_INET6, ["::ffff:1.2.3.4", 1], "0a00 0001 00000000 00000000000000000000ffff01020304 00000000"],
    [AF_INET6, ["fe80::1%7", 1], "0a00 0001 00000000 fe800000000000000000000000000001 07000000"],
    [AF_INET6, ["fe80::1%lo", 1], "0a00 0001 00000000 fe800000000000000000000000000001 01000000"],
    [AF_UNIX, "/tmp/s", "0100 2f746d702f73 00"],
    [AF_UNIX, "s", "0100 73 00"],
    [AF_UNIX, "é", "0100 c3a9 00"],
    [AF_UNIX, "\0name", "0100 006e616d65"],
  ] as [number, Address, string][])("Libc.sockaddr(%p, %j) is %p", (family, address, bytes) => {
    const name = encode(family, address);
    expect(hex(name)).toBe(bytes.replaceAll(" ", ""));
    expect(name.bytes.buffer).toBeInstanceOf(ArrayBuffer);
    expect(name.bytes.byteOffset).toBe(0);
  });

  test("Libc.sockaddr() looks a host name up", () => {
    expect(hex(encode(AF_INET, ["localhost", 80]))).toBe("020000507f0000010000000000000000");
    // What inet_aton(3) takes is no literal for us, and the look-up's to read.
    expect(hex(encode(AF_INET, ["127.1", 80]))).toBe("020000507f0000010000000000000000");
  });

  test("Libc.sockaddr() throws ResolveError for a name that is unknown, with host and port", () => {
    const error = thrownBy(() => encode(AF_INET, ["no-such-host.invalid", 80]));
    expect(error).toBeInstanceOf(ResolveError);
    expect(["ENOTFOUND", "EAI_AGAIN"]).toContain(error.code);
    expect([error.syscall, error.address, error.port]).toEqual(["getaddrinfo", "no-such-host.invalid", 80]);
  });

  test.each(["fe80::1%nosuchinterface", "fe80::1%99999999999", "fe80::1%4294967296"])(
    "Libc.sockaddr() throws EINVAL for %p, whose scope is no interface",
    (host) => {
      const error = thrownBy(() => encode(AF_INET6, [host, 80]));
      expect([error.constructor, error.code, error.address]).toEqual([OSError, "EINVAL", host]);
    },
  );

  test.each([
    [AF_INET, "127.0.0.1"],
    [AF_INET, "127.9.8.7"],
    [AF_INET, "0.0.0.0"],
    [AF_INET6, "::1"],
    [AF_INET6, "::"],
  ])("Libc.getsockname() gives back what was bound: family %p, %p", (family, host) => {
    const [bound, port] = c.getsockname(bind(family, [host, 0])) as [string, number];
    expect(bound).toBe(host);
    expect(port).toBeGreaterThan(0);
    // And the port itself, both bytes of it.
    const again = socket(family);
    const wanted = (port ^ 0x0101) | 0x8000;
    c.setsockopt(again, SOL_SOCKET, SO_REUSEADDR, 1);
    try {
      c.bind(again, encode(family, [host, wanted]), [host, wanted]);
    } catch (error) {
      expect((error as OSError).code).toBe("EADDRINUSE");
      return;
    }
    expect(c.getsockname(again)).toEqual([host, wanted]);
  });

  test("Libc.getsockname() gives back unix paths and abstract names of every length", () => {
    const stem = join(folder, "x");
    for (const path of [
      stem,
      `${folder}/é€😀`,
      stem.padEnd(107, "y"),
      `\0a-${process.pid}`,
      `\0b-${process.pid}-`.padEnd(107, "z"),
    ]) {
      expect(c.getsockname(bind(AF_UNIX, path))).toBe(path);
    }
    // A shorter one after the longest: nothing of the last answer shines through.
    const short = join(folder, "t");
    expect(c.getsockname(bind(AF_UNIX, short))).toBe(short);
    expect(c.getsockname(socket(AF_UNIX))).toBe("");
    expect(c.getsockname(socket(AF_INET))).toEqual(["0.0.0.0", 0]);
    expect(c.getsockname(socket(AF_INET6))).toEqual(["::", 0]);
  });

  test("Libc.getpeername() is undefined without a peer, and the peer's address with one", () => {
    // The second time the same host: its text is kept.
    for (const host of ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.255.254.253", "127.0.0.1"]) {
      const server = bind(AF_INET, [host, 0]);
      c.listen(server, 1);
      const address = c.getsockname(server);
      const client = socket(AF_INET);
      expect(c.getpeername(client)).toBeUndefined();
      expect(c.connect(client, encode(AF_INET, address))).toBeUndefined();
      expect(c.getpeername(client)).toEqual(address);
    }
  });

  // --- errors -------------------------------------------------------------------------------------------------

  test("Libc.bind() throws the kernel's code with address and port", () => {
    const taken = c.getsockname(bind(AF_INET, ["127.0.0.1", 0])) as [string, number];
    const busy = thrownBy(() => bind(AF_INET, taken));
    expect([busy.constructor, busy.code, busy.syscall, busy.address, busy.port]).toEqual([
      OSError,
      "EADDRINUSE",
      "bind",
      ...taken,
    ]);
    expect(busy.message).toBe(`bind 127.0.0.1:${taken[1]}: EADDRINUSE address already in use`);
    expect(thrownBy(() => bind(AF_INET, ["192.0.2.1", 0]))).toMatchObject({
      code: "EADDRNOTAVAIL",
      address: "192.0.2.1",
      port: 0,
    });
    const missing = join(folder, "no", "folder");
    expect(thrownBy(() => bind(AF_UNIX, missing))).toMatchObject({
      code: "ENOENT",
      syscall: "bind",
      address: missing,
      port: undefined,
    });
  });

  test("Libc throws EBADF with the name of the call for a descriptor that is none", () => {
    const none = 999_999;
    const calls: [string, () => unknown][] = [
      ["bind", () => c.bind(none, encode(AF_INET, ["127.0.0.1", 0]), ["127.0.0.1", 0])],
      ["listen", () => c.listen(none, 1)],
      ["getsockname", () => c.getsockname(none)],
      ["getsockopt", () => c.getsockopt(none, SOL_SOCKET, SO_TYPE)],
      ["setsockopt", () => c.setsockopt(none, SOL_SOCKET, SO_KEEPALIVE, 1)],
      ["dup", () => c.duplicate(none)],
    ];
    for (const [syscall, call] of calls) {
      expect(thrownBy(call)).toMatchObject({ name: "OSError", code: "EBADF", syscall });
    }
    expect(c.connect(none, encode(AF_INET, ["127.0.0.1", 1]))).toBe("EBADF");
    expect(c.getpeername(none)).toBeUndefined();
  });

  test("Libc.socket() throws for a family or type that there is not", () => {
    expect(thrownBy(() => c.socket(99, SOCK_STREAM))).toMatchObject({
      code: "EAFNOSUPPORT",
      syscall: "socket",
    });
    expect(thrownBy(() => c.socket(AF_INET, 99))).toMatchObject({ code: "EINVAL", syscall: "socket" });
  });

  test("Libc.connect() says how it failed, and nothing when it is done or under way", () => {
    const address = c.getsockname(bind(AF_INET, ["127.0.0.1", 0]));
    // Bound but not listening: refused, which a non-blocking connect learns only later.
    const fd = socket(AF_INET);
    expect(c.connect(fd, encode(AF_INET, address))).toBeUndefined();
    expect(c.takeError(fd)).toBe(111);
    expect(c.takeError(fd)).toBe(0);
    expect(c.connect(socket(AF_UNIX), encode(AF_UNIX, join(folder, "none")))).toBe("ENOENT");
  });

  // --- options ------------------------------------------------------------------------------------------------

  test("Libc.setsockopt() and getsockopt() give back what was set", () => {
    const fd = socket(AF_INET);
    const options: [number, number][] = [
      [SOL_SOCKET, SO_REUSEADDR],
      [SOL_SOCKET, SO_KEEPALIVE],
      [IPPROTO_TCP, TCP_NODELAY],
    ];
    for (const [level, name] of options) {
      for (const value of [1, 0, 1]) {
        c.setsockopt(fd, level, name, value);
        expect(c.getsockopt(fd, level, name)).toBe(value);
      }
    }
    // The kernel doubles it, socket(7).
    c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 20_000);
    expect(c.getsockopt(fd, SOL_SOCKET, SO_RCVBUF)).toBe(40_000);
    expect([c.getsockopt(fd, SOL_SOCKET, SO_TYPE), c.getsockopt(fd, SOL_SOCKET, SO_ERROR)]).toEqual([
      SOCK_STREAM,
      0,
    ]);
  });

  test("Libc.getsockopt() and setsockopt() throw ENOPROTOOPT for an option that there is not", () => {
    const fd = socket(AF_INET);
    expect(thrownBy(() => c.getsockopt(fd, SOL_SOCKET, 9999))).toMatchObject({ code: "ENOPROTOOPT" });
    expect(thrownBy(() => c.setsockopt(fd, SOL_SOCKET, 9999, 1))).toMatchObject({ code: "ENOPROTOOPT" });
  });

  test("Libc.duplicate() makes a second descriptor that outlives the first", () => {
    const fd = c.socket(AF_INET, SOCK_STREAM);
    c.bind(fd, encode(AF_INET, ["127.0.0.1", 0]), ["127.0.0.1", 0]);
    const name = c.getsockname(fd);
    const copy = c.duplicate(fd);
    open.push(copy);
    expect(copy).not.toBe(fd);
    c.close(fd);
    expect(c.getsockname(copy)).toEqual(name);
  });

  // --- memory -------------------------------------------------------------------------------------------------

  test("Libc survives twenty thousand calls with garbage collection between them", () => {
    const v4 = bind(AF_INET, ["127.0.0.1", 0]);
    const v6 = bind(AF_INET6, ["::1", 0]);
    const un = bind(AF_UNIX, join(folder, "hot"));
    const names = [v4, v6, un].map((fd) => JSON.stringify(c.getsockname(fd)));
    for (let i = 0; i < 20_000; i++) {
      const at = i % 3;
      const name = c.getsockname([v4, v6, un][at] as number);
      const type = c.getsockopt(v4, SOL_SOCKET, SO_TYPE);
      if (JSON.stringify(name) !== names[at] || type !== SOCK_STREAM) {
        throw new Error(`call ${i} gave ${JSON.stringify(name)}, ${type}`);
      }
      if (i % 1000 === 0) Bun.gc(true);
    }
    for (let i = 0; i < 2000; i++) {
      const name = encode(AF_INET6, ["fe80::1%lo", i]);
      if (i % 200 === 0) Bun.gc(true);
      expect(name.bytes[3]).toBe(i & 0xff);
    }
  });

  test("libc() closes the descriptors of endpoints that were dropped, and only those", async () => {
    const { LibcEndpoint } = await import("../../src/socket/libc-endpoint.ts");
    const kept = new LibcEndpoint(c, AF_INET, SOCK_STREAM);
    const isOpen = (fd: number): boolean => {
      try {
        c.getsockopt(fd, SOL_SOCKET, SO_TYPE);
        return true;
      } catch {
        return false;
      }
    };
    const dropped = Array.from({ length: 50 }, () => new LibcEndpoint(c, AF_INET, SOCK_STREAM).fd);
    expect(dropped.every(isOpen)).toBe(true);
    await until(() => {
      Bun.gc(true);
      return dropped.filter(isOpen).length <= 5;
    }, "dropped endpoints are closed");
    expect(isOpen(kept.fd)).toBe(true);
    kept.close();
    expect(kept.fd).toBe(-1);
  });
});

test("libc() is the same each time", () => {
  expect(libc()).toBe(libc() as Libc);
});

test("libc() is undefined with ASYNCORE_FFI=0", async () => {
  const source = `
    import { libc } from ${JSON.stringify(join(import.meta.dirname, "../../src/socket/libc.ts"))};
    console.log(String(libc()));
  `;
  const child = Bun.spawn([process.execPath, "-e", source], {
    env: { ...process.env, ASYNCORE_FFI: "0" },
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(await new Response(child.stdout).text()).toBe("undefined\n");
});
