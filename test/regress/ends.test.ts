// How connections end: what handleClose() is told, what no hook is told any more, and what is given back.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { AF_UNIX, type Address, ChannelMap, Dispatcher, type OSError, poll, type Socket } from "asyncore";

import { RawPeer } from "../integration/support/raw.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

/** Stays when the peer ends cleanly, closes when the connection was lost. */
class StaysHalfOpen extends Dispatcher {
  readonly events: string[] = [];
  writes = false;
  override handleRead(): void {
    this.recv();
  }
  override writable(): boolean {
    return this.writes;
  }
  override handleWrite(): void {
    this.send(Buffer.alloc(65_536));
  }
  override handleClose(lost?: OSError): void {
    this.events.push(`close ${lost?.code ?? "cleanly"}`);
    if (lost !== undefined) this.close();
  }
  override handleError(error: unknown): void {
    this.events.push(`error ${String(error)}`);
    this.close();
  }
}

const accepted = (listening: Listening): Promise<void> =>
  until(() => listening.accepted.length === 1, "the connection is accepted");

for (const mode of modes) {
  describe(`${mode} mode`, () => {
    for (const writes of [false, true]) {
      const what = writes ? " while it writes" : "";
      test(`Dispatcher.handleClose() is called again with the error when the connection is lost${what} after a clean end that did not close`, () =>
        inMode(mode, async (map) => {
          const listening = new Listening(map, (socket, into) => new StaysHalfOpen(socket, into));
          using peer = await RawPeer.connect(listening.address, { paused: true });
          await accepted(listening);
          const server = listening.accepted[0] as StaysHalfOpen;
          peer.send("GET");
          peer.wire?.shutdown();
          await until(() => server.events.length > 0, "the clean end");
          expect(server.events).toEqual(["close cleanly"]);
          server.writes = writes;
          server.wake();
          if (writes) await until(() => server.bufferedAmount > 0, "the kernel is full");
          peer.wire?.terminate();
          await until(() => server.events.length > 1, "the loss");
          await turns(10);
          expect(server.events).toHaveLength(2);
          expect(server.events[1]).toMatch(/^close (ECONNRESET|EPIPE)$/);
        }));
    }

    test("Dispatcher.recv(0) does not swallow the end of the stream when it is all that handleRead() asks for at first", () =>
      inMode(mode, async (map) => {
        class Client extends Logged {
          asked = 0;
          override handleRead(): void {
            this.recv(++this.asked > 3 ? undefined : 0);
          }
        }
        const listening = new Listening(map);
        const client = connectTo(new Client(undefined, map), listening.address);
        await accepted(listening);
        listening.accepted[0]?.close();
        await until(() => client.events.includes("close"), "the end");
        await turns(10);
        expect(client.events).toEqual(["connect", "close"]);
        expect(client.asked).toBe(4);
      }));

    for (const predicate of ["readable", "writable"] as const) {
      const hook = predicate === "readable" ? "handleRead" : "handleWrite";
      test(`Dispatcher.${hook}() does not run when ${predicate}() has closed the channel`, () =>
        inMode(mode, async (map) => {
          class Closing extends Logged {
            armed = false;
            #ask(which: string): boolean {
              if (this.armed && which === predicate) this.close();
              // Nothing is read before it is armed, so that something is left to read then.
              return this.armed;
            }
            override readable(): boolean {
              return this.#ask("readable");
            }
            override writable(): boolean {
              return this.#ask("writable");
            }
            override handleRead(): void {
              // With writable() to close, readable() is yes before.
              if (predicate === "readable") this.events.push("handleRead");
              else this.recv();
            }
            override handleWrite(): void {
              this.events.push("handleWrite");
            }
          }
          const listening = new Listening(map, (socket, into) => new Closing(socket, into));
          const client = connectTo(new Logged(undefined, map), listening.address);
          await until(() => client.connected && listening.accepted.length === 1, "the connection stands");
          const server = listening.accepted[0] as Closing;
          client.send("x");
          await until(() => server.socket?.readReady === true, "the bytes have come");
          server.armed = true;
          server.wake();
          await until(() => client.events.includes("close"), "it has closed");
          await turns(10);
          expect(server.events).toEqual([]);
        }));
    }

    test("Dispatcher.getsockname() works in handleClose() when the connection was reset", () =>
      inMode(mode, async (map) => {
        const names: Address[] = [];
        class Client extends Logged {
          override handleClose(lost?: OSError): void {
            names.push(this.getsockname(), this.getpeername());
            this.events.push(`close ${lost?.code}`);
            this.close();
          }
        }
        const listening = new Listening(map);
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.connected && listening.accepted.length === 1, "the connection stands");
        const before = [client.getsockname(), client.getpeername()];
        listening.accepted[0]?.abort();
        await until(() => names.length > 0, "handleClose()");
        expect(names).toEqual(before);
        expect(client.events).toEqual(["connect", "close ECONNRESET"]);
      }));
  });
}

test("Dispatcher.send() does not keep the loss from handleClose() when it meets it before the pass does", async () => {
  const map = new ChannelMap();
  await poll(0, map);
  const listening = new Listening(map, (socket, into) => new StaysHalfOpen(socket, into));
  using peer = await RawPeer.connect(listening.address, { paused: true });
  while (listening.accepted.length === 0) await poll(1, map);
  const server = listening.accepted[0] as StaysHalfOpen;
  peer.wire?.shutdown();
  while (server.events.length === 0) await poll(1, map);
  peer.wire?.terminate();
  await until(() => server.socket?.state === "ended", "the reset, which no pass has seen");
  expect(server.send("a timer's")).toBe(0);
  for (let i = 0; i < 5; i++) await poll(0, map);
  expect(server.events).toHaveLength(2);
  expect(server.events[1]).toMatch(/^close (ECONNRESET|EPIPE)$/);
  server.close();
  listening.close();
});

describe("push mode", () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    test(`Dispatcher.close() delivers what was sent when the connect to ${host} is still under way`, () =>
      inMode("push", async (map) => {
        const listening = new Listening(map);
        const port = Number(listening.address[1]);
        const client = connectTo(new Logged(undefined, map), [host, port]);
        client.send("hello");
        client.close();
        await accepted(listening);
        const server = listening.accepted[0] as Logged;
        await until(() => server.events.includes("close"), "the client's FIN");
        expect(server.events).toEqual(["read 5", "close"]);
        expect(client.events).toEqual([]);
        await until(() => client.socket?.state === "closed", "both FINs");
      }));
  }

  test("Dispatcher.createSocket() does not call an overridden close() when the channel still has a socket", () =>
    inMode("push", async (map) => {
      class Client extends Logged {
        closes = 0;
        override close(): void {
          this.closes++;
          super.close();
        }
      }
      const client = new Client(undefined, map);
      client.createSocket();
      const first = client.socket as Socket;
      client.createSocket();
      expect(client.closes).toBe(0);
      expect(first.state).toBe("closed");
      expect(client.socket?.state).toBe("idle");
    }));
});

const hasProc = process.platform === "linux";
const open = (): number => readdirSync("/proc/self/fd").length;

describe("what a channel holds", () => {
  for (const to of ["a path nobody listens on", "a port nobody listens on"]) {
    test.skipIf(!hasProc)(
      `Dispatcher.close() releases the descriptor when the connect to ${to} fails after it, with bytes queued`,
      () =>
        inMode("push", async (map) => {
          const listening = new Listening(map);
          const { address } = listening;
          listening.close();
          await turns(3);
          const before = open();
          const kept: Dispatcher[] = [];
          for (let i = 0; i < 30; i++) {
            const channel = new Dispatcher(undefined, map);
            channel.createSocket(to.includes("path") ? AF_UNIX : undefined);
            if (to.includes("path")) channel.connect(join(tmpdir(), "asyncore-nobody.sock"));
            else channel.connect(address);
            channel.send("x");
            channel.close();
            kept.push(channel);
          }
          const closed = (): boolean => kept.every((channel) => channel.socket?.state === "closed");
          await until(closed, "every attempt has ended");
          // Ten: sockets of earlier tests may linger, and Bun opens some of its own.
          await until(() => open() < before + 10, "the descriptors are released");
        }),
    );
  }

  for (const first of ["client", "server"]) {
    test(`Dispatcher.close() removes the unix path its bind() made when the ${first} closes first`, () =>
      inMode("push", async (map) => {
        const folder = mkdtempSync(join(tmpdir(), "asyncore-"));
        try {
          class UnixServer extends Dispatcher {
            readonly peers: Logged[] = [];
            override handleAccepted(socket: Socket): void {
              this.peers.push(new Logged(socket, map));
            }
          }
          const server = new UnixServer(undefined, map);
          server.createSocket(AF_UNIX);
          server.bind(join(folder, "server"));
          server.listen();
          const client = new Logged(undefined, map);
          client.createSocket(AF_UNIX);
          const path = join(folder, "client");
          client.bind(path);
          client.connect(join(folder, "server"));
          await until(() => client.connected && server.peers.length === 1, "the connection stands");
          expect(existsSync(path)).toBe(true);
          if (first === "client") client.close();
          else server.peers[0]?.close();
          await until(() => client.socket?.state === "closed", "both FINs");
          expect(existsSync(path)).toBe(false);
        } finally {
          rmSync(folder, { recursive: true });
        }
      }));
  }
});
