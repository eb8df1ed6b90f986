/** TLS as a property of a socket: who is told what, and when. */
import { afterEach, describe, expect, test } from "bun:test";

import {
  AF_INET,
  type Address,
  ChannelMap,
  closeAll,
  Dispatcher,
  type OSError,
  type Socket,
  TLSError,
  type TlsOptions,
} from "asyncore";

import { ca, client, expired, other, server, stranger } from "../support/certificates.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map, true));

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

class Server extends Dispatcher {
  readonly accepted: Echo[] = [];
  readonly errors: TLSError[] = [];
  constructor(tls: TlsOptions) {
    super(undefined, map);
    this.createSocket({ family: AF_INET, tls });
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    this.accepted.push(new Echo(socket, map));
  }
  override handleError(error: unknown): void {
    if (!(error instanceof TLSError)) throw error;
    this.errors.push(error);
  }
}

class Client extends Dispatcher {
  events: string[] = [];
  received = "";
  error: OSError | undefined;
  begin(address: Address, tls: TlsOptions): this {
    this.createSocket({ family: AF_INET, tls });
    this.connect(address);
    return this;
  }
  override handleConnect(): void {
    this.events.push("connect");
    this.send("hello");
  }
  override handleRead(): void {
    this.received += this.recv().toString();
  }
  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
  override handleError(error: unknown): void {
    this.events.push("error");
    this.error = error as OSError;
    this.close();
  }
}

const trusting: TlsOptions = { ca, serverName: "localhost" };

function connected(to: Server, tls: TlsOptions = trusting): Client {
  return new Client(undefined, map).begin(to.getsockname(), tls);
}

describe("TLS", () => {
  test("handleConnect() and handleAccepted() come after the handshake, and bytes go both ways", async () => {
    const listener = new Server(server);
    const channel = connected(listener);
    await until(() => channel.received === "hello");
    expect(channel.events).toEqual(["connect"]);
    expect(listener.accepted).toHaveLength(1);
    const { tls } = channel.socket as Socket;
    expect(tls?.protocol).toBe("TLSv1.3");
    expect(tls?.authorized).toBe(true);
    expect(tls?.peerCertificate?.subject["CN"]).toBe("localhost");
    expect(listener.accepted[0]?.socket?.tls?.serverName).toBe("localhost");
    expect(listener.accepted[0]?.socket?.tls?.authorized).toBe(false);
    await until(() => tls?.session !== undefined);
  });

  test("a session is resumed", async () => {
    const listener = new Server(server);
    const first = connected(listener);
    await until(() => first.received === "hello" && first.socket?.tls?.session !== undefined);
    const session = first.socket?.tls?.session as Buffer;
    first.close();
    const second = connected(listener, { ...trusting, session });
    await until(() => second.received === "hello");
    expect(second.socket?.tls?.resumed).toBe(true);
  });

  test.each([
    ["a certificate nobody signed", stranger, {}, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["an expired certificate", expired, {}, "CERT_HAS_EXPIRED"],
    ["another name's certificate", other, {}, "ERR_TLS_CERT_ALTNAME_INVALID"],
  ])("the client refuses %s, and handleError() says why", async (_name, identity, more, reason) => {
    const listener = new Server(identity);
    const channel = connected(listener, { ...trusting, ...more });
    await until(() => channel.error !== undefined && listener.errors.length > 0);
    expect(channel.events).toEqual(["error"]);
    expect(channel.error).toBeInstanceOf(TLSError);
    expect((channel.error as TLSError).reason).toBe(reason);
    expect((channel.error as TLSError).phase).toBe("handshake");
    expect(listener.accepted).toHaveLength(0);
    const lenient = connected(listener, { ...trusting, rejectUnauthorized: false });
    await until(() => lenient.received === "hello");
    expect(lenient.socket?.tls?.authorized).toBe(false);
    expect(lenient.socket?.tls?.authorizationError).toMatchObject({ reason });
  });

  test("mutual TLS: only a client whose certificate verifies is accepted", async () => {
    const listener = new Server({ ...server, ca, requestCert: true });
    const good = connected(listener, { ...trusting, ...client });
    await until(() => good.received === "hello");
    expect(listener.accepted[0]?.socket?.tls?.peerCertificate?.subject["CN"]).toBe("a client");
    expect(listener.accepted[0]?.socket?.tls?.authorized).toBe(true);
    for (const bad of [trusting, { ...trusting, ...stranger }]) {
      const errors = listener.errors.length;
      const channel = connected(listener, bad);
      await until(() => listener.errors.length > errors && !channel.connected && !channel.connecting);
    }
    expect(listener.accepted).toHaveLength(1);
    expect(listener.accepting).toBe(true);
  });

  test("SNI: by record with wildcards, by function, later, and refused", async () => {
    const record = new Server({ ...server, sni: { "*.wild.example": other } });
    const wild = connected(record, { ca, serverName: "a.wild.example" });
    await until(() => wild.received === "hello");
    const unknown = connected(record, { ca, serverName: "localhost" });
    await until(() => unknown.received === "hello");
    const asked: string[] = [];
    const lookup = new Server({
      ...server,
      sni: async (name) => {
        asked.push(name);
        await Promise.resolve();
        if (name === "nobody.example") throw new Error("no such host");
        return name === "other.example" ? other : undefined;
      },
    });
    const late = connected(lookup, { ca, serverName: "OTHER.example" });
    await until(() => late.received === "hello");
    const refused = connected(lookup, { ca, serverName: "nobody.example" });
    await until(() => refused.error !== undefined && lookup.errors.length === 1);
    expect(asked).toEqual(["other.example", "nobody.example"]);
    expect(lookup.errors[0]?.reason).toBe("CONNECTION_REJECTED");
  });

  test("ALPN: the server chooses, and refuses when there is nothing in common", async () => {
    const listener = new Server({ ...server, alpnProtocols: ["h2", "http/1.1"] });
    const channel = connected(listener, { ...trusting, alpnProtocols: ["x", "http/1.1"] });
    await until(() => channel.received === "hello");
    expect(channel.socket?.tls?.alpnProtocol).toBe("http/1.1");
    expect(listener.accepted[0]?.socket?.tls?.alpnProtocol).toBe("http/1.1");
    const without = connected(listener);
    await until(() => without.received === "hello");
    expect(without.socket?.tls?.alpnProtocol).toBeUndefined();
    const refused = connected(listener, { ...trusting, alpnProtocols: ["y"] });
    await until(() => refused.error !== undefined && listener.errors.length === 1);
    expect((refused.error as TLSError).reason).toContain("NO_APPLICATION_PROTOCOL");
  });

  test("versions: none in common fails both ends, and a pinned one is used", async () => {
    const listener = new Server({ ...server, minVersion: "TLSv1.3" });
    const old = connected(listener, { ...trusting, maxVersion: "TLSv1.2" });
    await until(() => old.error !== undefined && listener.errors.length === 1);
    expect(listener.errors[0]?.reason).toBe("UNSUPPORTED_PROTOCOL");
    const both = new Server({ ...server, maxVersion: "TLSv1.2" });
    const channel = connected(both);
    await until(() => channel.received === "hello");
    expect(channel.socket?.tls?.protocol).toBe("TLSv1.2");
  });

  test("ciphers: the one that was chosen is the one that is used", async () => {
    const listener = new Server({
      ...server,
      maxVersion: "TLSv1.2",
      ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384",
    });
    const channel = connected(listener);
    await until(() => channel.received === "hello");
    expect(channel.socket?.tls?.cipher).toBe("ECDHE-ECDSA-AES256-GCM-SHA384");
  });

  test("startTls() on a listener renews the certificate, and open connections go on", async () => {
    const listener = new Server(server);
    const before = connected(listener);
    await until(() => before.received === "hello");
    listener.startTls(other);
    const after = connected(listener, { ca, serverName: "other.example" });
    await until(() => after.received === "hello");
    before.send(" again");
    await until(() => before.received === "hello again");
  });
});
