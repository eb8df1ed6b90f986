/** STARTTLS: TLS that begins on a connection that stands, in both modes. */
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import {
  AF_INET,
  ChannelMap,
  closeAll,
  Dispatcher,
  loop,
  type Socket,
  streamLimits,
  TLSError,
} from "asyncore";

import { ca, server, stranger } from "../support/certificates.ts";
import { until } from "../support/until.ts";

let map = new ChannelMap();
const foreign: net.Socket[] = [];
afterEach(() => {
  closeAll(map, true);
  map = new ChannelMap();
  for (const socket of foreign.splice(0)) socket.destroy();
});

/** Answers STARTTLS, and echoes lines, saying whether they came through TLS. */
class Service extends Dispatcher {
  static beforeTls = "";
  readonly events: string[] = [];
  error: unknown;
  override handleRead(): void {
    const text = this.recv().toString();
    if (text === "") return;
    this.events.push(text);
    if (text.startsWith("STARTTLS\n")) {
      this.send((this.constructor as typeof Service).beforeTls + "go\n");
      this.startTls(server);
      this.send("greeting\n");
    } else this.send(`${this.socket?.tls === undefined ? "plain" : "tls"}:${text}`);
  }
  override handleSecure(): void {
    this.events.push("secure");
  }
  override handleError(error: unknown): void {
    this.error = error;
    this.events.push("error");
    this.close();
  }
  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
}

class Server extends Dispatcher {
  service: Service | undefined;
  readonly #kind: typeof Service;
  constructor(kind: typeof Service = Service) {
    super(undefined, map);
    this.#kind = kind;
    this.createSocket(AF_INET);
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  get port(): number {
    return this.getsockname()[1] as number;
  }
  override handleAccepted(socket: Socket): void {
    this.service = new this.#kind(socket, map);
  }
}

class Client extends Dispatcher {
  readonly events: string[] = [];
  plain = "";
  secret = "";
  error: unknown;
  readonly trusted: string;
  constructor(port: number, trusted = ca, host = "localhost") {
    super(undefined, map);
    this.trusted = trusted;
    this.createSocket(AF_INET);
    this.connect([host, port]);
  }
  override handleConnect(): void {
    this.events.push("connect");
    this.send("STARTTLS\n");
  }
  override handleRead(): void {
    const text = this.recv().toString();
    if (this.socket?.tls === undefined) {
      this.plain += text;
      if (this.plain.endsWith("go\n")) this.startTls({ ca: this.trusted });
    } else this.secret += text;
  }
  override handleSecure(): void {
    this.events.push("secure");
    this.send("hello\n");
  }
  override handleError(error: unknown): void {
    this.error = error;
    this.events.push("error");
    this.close();
  }
  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
}

/** A client that is not ours. */
async function plainClient(port: number): Promise<{ socket: net.Socket; received: () => string }> {
  const socket = net.connect(port, "127.0.0.1");
  foreign.push(socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("error", () => undefined);
  await new Promise((resolve) => {
    socket.once("connect", resolve);
  });
  return { socket, received: () => text };
}

describe.each(["push", "poll"])("startTls() in %s mode", (mode) => {
  const start = (): void => {
    if (mode === "poll") void loop({ timeout: 1, map });
  };

  test("goes on with the same dispatchers, and tells each end once", async () => {
    const listener = new Server();
    const client = new Client(listener.port);
    start();
    await until(() => client.secret === "greeting\ntls:hello\n");
    expect(client.events).toEqual(["connect", "secure"]);
    expect(client.plain).toBe("go\n");
    expect(listener.service?.events).toEqual(["STARTTLS\n", "secure", "hello\n"]);
    expect(client.socket?.tls?.authorized).toBe(true);
    // The name that connect() was given is the name that was asked for.
    expect(listener.service?.socket?.tls?.serverName).toBe("localhost");
  });

  test("the client refuses a certificate it does not trust", async () => {
    const listener = new Server();
    const client = new Client(listener.port, stranger.cert);
    start();
    await until(() => client.error !== undefined && listener.service?.error !== undefined);
    expect(client.error).toBeInstanceOf(TLSError);
    expect(client.events).toEqual(["connect", "error"]);
    expect(listener.service?.events).toEqual(["STARTTLS\n", "error"]);
  });

  test("a command injected behind STARTTLS in the same packet is refused, and nothing of it is answered", async () => {
    const listener = new Server(
      class extends Service {
        override handleRead(): void {
          if (this.events.length > 0) {
            super.handleRead();
            return;
          }
          // A line at a time, as a protocol reads: the rest stays in the buffer.
          this.events.push(this.recv(9).toString());
          this.send("go\n");
          this.startTls(server);
        }
      },
    );
    start();
    const { socket, received } = await plainClient(listener.port);
    socket.write("STARTTLS\nINJECTED\n");
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toMatchObject({ reason: "PLAINTEXT_BEHIND" });
    expect(listener.service?.events).toEqual(["STARTTLS\n", "error"]);
    await until(() => socket.readyState !== "open" && socket.readyState !== "opening");
    expect(received()).not.toContain("INJECTED");
  });

  test("plaintext that comes after the go-ahead is a failed handshake", async () => {
    const listener = new Server();
    start();
    const { socket } = await plainClient(listener.port);
    socket.write("STARTTLS\n");
    await until(() => listener.service?.events.length === 1);
    socket.write("INJECTED\n");
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toBeInstanceOf(TLSError);
    expect(listener.service?.events).toEqual(["STARTTLS\n", "error"]);
  });

  test("a peer that ends instead of a handshake is a failed handshake", async () => {
    const listener = new Server();
    start();
    const { socket } = await plainClient(listener.port);
    socket.write("STARTTLS\n");
    await until(() => listener.service?.events.length === 1);
    socket.end();
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toMatchObject({ reason: "DISCONNECTED" });
  });

  test("a handshake that does not come ends at its deadline", async () => {
    const listener = new Server(
      class extends Service {
        static override limits = streamLimits({ handshakeTimeoutMs: 50 });
      },
    );
    start();
    const { socket } = await plainClient(listener.port);
    socket.write("STARTTLS\n");
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toMatchObject({ reason: "HANDSHAKE_TIMEOUT" });
    expect(listener.service?.error).toMatchObject({ code: "ETIMEDOUT" });
  });

  test("what was sent before goes out in plain, also when the peer takes it slowly", async () => {
    const bulk = "x".repeat(8 * 1024 * 1024) + "\n";
    const listener = new Server(
      class extends Service {
        static override beforeTls = bulk;
      },
    );
    start();
    const { socket, received } = await plainClient(listener.port);
    socket.pause();
    socket.write("STARTTLS\n");
    await until(() => (listener.service?.bufferedAmount ?? 0) > 0);
    socket.resume();
    await until(() => received().length === bulk.length + 3);
    expect(received().endsWith("\ngo\n")).toBe(true);
    socket.removeAllListeners("data");
    const secure = tls.connect({ socket, ca, servername: "localhost" });
    let text = "";
    secure.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    secure.on("secureConnect", () => secure.write("over tls\n"));
    await until(() => text === "greeting\ntls:over tls\n");
  });

  test("plaintext while what was sent before is still going out is refused", async () => {
    const bulk = "x".repeat(8 * 1024 * 1024) + "\n";
    const listener = new Server(
      class extends Service {
        static override beforeTls = bulk;
      },
    );
    start();
    const { socket } = await plainClient(listener.port);
    socket.pause();
    socket.write("STARTTLS\n");
    await until(() => (listener.service?.bufferedAmount ?? 0) > 0);
    socket.write("INJECTED\n");
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toMatchObject({ reason: "PLAINTEXT_BEHIND" });
    expect(listener.service?.events).toEqual(["STARTTLS\n", "error"]);
  });

  test("close() during the handshake ends it, and no hook runs", async () => {
    const listener = new Server(
      class extends Service {
        override handleRead(): void {
          this.recv();
          this.events.push("read");
          this.send("go\n");
          this.startTls(server);
          this.close();
        }
      },
    );
    const client = new Client(listener.port);
    start();
    await until(() => client.error !== undefined || client.events.includes("close"));
    expect(listener.service?.events).toEqual(["read"]);
    await until(() => listener.service?.socket?.state === "closed");
  });
});

describe("misuse of startTls()", () => {
  test("before a socket, before a connect, twice, after close, with options that are wrong", async () => {
    const channel = new Dispatcher(undefined, map);
    expect(() => channel.startTls({ ca })).toThrow("ENOTSOCK");
    channel.createSocket(AF_INET);
    expect(() => channel.startTls({ ca })).toThrow("ENOTCONN");
    const listener = new Server();
    const client = new Client(listener.port);
    await until(() => client.secret !== "");
    expect(() => client.startTls({ ca })).toThrow("EALREADY");
    client.close();
    expect(() => client.startTls({ ca })).toThrow("EBADF");
    expect(() => listener.startTls({})).toThrow(TLSError);
    expect(() => listener.startTls({ key: server.key, cert: stranger.cert })).toThrow("KEY_VALUES_MISMATCH");
  });
});
