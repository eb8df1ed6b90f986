/** The PROXY protocol with those who speak it: HAProxy in front of us, behind us, and curl. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";

import { type Address, AF_INET, AF_UNIX, Dispatcher, type Socket, TLSError, type TlsOptions } from "asyncore";
import {
  encodeProxyHeader,
  type ProxyHeader,
  type ProxyHeaderInit,
  type ProxyOutcome,
  proxyPolicy,
  type ProxyProtocolError,
  ProxyReader,
} from "asyncore/server";
import { HAProxy, noHAProxy } from "../support/haproxy.ts";
import { until, within } from "../support/until.ts";

/** One connection as the server saw it. */
interface Seen {
  readonly header: ProxyHeader | undefined;
  readonly addr: Address | undefined;
  readonly peer: Address;
  received: string;
}

/** Keeps everything, and answers each chunk with who it came from. */
class Served extends Dispatcher {
  readonly seen: Seen;

  constructor(socket: Socket, header: ProxyHeader | undefined) {
    super(socket);
    this.seen = { header, addr: this.addr, peer: this.getpeername(), received: "" };
  }
  override handleRead(): void {
    const chunk = this.recv();
    if (chunk.length === 0) return;
    this.seen.received += chunk.toString("latin1");
    if (!this.seen.received.startsWith("GET ")) this.send(`you are ${String(this.addr)}\n`);
    else if (this.seen.received.endsWith("\r\n\r\n")) {
      this.send(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nyou are ${String(this.addr)}`);
      this.close();
    }
  }
  override handleClose(): void {
    this.close();
  }
  // Of those that only looked whether HAProxy listens: they leave in the middle of a handshake.
  override handleError(error: unknown): void {
    if (!(error instanceof TLSError)) throw error;
    this.close();
  }
}

/** The server behind the proxy. */
class Behind extends Dispatcher implements ProxyOutcome {
  readonly seen: Seen[] = [];
  readonly errors: ProxyProtocolError[] = [];
  readonly #policy = proxyPolicy({ trusted: ["127.0.0.1", "unix"] });

  constructor(address: Address) {
    super();
    this.createSocket(typeof address === "string" ? AF_UNIX : AF_INET);
    this.bind(address);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new ProxyReader(socket, this.#policy, this);
  }
  proxyRead(socket: Socket, header: ProxyHeader | undefined): void {
    this.seen.push(new Served(socket, header).seen);
  }
  proxyFailed(_socket: Socket, error: ProxyProtocolError): void {
    this.errors.push(error);
  }
  get port(): number {
    return (this.getsockname() as [string, number])[1];
  }
  /** The connection on which `text` came in. */
  got(text: string): Seen | undefined {
    return this.seen.find(({ received }) => received.includes(text));
  }
}

/** Begins TLS behind the header. */
class BehindInTls extends Behind {
  identity: TlsOptions | undefined;

  override createSocket(): void {
    super.createSocket({ preface: true });
  }
  override proxyRead(socket: Socket, header: ProxyHeader | undefined): void {
    if (header?.command === "local") {
      socket.close();
      return;
    }
    super.proxyRead(socket, header);
    socket.startTls(this.identity ?? {});
  }
}

/** A client that says `text` and waits for an answer or the end; its own address, and what it heard. */
async function say(
  port: number,
  text: string | Buffer,
  from?: string,
): Promise<[local: Address, heard: string]> {
  const { promise, resolve, reject } = Promise.withResolvers<[Address, string]>();
  const socket = net.connect({
    host: "127.0.0.1",
    port,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  let local: Address = "";
  let heard = "";
  socket.on("connect", () => {
    local = [socket.localAddress ?? "", socket.localPort ?? 0];
    socket.write(text);
  });
  socket.on("data", (chunk) => {
    heard += chunk.toString();
    socket.end();
  });
  socket.on("close", () => resolve([local, heard]));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNRESET") resolve([local, heard]);
    else reject(error);
  });
  try {
    return await within(promise, "an answer");
  } finally {
    socket.destroy();
  }
}

function makeCertificate(folder: string, name: string, commonName: string): void {
  const { exitCode, stderr } = Bun.spawnSync([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    `/CN=${commonName}`,
    "-addext",
    `subjectAltName=DNS:${commonName}`,
    "-keyout",
    path.join(folder, `${name}.key`),
    "-out",
    path.join(folder, `${name}.crt`),
  ]);
  if (exitCode !== 0) throw new Error(`openssl: ${stderr.toString()}`);
  const both = ["crt", "key"]
    .map((kind) => readFileSync(path.join(folder, `${name}.${kind}`), "utf8"))
    .join("");
  writeFileSync(path.join(folder, `${name}.pem`), both);
}

/** Places in the list of ports. */
const Port = { V1: 0, V2: 1, Extras: 2, Tls: 3, Relay: 4, TlsBehind: 5 } as const;

const hasOpenssl = Bun.which("openssl") !== null;
const missing = hasOpenssl ? noHAProxy : " (SKIPPED: no openssl on the PATH)";

describe(`behind HAProxy${missing}`, () => {
  if (missing !== "") {
    test.skip(`the PROXY headers of HAProxy${missing}`, () => {});
    return;
  }

  let behind: Behind;
  let behindUnix: Behind;
  let behindInTls: BehindInTls;
  let proxy: HAProxy;

  beforeAll(async () => {
    behind = new Behind(["127.0.0.1", 0]);
    behindInTls = new BehindInTls(["127.0.0.1", 0]);
    proxy = await HAProxy.start(
      6,
      (binds, folder) => {
        const us = `server us 127.0.0.1:${behind.port}`;
        return `
listen v1
  bind ${binds[Port.V1]}
  ${us} send-proxy
listen v2
  bind ${binds[Port.V2]}
  ${us} send-proxy-v2
listen extras
  bind ${binds[Port.Extras]}
  unique-id-format id-%ci:%cp
  ${us} send-proxy-v2 proxy-v2-options crc32c,unique-id check check-send-proxy inter 100
listen tls
  bind ${binds[Port.Tls]} ssl crt ${folder}/server.pem alpn h2,http/1.1 verify optional ca-file ${folder}/client.crt
  ${us} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c
listen relay
  bind ${binds[Port.Relay]} accept-proxy
  ${us} send-proxy-v2
listen tls_behind
  bind ${binds[Port.TlsBehind]}
  server us 127.0.0.1:${behindInTls.port} send-proxy-v2 ssl verify none
listen unix
  bind unix@${folder}/front
  server us unix@${folder}/behind send-proxy-v2
`;
      },
      (folder) => {
        makeCertificate(folder, "server", "app.example");
        makeCertificate(folder, "client", "Ada Lovelace");
        behindUnix = new Behind(path.join(folder, "behind"));
        const file = (name: string): string => readFileSync(path.join(folder, name), "utf8");
        behindInTls.identity = { key: file("server.key"), cert: file("server.crt") };
      },
    );
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    behind.close();
    behindUnix.close();
    behindInTls.close();
  });

  test.each([
    [Port.V1, 1],
    [Port.V2, 2],
  ] as const)("send-proxy, port %p: version %p names the client", async (port, version) => {
    const text = `hello over version ${version}`;
    const [local, heard] = await say(proxy.ports[port] ?? 0, text);
    expect(heard).toBe(`you are ${String(local)}\n`);
    const seen = behind.got(text);
    expect(seen).toMatchObject({ addr: local, received: text });
    expect(seen?.header).toEqual({
      version,
      command: "proxy",
      transport: "stream",
      source: local,
      destination: ["127.0.0.1", proxy.ports[port] ?? 0],
      checksum: false,
      clientVerified: false,
    });
    // The connection itself is HAProxy's.
    expect(seen?.peer).not.toEqual(local);
  });

  test("a large request right behind the header arrives whole", async () => {
    for (const port of [Port.V1, Port.V2]) {
      const text = `${port}${"0123456789abcdef".repeat(60_000)}`;
      const [local] = await say(proxy.ports[port] ?? 0, text);
      await until(
        () => behind.seen.some(({ addr, received }) => String(addr) === String(local) && received === text),
        "all of it",
      );
    }
  });

  test("crc32c and unique-id", async () => {
    const [local] = await say(proxy.ports[Port.Extras] ?? 0, "hello with extras");
    const header = behind.got("hello with extras")?.header;
    expect(header).toMatchObject({ checksum: true, source: local });
    expect(Buffer.from(header?.uniqueId ?? []).toString()).toBe(`id-${String(local).replace(",", ":")}`);
  });

  test("health checks are LOCAL, and nobody's but the proxy's own", async () => {
    const isCheck = ({ header }: Seen): boolean => header?.command === "local";
    await until(() => behind.seen.some(isCheck), "a health check");
    const check = behind.seen.find(isCheck);
    expect(check?.header?.source).toBeUndefined();
    expect(check?.addr).toEqual(check?.peer);
  });

  test.each([
    ["without a certificate", false],
    ["with a certificate", true],
  ])("TLS that ended at the proxy, a client %s", async (_name, withCertificate) => {
    const file = (name: string): string => readFileSync(path.join(proxy.folder, name), "utf8");
    const text = `hello over TLS ${String(withCertificate)}`;
    const socket = tls.connect({
      host: "127.0.0.1",
      port: proxy.ports[Port.Tls] ?? 0,
      servername: "app.example",
      ca: file("server.crt"),
      ALPNProtocols: ["http/1.1"],
      ...(withCertificate ? { key: file("client.key"), cert: file("client.crt") } : {}),
    });
    const failures: Error[] = [];
    socket.on("error", (error) => failures.push(error));
    socket.on("secureConnect", () => socket.write(text));
    try {
      await until(() => behind.got(text) !== undefined || failures.length > 0, "the text");
      expect(failures).toEqual([]);
      expect(behind.got(text)?.header).toMatchObject({
        source: ["127.0.0.1", socket.localPort ?? 0],
        authority: "app.example",
        alpn: "http/1.1",
        checksum: true,
        clientVerified: withCertificate,
        ssl: {
          client: withCertificate ? 7 : 1,
          // Also without a certificate: why clientVerified is not the same.
          verify: 0,
          version: expect.stringMatching(/^TLSv1\.[23]$/) as string,
          cipher: expect.stringMatching(/^[A-Z0-9_-]{10,}$/) as string,
          signatureAlgorithm: "RSA-SHA256",
          keyAlgorithm: "RSA2048",
          ...(withCertificate ? { commonName: "Ada Lovelace" } : {}),
        },
      });
    } finally {
      socket.destroy();
    }
  });

  test("TLS between the proxy and us, which begins right behind the header", async () => {
    for (let round = 0; round < 5; round++) {
      const text = `hello through both ${round}`;
      const [local, heard] = await say(proxy.ports[Port.TlsBehind] ?? 0, text);
      expect(heard).toBe(`you are ${String(local)}\n`);
      expect(behindInTls.got(text)).toMatchObject({ addr: local, header: { source: local } });
    }
  });

  test("over unix sockets, where HAProxy names no client", async () => {
    const socket = net.connect(path.join(proxy.folder, "front"), () => socket.write("hello over unix"));
    try {
      await until(() => behindUnix.got("hello over unix") !== undefined, "the text");
      expect(behindUnix.got("hello over unix")).toMatchObject({
        addr: "",
        peer: "",
        header: { source: undefined },
      });
    } finally {
      socket.destroy();
    }
  });

  const source: Address = ["192.0.2.77", 4711];
  const destination: Address = ["192.0.2.9", 443];
  test.each<[string, ProxyHeaderInit]>([
    ["version 1", { version: 1, source, destination }],
    ["version 1 over IPv6", { version: 1, source: ["2001:db8::7", 1], destination: ["2001:db8::9", 2] }],
    ["version 2", { source, destination }],
    ["version 2 over IPv6", { source: ["2001:db8::7", 1], destination: ["2001:db8::9", 2] }],
    ["a checksum", { source, destination, checksum: true }],
    [
      "everything",
      {
        source,
        destination,
        checksum: true,
        alpn: "h2",
        authority: "app.example",
        uniqueId: Buffer.from("abc"),
        netns: "blue",
        ssl: { client: 1, verify: 0, version: "TLSv1.3" },
        tlvs: [{ type: 0xe0, value: Buffer.from("mine") }],
      },
    ],
  ])("HAProxy understands what encodeProxyHeader() writes: %s", async (name, init) => {
    const text = `relayed ${name}`;
    await say(proxy.ports[Port.Relay] ?? 0, Buffer.concat([encodeProxyHeader(init), Buffer.from(text)]));
    const seen = behind.seen.find(({ received }) => received === text);
    expect(seen?.header).toMatchObject({ source: init.source, destination: init.destination });
  });

  test("HAProxy refuses a header whose checksum is wrong, as we do", async () => {
    const header = encodeProxyHeader({ source, destination, checksum: true });
    header.writeUInt8(78, 19);
    const [, heard] = await say(
      proxy.ports[Port.Relay] ?? 0,
      Buffer.concat([header, Buffer.from("wrong checksum")]),
    );
    expect([heard, behind.got("wrong checksum")]).toEqual(["", undefined]);
    const [, ours] = await say(behind.port, Buffer.concat([header, Buffer.from("wrong checksum")]));
    expect([ours, behind.got("wrong checksum")]).toEqual(["", undefined]);
    expect(behind.errors.some(({ fault }) => fault === "CHECKSUM")).toBe(true);
  });

  test("HAProxy has sent nothing that we refused", () => {
    // Port checks, which send nothing, apart.
    const faults = new Set(behind.errors.map(({ fault }) => fault));
    faults.delete("CHECKSUM");
    faults.delete("CLOSED");
    expect([...faults]).toEqual([]);
  });
});

describe("without a proxy", () => {
  let behind: Behind;
  beforeAll(() => {
    behind = new Behind(["127.0.0.1", 0]);
  });
  afterAll(() => behind.close());

  const hasCurl = Bun.which("curl") !== null;
  test.skipIf(!hasCurl)(
    `curl --haproxy-protocol${hasCurl ? "" : " (SKIPPED: no curl on the PATH)"}`,
    async () => {
      const curl = Bun.spawn(
        [
          "curl",
          "-sS",
          "--noproxy",
          "*",
          "--max-time",
          "20",
          "--haproxy-protocol",
          `http://127.0.0.1:${behind.port}/`,
        ],
        { stdout: "pipe", stderr: "pipe" },
      );
      const [answer, complaint] = await Promise.all([curl.stdout.text(), curl.stderr.text()]);
      expect([await curl.exited, complaint]).toEqual([0, ""]);
      expect(answer).toMatch(/^you are 127\.0\.0\.1,\d+$/);
      const [seen] = behind.seen;
      // curl is its own proxy.
      expect(seen).toMatchObject({ header: { version: 1, source: seen?.peer }, addr: seen?.peer });
      expect(seen?.received).toStartWith("GET / HTTP/1.1\r\n");
    },
  );

  test("a client that sends no header is reset", async () => {
    const [, heard] = await say(behind.port, "GET / HTTP/1.1\r\n\r\n");
    expect([heard, behind.errors.at(-1)?.fault]).toEqual(["", "MISSING"]);
  });

  test("a header from an address that is not trusted is refused", async () => {
    const header = encodeProxyHeader({ source: ["192.0.2.1", 1], destination: ["192.0.2.9", 2] });
    const before = behind.seen.length;
    const [, heard] = await say(behind.port, Buffer.concat([header, Buffer.from("spoofed")]), "127.0.0.66");
    expect([heard, behind.seen.length]).toEqual(["", before]);
    expect(behind.errors.at(-1)).toMatchObject({ fault: "UNTRUSTED", code: "EACCES", address: "127.0.0.66" });
  });
});
