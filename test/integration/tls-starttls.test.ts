// STARTTLS on an AsyncChat, whose own buffer holds what came behind the terminator: that is plaintext, too, and may be an
// attacker's (CVE-2011-0411 and its kin).
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import { AF_INET, AsyncChat, ChannelMap, closeAll, Dispatcher, type Socket } from "asyncore";

import { ca, server } from "../support/certificates.ts";
import { wordsFor } from "../support/secure.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
const foreign: net.Socket[] = [];
afterEach(() => {
  for (const socket of foreign.splice(0)) socket.destroy();
  closeAll(map, true);
});

/** Lines; STARTTLS begins TLS, every other one is carried out. */
class Lines extends AsyncChat {
  readonly events: string[] = [];
  #line = "";
  constructor(socket: Socket, terminator: string) {
    super(socket, map);
    this.setTerminator(terminator);
  }
  override collectIncomingData(data: Buffer): void {
    this.#line += data.toString();
  }
  override foundTerminator(): void {
    const line = this.#line;
    this.#line = "";
    this.events.push(`${this.socket?.tls === undefined ? "plain" : "tls"}: ${line}`);
    if (line !== "STARTTLS") {
      this.push(`did ${line}\r\n`);
      return;
    }
    this.push("go\r\n");
    this.startTls(server);
  }
  override handleSecure(): void {
    this.events.push("secure");
  }
  override handleError(error: unknown): void {
    this.events.push(`error ${wordsFor(error)}`);
    this.close();
  }
}

/** Sends `packet`, begins TLS after the go-ahead, says NOOP. @returns the server's channel, and what came through TLS */
function victim(
  packet: string,
  terminator: string,
): { service: () => Lines | undefined; secret: () => string } {
  let service: Lines | undefined;
  let secret = "";
  class Listener extends Dispatcher {
    override handleAccepted(socket: Socket): void {
      service = new Lines(socket, terminator);
    }
  }
  const listener = new Listener(undefined, map);
  listener.createSocket(AF_INET);
  listener.bind(["127.0.0.1", 0]);
  listener.listen();
  const socket = net.connect(listener.getsockname()[1] as number, "127.0.0.1", () => socket.write(packet));
  foreign.push(socket);
  socket.on("error", () => undefined);
  socket.once("data", () => {
    const secure = tls.connect({ socket, ca, servername: "localhost" }, () =>
      secure.write(`NOOP${terminator}`),
    );
    foreign.push(secure);
    secure.on("error", () => undefined);
    secure.on("data", (chunk: Buffer) => (secret += chunk.toString()));
  });
  return { service: () => service, secret: () => secret };
}

describe("AsyncChat.startTls()", () => {
  test("goes on with the next frame after the handshake", async () => {
    const { service, secret } = victim("STARTTLS\r\n", "\r\n");
    await until(() => secret() === "did NOOP\r\n", "the answer through TLS");
    expect(service()?.events).toEqual(["plain: STARTTLS", "secure", "tls: NOOP"]);
  });

  test.each([
    ["a command", "STARTTLS\r\nMAIL injected\r\n"],
    ["half a command", "STARTTLS\r\nMAIL inj"],
    ["half a terminator", "STARTTLS\r\n\r"],
    ["a second STARTTLS", "STARTTLS\r\nSTARTTLS\r\n"],
  ])("refuses when %s came behind the terminator, and carries nothing of it out", async (_name, packet) => {
    const { service, secret } = victim(packet, "\r\n");
    await until(
      () => service()?.events.some((event) => !event.startsWith("plain: STARTTLS")) === true,
      "an outcome",
    );
    expect(service()?.events).toEqual(["plain: STARTTLS", "error PLAINTEXT_BEHIND (handshake)"]);
    await until(() => service()?.socket?.state === "closed", "the end");
    expect(secret()).toBe("");
  });
});
