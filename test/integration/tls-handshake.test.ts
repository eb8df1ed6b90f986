// Handshakes with peers that do not want one: what they say, or leave unsaid, costs them their connection and nobody else
// anything.
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import { type Address, ChannelMap, closeAll, streamLimits, type TLSError } from "asyncore";

import { inMode, modes } from "../regress/modes.ts";
import { Foreign } from "../examples/foreign.ts";
import { ca, pathOf, server } from "../support/certificates.ts";
import {
  clientHello,
  SecureChannel,
  secureClient,
  SecureEcho,
  SecureServer,
  trusting,
} from "../support/secure.ts";
import { until, untilSteady } from "../support/until.ts";
import { cpuMs, descriptors, hasProc, noProc } from "./support/process-stat.ts";
import { Program } from "./support/program.ts";
import { RawPeer } from "./support/raw.ts";

const hello = await clientHello();
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const record = (type: number, body: Buffer): Buffer => {
  const head = Buffer.from([type, 3, 1, 0, 0]);
  head.writeUInt16BE(body.length, 3);
  return Buffer.concat([head, body]);
};
const at = (bytes: Buffer, index: number, value: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[index] = value;
  return copy;
};

/** What a client begins with, and the reason its handshake fails for. */
const openings: readonly (readonly [name: string, bytes: Buffer, reason: string])[] = [
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: here\r\n\r\n"), "HTTP_REQUEST"],
  ["an HTTP proxy request", Buffer.from("CONNECT here:443 HTTP/1.1\r\n\r\n"), "HTTPS_PROXY_REQUEST"],
  ["a line of text", Buffer.from("EHLO client.example\r\n"), "WRONG_VERSION_NUMBER"],
  ["zeros", Buffer.alloc(1000), "WRONG_VERSION_NUMBER"],
  ["0xff bytes", Buffer.alloc(1000, 0xff), "WRONG_VERSION_NUMBER"],
  ["a megabyte of noise", Buffer.alloc(1024 * 1024, "noise"), "WRONG_VERSION_NUMBER"],
  ["SSL 2", hex("80 2e 01 00 02 00 15 00 00 00 10 07 00 c0"), "WRONG_VERSION_NUMBER"],
  ["a fatal alert", hex("15 0301 0002 02 28"), "SSLV3_ALERT_HANDSHAKE_FAILURE"],
  ["application data", record(23, Buffer.alloc(16)), "UNEXPECTED_RECORD"],
  [
    "a record that is too long",
    Buffer.concat([hex("16 0301 ffff"), Buffer.alloc(70_000)]),
    "ENCRYPTED_LENGTH_TOO_LONG",
  ],
  [
    "a hundred empty records",
    Buffer.concat(Array<Buffer>(100).fill(record(22, Buffer.alloc(0)))),
    "TOO_MANY_EMPTY_FRAGMENTS",
  ],
  ["a handshake message nobody knows", record(22, hex("63 000000")), "UNEXPECTED_MESSAGE"],
  ["a ServerHello", record(22, hex("02 000000")), "UNEXPECTED_MESSAGE"],
  ["a ClientHello of 16 MiB", record(22, hex("01 ffffff")), "EXCESSIVE_MESSAGE_SIZE"],
  ["an empty ClientHello", record(22, hex("01 000000")), "CLIENTHELLO_PARSE_FAILED"],
  [
    "a ClientHello cut short by its own length",
    at(hello, 8, (hello[8] as number) - 1),
    "CLIENTHELLO_PARSE_FAILED",
  ],
  [
    "a whole ClientHello, then noise",
    Buffer.concat([hello, Buffer.alloc(100, "noise")]),
    "WRONG_VERSION_NUMBER",
  ],
];

const peers: RawPeer[] = [];
const map = new ChannelMap();
afterEach(() => {
  for (const peer of peers.splice(0)) peer[Symbol.dispose]();
  closeAll(map, true);
});

async function peerOf(address: Address, options = {}): Promise<RawPeer> {
  const peer = await RawPeer.connect(address, { answersFin: true, ...options });
  peers.push(peer);
  return peer;
}

/** Shows that `listener` still serves who has manners. */
async function serves(listener: SecureServer, into: ChannelMap): Promise<void> {
  const good = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
  good.send("hello");
  await until(() => good.received === "hello", "the good client's echo");
  good.close();
}

describe.each(modes)("a client with no handshake, in %s mode", (mode) => {
  test.each(openings)("%s is a failed handshake, and the end", async (_name, bytes, reason) => {
    await inMode(mode, async (into) => {
      const listener = new SecureServer(into);
      const peer = await peerOf(listener.address);
      peer.send(bytes);
      await until(() => listener.failures.length === 1 && peer.closed, "the failure and the end");
      expect(listener.reasons).toEqual([reason]);
      const [failure] = listener.failures as [TLSError];
      expect([failure.phase, failure.code]).toEqual(["handshake", "EPROTO"]);
      expect(listener.accepted).toEqual([]);
      await serves(listener, into);
    });
  });

  test("every prefix of a ClientHello that is followed by FIN or RST is a failed handshake", async () => {
    await inMode(mode, async (into) => {
      const listener = new SecureServer(into);
      const lengths = [0, 1, 4, 5, 6, 9, 100, hello.length - 1, hello.length];
      for (const length of lengths) {
        for (const end of ["shutdown", "terminate"] as const) {
          const before = listener.failures.length;
          const peer = await peerOf(listener.address);
          if (length > 0) peer.send(hello.subarray(0, length));
          peer.wire?.[end]();
          await until(
            () => listener.failures.length > before,
            `the failure after ${length} bytes and ${end}`,
          );
        }
      }
      expect(listener.reasons).toEqual(lengths.flatMap(() => ["DISCONNECTED", "DISCONNECTED"]));
      expect(new Set(listener.failures.map(({ code }) => code))).toEqual(new Set(["ECONNRESET"]));
      await serves(listener, into);
    });
  });

  test("who says nothing, half a ClientHello, or a byte now and then is cut at the deadline, not before", async () => {
    await inMode(mode, async (into) => {
      const handshakeTimeoutMs = 300;
      const listener = new SecureServer(into, server, SecureEcho, streamLimits({ handshakeTimeoutMs }));
      const began = performance.now();
      const silent = await peerOf(listener.address);
      const half = await peerOf(listener.address);
      half.send(hello.subarray(0, hello.length >> 1));
      const slow = await peerOf(listener.address);
      let sent = 0;
      const drip = setInterval(() => slow.send(hello.subarray(sent, ++sent)), 20);
      await serves(listener, into);
      expect(listener.failures).toEqual([]);
      await until(() => listener.failures.length === 3, "the deadlines");
      clearInterval(drip);
      expect(performance.now() - began).toBeWithin(handshakeTimeoutMs - 10, handshakeTimeoutMs * 5);
      expect(listener.reasons).toEqual(Array<string>(3).fill("HANDSHAKE_TIMEOUT"));
      expect(listener.failures.map(({ code }) => code)).toEqual(Array<string>(3).fill("ETIMEDOUT"));
      await until(() => silent.closed && half.closed && slow.closed, "their ends");
      expect(sent).toBeLessThan(hello.length);
    });
  });
});

// --- the client's end ----------------------------------------------------------------------------------------

/** Answers whoever connects with `bytes`, then as `end` says. */
async function answering(
  bytes: Buffer | string,
  end: "stays" | "ends" | "resets",
): Promise<[Address, net.Server]> {
  const listener = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (bytes.length > 0) socket.write(bytes);
      if (end === "ends") socket.end();
      if (end === "resets") socket.resetAndDestroy();
    });
  });
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  return [["127.0.0.1", (listener.address() as net.AddressInfo).port], listener];
}

describe.each(modes)("a server with no handshake, in %s mode", (mode) => {
  test.each([
    ["text", "220 mail.example ESMTP\r\n", "stays", "WRONG_VERSION_NUMBER", "EPROTO"],
    ["an alert", hex("15 0303 0002 02 28"), "stays", "SSLV3_ALERT_HANDSHAKE_FAILURE", "EPROTO"],
    ["a ClientHello", hello, "stays", "UNEXPECTED_MESSAGE", "EPROTO"],
    ["nothing, for ever", "", "stays", "HANDSHAKE_TIMEOUT", "ETIMEDOUT"],
    ["half a record, for ever", hex("16 0303 0100 02"), "stays", "HANDSHAKE_TIMEOUT", "ETIMEDOUT"],
    ["nothing, and ends", "", "ends", "DISCONNECTED", "ECONNRESET"],
    ["nothing, and resets", "", "resets", "DISCONNECTED", "ECONNRESET"],
  ] as const)("that says %s fails the connect", async (_name, bytes, end, reason, code) => {
    await inMode(mode, async (into) => {
      const [address, listener] = await answering(bytes, end);
      class Hurried extends SecureChannel {
        static override limits = streamLimits({ handshakeTimeoutMs: 200 });
      }
      const channel = secureClient(address, trusting, new Hurried(undefined, into));
      // Owed to the peer until the handshake fails; never sent in plain.
      channel.send("a secret");
      await until(() => channel.over, "the failure");
      expect(channel.events).toEqual([`error ${reason} (handshake)`]);
      expect((channel.error as TLSError).code).toBe(code);
      await until(() => channel.socket?.state === "closed", "the release");
      listener.close();
    });
  });
});

test("a refused connect is a refusal, not a failed handshake", async () => {
  const [address, listener] = await answering("", "stays");
  await new Promise((closed) => listener.close(closed));
  const channel = secureClient(address, trusting, new SecureChannel(undefined, map));
  await until(() => channel.over, "the failure");
  expect(channel.events).toEqual(["error ECONNREFUSED"]);
});

// --- foreign clients -----------------------------------------------------------------------------------------

describe("openssl s_client", () => {
  const openssl = Bun.which("openssl");
  const name = (text: string): string => (openssl === null ? `${text} (SKIPPED: no openssl)` : text);
  for (const version of ["-tls1_2", "-tls1_3"]) {
    test.skipIf(openssl === null)(
      name(`speaks to us with ${version}, and sees our close_notify`),
      async () => {
        const listener = new SecureServer(map);
        const [host, port] = listener.address as [string, number];
        await using program = new Foreign([
          "openssl",
          "s_client",
          "-connect",
          `${host}:${port}`,
          "-servername",
          "localhost",
          "-CAfile",
          pathOf("ca"),
          "-verify_return_error",
          "-verify_hostname",
          "localhost",
          version,
          "-msg",
          "-ign_eof",
        ]);
        await program.tell("hello\n");
        await until(() => program.stdout.includes("\nhello\n"), "the echo");
        listener.first.close();
        expect(await program.ended()).toBe(0);
        expect(program.stdout).toContain("Verify return code: 0 (ok)");
        const ends = program.stdout.split("\n").filter((line) => /^(<<<|>>>).*close_notify/.test(line));
        expect(ends[0]).toStartWith("<<<");
        await until(() => listener.first.socket?.state === "closed", "the release");
      },
    );
  }

  test.skipIf(openssl === null)(name("with a version that is too old is told so"), async () => {
    const listener = new SecureServer(map);
    const [host, port] = listener.address as [string, number];
    await using program = new Foreign([
      "openssl",
      "s_client",
      "-connect",
      `${host}:${port}`,
      "-tls1_1",
      "-cipher",
      "ALL:@SECLEVEL=0",
    ]);
    await until(() => listener.failures.length === 1, "the failure");
    expect(listener.reasons).toEqual(["UNSUPPORTED_PROTOCOL"]);
    expect(await program.ended()).not.toBe(0);
    expect(program.stderr).toContain("alert protocol version");
  });

  test.skipIf(openssl === null)(name("that wishes to renegotiate breaks its session"), async () => {
    const listener = new SecureServer(map, { ...server, maxVersion: "TLSv1.2" });
    const [host, port] = listener.address as [string, number];
    await using program = new Foreign(["openssl", "s_client", "-connect", `${host}:${port}`, "-ign_eof"]);
    await until(() => listener.accepted.length === 1, "the connection");
    await program.tell("hello\n");
    await until(() => program.stdout.includes("\nhello\n"), "the echo");
    // With -ign_eof, s_client takes no commands; so this one goes to a program that does.
    await using commanding = new Foreign(["openssl", "s_client", "-connect", `${host}:${port}`]);
    await until(() => listener.accepted.length === 2, "the second connection");
    await commanding.tell("R\n");
    const second = listener.accepted[1] as SecureChannel;
    await until(() => second.over, "the end of the session");
    expect(second.events).toEqual(["error NO_RENEGOTIATION (established)"]);
    expect(await commanding.ended()).not.toBe(0);
    expect(listener.first.over).toBe(false);
  });
});

// --- many of them --------------------------------------------------------------------------------------------

async function state(child: Program): Promise<{ accepted: number; reasons: Record<string, number> }> {
  child.tell({});
  const answer = await child.answer((one) => one["accepted"] !== undefined, "the state");
  return answer as unknown as { accepted: number; reasons: Record<string, number> };
}

/** How long a good client takes until its byte has come back. */
async function goodClient([host, port]: [string, number]): Promise<number> {
  const began = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = tls.connect({ host, port, ca, servername: "localhost" }, () => socket.write("x"));
  socket.on("data", () => resolve()).on("error", reject);
  try {
    await promise;
  } finally {
    socket.destroy();
  }
  return performance.now() - began;
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe.each(modes)("a thousand handshakes that do not go on, in %s mode", (mode) => {
  test.skipIf(!hasProc)(
    `use no CPU, do not stop a good client, and end at their deadline${hasProc ? "" : ` (${noProc})`}`,
    async () => {
      const timeoutMs = 8000;
      await using child = Program.bun("tls-server.ts", [String(timeoutMs), mode]);
      const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
      const address = listening as [string, number];
      await goodClient(address);
      await untilSteady(() => descriptors(child.pid), "the good client's end");
      const before = descriptors(child.pid);
      const all: RawPeer[] = [];
      for (let i = 0; i < 1000; i++) {
        const peer = await peerOf(address);
        if (i % 2 === 0) peer.send(hello.subarray(0, hello.length >> 1));
        all.push(peer);
      }
      await until(() => descriptors(child.pid) >= before + 1000, "all of them");
      // A late garbage collection is no spin: the calmer of two windows counts.
      const used: number[] = [];
      for (let i = 0; i < 2; i++) {
        const busy = cpuMs(child.pid);
        await pause(1000);
        used.push(cpuMs(child.pid) - busy);
      }
      expect(Math.min(...used)).toBeLessThanOrEqual(20);
      expect(await goodClient(address)).toBeLessThan(3000);
      expect(all.filter((peer) => peer.closed)).toEqual([]);
      await until(() => all.every((peer) => peer.closed), "the deadlines", 20_000);
      // A pass of poll mode accepts one.
      let { reasons } = await state(child);
      for (let i = 0; i < 1000 && reasons["HANDSHAKE_TIMEOUT"] !== 1000; i++)
        ({ reasons } = await state(child));
      expect(reasons).toEqual({ HANDSHAKE_TIMEOUT: 1000 });
      await goodClient(address);
      await until(() => descriptors(child.pid) <= before, "the release of every descriptor");
    },
    60_000,
  );
});

describe("more handshakes than may be under way at once", () => {
  const most = 1024;

  const run = test.skipIf(!hasProc);
  run(
    `a rush of clients is served whole, also those whose turn comes late${hasProc ? "" : ` (${noProc})`}`,
    async () => {
      await using child = Program.bun("tls-server.ts", ["30000"]);
      const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
      const [host, port] = listening as [string, number];
      using waiting = new DisposableStack();
      const sockets: net.Socket[] = [];
      const connect = (): void => {
        const socket = net.connect(port, host);
        waiting.defer(() => socket.destroy());
        socket.on("error", () => undefined);
        sockets.push(socket);
      };
      const before = descriptors(child.pid);
      while (sockets.length < most - 10) {
        for (let i = 0; i < 100; i++) connect();
        // Not faster than they are accepted, for the kernel's queue is finite.
        await until(() => descriptors(child.pid) - before >= Math.min(sockets.length, most - 10), "them");
      }
      // From here on one more than there may be comes with each that begins; they wait in the kernel.
      let served = 0;
      for (let i = 0; i < sockets.length; i++) {
        if (sockets.length < most + 400) connect();
        const secure = tls.connect({ socket: sockets[i], ca, servername: "localhost" }, () =>
          secure.write("x"),
        );
        secure.on("error", () => undefined);
        secure.once("data", () => {
          served++;
          secure.destroy();
        });
        // A few at a time, for they are one process.
        await until(() => i - served < 20, `the echoes of the first ${i}`);
      }
      await until(() => served === sockets.length, "all echoes");
      expect(await state(child)).toMatchObject({ accepted: sockets.length, reasons: {} });
    },
    60_000,
  );

  test("those that do not go on give way, and a good client behind them has not long to wait", async () => {
    await using child = Program.bun("tls-server.ts", ["20000"]);
    const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
    const address = listening as [string, number];
    await goodClient(address);
    for (let i = 0; i < most + 400; i++) {
      const peer = await peerOf(address);
      if (i % 2 === 0) peer.send(hello.subarray(0, hello.length >> 1));
    }
    // Their own deadline would come after twenty seconds.
    expect(await goodClient(address)).toBeLessThan(8000);
    const { reasons } = await state(child);
    expect(Object.keys(reasons)).toEqual(["CROWDED_OUT"]);
    expect(reasons["CROWDED_OUT"]).toBeGreaterThanOrEqual(most / 2);
  }, 60_000);
});
