/** STARTTLS with AsyncChat, which reads ahead: what it has read and not handed on is plaintext all the same. */
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import { AF_INET, AsyncChat, ChannelMap, closeAll, Dispatcher, type Socket } from "asyncore";

import { ca, server } from "../support/certificates.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
const foreign: net.Socket[] = [];
afterEach(() => {
  closeAll(map, true);
  for (const socket of foreign.splice(0)) socket.destroy();
});

/** Lines; STARTTLS begins TLS, whatever else is echoed with what carried it. */
class Service extends AsyncChat {
  readonly lines: string[] = [];
  error: unknown;
  #line: Buffer[] = [];
  readonly later: boolean;
  constructor(socket: Socket, later = false) {
    super(socket, map);
    this.later = later;
    this.setTerminator("\r\n");
  }
  override collectIncomingData(data: Buffer): void {
    this.#line.push(data);
  }
  override foundTerminator(): void | Promise<void> {
    const line = Buffer.concat(this.#line.splice(0)).toString();
    this.lines.push(line);
    if (line === "STARTTLS") {
      this.push("220 go\r\n");
      this.startTls(server);
    } else this.push(`${this.socket?.tls === undefined ? "plain" : "tls"} ${line}\r\n`);
    return this.later ? Promise.resolve() : undefined;
  }
  override handleError(error: unknown): void {
    this.error = error;
    this.close();
  }
}

class Server extends Dispatcher {
  service: Service | undefined;
  readonly later: boolean;
  constructor(later = false) {
    super(undefined, map);
    this.later = later;
    this.createSocket(AF_INET);
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    this.service = new Service(socket, this.later);
  }
}

function dial(to: Server): { socket: net.Socket; text: () => string } {
  const socket = net.connect(to.getsockname()[1] as number, "127.0.0.1");
  foreign.push(socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("error", () => undefined);
  return { socket, text: () => text };
}

describe("AsyncChat.startTls()", () => {
  test.each([
    ["a whole line", "STARTTLS\r\nMAIL FROM:<evil@example>\r\n", false],
    ["a whole line, with an async hook", "STARTTLS\r\nMAIL FROM:<evil@example>\r\n", true],
    ["a part of a line", "STARTTLS\r\nQUIT ", false],
    ["a part of a terminator", "STARTTLS\r\n\r", false],
  ])("refuses %s received behind the request", async (_name, bytes, later) => {
    const listener = new Server(later);
    const { socket, text } = dial(listener);
    socket.write(bytes);
    await until(() => listener.service?.error !== undefined);
    expect(listener.service?.error).toMatchObject({ reason: "PLAINTEXT_BEHIND" });
    expect(listener.service?.lines).toEqual(["STARTTLS"]);
    await until(() => socket.readyState !== "open");
    expect(text()).toBe("220 go\r\n");
  });

  test("refuses an answer received behind the go-ahead, on a client", async () => {
    class Client extends AsyncChat {
      readonly lines: string[] = [];
      error: unknown;
      constructor(port: number) {
        super(undefined, map);
        this.setTerminator("\r\n");
        this.createSocket(AF_INET);
        this.connect(["localhost", port]);
      }
      override handleConnect(): void {
        this.push("STARTTLS\r\n");
      }
      override collectIncomingData(data: Buffer): void {
        this.lines.push(data.toString());
      }
      override foundTerminator(): void {
        if (this.lines.at(-1) === "220 go") this.startTls({ ca });
      }
      override handleError(error: unknown): void {
        this.error = error;
        this.close();
      }
    }
    const evil = net.createServer((socket) => {
      foreign.push(socket);
      socket.on("error", () => undefined);
      socket.write("220 go\r\n250 injected answer\r\n");
    });
    await new Promise<void>((done) => {
      evil.listen(0, "127.0.0.1", done);
    });
    try {
      const client = new Client((evil.address() as net.AddressInfo).port);
      await until(() => client.error !== undefined);
      expect(client.error).toMatchObject({ reason: "PLAINTEXT_BEHIND" });
      expect(client.lines).toEqual(["220 go"]);
    } finally {
      evil.close();
    }
  });

  test("goes on with lines when nothing was behind it", async () => {
    const listener = new Server();
    const { socket, text } = dial(listener);
    socket.write("hello\r\nSTARTTLS\r\n");
    await until(() => text() === "plain hello\r\n220 go\r\n");
    socket.removeAllListeners("data");
    const secure = tls.connect({ socket, ca, servername: "localhost" });
    let answer = "";
    secure.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    secure.write("hello\r\n");
    await until(() => answer === "tls hello\r\n");
  });

  test("throws EAGAIN while a producer is not done", async () => {
    const listener = new Server();
    const { socket } = dial(listener);
    socket.write("hello\r\n");
    await until(() => listener.service?.lines.length === 1);
    const { service } = listener;
    service?.pushWithProducer(
      (async function* slow() {
        await new Promise(() => undefined);
        yield "";
      })(),
    );
    expect(() => service?.startTls(server)).toThrow("EAGAIN");
  });
});
