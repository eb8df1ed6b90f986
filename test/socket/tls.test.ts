/** TLS of a socket: which options are refused, who is let in, and what a session tells. `test/integration/tls-*` is about peers that misbehave. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

import {
  AF_INET,
  AF_UNIX,
  ChannelMap,
  closeAll,
  Dispatcher,
  SOCK_DGRAM,
  type Socket,
  streamLimits,
  TLSError,
  type TlsIdentity,
  type TlsOptions,
  type TlsVersion,
} from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { TcpSocket } from "../../src/socket/tcp.ts";
import { inMode, modes } from "../regress/modes.ts";
import { ca, client, expired, other, pathOf, server, stranger } from "../support/certificates.ts";
import { SecureChannel, secureClient, SecureEcho, SecureServer, trusting } from "../support/secure.ts";
import { turns, until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map, true));
const folder = mkdtempSync(path.join(tmpdir(), "asyncore-"));
afterAll(() => rmSync(folder, { recursive: true }));

class Client extends SecureChannel {
  override handleConnect(): void {
    void super.handleConnect();
    this.send("hello");
  }
}
const versions: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];

/** A client of `to`, once its "hello" has come back or it is over. */
async function served(to: SecureServer, options: TlsOptions = trusting): Promise<Client> {
  const channel = secureClient(to.address, options, new Client(undefined, map));
  await until(() => channel.received === "hello" || channel.over, "an outcome");
  return channel;
}

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

function make(options: unknown): Socket {
  return TcpSocket.create(AF_INET, undefined, options as TlsOptions);
}

// --- options -------------------------------------------------------------------------------------------------

const nowhere = path.join(folder, "nowhere.pem");
const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const wrong: readonly (readonly [name: string, options: unknown, reason: string])[] = [
  ["null", null, "NO_OPTIONS"],
  ["true", true, "NO_OPTIONS"],
  ["text", "tls", "NO_OPTIONS"],
  ["an option that is none", { ca, checkServerIdentity: () => undefined }, "UNKNOWN_OPTION"],
  ["a key without its certificate", { key: server.key }, "NO_CERTIFICATE"],
  ["a certificate without its key", { cert: server.cert }, "NO_KEY"],
  ["a key and another one's certificate", { key: server.key, cert: other.cert }, "KEY_VALUES_MISMATCH"],
  ["key and certificate in each other's place", { key: server.cert, cert: server.key }, "NO_START_LINE"],
  ["a key that is no PEM", { ...server, key: Buffer.from("not PEM") }, "NO_PEM"],
  ["a certificate that is only half PEM", { ...server, cert: garbage }, "DECODE_ERROR"],
  ["a path to nowhere", { ...server, key: nowhere }, "NO_PEM"],
  ["a folder", { ...server, cert: folder }, "NO_PEM"],
  ["an URL that is no file's", { ...server, key: new URL("http://127.0.0.1/key.pem") }, "NO_PEM"],
  ["an empty path", { ...server, key: "" }, "NO_PEM"],
  ["a key that is a number", { ...server, key: 5 }, "NO_PEM"],
  ["an authority that is no PEM", { ca: "nothing" }, "NO_PEM"],
  ["an authority without a certificate", { ca: server.key }, "NO_CERTIFICATE"],
  ["an authority that is only half PEM", { ca: garbage }, "REFUSED"],
  ["ciphers nobody knows", { ca, ciphers: "NOTHING" }, "NO_CIPHER_MATCH"],
  ["ciphers of TLS 1.3", { ca, ciphers: "TLS_AES_128_GCM_SHA256" }, "WRONG_OPTION"],
  ["ciphers that are a list", { ca, ciphers: ["HIGH"] }, "WRONG_OPTION"],
  ["a version that is too old", { ca, minVersion: "TLSv1.1" }, "NO_VERSION"],
  ["versions that leave none", { ca, minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, "NO_VERSION"],
  ["ALPN as text", { ca, alpnProtocols: "h2" }, "ALPN"],
  ["ALPN with nothing to choose from", { ca, alpnProtocols: [] }, "ALPN"],
  ["an ALPN name of no bytes", { ca, alpnProtocols: ["h2", ""] }, "ALPN"],
  ["an ALPN name of 256 bytes", { ca, alpnProtocols: ["x".repeat(256)] }, "ALPN"],
  ["an ALPN name that is none", { ca, alpnProtocols: [null] }, "ALPN"],
  ["more ALPN names than fit", { ca, alpnProtocols: Array(300).fill("x".repeat(255)) }, "ALPN"],
  ["an empty server name", { ca, serverName: "" }, "WRONG_OPTION"],
  ["a server name with a NUL", { ca, serverName: "localhost\0.example" }, "WRONG_OPTION"],
  ["a server name that is none", { ca, serverName: 5 }, "WRONG_OPTION"],
  ["a session that is text", { ca, session: "session" }, "WRONG_OPTION"],
  ["a session that is null", { ca, session: null }, "WRONG_OPTION"],
  ["rejectUnauthorized that is 0", { ca, rejectUnauthorized: 0 }, "WRONG_OPTION"],
  ["rejectUnauthorized that is null", { ca, rejectUnauthorized: null }, "WRONG_OPTION"],
  ["requestCert that is text", { ...server, requestCert: "yes" }, "WRONG_OPTION"],
  ["sni that is text", { ...server, sni: "localhost" }, "WRONG_OPTION"],
  ["sni with an address", { ...server, sni: { "127.0.0.1": other } }, "SNI"],
  [
    "sni with half an identity",
    { ...server, sni: { "other.example": { key: other.key } } },
    "NO_CERTIFICATE",
  ],
];

describe("TLS options that are wrong", () => {
  test.each(wrong)("createSocket({ tls }) refuses %s", (_name, options, reason) => {
    const error = thrown(() => make(options)) as TLSError;
    expect(error).toBeInstanceOf(TLSError);
    expect([error.reason, error.phase, error.code]).toEqual([reason, "options", "EINVAL"]);
  });

  test("a passphrase that is wrong is refused, and is not in the message", () => {
    const cipher = { cipher: "aes-256-cbc", passphrase: "open sesame" };
    const key: string | Buffer = createPrivateKey(server.key).export({
      type: "pkcs8",
      format: "pem",
      ...cipher,
    });
    for (const passphrase of [undefined, "", "open simsim", 5]) {
      const options = { key, cert: server.cert, ...(passphrase === undefined ? {} : { passphrase }) };
      const error = thrown(() => make(options)) as TLSError;
      expect([error.phase, error.message.includes("sim")]).toEqual(["options", false]);
    }
    make({ key, cert: server.cert, passphrase: "open sesame" }).close();
  });

  test("a listener without key and certificate does not listen, least of all in plain", async () => {
    for (const options of [{}, { ca }]) {
      const listener = new Dispatcher(undefined, map);
      listener.createSocket({ family: AF_INET, tls: options });
      listener.bind(["127.0.0.1", 0]);
      const [, port] = listener.getsockname() as [string, number];
      const error = thrown(() => listener.listen()) as TLSError;
      expect([error.reason, error.phase]).toEqual(["NO_KEY", "options"]);
      // Without the C library it listens since bind(), and resets whoever comes.
      const socket = net.connect(port, "127.0.0.1");
      let received = "";
      socket.on("data", (chunk) => (received += chunk.toString()));
      const ended = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => undefined);
      await ended;
      expect(received).toBe("");
    }
  });

  test("datagrams have no TLS", () => {
    const channel = new Dispatcher(undefined, map);
    expect(() => channel.createSocket({ family: AF_INET, type: SOCK_DGRAM, tls: { ca } })).toThrow(
      "EPROTONOSUPPORT",
    );
  });
});

describe("the forms of a key and a certificate", () => {
  const copied = path.join(folder, "a key.pem");
  copyFileSync(pathOf("server-key"), copied);
  const bytes = new TextEncoder();
  const forms: readonly (readonly [string, TlsIdentity, TlsOptions["ca"]])[] = [
    ["text", server, ca],
    ["bytes", { key: bytes.encode(server.key), cert: Buffer.from(server.cert) }, Buffer.from(ca)],
    ["paths", { key: pathOf("server-key"), cert: pathOf("server") }, pathOf("ca")],
    [
      "URLs",
      { key: pathToFileURL(copied), cert: pathToFileURL(pathOf("server")) },
      pathToFileURL(pathOf("ca")),
    ],
    ["Bun.file()", { key: Bun.file(copied), cert: Bun.file(pathOf("server")) }, Bun.file(pathOf("ca"))],
    [
      "text behind other text",
      { key: `# ours\n${server.key}`, cert: `subject\n${server.cert}` },
      `\r\n${ca}`,
    ],
    ["a list of authorities", server, [stranger.cert, pathOf("ca")]],
  ];
  test.each(forms)("%s", async (_name, identity, authorities) => {
    const listener = new SecureServer(map, { ...identity });
    const channel = await served(listener, { ca: authorities as string, serverName: "localhost" });
    expect([channel.events, channel.received]).toEqual([["connect"], "hello"]);
  });

  test("a file is read again for a new object of options, and only then", async () => {
    const file = path.join(folder, "renewed.pem");
    const keyFile = path.join(folder, "renewed-key.pem");
    const write = ({ key, cert }: { key: string; cert: string }): void => {
      writeFileSync(file, cert);
      writeFileSync(keyFile, key);
    };
    write(other);
    const options = { key: keyFile, cert: file };
    const first = new SecureServer(map, options);
    write(server);
    const second = new SecureServer(map, options);
    const third = new SecureServer(map, { ...options });
    for (const [listener, name] of [
      [first, "other.example"],
      [second, "other.example"],
      [third, "localhost"],
    ] as const) {
      expect((await served(listener, { ca, serverName: name })).received).toBe("hello");
    }
  });
});

// --- who is let in -------------------------------------------------------------------------------------------

describe("a client's certificate", () => {
  const strict: TlsOptions = { ...server, ca, requestCert: true };

  for (const version of versions) {
    for (const [name, identity, reason] of [
      ["none", {}, "PEER_DID_NOT_RETURN_A_CERTIFICATE"],
      ["one nobody signed", stranger, "DEPTH_ZERO_SELF_SIGNED_CERT"],
      ["an expired one", expired, "CERT_HAS_EXPIRED"],
    ] as const) {
      test(`${version}: ${name} is refused, and the client is told that it is no ordinary end`, async () => {
        const listener = new SecureServer(map, strict);
        const options = { ...trusting, ...identity, minVersion: version, maxVersion: version };
        const channel = secureClient(listener.address, options, new Client(undefined, map));
        await until(() => channel.over && listener.failures.length === 1, "the refusal");
        expect(listener.reasons).toEqual([reason]);
        expect(listener.accepted).toEqual([]);
        expect(listener.accepting).toBe(true);
        // TLS 1.3 has the client finish before the server looks.
        expect(channel.error).toBeInstanceOf(Error);
        expect(channel.events).not.toContain("close");
        expect(channel.received).toBe("");
      });
    }
  }

  test("with rejectUnauthorized: false everybody comes in, and the session says who", async () => {
    const listener = new SecureServer(map, { ...strict, rejectUnauthorized: false });
    for (const identity of [{}, stranger, client]) await served(listener, { ...trusting, ...identity });
    const told = listener.accepted.map((channel) => {
      const session = channel.socket?.tls;
      const { authorized, authorizationError, peerCertificate } = session ?? {};
      return [
        authorized,
        (authorizationError as TLSError | undefined)?.reason,
        peerCertificate?.subject["CN"],
      ];
    });
    expect(told.slice(1)).toEqual([
      [false, "DEPTH_ZERO_SELF_SIGNED_CERT", "localhost"],
      [true, undefined, "a client"],
    ]);
    expect(told[0]?.[0]).toBe(false);
    expect(told[0]?.[2]).toBeUndefined();
  });
});

describe("the server's name", () => {
  test("an address that connect() is given must be in the certificate", async () => {
    expect((await served(new SecureServer(map, { ...server }), { ca })).received).toBe("hello");
    const refused = await served(new SecureServer(map, { ...other }), { ca });
    expect(refused.events).toEqual(["error ERR_TLS_CERT_ALTNAME_INVALID (handshake)"]);
  });

  test("a unix socket has no name: serverName says whom to expect", async () => {
    const at = path.join(folder, "named.sock");
    class Server extends Dispatcher {
      override handleAccepted(socket: Socket): void {
        new SecureEcho(socket, map);
      }
      override handleError(): void {}
    }
    const listener = new Server(undefined, map);
    listener.createSocket({ family: AF_UNIX, tls: other });
    listener.bind(at);
    listener.listen();
    for (const [serverName, result] of [
      ["other.example", "hello"],
      ["localhost", ""],
    ] as const) {
      const channel = new Client(undefined, map);
      channel.createSocket({ family: AF_UNIX, tls: { ca, serverName } });
      channel.connect(at);
      await until(() => channel.received !== "" || channel.over, "an outcome");
      expect(channel.received).toBe(result);
    }
  });
});

// --- SNI -----------------------------------------------------------------------------------------------------

describe("sni", () => {
  const refusing: readonly (readonly [string, () => unknown, string])[] = [
    [
      "throws",
      () => {
        throw new Error("no such host");
      },
      "no such host",
    ],
    ["rejects", async () => Promise.reject(new Error("the database is down")), "the database is down"],
    ["gives null", () => null, "null"],
    ["gives text", () => "localhost", "a server needs a key and a certificate"],
    ["gives half an identity", () => ({ key: other.key }), "a key needs its certificate"],
    ["gives an identity that does not fit", () => ({ ...other, key: server.key }), "KEY_VALUES_MISMATCH"],
    ["gives half an identity later", async () => ({ cert: other.cert }), "a certificate needs its key"],
  ];
  test.each(refusing)("that %s refuses the connection, and the failure says why", async (_name, sni, why) => {
    const listener = new SecureServer(map, { ...server, sni: sni as () => undefined });
    const channel = await served(listener);
    await until(() => listener.failures.length === 1, "the failure");
    const [failure] = listener.failures as [TLSError];
    expect([failure.reason, failure.phase]).toEqual(["CONNECTION_REJECTED", "handshake"]);
    expect(failure.message).toContain(why);
    expect((failure.cause as Error).message).toContain(why);
    expect(channel.events).toEqual(["error DISCONNECTED (handshake)"]);
    expect(listener.accepted).toEqual([]);
  });

  test("that refuses on startTls() says why, too", async () => {
    class Upgrading extends SecureChannel {
      override handleRead(): void {
        this.recv();
        this.send("go");
        this.startTls({
          ...server,
          sni: () => {
            throw new Error("no such host");
          },
        });
      }
    }
    class Server extends Dispatcher {
      channel: SecureChannel | undefined;
      override handleAccepted(socket: Socket): void {
        this.channel = new Upgrading(socket, map);
      }
    }
    const listener = new Server(undefined, map);
    listener.createSocket(AF_INET);
    listener.bind(["127.0.0.1", 0]);
    listener.listen();
    class Asking extends SecureChannel {
      override handleConnect(): void {
        this.send("tls?");
      }
      override handleRead(): void {
        this.recv();
        this.startTls(trusting);
      }
    }
    const channel = new Asking(undefined, map);
    channel.createSocket(AF_INET);
    channel.connect(listener.getsockname());
    await until(() => listener.channel?.over === true && channel.over, "the refusal");
    expect(listener.channel?.events).toEqual(["error CONNECTION_REJECTED (handshake)"]);
    expect(String(listener.channel?.error)).toContain("no such host");
  });

  test("that never settles ends at the handshake's deadline", async () => {
    const limits = streamLimits({ handshakeTimeoutMs: 50 });
    const never = new Promise<undefined>(() => {});
    const listener = new SecureServer(map, { ...server, sni: () => never }, SecureEcho, limits);
    await served(listener);
    await until(() => listener.failures.length === 1, "the deadline");
    expect(listener.reasons).toEqual(["HANDSHAKE_TIMEOUT"]);
    expect(listener.failures[0]?.code).toBe("ETIMEDOUT");
  });

  test("that settles when the client has gone, or the listener, does no harm", async () => {
    const settle: ((identity?: TlsIdentity) => void)[] = [];
    const listener = new SecureServer(map, {
      ...server,
      sni: () => {
        const { promise, resolve } = Promise.withResolvers<TlsIdentity | undefined>();
        settle.push(resolve);
        return promise;
      },
    });
    for (const identity of [other, undefined, {} as TlsIdentity]) {
      const { length } = settle;
      const channel = secureClient(listener.address, trusting, new Client(undefined, map));
      await until(() => settle.length > length, "the question");
      channel.abort();
      await until(() => listener.failures.length > length, "the loss");
      settle[length]?.(identity);
      await turns(3);
    }
    expect(listener.reasons).toEqual(["DISCONNECTED", "DISCONNECTED", "DISCONNECTED"]);
    const last = secureClient(listener.address, trusting, new Client(undefined, map));
    await until(() => settle.length === 4, "the question");
    listener.close();
    settle[3]?.(other);
    await until(() => last.over, "the end");
    expect(last.events).toEqual(["error DISCONNECTED (handshake)"]);
  });

  test("takes any thenable, asks for names in lower case, and asks nobody who has no name", async () => {
    const asked: string[] = [];
    const listener = new SecureServer(map, {
      ...server,
      sni: (name) => {
        asked.push(name);
        const thenable = new (class {
          // eslint-disable-next-line unicorn/no-thenable -- it is about this
          then(took: (identity: TlsIdentity) => void): void {
            took(other);
          }
        })();
        return thenable as Promise<TlsIdentity>;
      },
    });
    expect((await served(listener, { ca, serverName: "Other.Example" })).received).toBe("hello");
    const nameless = net.connect(listener.port, "127.0.0.1");
    nameless.on("error", () => undefined);
    nameless.write("not TLS at all\r\n");
    await until(() => listener.failures.length === 1, "the failure");
    nameless.destroy();
    expect(asked).toEqual(["other.example"]);
  });
});

// --- ALPN ----------------------------------------------------------------------------------------------------

describe("alpnProtocols", () => {
  const longest = "p".repeat(255);
  const cases: readonly (readonly [string[] | undefined, string[] | undefined, string | undefined])[] = [
    [["h2", "http/1.1"], ["http/1.1", "h2"], "h2"],
    [["a"], undefined, undefined],
    [undefined, ["a"], undefined],
    [[longest, "b"], ["b", longest], longest],
    [["é", "日本"], ["日本", "é"], "é"],
    [["h2,http/1.1"], ["h2,http/1.1"], "h2,http/1.1"],
  ];
  for (const version of versions) {
    test.each(cases)(
      `${version}: of the server's %j and the client's %j: %p`,
      async (offered, wanted, agreed) => {
        const own = offered === undefined ? {} : { alpnProtocols: offered };
        const asked = wanted === undefined ? {} : { alpnProtocols: wanted };
        const listener = new SecureServer(map, { ...server, ...own });
        const channel = await served(listener, { ...trusting, ...asked, maxVersion: version });
        expect(channel.received).toBe("hello");
        expect(channel.socket?.tls?.alpnProtocol).toBe(agreed as string);
        expect(listener.first.socket?.tls?.alpnProtocol).toBe(agreed as string);
      },
    );
  }
});

// --- sessions ------------------------------------------------------------------------------------------------

async function sessionOf(listener: SecureServer, options: TlsOptions): Promise<Buffer> {
  const channel = await served(listener, options);
  await until(() => channel.socket?.tls?.session !== undefined, "the session");
  const session = channel.socket?.tls?.session as Buffer;
  channel.close();
  return session;
}

describe.each(versions)("a session to resume, %s", (version) => {
  const pinned = { minVersion: version, maxVersion: version };

  test("is resumed, and says so at both ends", async () => {
    const listener = new SecureServer(map, { ...server });
    const options = { ...trusting, ...pinned };
    const session = await sessionOf(listener, options);
    const again = await served(listener, { ...options, session });
    expect([again.received, again.socket?.tls?.protocol, again.socket?.tls?.resumed]).toEqual([
      "hello",
      version,
      true,
    ]);
    expect(listener.accepted.map((channel) => channel.socket?.tls?.resumed).at(-1)).toBe(true);
    expect(again.socket?.tls?.authorized).toBe(true);
  });

  test("that is garbage, cut short or another server's is passed over", async () => {
    const listener = new SecureServer(map, { ...server });
    const options = { ...trusting, ...pinned };
    const session = await sessionOf(listener, options);
    const foreign = await sessionOf(new SecureServer(map, { ...server }), options);
    for (const bad of [Buffer.from("garbage"), Buffer.alloc(0), session.subarray(0, 50), foreign]) {
      const channel = await served(listener, { ...options, session: bad });
      expect([channel.received, channel.socket?.tls?.resumed]).toEqual(["hello", false]);
    }
  });

  test.each([
    ["a certificate nobody signed", stranger, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["an expired certificate", expired, "CERT_HAS_EXPIRED"],
    ["another name's certificate", other, "ERR_TLS_CERT_ALTNAME_INVALID"],
  ])("does not make %s a good one", async (_name, identity, reason) => {
    const listener = new SecureServer(map, identity);
    const lax = { ...trusting, ...pinned, rejectUnauthorized: false };
    const session = await sessionOf(listener, lax);
    const resumed = await served(listener, { ...lax, session });
    expect([resumed.socket?.tls?.resumed, resumed.socket?.tls?.authorized]).toEqual([true, false]);
    const strict = await served(listener, { ...trusting, ...pinned, session });
    expect(strict.events).toEqual([`error ${reason} (handshake)`]);
  });

  test("does not answer for another name", async () => {
    const listener = new SecureServer(map, { ...server });
    const session = await sessionOf(listener, { ...trusting, ...pinned });
    const channel = await served(listener, { ca, serverName: "other.example", ...pinned, session });
    expect(channel.events).toEqual(["error ERR_TLS_CERT_ALTNAME_INVALID (handshake)"]);
  });

  test("carries the client's certificate with it", async () => {
    const listener = new SecureServer(map, { ...server, ca, requestCert: true });
    const options = { ...trusting, ...client, ...pinned };
    const session = await sessionOf(listener, options);
    const again = await served(listener, { ...options, session });
    expect(again.socket?.tls?.resumed).toBe(true);
    const seen = listener.accepted.at(-1)?.socket?.tls;
    expect([seen?.authorized, seen?.peerCertificate?.subject["CN"]]).toEqual([true, "a client"]);
  });
});

// --- what TLS has not, and how failures are told ---------------------------------------------------------------

test.if(libc() !== undefined)("urgent data is refused with TLS, for it would go out in plain", async () => {
  const listener = new SecureServer(map);
  const channel = await served(listener);
  const { socket } = channel as { socket: Socket };
  expect(() => socket.sendUrgent("SECRET!")).toThrow("EOPNOTSUPP");
  expect(() => socket.recvUrgent()).toThrow("EOPNOTSUPP");
  channel.send(" again");
  await until(() => channel.received === "hello again", "the session is sound");
  expect(listener.first.over).toBe(false);
});

describe.each(modes)("failed handshakes in %s mode", (mode) => {
  test("a hundred at once are told at once, and a good client behind them is served", async () => {
    await inMode(mode, async (into) => {
      const listener = new SecureServer(into);
      const bad = Array.from({ length: 100 }, () => {
        const socket = net.connect(listener.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
        socket.on("error", () => undefined);
        return socket;
      });
      const channel = secureClient(listener.address, trusting, new Client(undefined, into));
      // Far below the hundred times 64 ms that waiting longer and longer would take.
      await until(
        () => listener.failures.length === 100 && channel.received === "hello",
        "all of them",
        3000,
      );
      expect(new Set(listener.reasons)).toEqual(new Set(["HTTP_REQUEST"]));
      for (const socket of bad) socket.destroy();
    });
  });
});
