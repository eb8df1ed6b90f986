// An established TLS session: what breaks it and who is told, how it ends, and how much it carries meanwhile.
import { afterEach, describe, expect, test } from "bun:test";

import {
  ChannelMap,
  closeAll,
  OSError,
  SHUT_RD,
  SHUT_WR,
  type Socket,
  TLSError,
  type TlsOptions,
  type TlsVersion,
} from "asyncore";

import { Foreign } from "../examples/foreign.ts";
import { inMode, modes } from "../regress/modes.ts";
import { server } from "../support/certificates.ts";
import { SecureChannel, secureClient, SecureEcho, SecureServer, trusting } from "../support/secure.ts";
import { turns, until } from "../support/until.ts";
import { type Direction, Relay } from "./support/relay.ts";
import { StreamCheck, streamBytes, wholeReport } from "./support/stream.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const versions: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];
const map = new ChannelMap();
afterEach(() => closeAll(map, true));

interface Scene extends Disposable {
  readonly relay: Relay;
  readonly listener: SecureServer;
  readonly client: SecureChannel;
  readonly served: SecureChannel;
}

/** A client and an accepted channel with a relay between them, after an echo. */
async function scene(into: ChannelMap, options: TlsOptions = trusting): Promise<Scene> {
  const listener = new SecureServer(into);
  const relay = await Relay.to(listener.port);
  const client = secureClient(relay.address, options, new SecureChannel(undefined, into));
  client.send("hello");
  await until(() => client.received === "hello", "the echo");
  // What the server sends after its handshake has come by.
  await until(() => client.socket?.tls?.session !== undefined, "the session");
  return { relay, listener, client, served: listener.first, [Symbol.dispose]: () => relay[Symbol.dispose]() };
}

const flipLast = (chunk: Buffer): Buffer => {
  chunk[chunk.length - 1] = (chunk.at(-1) as number) ^ 1;
  return chunk;
};

// --- broken --------------------------------------------------------------------------------------------------

describe.each(modes)("a session that breaks, in %s mode", (mode) => {
  for (const version of versions) {
    for (const direction of ["up", "down"] as const satisfies readonly Direction[]) {
      test(`${version}: a flipped bit going ${direction} is an error at both ends, and no byte of that record is seen`, async () => {
        await inMode(mode, async (into) => {
          using it = await scene(into, { ...trusting, maxVersion: version });
          const { relay, client, served } = it;
          relay.tamper(direction, flipLast);
          client.send(" again");
          await until(() => client.over && served.over, "both are told");
          const [found, told] = direction === "up" ? [served, client] : [client, served];
          expect(found.events.at(-1)).toBe("error DECRYPTION_FAILED_OR_BAD_RECORD_MAC (established)");
          // The alert.
          expect(told.events.at(-1)).toBe("error SSLV3_ALERT_BAD_RECORD_MAC (established)");
          for (const { error } of [found, told]) {
            expect(error).toBeInstanceOf(TLSError);
            expect((error as TLSError).code).toBe("EPROTO");
          }
          expect(client.received).toBe("hello");
          expect(client.events.filter((event) => event !== "connect")).toHaveLength(1);
          await until(
            () => client.socket?.state === "closed" && served.socket?.state === "closed",
            "the release",
          );
        });
      });
    }
  }

  test("plaintext between the records is an error, and nothing of it is seen", async () => {
    await inMode(mode, async (into) => {
      using it = await scene(into);
      it.relay.tamper("up", (chunk) => Buffer.concat([Buffer.from("MAIL FROM:<injected>\r\n"), chunk]));
      it.client.send("x");
      await until(() => it.served.over, "the failure");
      expect(it.served.events.at(-1)).toBe("error WRONG_VERSION_NUMBER (established)");
      expect(it.client.received).toBe("hello");
    });
  });

  test("a repeated record is an error", async () => {
    await inMode(mode, async (into) => {
      using it = await scene(into);
      it.relay.tamper("up", (chunk) => Buffer.concat([chunk, chunk]));
      it.client.send("x");
      await until(() => it.served.over, "the failure");
      expect(it.served.events).toEqual(["error DECRYPTION_FAILED_OR_BAD_RECORD_MAC (established)"]);
    });
  });

  test("whoever sends a lot into it is told of it once, and nothing is left", async () => {
    await inMode(mode, async (into) => {
      using it = await scene(into);
      it.relay.tamper("down", flipLast);
      it.served.send(Buffer.alloc(8 * MIB));
      it.client.send(Buffer.alloc(8 * MIB));
      await until(() => it.client.over && it.served.over, "both are told");
      await turns(5);
      expect(it.client.events).toEqual([
        "connect",
        "error DECRYPTION_FAILED_OR_BAD_RECORD_MAC (established)",
      ]);
      expect(it.served.events).toHaveLength(1);
      expect(it.served.error).toBeInstanceOf(OSError);
      expect([it.client.bufferedAmount, it.served.bufferedAmount]).toEqual([0, 0]);
    });
  });
});

// --- ended ---------------------------------------------------------------------------------------------------

describe.each(modes)("the end of a session, in %s mode", (mode) => {
  for (const version of versions) {
    // Bun does not tell a FIN without close_notify from one with it, so neither can we: whoever must know that a
    // message is whole needs a protocol that says how long it is. `nothing-lost.test.ts` shows that ours has one.
    test(`${version}: a FIN without close_notify is told as an end`, async () => {
      await inMode(mode, async (into) => {
        using it = await scene(into, { ...trusting, maxVersion: version });
        it.relay.cut("up", "fin");
        await until(() => it.served.over, "the end");
        expect(it.served.events).toEqual(["close"]);
      });
    });

    test(`${version}: a reset is told as one`, async () => {
      await inMode(mode, async (into) => {
        using it = await scene(into, { ...trusting, maxVersion: version });
        it.relay.cut("down", "rst");
        await until(() => it.client.over, "the end");
        expect(it.client.events).toEqual(["connect", "close ECONNRESET"]);
      });
    });
  }

  test("what a client sends before its handshake is over, and its end, come in order", async () => {
    await inMode(mode, async (into) => {
      class Noting extends SecureChannel {
        override handleRead(): void {
          const chunk = this.recv();
          if (chunk.length > 0) this.events.push(chunk.toString());
        }
      }
      const listener = new SecureServer(into, server, Noting);
      const client = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
      client.send("early");
      client.close();
      await until(() => listener.accepted[0]?.events.includes("close") === true, "the end");
      expect(listener.first.events).toEqual(["early", "close"]);
    });
  });

  test("shutdown(SHUT_WR) leaves the other direction open, from either end", async () => {
    await inMode(mode, async (into) => {
      /** Answers when the question has ended. */
      class Answering extends SecureChannel {
        override handleClose(): void {
          this.send(`you said ${this.received.length} bytes`);
          this.close();
        }
      }
      const listener = new SecureServer(into, server, Answering);
      const asking = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
      asking.handleConnect = () => {
        asking.send(Buffer.alloc(MIB));
        asking.shutdown(SHUT_WR);
      };
      await until(() => asking.over, "the answer");
      expect(asking.received).toBe(`you said ${MIB} bytes`);
      expect(() => asking.send("more")).toThrow("EBADF");

      /** Says all it has at once, and listens. */
      class Telling extends SecureChannel {
        constructor(socket: Socket, its: ChannelMap) {
          super(socket, its);
          this.send("that is all");
          this.shutdown(SHUT_WR);
        }
      }
      class Replying extends SecureChannel {
        override handleClose(): void {
          this.send(`heard: ${this.received}`);
          this.close();
        }
      }
      const telling = new SecureServer(into, server, Telling);
      const replying = secureClient(telling.address, trusting, new Replying(undefined, into));
      await until(() => telling.accepted[0]?.over === true, "the reply");
      expect(telling.first.received).toBe("heard: that is all");
      expect(telling.first.events).toEqual(["close"]);
      await until(() => replying.socket?.state === "closed", "the release");
    });
  });

  test("shutdown(SHUT_RD) drops what comes, and sending goes on", async () => {
    await inMode(mode, async (into) => {
      const listener = new SecureServer(into);
      const client = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
      await until(() => client.connected, "the connection");
      client.handleClose = () => undefined;
      client.shutdown(SHUT_RD);
      client.send("dropped");
      await until(() => listener.accepted[0]?.socket?.bytesSent === 7, "the echo");
      client.send(" too");
      await until(() => listener.first.socket?.bytesSent === 11, "the second");
      expect(client.received).toBe("");
    });
  });

  test("abort() is no end: the peer is told of a loss", async () => {
    await inMode(mode, async (into) => {
      const listener = new SecureServer(into, server, SecureChannel);
      const client = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
      client.send(Buffer.alloc(MIB));
      await until(() => listener.accepted[0]?.received !== "" && listener.accepted.length > 0, "some of it");
      client.abort();
      await until(() => listener.first.over, "the end");
      expect(listener.first.events).toEqual(["close ECONNRESET"]);
    });
  });
});

// --- carrying ------------------------------------------------------------------------------------------------

/** Sends the stream piece by piece as it is asked for, and checks the one that comes; reads only now and then. */
class Carrying extends SecureChannel {
  static size = 64 * MIB;
  readonly check = new StreamCheck();
  sent = 0;
  mostBuffered = 0;
  #rests = 0;
  #resting = false;
  #ended = false;

  override readable(): boolean {
    return !this.#resting;
  }
  override writable(): boolean {
    return this.connecting || this.sent < Carrying.size;
  }
  override handleWrite(): void {
    const end = Math.min(this.sent + 100_000, Carrying.size);
    this.send(streamBytes(Carrying.size).subarray(this.sent, end));
    this.sent = end;
    this.mostBuffered = Math.max(this.mostBuffered, this.bufferedAmount);
    if (end < Carrying.size) return;
    this.shutdown(SHUT_WR);
    if (this.#ended) this.#end();
  }
  override handleClose(reason?: OSError): void {
    this.error = reason;
    this.#ended = true;
    if (reason !== undefined || this.sent === Carrying.size) this.#end();
  }
  #end(): void {
    this.events.push("close");
    this.close();
  }
  override handleRead(): void {
    this.check.update(this.recv());
    if (this.#rests >= 100) return;
    this.#rests++;
    this.#resting = true;
    setTimeout(() => {
      this.#resting = false;
      this.wake();
    }, 3);
  }
}

describe.each(modes)("bulk, in %s mode", (mode) => {
  for (const version of versions) {
    test(`${version}: 64 MiB go both ways at once between slow readers, with bounded queues`, async () => {
      await inMode(mode, async (into) => {
        const listener = new SecureServer(into, { ...server, maxVersion: version }, Carrying);
        const client = secureClient(listener.address, trusting, new Carrying(undefined, into));
        await until(() => client.over && listener.accepted[0]?.over === true, "both ends", 60_000);
        for (const end of [client, listener.first] as Carrying[]) {
          expect(end.check.report("fin")).toEqual(wholeReport(Carrying.size));
          expect(end.error).toBeUndefined();
          expect(end.mostBuffered).toBeLessThan(64 * KIB + 100_000);
        }
      });
    }, 90_000);
  }

  test("a peer that floods somebody who does not read is held back", async () => {
    await inMode(mode, async (into) => {
      class NotReading extends SecureChannel {
        override readable(): boolean {
          return false;
        }
      }
      const listener = new SecureServer(into, server, NotReading);
      const client = secureClient(listener.address, trusting, new SecureChannel(undefined, into));
      await until(() => client.connected && listener.accepted.length === 1, "the connection");
      client.send(Buffer.alloc(60 * MIB));
      await turns(50);
      const { bufferedAmount } = client;
      expect(bufferedAmount).toBeGreaterThan(10 * MIB);
      await turns(50);
      expect(client.bufferedAmount).toBe(bufferedAmount);
      expect(listener.first.socket?.bytesRead).toBe(0);
    });
  });
});

test.skipIf(Bun.which("openssl") === null)(
  `a key update goes unnoticed${Bun.which("openssl") === null ? " (SKIPPED: no openssl)" : ""}`,
  async () => {
    const listener = new SecureServer(map, server, SecureEcho);
    const to = `127.0.0.1:${listener.port}`;
    await using program = new Foreign(["openssl", "s_client", "-connect", to, "-tls1_3", "-msg"]);
    await until(() => listener.accepted.length === 1, "the connection");
    await program.tell("before\n");
    await until(() => program.stdout.includes("\nbefore\n"), "the first echo");
    // K: its own, and it asks for ours, which goes out before our next bytes.
    await program.tell("K\n");
    await until(() => program.stderr.includes("KEYUPDATE"), "the key update");
    await program.tell("after\n");
    await until(() => program.stdout.includes("\nafter\n"), "the second echo");
    expect(program.stdout.split("\n").filter((line) => line.endsWith("KeyUpdate"))).toHaveLength(2);
    expect(listener.first.over).toBe(false);
  },
);
