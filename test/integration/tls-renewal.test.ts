// startTls() on a listener: a new certificate while clients come and go, and none of them notices.
import { afterEach, describe, expect, test } from "bun:test";

import { AF_INET, ChannelMap, closeAll, Dispatcher, type Socket, TLSError } from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { inMode, modes } from "../regress/modes.ts";
import { ca, other, server, stranger } from "../support/certificates.ts";
import { SecureChannel, secureClient, SecureEcho, SecureServer, trusting } from "../support/secure.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map, true));

/** Connects again and again, says a word each time, and notes whose certificate it was shown. */
class Load {
  readonly names: string[] = [];
  readonly failures: string[] = [];
  #running = true;
  #busy = 0;
  readonly #listener: SecureServer;
  readonly #into: ChannelMap;

  constructor(listener: SecureServer, into: ChannelMap, clients: number) {
    this.#listener = listener;
    this.#into = into;
    for (let i = 0; i < clients; i++) this.#next();
  }
  #next(): void {
    if (!this.#running) return;
    const channel = new SecureChannel(undefined, this.#into);
    this.#busy++;
    const done = (): void => {
      this.#busy--;
      this.#next();
    };
    channel.handleConnect = () => {
      this.names.push(channel.socket?.tls?.peerCertificate?.subject["CN"] ?? "nobody");
      channel.send("word");
    };
    channel.handleRead = () => {
      if (channel.recv().toString() !== "word") return;
      channel.close();
      done();
    };
    channel.handleClose = (reason) => {
      this.failures.push(reason === undefined ? "closed" : reason.message);
      channel.close();
      done();
    };
    channel.handleError = (error) => {
      this.failures.push(String(error));
      channel.close();
      done();
    };
    // Both names are welcome: which one is shown is the question.
    secureClient(this.#listener.address, { ca, rejectUnauthorized: false }, channel);
  }
  async stop(): Promise<void> {
    this.#running = false;
    await until(() => this.#busy === 0, "the last clients");
  }
}

const runs = libc() !== undefined;
describe.each(modes)("renewing a certificate in %s mode", (mode) => {
  test.skipIf(!runs)(
    `under load costs no connection, and from then on only the new one is shown${runs ? "" : " (SKIPPED: needs the C library)"}`,
    async () => {
      await inMode(mode, async (into) => {
        const listener = new SecureServer(into);
        const old = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
        old.send("0");
        await until(() => old.received === "0", "a connection of the first certificate");
        const load = new Load(listener, into, 8);
        for (let round = 1; round <= 20; round++) {
          const [identity, name] = round % 2 === 1 ? [other, "other.example"] : [server, "localhost"];
          listener.startTls({ ...identity });
          const shown = load.names.length;
          // Eight may have been accepted before.
          await until(() => load.names.length >= shown + 16, "clients after the renewal");
          expect(new Set(load.names.slice(shown + 8))).toEqual(new Set([name]));
          old.send(String(round % 10));
          await until(() => old.received.length === round + 1, "the old connection's echo");
        }
        await load.stop();
        expect(load.failures).toEqual([]);
        expect(listener.failures).toEqual([]);
        expect(old.over).toBe(false);
      });
    },
  );
});

test("options that are wrong are refused, and the old certificate stays", async () => {
  const listener = new SecureServer(map);
  for (const options of [{}, { key: server.key }, { ...server, key: stranger.key }]) {
    expect(() => listener.startTls(options)).toThrow(TLSError);
    const channel = secureClient(listener.address, trusting, new SecureChannel(undefined, map));
    channel.send("hello");
    await until(() => channel.received === "hello", "the echo");
  }
});

test.skipIf(runs)("without the C library a listener says ENOSYS, and the old certificate stays", async () => {
  const listener = new SecureServer(map);
  expect(() => listener.startTls({ ...other })).toThrow("ENOSYS");
  const channel = secureClient(listener.address, trusting, new SecureChannel(undefined, map));
  channel.send("hello");
  await until(() => channel.received === "hello", "the echo");
});

test.skipIf(!runs)(
  `a plain listener speaks TLS from startTls() on${runs ? "" : " (SKIPPED: needs the C library)"}`,
  async () => {
    class Listener extends Dispatcher {
      override handleAccepted(socket: Socket): void {
        new SecureEcho(socket, map);
      }
    }
    const listener = new Listener(undefined, map);
    listener.createSocket(AF_INET);
    listener.bind(["127.0.0.1", 0]);
    listener.listen();
    const plain = new SecureChannel(undefined, map);
    plain.createSocket(AF_INET);
    plain.connect(listener.getsockname());
    plain.send("plain");
    await until(() => plain.received === "plain", "the echo in plain");
    listener.startTls(server);
    const secure = secureClient(listener.getsockname(), trusting, new SecureChannel(undefined, map));
    secure.send("secret");
    await until(() => secure.received === "secret", "the echo through TLS");
    plain.send(" still");
    await until(() => plain.received === "plain still", "the plain one goes on");
  },
);
