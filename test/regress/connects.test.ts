// What becomes of a connect: refused, reset by its own hook, asked too early, by name.
import { describe, expect, test } from "bun:test";

import {
  type Address,
  ChannelMap,
  closeAll,
  Dispatcher,
  poll,
  SO_ERROR,
  SOL_SOCKET,
  streamLimits,
} from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

/** Logs an error and does nothing about it. */
class Stoic extends Logged {
  override handleError(error: unknown): void {
    this.error = error;
    this.events.push(`error ${(error as { code?: string }).code ?? String(error)}`);
  }
}

/** Never reads. */
class Silent extends Dispatcher {
  override readable(): boolean {
    return false;
  }
}

/** Greets who connects. */
class Greeting extends Logged {
  constructor(...args: ConstructorParameters<typeof Dispatcher>) {
    super(...args);
    this.send("welcome");
  }
}

function refusing(map: ChannelMap): Address {
  const listening = new Listening(map);
  const { address } = listening;
  listening.close();
  return address;
}

/** A client that connects to a server, and from handleConnect() to another instead, which greets it. */
function reconnecting(map: ChannelMap, servers: ChannelMap, greets = Logged) {
  const listening = new Listening(servers, (socket, into) => new greets(socket, into));
  const other = new Listening(servers, (socket, into) => new Greeting(socket, into));
  class Client extends Logged {
    override handleConnect(): void {
      const [, port] = this.getpeername();
      this.events.push(`connect ${port}`);
      if (port !== listening.address[1]) return;
      this.createSocket();
      this.connect(other.address);
    }
  }
  const client = connectTo(new Client(undefined, map), listening.address);
  return { client, first: listening.address[1], second: other.address[1] };
}

for (const mode of modes) {
  describe(`${mode} mode`, () => {
    test("Dispatcher.handleConnect() never runs when the connect was refused and handleError() does not close", () =>
      inMode(mode, async (map) => {
        const client = connectTo(new Stoic(undefined, map), refusing(map));
        await until(() => client.events.length > 0, "the error");
        await turns(20);
        expect(client.events.filter((event) => event !== "close")).toEqual(["error ECONNREFUSED"]);
        expect(client.connected).toBe(false);
        expect(client.connecting).toBe(false);
      }));

    test("Dispatcher.handleConnect() runs once when it throws and handleError() does not close", () =>
      inMode(mode, async (map) => {
        class Client extends Stoic {
          override handleConnect(): void {
            this.events.push("connect");
            throw new Error("not ready");
          }
        }
        const listening = new Listening(map);
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.events.length > 1, "the error");
        await turns(20);
        expect(client.events).toEqual(["connect", "error Error: not ready"]);
        expect(client.connected).toBe(true);
        await until(() => listening.accepted.length === 1, "the connection is accepted");
        listening.accepted[0]?.send("hello");
        await until(() => client.received === "hello", "it still reads");
      }));

    test("Dispatcher.handleError() is called once when handleConnect() sends more than the cap and nothing closes", () =>
      inMode(mode, async (map) => {
        class Client extends Stoic {
          static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
          override handleConnect(): void {
            this.events.push("connect");
            this.send(Buffer.alloc(32 << 20));
          }
        }
        const listening = new Listening(map, (socket, into) => new Silent(socket, into));
        const client = connectTo(new Client(undefined, map), listening.address);
        await until(() => client.events.length > 1, "the error");
        await turns(20);
        expect(client.events.filter((event) => event !== "close")).toEqual(["connect", "error ENOBUFS"]);
      }));

    test("Dispatcher.handleError() is called once when more than the cap is sent while connecting and nothing closes", () =>
      inMode(mode, async (map) => {
        class Client extends Stoic {
          static override limits = streamLimits({ maxBufferedBytes: 1 << 20 });
        }
        const listening = new Listening(map, (socket, into) => new Silent(socket, into));
        const client = connectTo(new Client(undefined, map), listening.address);
        expect(client.send(Buffer.alloc(2 << 20))).toBe(0);
        await until(() => client.events.length > 0, "the error");
        await turns(20);
        expect(client.events.filter((event) => event !== "close")).toEqual(["error ENOBUFS"]);
        expect(client.connecting).toBe(false);
      }));

    test("Dispatcher.createSocket() inside handleConnect() begins a connection of its own", () =>
      inMode(mode, async (map) => {
        const { client, first, second } = reconnecting(map, map);
        await until(() => client.events.length > 2 || client.error !== undefined, "the greeting");
        await turns(10);
        expect(client.events).toEqual([`connect ${first}`, `connect ${second}`, "read 7"]);
        expect(client.connected).toBe(true);
      }));

    test("Dispatcher.handleConnect() runs when more than the high water mark is queued already", () =>
      inMode(mode, async (map) => {
        class Client extends Logged {
          static override limits = streamLimits({ highWaterBytes: 1000 });
        }
        const listening = new Listening(map, (socket, into) => new Silent(socket, into));
        const client = connectTo(new Client(undefined, map), listening.address);
        client.send(Buffer.alloc(16 << 20));
        await until(() => client.connected, "handleConnect()");
        expect(client.events).toEqual(["connect"]);
        expect(client.bufferedAmount).toBeGreaterThan(1000);
        client.abort();
      }));

    test("Dispatcher.getpeername() is the numeric address when the connect was by name", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const port = Number(listening.address[1]);
        const client = connectTo(new Logged(undefined, map), ["localhost", port]);
        await until(() => client.connected, "handleConnect()");
        expect(client.getpeername()).toEqual(["127.0.0.1", port]);
      }));

    test.skipIf(libc() === undefined)(
      "Dispatcher.getsockopt(SO_ERROR) does not take the error away when the connect is still under way",
      () =>
        inMode(mode, async (map) => {
          const client = connectTo(new Logged(undefined, map), refusing(map));
          expect(client.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
          await until(() => client.events.length > 0, "the outcome");
          expect(client.error).toMatchObject({ code: "ECONNREFUSED" });
          expect(client.events).toHaveLength(1);
        }),
    );
  });
}

test("Dispatcher.createSocket() inside handleConnect() begins a connection of its own when a pass finds bytes on the old one", async () => {
  const map = new ChannelMap();
  const servers = new ChannelMap();
  await poll(0, map);
  const { client, first, second } = reconnecting(map, servers, Greeting);
  await until(() => client.socket?.readReady === true, "the first's greeting, which no pass has seen");
  const end = performance.now() + 1000;
  while (client.received === "" && client.error === undefined && performance.now() < end)
    await poll(0.01, map);
  expect(client.events).toEqual([`connect ${first}`, `connect ${second}`, "read 7"]);
  closeAll(map);
  closeAll(servers);
});
