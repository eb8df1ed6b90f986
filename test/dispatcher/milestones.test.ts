/** `Dispatcher.opened` and `Dispatcher.closed`, in push and in poll mode. */
import { describe, expect, test } from "bun:test";

import {
  type Address,
  type ChannelMap,
  type Closed,
  Dispatcher,
  OSError,
  SHUT_WR,
  type Socket,
} from "asyncore";
import { MemoryNetwork } from "asyncore/testing";

import { inMode, modes } from "../regress/modes.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { Program } from "../support/program.ts";
import { until, within } from "../support/until.ts";

const opened = <C extends Dispatcher>(channel: C): Promise<C> => within(channel.opened, "opened");
const closed = (channel: Dispatcher): Promise<Closed> => within(channel.closed, "closed");

/** What `opened` rejects with. */
async function refusal(channel: Dispatcher): Promise<string> {
  try {
    await opened(channel);
  } catch (error) {
    if (error instanceof OSError) return error.code;
    throw error;
  }
  return "opened";
}

/** An address of this machine where nobody listens. */
function nobody(map: ChannelMap): Address {
  const listening = new Listening(map);
  const { address } = listening;
  listening.close();
  return address;
}

for (const mode of modes) {
  describe(`in ${mode} mode`, () => {
    test("Dispatcher.opened resolves with the channel when the connect has succeeded", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = new Logged(undefined, map);
        const asked = client.opened;
        expect(client.opened).toBe(asked);
        connectTo(client, listening.address);
        expect(await within(asked, "opened")).toBe(client);
        expect(client.events).toEqual(["connect"]);
        expect(client.connected).toBe(true);
        expect(await opened(client)).toBe(client);
      }));

    test("Dispatcher.opened resolves at once on a listener and on an accepted channel", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        expect(await opened(listening)).toBe(listening);
        connectTo(new Logged(undefined, map), listening.address);
        await until(() => listening.accepted.length === 1, "the connection");
        const accepted = listening.accepted[0] as Dispatcher;
        expect(await opened(accepted)).toBe(accepted);
      }));

    test("Dispatcher.opened resolves at listen() for who asked before", () =>
      inMode(mode, async (map) => {
        const listener = new Dispatcher(undefined, map);
        const asked = listener.opened;
        listener.createSocket();
        listener.bind(["127.0.0.1", 0]);
        listener.listen();
        expect(await within(asked, "opened")).toBe(listener);
      }));

    test("Dispatcher.opened rejects with the error of the connect, however late it is asked", () =>
      inMode(mode, async (map) => {
        class Patient extends Logged {
          override handleError(error: unknown): void {
            this.error = error;
          }
        }
        const client = connectTo(new Patient(undefined, map), nobody(map));
        await until(() => client.error !== undefined, "the error");
        const asked: unknown = await client.opened.catch((error: unknown) => error);
        expect(asked).toBe(client.error);
        expect((asked as OSError).code).toBe("ECONNREFUSED");
        client.close();
        expect(await refusal(client)).toBe("ECONNREFUSED");
      }));

    test("Dispatcher.opened rejects when the channel is closed or aborted first", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        for (const end of ["close", "abort"] as const) {
          const client = connectTo(new Logged(undefined, map), listening.address);
          const asked = refusal(client);
          client[end]();
          expect(await asked).toBe("ECANCELED");
          expect(await refusal(client)).toBe("ECANCELED");
        }
      }));

    test("Dispatcher.opened resolves for who asks in handleConnect(), and stays so when that closes", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        class Asks extends Logged {
          inside: Promise<this> | undefined;
          override handleConnect(): void {
            this.inside = this.opened;
          }
        }
        const asks = connectTo(new Asks(undefined, map), listening.address);
        await until(() => asks.inside !== undefined, "handleConnect()");
        expect(await within(asks.inside as Promise<Asks>, "opened")).toBe(asks);
        class Closes extends Logged {
          override handleConnect(): void {
            this.close();
          }
        }
        const closes = connectTo(new Closes(undefined, map), listening.address);
        expect(await opened(closes)).toBe(closes);
      }));

    test("Dispatcher.opened rejects when a full queue ends the connect", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = connectTo(new Logged(undefined, map), listening.address);
        const asked = refusal(client);
        (client.socket as Socket).limits = { ...(client.socket as Socket).limits, maxBufferedBytes: 8 };
        client.send("more than eight bytes");
        expect(await asked).toBe("ENOBUFS");
      }));

    test("Dispatcher.opened rejects when the channel is cut because handleError() fails too", () =>
      inMode(mode, async (map) => {
        const network = new MemoryNetwork();
        class Broken extends Dispatcher {
          override readable(): boolean {
            throw new Error("readable");
          }
          override handleError(): void {
            throw new Error("handleError");
          }
        }
        const channel = new Broken(network.createSocket(), map);
        const asked = refusal(channel);
        channel.channelDispatch.failLater(new Error("before the connect"));
        expect(await asked).toBe("ECANCELED");
      }));

    test("Dispatcher.opened and closed that were asked for before createSocket() are its first socket's", () =>
      inMode(mode, async (map) => {
        class Broken extends Dispatcher {
          override handleError(): void {
            throw new Error("handleError");
          }
        }
        const channel = new Broken(undefined, map);
        const asked = [refusal(channel), closed(channel)] as const;
        channel.setSocket(new MemoryNetwork().createSocket());
        channel.channelDispatch.failLater(new Error("before the connect"));
        expect(await asked[0]).toBe("ECANCELED");
        expect(await asked[1]).toEqual({ unsentBytes: 0 });
      }));

    test("Dispatcher.closed resolves when the socket is released, and not before", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = connectTo(new Logged(undefined, map), listening.address);
        await opened(client);
        await until(() => listening.accepted.length === 1, "the connection");
        let info: Closed | undefined;
        void client.closed.then((value) => (info = value));
        client.send("all of this");
        client.shutdown(SHUT_WR);
        expect(info).toBeUndefined();
        client.close();
        expect(await closed(client)).toEqual({ unsentBytes: 0 });
        expect(client.socket?.state).toBe("closed");
        await until(() => info !== undefined, "the promise asked for before close()");
      }));

    test("Dispatcher.closed tells how much abort() has thrown away", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = connectTo(new Logged(undefined, map), listening.address);
        client.send("too early");
        client.abort();
        expect(await closed(client)).toEqual({ unsentBytes: 9 });
      }));

    test("Dispatcher.closed resolves on a listener, and without a socket at close()", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const asked = closed(listening);
        listening.close();
        expect(await asked).toEqual({ unsentBytes: 0 });
        const without = new Dispatcher(undefined, map);
        const before = closed(without);
        without.close();
        expect(await before).toEqual({ unsentBytes: 0 });
        const late = new Dispatcher(undefined, map);
        late.close();
        expect(await closed(late)).toEqual({ unsentBytes: 0 });
        expect(await refusal(late)).toBe("ECANCELED");
      }));

    test("Dispatcher.opened and closed are told of each socket of a channel that is used again", () =>
      inMode(mode, async (map) => {
        const listening = new Listening(map);
        const client = connectTo(new Logged(undefined, map), nobody(map));
        expect(await refusal(client)).toBe("ECONNREFUSED");
        const first = client.closed;
        connectTo(client, listening.address);
        expect(await opened(client)).toBe(client);
        expect(await within(first, "the first socket's end")).toEqual({ unsentBytes: 0 });
        const second = client.closed;
        expect(second).not.toBe(first);
        const given = connectTo(new Logged(undefined, map), listening.address);
        const asked = refusal(given);
        given.createSocket();
        expect(await asked).toBe("ECANCELED");
        given.connect(listening.address);
        expect(await opened(given)).toBe(given);
      }));
  });
}

describe("Dispatcher.opened", () => {
  test("that nobody asked for rejects nowhere; asked for and left alone it does", async () => {
    const source = (ask: string): string => `
      import { Dispatcher } from "asyncore";
      class Quiet extends Dispatcher { override handleError() { this.close(); } }
      process.on("unhandledRejection", (error) => console.log("unhandled", error.code));
      const listener = new Dispatcher();
      listener.createSocket();
      listener.bind(["127.0.0.1", 0]);
      listener.listen();
      const address = listener.getsockname();
      listener.close();
      const client = new Quiet();
      client.createSocket();
      client.connect(address);
      ${ask}`;
    await using silent = new Program(["-e", source("")]);
    await using asking = new Program(["-e", source("client.opened;")]);
    expect([await silent.exited, silent.stdout, silent.stderr]).toEqual([0, "", ""]);
    expect([await asking.exited, asking.stdout, asking.stderr]).toEqual([0, "unhandled ECONNREFUSED\n", ""]);
  });
});
