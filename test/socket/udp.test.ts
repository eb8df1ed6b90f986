/**
 * UDP on the contract's level. Everything runs on loopback, or in a network namespace of the test's own; and once more in
 * a process without the C library, where what needs it is skipped.
 */
import { describe, expect, test } from "bun:test";

import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IP_MULTICAST_ALL,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_RECVERR,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MULTICAST_HOPS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  osError,
  SHUT_RD,
  SHUT_WR,
  SO_BROADCAST,
  SO_ERROR,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_TYPE,
  SOCK_DGRAM,
  SOL_SOCKET,
  streamLimits,
} from "asyncore";

import { createSocket } from "../../src/socket/create-socket.ts";
import { libc } from "../../src/socket/libc.ts";
import type { UdpSocket } from "../../src/socket/udp.ts";
import { turns, until } from "../support/until.ts";
import { codeOf, deadAddress, Probe } from "./udp-kit.ts";

const any = (value: unknown): never => value as never;
const hasLibc = libc() !== undefined;
const needsLibc = test.skipIf(!hasLibc);
const why = hasLibc ? "" : " (SKIPPED: needs the C library)";
const onlyWithout = test.skipIf(hasLibc);
const whyNot = hasLibc ? " (SKIPPED here: the process without the C library has it)" : "";

describe("UdpSocket.sendto() and recvfrom()", () => {
  test("UdpSocket.recvfrom() gives each datagram with its sender, in order", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    expect(a.socket.sendto("one", b.address)).toBe(3);
    expect(a.socket.sendto("two!", b.address)).toBe(4);
    expect(await b.next()).toEqual(["one", a.address]);
    expect(await b.next()).toEqual(["two!", a.address]);
    expect(b.socket.recvfrom()).toBeUndefined();
    expect(b.socket.readReady).toBe(false);
    // The address is good for the answer.
    b.socket.sendto("to you", a.address);
    expect((await a.next())[0]).toBe("to you");
    expect([a.socket.bytesSent, b.socket.bytesRead, b.ready > 0]).toEqual([7, 7, true]);
  });

  test("UdpSocket.sendto() takes text and every kind of bytes, and the memory is the caller's again", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    const memory = Buffer.from("0123456789");
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set([0x61, 0x62, 0x63]);
    const cases: [Parameters<UdpSocket["sendto"]>[0], number, string][] = [
      ["grün", 5, "gr\u00c3\u00bcn"],
      [memory.subarray(3, 6), 3, "345"],
      [new DataView(memory.buffer, memory.byteOffset + 8, 2), 2, "89"],
      [new Uint16Array([0x4241]), 2, "AB"],
      [new Uint8Array([1, 2]).buffer, 2, "\u0001\u0002"],
      [shared, 3, "abc"],
      [shared.buffer, 3, "abc"],
    ];
    for (const [data, length] of cases) expect(a.socket.sendto(data, b.address)).toBe(length);
    memory.fill(0);
    shared.fill(0);
    expect(await b.texts(cases.length)).toEqual(cases.map(([, , text]) => text));
    const gone = new Uint8Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    for (const data of [gone, 5, null, undefined, {}, [1], true]) {
      expect([data, codeOf(() => a.socket.sendto(any(data), b.address))]).toEqual([
        data,
        "ArgumentTypeError",
      ]);
    }
  });

  test("UdpSocket.recvfrom(): what was handed out is not overwritten by what follows", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    a.socket.sendto("first", b.address);
    await until(() => b.socket.readReady, "the first");
    const first = b.socket.recvfrom()?.[0];
    for (let i = 0; i < 20; i++) a.socket.sendto("XXXXX", b.address);
    expect(await b.texts(20)).toEqual(Array.from({ length: 20 }, () => "XXXXX"));
    expect(first?.toString()).toBe("first");
  });

  test("UdpSocket: an empty datagram is a datagram, and counts as progress", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    expect(a.socket.sendto("", b.address)).toBe(0);
    expect(a.socket.sendto(new Uint8Array(0), b.address)).toBe(0);
    a.socket.sendto("x", b.address);
    expect(await b.texts(2)).toEqual(["", ""]);
    await until(() => b.socket.readReady, "the third");
    expect(b.socket.recv()?.toString()).toBe("x");
    expect([a.socket.bytesSent, b.socket.bytesRead]).toEqual([3, 3]);
    expect(b.socket.state).toBe("idle");
  });

  test("UdpSocket.recv(size) cuts a datagram off as the kernel does; the rest is lost", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    for (const text of ["abcdef", "ghi", "jkl", "m"]) a.socket.sendto(text, b.address);
    await until(() => b.socket.readReady, "a datagram");
    await turns(3);
    const texts = [4, 3, 0, 99].map((size) => b.socket.recv(size)?.toString());
    expect(texts).toEqual(["abcd", "ghi", "", "m"]);
    expect(b.socket.recv(1)).toBeUndefined();
    expect([-1, 0.5, Number.NaN, any("4")].map((size) => codeOf(() => b.socket.recv(size)))).toEqual(
      Array.from({ length: 4 }, () => "ArgumentRangeError"),
    );
  });

  test("UdpSocket.sendto() carries 65,507 bytes and refuses one more with EMSGSIZE, once", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    const most = Buffer.alloc(65_507, "m");
    expect(a.socket.sendto(most, b.address)).toBe(65_507);
    expect(codeOf(() => a.socket.sendto(Buffer.alloc(65_508), b.address))).toBe("EMSGSIZE");
    expect(codeOf(() => a.socket.sendto(Buffer.alloc(10_000_000), b.address))).toBe("EMSGSIZE");
    expect((await b.next())[0]).toBe(most.toString());
    expect(a.socket.sendto("goes on", b.address)).toBe(7);
    expect((await b.next())[0]).toBe("goes on");
    await turns(5);
    expect([a.socket.readReady, a.socket.takeError(), a.socket.bytesSent]).toEqual([
      false,
      undefined,
      65_514,
    ]);
  });

  test("UdpSocket.sendto() is bound by the kernel when it was not before", async () => {
    using a = new Probe();
    using b = Probe.bound();
    expect([a.socket.writeReady, a.port]).toEqual([true, 0]);
    a.socket.sendto("hi", b.address);
    const [, from] = await b.next();
    expect(from[1]).toBeGreaterThan(0);
    expect(from[1]).toBe(a.port);
    b.socket.sendto("yo", from);
    expect((await a.next())[0]).toBe("yo");
    expect(codeOf(() => a.socket.bind(["127.0.0.1", 0]))).toBe("EINVAL");
  });

  test("UdpSocket.sendto() knows localhost, and no other name", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    expect(a.socket.sendto("home", ["localhost", b.port])).toBe(4);
    expect((await b.next())[0]).toBe("home");
    expect(() => a.socket.sendto("x", ["example.org", 53])).toThrow(
      "sendto example.org:53: EINVAL not a numeric address: look the name up before, or connect() to it",
    );
  });

  // `kind` is what a caller would test for: a class, or an OSError's code.
  const badAddresses: readonly (readonly [unknown, string])[] = [
    [["127.0.0.1", 0], "ArgumentRangeError"],
    [["127.0.0.1", 65_536], "ArgumentRangeError"],
    [["127.0.0.1", -1], "ArgumentRangeError"],
    [["127.0.0.1", 1.5], "ArgumentRangeError"],
    [["127.0.0.1", Number.NaN], "ArgumentRangeError"],
    [["127.0.0.1", "53"], "ArgumentTypeError"],
    [["127.0.0.1", true], "ArgumentTypeError"],
    [["127.0.0.1"], "ArgumentTypeError"],
    [["127.0.0.1", 53, 0], "ArgumentTypeError"],
    [["", 53], "ArgumentTypeError"],
    [[53, "127.0.0.1"], "ArgumentTypeError"],
    [["127.0.0.1\0", 53], "ArgumentTypeError"],
    ["127.0.0.1:53", "ArgumentTypeError"],
    [53, "ArgumentTypeError"],
    [null, "ArgumentTypeError"],
    [{}, "ArgumentTypeError"],
    [["::1", 53], "EAFNOSUPPORT"],
    [["1.2.3.4.5", 53], "EINVAL"],
    // No program may broadcast that did not say so.
    [["<broadcast>", 53], "EACCES"],
    [["255.255.255.255", 53], "EACCES"],
  ];
  test.each(badAddresses)(
    "UdpSocket.sendto(data, %p) throws %s, and the socket is well",
    async (address, kind) => {
      using a = Probe.bound();
      using b = Probe.bound();
      expect(codeOf(() => a.socket.sendto("x", any(address)))).toBe(kind);
      a.socket.sendto("well", b.address);
      expect((await b.next())[0]).toBe("well");
      expect([a.socket.takeError(), a.socket.state]).toEqual([undefined, "idle"]);
    },
  );

  test("UdpSocket.send() without a peer throws EDESTADDRREQ", () => {
    using a = Probe.bound();
    expect(codeOf(() => a.socket.send("x"))).toBe("EDESTADDRREQ");
    expect(codeOf(() => a.socket.sendto("x"))).toBe("EDESTADDRREQ");
  });
});

describe("UdpSocket and ICMP", () => {
  test("UdpSocket.sendto() loses nothing to healthy peers because of a dead one, and nobody is told", async () => {
    using a = Probe.bound();
    using first = Probe.bound();
    using second = Probe.bound();
    const dead = [deadAddress(), deadAddress()] as const;
    const expected: string[] = [];
    for (let i = 0; i < 100; i++) {
      expected.push(`${i}`);
      const home: Address = ["localhost", first.port];
      for (const to of [dead[0], home, dead[1], dead[0], second.address]) {
        expect(a.socket.sendto(`${i}`, to)).toBe(`${i}`.length);
      }
      // Bun hears of the errors meanwhile.
      if (i % 10 === 9) await turns(2);
    }
    expect(await first.texts(100)).toEqual(expected);
    expect(await second.texts(100)).toEqual(expected);
    expect([a.socket.readReady, a.socket.takeError()]).toEqual([false, undefined]);
  });

  test("UdpSocket.recv() tells a connected socket that its peer is not there; it stays open", async () => {
    using a = new Probe();
    const dead = deadAddress();
    a.socket.connect(dead);
    expect(a.socket.takeError()).toBeUndefined();
    expect(a.socket.send("anybody?")).toBe(8);
    await until(() => a.socket.readReady, "the answer");
    expect(() => a.socket.recv()).toThrow(
      expect.objectContaining({ code: "ECONNREFUSED", address: dead[0] }),
    );
    expect([a.socket.recv(), a.socket.readReady, a.socket.state]).toEqual([undefined, false, "open"]);
    // Whoever comes up there is heard.
    using late = new Probe(dead);
    a.socket.send("now?");
    const [text, from] = await late.next();
    late.socket.sendto(`${text} yes`, from);
    expect((await a.next())[0]).toBe("now? yes");
  });

  test("UdpSocket.send() throws what an earlier datagram was answered with, once", async () => {
    using a = new Probe();
    a.socket.connect(deadAddress());
    const codes: string[] = [];
    for (let i = 0; i < 4; i++) codes.push(codeOf(() => a.socket.send("x")));
    expect(codes).toEqual(["returned 1", "ECONNREFUSED", "returned 1", "ECONNREFUSED"]);
    await turns(3);
    expect(a.socket.state).toBe("open");
  });

  needsLibc(
    `UdpSocket.sendto() of a connected one reaches others too, past the error of its peer${why}`,
    async () => {
      using a = new Probe();
      using other = Probe.bound();
      a.socket.connect(deadAddress());
      a.socket.takeError();
      for (let i = 0; i < 10; i++) {
        expect(a.socket.send("x")).toBe(1);
        expect(a.socket.sendto(`${i}`, other.address)).toBe(1);
      }
      expect(await other.texts(10)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
      expect(codeOf(() => a.socket.recv())).toBe("ECONNREFUSED");
    },
  );

  onlyWithout(
    `UdpSocket.sendto() of a connected one: its peer, and EISCONN for others${whyNot}`,
    async () => {
      using a = new Probe();
      using b = Probe.bound();
      using other = Probe.bound();
      await a.connected(b);
      expect(a.socket.sendto("x", b.address)).toBe(1);
      expect(codeOf(() => a.socket.sendto("x", other.address))).toBe("EISCONN");
      expect((await b.next())[0]).toBe("x");
    },
  );

  needsLibc(
    `UdpSocket.setsockopt(IP_RECVERR) asks for the errors an unconnected one is spared${why}`,
    async () => {
      using a = Probe.bound();
      using healthy = Probe.bound();
      a.socket.setsockopt(IPPROTO_IP, IP_RECVERR, 1);
      a.socket.sendto("x", deadAddress());
      expect(a.socket.sendto("not lost", healthy.address)).toBe(8);
      expect((await healthy.next())[0]).toBe("not lost");
      await until(() => a.socket.readReady, "the error");
      expect(codeOf(() => a.socket.recvfrom())).toBe("ECONNREFUSED");
    },
  );
});

describe("UdpSocket.connect()", () => {
  test("UdpSocket.connect() is told like a stream's, and names the peer", async () => {
    using a = new Probe();
    using b = Probe.bound();
    using stranger = Probe.bound();
    expect(codeOf(() => a.socket.getpeername())).toBe("ENOTCONN");
    a.socket.connect(b.address);
    expect([a.ready, a.changed, a.socket.state]).toEqual([0, 1, "open"]);
    expect([a.socket.takeError(), a.socket.getpeername()]).toEqual([undefined, b.address]);
    expect(a.address[0]).toBe("127.0.0.1");
    stranger.socket.sendto("not for you", a.address);
    b.socket.sendto("for you", a.address);
    expect(a.socket.send("hi")).toBe(2);
    expect(await a.next()).toEqual(["for you", b.address]);
    expect((await b.next())[0]).toBe("hi");
    await turns(3);
    expect(a.socket.readReady).toBe(false);
  });

  test("UdpSocket.connect() again names another peer; a bound port stays", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    using c = Probe.bound();
    const { port } = a;
    for (const peer of [b, c, b]) {
      await a.connected(peer);
      a.socket.send(`${peer.port}`);
      expect(await peer.next()).toEqual([`${peer.port}`, ["127.0.0.1", port]]);
      peer.socket.sendto("back", a.address);
      expect((await a.next())[0]).toBe("back");
    }
    expect([a.port, a.socket.getpeername()]).toEqual([port, b.address]);
  });

  test("UdpSocket.connect() looks a name up; what is sent meanwhile is not sent", async () => {
    using a = new Probe();
    using b = Probe.bound();
    a.socket.connect(["localhost", b.port]);
    expect(a.socket.state).toBe("connecting");
    expect([a.socket.send("early"), a.socket.writeReady]).toEqual([0, false]);
    expect(codeOf(() => a.socket.connect(b.address))).toBe("EALREADY");
    await until(() => a.socket.state === "open", "the connect");
    expect([a.socket.takeError(), a.socket.getpeername(), a.changed]).toEqual([undefined, b.address, 1]);
    a.socket.send("x");
    expect((await b.next())[0]).toBe("x");
  });

  test("UdpSocket.connect(): datagrams that come during the look-up wait for its end", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    b.socket.sendto("x", a.address);
    await until(() => a.socket.readReady, "the datagram");
    a.socket.connect(["localhost", b.port]);
    expect(a.socket.readReady).toBe(false);
    await until(() => a.socket.state === "open", "the connect");
    expect((await a.next())[0]).toBe("x");
  });

  test("UdpSocket.connect() that fails is told by takeError(), and the socket is what it was", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    const before = a.address;
    a.socket.connect(["no-such-name.invalid", 53]);
    await until(() => a.socket.state !== "connecting", "the end");
    expect([a.socket.state, a.socket.readReady]).toEqual(["idle", true]);
    expect(a.socket.takeError()).toMatchObject({ name: "ResolveError", address: "no-such-name.invalid" });
    expect([a.socket.takeError(), a.socket.readReady]).toEqual([undefined, false]);
    // Broadcasting has to be allowed.
    a.socket.connect(["255.255.255.255", 53]);
    expect(a.socket.takeError()?.code).toBe("EACCES");
    expect([a.socket.state, a.address]).toEqual(["idle", before]);
    a.socket.sendto("well", b.address);
    expect(await b.next()).toEqual(["well", before]);
  });

  test("UdpSocket.connect() ends at connectTimeoutMs, and a late look-up changes nothing", async () => {
    using a = new Probe();
    a.socket.limits = streamLimits({ connectTimeoutMs: 0 });
    a.socket.connect(["localhost", 53]);
    // A timer of 0 ms and a look-up in another thread: either may be first.
    await until(() => a.socket.state !== "connecting", "the end");
    const error = a.socket.takeError();
    if (error === undefined) expect(a.socket.state).toBe("open");
    else expect([error.code, a.socket.state]).toEqual(["ETIMEDOUT", "idle"]);
    using b = new Probe();
    b.socket.limits = streamLimits({ connectTimeoutMs: Infinity });
    b.socket.connect(["localhost", 53]);
    await until(() => b.socket.state === "open", "a connect without a deadline");
  });

  test("UdpSocket.close() during the look-up is the end of it", async () => {
    using a = new Probe();
    a.socket.connect(["localhost", 53]);
    a.socket.close();
    await turns(20);
    expect([a.socket.state, a.ready, a.changed]).toEqual(["closed", 0, 0]);
  });

  const badPeers: readonly (readonly [unknown, string])[] = [
    [["127.0.0.1", 0], "ArgumentRangeError"],
    [["", 53], "ArgumentTypeError"],
    ["/path", "ArgumentTypeError"],
    [["::1", 53], "EAFNOSUPPORT"],
  ];
  test.each(badPeers)("UdpSocket.connect(%p) throws %s", (address, kind) => {
    using a = new Probe();
    expect(codeOf(() => a.socket.connect(any(address)))).toBe(kind);
    expect(a.socket.state).toBe("idle");
  });
});

describe("UdpSocket's bounds", () => {
  test("UdpSocket.recvfrom(): after maxPerTurn the rest waits for the next turn", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    b.socket.setReceiveLimits({ maxPerTurn: 10 });
    for (let i = 0; i < 25; i++) a.socket.sendto(`${i}`, b.address);
    await until(() => b.socket.readReady, "the first");
    await turns(5);
    const batches: string[][] = [];
    const isReady = (): boolean => b.socket.readReady;
    while (isReady()) {
      const batch: string[] = [];
      for (let next = b.socket.recv(); next !== undefined; next = b.socket.recv())
        batch.push(next.toString());
      batches.push(batch);
      expect(isReady()).toBe(false);
      const told = b.ready;
      await turns(2);
      if (isReady()) expect(b.ready).toBe(told + 1);
    }
    expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5]);
    expect(batches.flat()).toEqual(Array.from({ length: 25 }, (_, i) => `${i}`));
  });

  test("UdpSocket.dropped counts what the queue has no room for; the oldest are kept", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    b.socket.setReceiveLimits({ maxQueuedBytes: 10 * 1025 });
    for (let i = 0; i < 100; i++) a.socket.sendto(String.fromCharCode(i), b.address);
    await until(() => b.socket.dropped === 90, "90 to be dropped");
    const kept = await b.texts(10);
    expect(kept).toEqual(Array.from({ length: 10 }, (_, i) => String.fromCharCode(i)));
    // There is room again.
    a.socket.sendto("again", b.address);
    expect((await b.next())[0]).toBe("again");
    expect([b.socket.dropped, b.socket.recvfrom()]).toEqual([90, undefined]);
    b.socket.close();
    expect(b.socket.dropped).toBe(90);
  });

  needsLibc(
    `UdpSocket: with a full queue the kernel drops, counted, until half was taken${why}`,
    async () => {
      using a = Probe.bound();
      using b = Probe.bound();
      b.socket.setReceiveLimits({ maxQueuedBytes: 10 * 1025 });
      for (let i = 0; i < 11; i++) a.socket.sendto("x", b.address);
      await until(() => b.socket.dropped === 1 && b.ready > 0, "the queue to be full");
      const told = b.ready;
      // Many more than the kernel's buffer holds: they are gone before Bun hears of them.
      for (let i = 0; i < 2000; i++) a.socket.sendto("y", b.address);
      expect(b.socket.dropped).toBe(2001);
      await turns(5);
      expect(b.ready).toBe(told);
      for (let i = 0; i < 4; i++) expect(b.socket.recv()?.toString()).toBe("x");
      a.socket.sendto("not yet", b.address);
      expect(b.socket.dropped).toBe(2002);
      expect(b.socket.recv()?.toString()).toBe("x");
      a.socket.sendto("z", b.address);
      expect(await b.texts(6)).toEqual(["x", "x", "x", "x", "x", "z"]);
      expect([b.socket.dropped, b.socket.readReady]).toEqual([2002, false]);
      // A greater bound is room, too.
      for (let i = 0; i < 12; i++) a.socket.sendto("x", b.address);
      await until(() => b.socket.dropped > 2002, "the queue to be full");
      const { dropped } = b.socket;
      b.socket.setReceiveLimits({ maxQueuedBytes: 100_000 });
      a.socket.sendto("w", b.address);
      expect((await b.texts(11)).at(-1)).toBe("w");
      expect(b.socket.dropped).toBe(dropped);
    },
  );

  needsLibc(`UdpSocket.dropped counts what the kernel's own buffer had no room for${why}`, async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    b.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    // In one go: Bun has no chance to read meanwhile.
    for (let i = 0; i < 200; i++) a.socket.sendto("x", b.address);
    const { dropped } = b.socket;
    expect(dropped).toBeGreaterThan(100);
    expect(dropped).toBeLessThan(200);
    expect(await b.texts(200 - dropped)).toHaveLength(200 - dropped);
    await turns(5);
    expect([b.socket.dropped, b.socket.readReady]).toEqual([dropped, false]);
  });

  test("UdpSocket drops what comes from port 0, which no answer can reach", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    b.socket.bunDatagram(Buffer.from("forged"), 0, "192.0.2.1");
    a.socket.sendto("x", b.address);
    expect([(await b.next())[0], b.socket.dropped, b.socket.readReady]).toEqual(["x", 1, false]);
  });

  test("UdpSocket.setReceiveLimits() takes numbers of at least 1", () => {
    using a = Probe.bound();
    expect(a.socket.receiveLimits).toEqual({ maxQueuedBytes: 4 * 1024 * 1024, maxPerTurn: 64 });
    for (const value of [0, -1, Number.NaN, any("5"), any(null)]) {
      expect(codeOf(() => a.socket.setReceiveLimits({ maxPerTurn: value }))).toBe("ArgumentRangeError");
      expect(codeOf(() => a.socket.setReceiveLimits({ maxQueuedBytes: value }))).toBe("ArgumentRangeError");
    }
    a.socket.setReceiveLimits({ maxPerTurn: Infinity });
    expect(a.socket.receiveLimits).toEqual({ maxQueuedBytes: 4 * 1024 * 1024, maxPerTurn: Infinity });
  });
});

describe("UdpSocket.bind() and options", () => {
  test("UdpSocket.bind() has the real port at once, and throws what is wrong", () => {
    using a = Probe.bound();
    expect(a.address[0]).toBe("127.0.0.1");
    expect(a.port).toBeGreaterThan(0);
    using b = new Probe();
    expect(codeOf(() => b.socket.bind(a.address))).toBe("EADDRINUSE");
    expect(codeOf(() => b.socket.bind(["192.0.2.1", 0]))).toBe("EADDRNOTAVAIL");
    expect(codeOf(() => b.socket.bind(["::1", 0]))).toBe("EAFNOSUPPORT");
    expect(codeOf(() => b.socket.bind(any("127.0.0.1:1")))).toBe("ArgumentTypeError");
    expect(codeOf(() => b.socket.bind(["127.0.0.1", 65_536]))).toBe("ArgumentRangeError");
    b.socket.bind(["", 0]);
    expect([b.address[0], b.port > 0]).toEqual(["0.0.0.0", true]);
    expect(codeOf(() => b.socket.bind(["127.0.0.1", 0]))).toBe("EINVAL");
  });

  test("createSocket({ type: SOCK_DGRAM }) refuses unix, other families and TLS", () => {
    expect(codeOf(() => createSocket({ family: AF_UNIX, type: SOCK_DGRAM }))).toBe("EPROTONOSUPPORT");
    expect(codeOf(() => createSocket({ family: 99, type: SOCK_DGRAM }))).toBe("EPROTONOSUPPORT");
    expect(codeOf(() => createSocket({ type: SOCK_DGRAM, tls: {} }))).toBe("EPROTONOSUPPORT");
  });

  needsLibc(`UdpSocket.setsockopt() reaches the kernel before and after bind()${why}`, async () => {
    using a = new Probe();
    const get = (level: number, name: number): number => a.socket.getsockopt(level, name);
    a.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 32_768);
    a.socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    a.socket.bind(["127.0.0.1", 0]);
    // The kernel doubles it, for its own needs.
    expect(get(SOL_SOCKET, SO_RCVBUF)).toBe(65_536);
    a.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65_536);
    expect(get(SOL_SOCKET, SO_RCVBUF)).toBe(131_072);
    expect([get(SOL_SOCKET, SO_REUSEADDR), get(SOL_SOCKET, SO_TYPE), get(SOL_SOCKET, SO_ERROR)]).toEqual([
      1, 2, 0,
    ]);
    a.socket.setsockopt(IPPROTO_IP, IP_TTL, 9);
    expect(get(IPPROTO_IP, IP_TTL)).toBe(9);
    expect(codeOf(() => get(SOL_SOCKET, 9999))).toBe("ENOPROTOOPT");
    using b = Probe.bound();
    b.socket.sendto("still reads", a.address);
    expect((await a.next())[0]).toBe("still reads");
  });

  needsLibc(`UdpSocket.getsockopt(SO_ERROR) takes the error that recv() would tell${why}`, async () => {
    using a = new Probe();
    a.socket.connect(deadAddress());
    expect(a.socket.takeError()).toBeUndefined();
    a.socket.send("x");
    await until(() => a.socket.readReady, "the answer");
    expect([a.socket.getsockopt(SOL_SOCKET, SO_ERROR), a.socket.readReady]).toEqual([111, false]);
  });

  needsLibc(`UdpSocket.setsockopt(SO_REUSEPORT) lets two have one address${why}`, async () => {
    using first = new Probe();
    first.socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
    first.socket.bind(["127.0.0.1", 0]);
    using second = new Probe();
    second.socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
    second.socket.bind(first.address);
    // Each sender is one of theirs, by a hash of its address.
    const senders = Array.from({ length: 64 }, () => new Probe());
    for (const sender of senders) sender.socket.sendto("x", first.address);
    await until(() => first.socket.readReady && second.socket.readReady, "both to have their share");
    for (const sender of senders) sender.socket.close();
  });

  test("UdpSocket.setsockopt(SO_BROADCAST) and setBroadcast() allow broadcasts, and take it back", async () => {
    using a = Probe.bound();
    using b = new Probe(["0.0.0.0", 0]);
    const everybody: Address = ["127.255.255.255", b.port];
    expect(codeOf(() => a.socket.sendto("x", everybody))).toBe("EACCES");
    a.socket.setsockopt(SOL_SOCKET, SO_BROADCAST, 1);
    expect(a.socket.sendto("heard", everybody)).toBe(5);
    expect(await b.next()).toEqual(["heard", a.address]);
    a.socket.setBroadcast(false);
    expect(codeOf(() => a.socket.sendto("x", everybody))).toBe("EACCES");
    a.socket.setBroadcast(true);
    a.socket.sendto("again", everybody);
    expect((await b.next())[0]).toBe("again");
  });

  onlyWithout(`UdpSocket.setsockopt() says ENOSYS${whyNot}`, () => {
    using a = Probe.bound();
    expect(codeOf(() => a.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65_536))).toBe("ENOSYS");
    expect(codeOf(() => a.socket.getsockopt(SOL_SOCKET, SO_RCVBUF))).toBe("ENOSYS");
    expect(a.socket.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
  });
});

describe("UdpSocket and multicast", () => {
  // A group of this process's own: on loopback, others would be heard.
  const own = `${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`;
  const group = `239.43.${own}`;
  const sourceGroup = `232.43.${own}`;

  test("UdpSocket.addMembership() joins a group, dropMembership() leaves it", async () => {
    using a = Probe.bound();
    using member = new Probe(["0.0.0.0", 0]);
    const to: Address = [group, member.port];
    a.socket.setMulticastInterface("127.0.0.1");
    a.socket.sendto("nobody", to);
    member.socket.addMembership(group, "127.0.0.1");
    a.socket.sendto("heard", to);
    expect(await member.next()).toEqual(["heard", a.address]);
    member.socket.dropMembership(group, "127.0.0.1");
    a.socket.sendto("nobody", to);
    a.socket.sendto("direct", ["127.0.0.1", member.port]);
    expect((await member.next())[0]).toBe("direct");
  });

  test("UdpSocket.addSourceSpecificMembership() hears one source", async () => {
    using a = Probe.bound();
    using other = new Probe(["127.0.0.9", 0]);
    using member = new Probe(["0.0.0.0", 0]);
    member.socket.addSourceSpecificMembership("127.0.0.9", sourceGroup, "127.0.0.1");
    for (const sender of [a, other]) {
      sender.socket.setMulticastInterface("127.0.0.1");
      sender.socket.sendto(`from ${sender.address[0]}`, [sourceGroup, member.port]);
    }
    expect((await member.next())[0]).toBe("from 127.0.0.9");
    member.socket.dropSourceSpecificMembership("127.0.0.9", sourceGroup, "127.0.0.1");
    other.socket.sendto("nobody", [sourceGroup, member.port]);
    other.socket.sendto("direct", ["127.0.0.1", member.port]);
    expect((await member.next())[0]).toBe("direct");
  });

  needsLibc(
    `UdpSocket.setsockopt(IP_MULTICAST_ALL) keeps out the groups that others have joined${why}`,
    async () => {
      using a = Probe.bound();
      using member = new Probe(["0.0.0.0", 0]);
      using other = new Probe(["0.0.0.0", 0]);
      member.socket.addMembership(group, "127.0.0.1");
      a.socket.setMulticastInterface("127.0.0.1");
      a.socket.sendto("overheard", [group, other.port]);
      expect((await other.next())[0]).toBe("overheard");
      other.socket.setsockopt(IPPROTO_IP, IP_MULTICAST_ALL, 0);
      a.socket.sendto("nobody", [group, other.port]);
      a.socket.sendto("direct", ["127.0.0.1", other.port]);
      expect((await other.next())[0]).toBe("direct");
    },
  );

  needsLibc(
    `UdpSocket.setMulticastTTL() and setTTL() are the kernel's options, for both families${why}`,
    () => {
      using a = Probe.bound();
      a.socket.setMulticastTTL(7);
      a.socket.setTTL(70);
      a.socket.setMulticastLoopback(false);
      const get = (level: number, name: number): number => a.socket.getsockopt(level, name);
      const four = [IP_MULTICAST_TTL, IP_TTL, IP_MULTICAST_LOOP].map((name) => get(IPPROTO_IP, name));
      expect(four).toEqual([7, 70, 0]);
      using six = new Probe(["::1", 0], AF_INET6);
      six.socket.setMulticastTTL(8);
      six.socket.setTTL(80);
      expect(six.socket.getsockopt(IPPROTO_IPV6, IPV6_MULTICAST_HOPS)).toBe(8);
      expect(six.socket.getsockopt(IPPROTO_IPV6, IPV6_UNICAST_HOPS)).toBe(80);
    },
  );

  test("UdpSocket's multicast methods throw what is wrong", () => {
    using a = Probe.bound();
    const { socket } = a;
    expect(codeOf(() => socket.addMembership("127.0.0.1", "127.0.0.1"))).toBe("EINVAL");
    expect(codeOf(() => socket.addMembership("nonsense"))).toBe("EINVAL");
    expect(codeOf(() => socket.addMembership(group, "192.0.2.1"))).toBe("ENODEV");
    expect(codeOf(() => socket.addMembership(any(undefined)))).toBe("ArgumentTypeError");
    expect(codeOf(() => socket.addMembership(group, any(5)))).toBe("ArgumentTypeError");
    expect(codeOf(() => socket.dropMembership(group, "127.0.0.1"))).toBe("EADDRNOTAVAIL");
    expect(codeOf(() => socket.setMulticastTTL(256))).toBe("EINVAL");
    expect(codeOf(() => socket.setMulticastTTL(1.5))).toBe("ArgumentRangeError");
    expect(codeOf(() => socket.setTTL(any("5")))).toBe("ArgumentRangeError");
    expect(codeOf(() => socket.setMulticastInterface("nonsense"))).toBe("EINVAL");
    socket.addMembership(group, "127.0.0.1");
    expect(codeOf(() => socket.addMembership(group, "127.0.0.1"))).toBe("EADDRINUSE");
  });
});

describe("UdpSocket over IPv6", () => {
  test("UdpSocket exchanges datagrams over ::1", async () => {
    using a = new Probe(["::1", 0], AF_INET6);
    using b = new Probe(["::1", 0], AF_INET6);
    expect(a.socket.sendto("six", b.address)).toBe(3);
    expect(await b.next()).toEqual(["six", a.address]);
    await b.connected(a);
    b.socket.send("back");
    expect(await a.next()).toEqual(["back", ["::1", b.port]]);
    expect(a.socket.sendto("home", ["localhost", b.port])).toBe(4);
    expect((await b.next())[0]).toBe("home");
    for (const address of [
      ["127.0.0.1", 9],
      ["1.2.3", 9],
    ] as const) {
      expect(codeOf(() => a.socket.sendto("x", address))).toMatch(/EAFNOSUPPORT|EINVAL/);
    }
  });

  test("UdpSocket on :: hears IPv4 as ::ffff:…, and an answer to that address arrives", async () => {
    using both = new Probe(["::", 0], AF_INET6);
    using four = Probe.bound();
    four.socket.sendto("from four", ["127.0.0.1", both.port]);
    const [text, from] = await both.next();
    expect([text, from]).toEqual(["from four", ["::ffff:127.0.0.1", four.port]]);
    both.socket.sendto("answer", from);
    expect(await four.next()).toEqual(["answer", ["127.0.0.1", both.port]]);
  });

  needsLibc(`UdpSocket.setsockopt(IPV6_V6ONLY) before bind() keeps IPv4 out${why}`, async () => {
    using six = new Probe(undefined, AF_INET6);
    six.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    six.socket.bind(["::", 0]);
    using four = new Probe();
    four.socket.connect(["127.0.0.1", six.port]);
    four.socket.takeError();
    four.socket.send("x");
    await until(() => four.socket.readReady, "the refusal");
    expect(codeOf(() => four.socket.recv())).toBe("ECONNREFUSED");
    expect(codeOf(() => six.socket.connect(["fe80::1%nosuchinterface", 53]))).toBe("EINVAL");
  });
});

describe("UdpSocket ends", () => {
  const calls: readonly (readonly [string, (socket: UdpSocket) => unknown])[] = [
    ["bind", (socket) => socket.bind(["127.0.0.1", 0])],
    ["connect", (socket) => socket.connect(["127.0.0.1", 53])],
    ["send", (socket) => socket.send("x")],
    ["sendto", (socket) => socket.sendto("x", ["127.0.0.1", 53])],
    ["sendto the peer", (socket) => socket.sendto("x")],
    ["recv", (socket) => socket.recv()],
    ["recvfrom", (socket) => socket.recvfrom()],
    ["shutdown", (socket) => socket.shutdown(SHUT_WR)],
    ["getsockname", (socket) => socket.getsockname()],
    ["getpeername", (socket) => socket.getpeername()],
    ["getsockopt", (socket) => socket.getsockopt(SOL_SOCKET, SO_ERROR)],
    ["setsockopt", (socket) => socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 1)],
    ["setBroadcast", (socket) => socket.setBroadcast(true)],
    ["setTTL", (socket) => socket.setTTL(1)],
    ["setMulticastTTL", (socket) => socket.setMulticastTTL(1)],
    ["setMulticastLoopback", (socket) => socket.setMulticastLoopback(true)],
    ["setMulticastInterface", (socket) => socket.setMulticastInterface("127.0.0.1")],
    ["addMembership", (socket) => socket.addMembership("239.1.1.1")],
    ["dropMembership", (socket) => socket.dropMembership("239.1.1.1")],
  ];

  for (const [state, make] of [
    ["fresh", () => new Probe()],
    ["bound", () => Probe.bound()],
    ["connected", () => connectedProbe()],
  ] as const) {
    test(`UdpSocket.close() of one that is ${state}: every method throws EBADF, and the descriptor is gone`, async () => {
      const probe = make();
      const { socket } = probe;
      const released: number[] = [];
      socket.whenReleased((unsent) => released.push(unsent));
      socket.whenReleased((unsent) => released.push(unsent + 1));
      socket.close();
      expect(released).toEqual([]);
      expect([socket.state, socket.fileno(), socket.readReady, socket.writeReady]).toEqual([
        "closed",
        -1,
        false,
        false,
      ]);
      for (const [name, call] of calls) expect([name, codeOf(() => call(socket))]).toEqual([name, "EBADF"]);
      socket.close();
      socket.abort();
      socket.flush();
      socket.observe(probe);
      socket.observe(undefined);
      socket.cut(osError("ETIMEDOUT"));
      expect([socket.takeError(), socket.observer]).toEqual([undefined, undefined]);
      await turns(2);
      socket.whenReleased((unsent) => released.push(unsent + 2));
      expect(released).toEqual([0, 1, 2]);
    });
  }

  function connectedProbe(): Probe {
    const probe = new Probe();
    probe.socket.connect(["127.0.0.1", 9]);
    return probe;
  }

  test("UdpSocket.close() frees the address at once, with datagrams unread", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    for (let i = 0; i < 10; i++) a.socket.sendto("x", b.address);
    await until(() => b.socket.readReady, "a datagram");
    const { address } = b;
    b.socket.close();
    using next = new Probe(address);
    a.socket.sendto("for the next", address);
    expect((await next.next())[0]).toBe("for the next");
  });

  test("UdpSocket.cut() ends it with an error that the next recv() throws", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    a.socket.sendto("unread", b.address);
    await until(() => b.socket.readReady, "a datagram");
    const told = b.changed;
    b.socket.cut(osError("ETIMEDOUT", { syscall: "recv" }));
    b.socket.cut(osError("EPIPE"));
    expect([b.socket.state, b.socket.readReady, b.changed, b.socket.fileno()]).toEqual([
      "ended",
      true,
      told + 1,
      -1,
    ]);
    expect(codeOf(() => b.socket.send("x"))).toBe("EBADF");
    expect([codeOf(() => b.socket.recvfrom()), b.socket.recvfrom()]).toEqual(["ETIMEDOUT", undefined]);
    b.socket.close();
    expect(b.socket.state).toBe("closed");
  });

  test("UdpSocket.shutdown() ends one direction of a connected socket", async () => {
    using a = Probe.bound();
    using b = Probe.bound();
    expect(codeOf(() => a.socket.shutdown(SHUT_WR))).toBe("ENOTCONN");
    expect(codeOf(() => a.socket.shutdown(9))).toBe("ArgumentRangeError");
    await a.connected(b);
    a.socket.shutdown(SHUT_WR);
    expect([codeOf(() => a.socket.send("x")), a.socket.writeReady]).toEqual(["EPIPE", false]);
    b.socket.sendto("still heard", a.address);
    expect((await a.next())[0]).toBe("still heard");
    a.socket.shutdown(SHUT_RD);
    b.socket.sendto("not heard", a.address);
    await turns(5);
    expect([a.socket.readReady, a.socket.recv(), a.socket.state]).toEqual([false, undefined, "open"]);
  });

  test("UdpSocket has nothing of what streams have", () => {
    using a = Probe.bound();
    const { socket } = a;
    const codes = [
      () => socket.listen(1),
      () => socket.accept(),
      () => socket.startTls({}),
      () => socket.recvUrgent(),
      () => socket.sendUrgent("x"),
    ].map(codeOf);
    expect(codes).toEqual(Array.from({ length: 5 }, () => "EOPNOTSUPP"));
    expect([socket.type, socket.family, socket.tls, socket.bufferedAmount]).toEqual([
      SOCK_DGRAM,
      AF_INET,
      undefined,
      0,
    ]);
  });
});

describe("without the C library", () => {
  needsLibc(`UdpSocket and its Dispatcher do the same but for options${why}`, async () => {
    const files = ["test/socket/udp.test.ts", "test/dispatcher/udp.test.ts"];
    const child = Bun.spawn([process.execPath, "test", "--timeout", "30000", ...files], {
      cwd: `${import.meta.dir}/../..`,
      env: { ...process.env, ASYNCORE_FFI: "0" },
      stdout: "ignore",
      stderr: "pipe",
    });
    const said = await child.stderr.text();
    const code = await child.exited;
    if (code !== 0) console.error(said);
    expect(code).toBe(0);
    expect(Number(/(\d+) pass/.exec(said)?.[1])).toBeGreaterThan(90);
  });
});
