// STARTTLS where it can go wrong: sessions that break, and an AsyncChat, whose own buffer holds what came behind the
// terminator: that is plaintext, too, and may be an attacker's (CVE-2011-0411 and its kin).
import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";

import { AF_INET, AsyncChat, ChannelMap, closeAll, Dispatcher, type Socket } from "asyncore";

import { ca, server } from "../support/certificates.ts";
import { SecureChannel, SecureEcho, trusting, wordsFor } from "../support/secure.ts";
import { until } from "../support/until.ts";
import { Relay } from "./support/relay.ts";

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

describe("a session that began with startTls()", () => {
  for (const direction of ["up", "down"] as const) {
    test(`breaks like any other, at both ends, by a flipped bit going ${direction}`, async () => {
      let service: SecureChannel | undefined;
      /** Begins TLS at the first bytes, then echoes. */
      class Upgrading extends SecureEcho {
        override handleRead(): void {
          if (this.socket?.tls !== undefined) {
            super.handleRead();
            return;
          }
          this.send(this.recv());
          this.startTls(server);
        }
      }
      class Listener extends Dispatcher {
        override handleAccepted(socket: Socket): void {
          service = new Upgrading(socket, map);
        }
      }
      class Asking extends SecureChannel {
        override handleConnect(): void {
          this.send("tls?");
        }
        override handleRead(): void {
          if (this.socket?.tls !== undefined) {
            void super.handleRead();
            return;
          }
          this.recv();
          this.startTls(trusting);
        }
      }
      const listener = new Listener(undefined, map);
      listener.createSocket(AF_INET);
      listener.bind(["127.0.0.1", 0]);
      listener.listen();
      using relay = await Relay.to(listener.getsockname()[1] as number);
      const client = new Asking(undefined, map);
      client.createSocket(AF_INET);
      client.connect(relay.address);
      await until(() => client.events.includes("secure"), "the handshake");
      client.send("hello");
      await until(() => client.received === "hello", "the echo");
      relay.tamper(direction, (chunk) => {
        chunk[chunk.length - 1] = (chunk.at(-1) as number) ^ 1;
        return chunk;
      });
      client.send(" again");
      await until(() => client.over && service?.over === true, "both are told");
      const [found, told] = direction === "up" ? [service, client] : [client, service];
      expect(found?.events.at(-1)).toBe("error DECRYPTION_FAILED_OR_BAD_RECORD_MAC (established)");
      expect(told?.events.at(-1)).toBe("error SSLV3_ALERT_BAD_RECORD_MAC (established)");
      expect(client.received).toBe("hello");
    });
  }
});

describe("AsyncChat.startTls()", () => {
  test("goes on with the next frame after the handshake", async () => {
    const { service, secret } = victim("STARTTLS\r\n", "\r\n");
    await until(() => secret() === "did NOOP\r\n", "the answer through TLS");
    expect(service()?.events).toEqual(["plain: STARTTLS", "secure", "tls: NOOP"]);
  });

  const injections: readonly (readonly [string, string])[] = [
    ["a command", "STARTTLS\r\nMAIL injected\r\n"],
    ["half a command", "STARTTLS\r\nMAIL inj"],
    ["half a terminator", "STARTTLS\r\n\r"],
    ["a second STARTTLS", "STARTTLS\r\nSTARTTLS\r\n"],
  ];
  for (const [name, packet] of injections) {
    test(`refuses when ${name} came behind the terminator, and carries nothing of it out`, async () => {
      const { service, secret } = victim(packet, "\r\n");
      const over = (event: string): boolean => !event.startsWith("plain: STARTTLS");
      await until(() => service()?.events.some(over) === true, "an outcome");
      expect(service()?.events).toEqual(["plain: STARTTLS", "error PLAINTEXT_BEHIND (handshake)"]);
      await until(() => service()?.socket?.state === "closed", "the end");
      expect(secret()).toBe("");
    });
  }
});
