// Urgent data that is left lying, that only an event method asks for, and that cannot go out.
import { describe, expect, test } from "bun:test";

import { type ChannelMap, Dispatcher, MSG_OOB, type Socket } from "asyncore";
import * as asyncore from "asyncore/classic";

import { libc } from "../../src/socket/libc.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

/** Is told of urgent data and leaves it where it is. */
class Ignoring extends Dispatcher {
  readonly events: string[] = [];
  override handleRead(): void {
    const text = this.recv().toString();
    if (text !== "") this.events.push(`read ${text}`);
  }
  override handleExpt(): void {
    this.events.push("expt");
  }
}

/** Has an event method of its own, and the default hook. */
class EventOnly extends Dispatcher {
  events = 0;
  override handleExptEvent(): void {
    this.events++;
    this.close();
  }
}

class Unreading extends Dispatcher {
  override readable(): boolean {
    return false;
  }
}

class ClassicEventOnly extends asyncore.dispatcher {
  events = 0;
  override handle_expt_event(): void {
    this.events++;
    this.close();
  }
}

async function pair<S extends Dispatcher>(
  map: ChannelMap,
  make: (socket: Socket, into: ChannelMap) => S,
): Promise<{ server: S; client: Logged }> {
  const listening = new Listening(map, make);
  const client = connectTo(new Logged(undefined, map), listening.address);
  await until(() => listening.accepted.length === 1 && client.connected, "the connection stands");
  return { server: listening.accepted[0] as S, client };
}

const supported = libc() !== undefined;
const why = supported ? "" : " (SKIPPED: needs the C library)";

describe.skipIf(!supported)(`urgent data${why}`, () => {
  describe.each(modes)("in %s mode", (mode) => {
    test("Dispatcher.handleExpt() is not called any more for a byte that reading has passed", async () => {
      await inMode(mode, async (map) => {
        const { server, client } = await pair(map, (socket, into) => new Ignoring(socket, into));
        client.send("!", MSG_OOB);
        await until(() => server.events.length > 0, "the urgent byte");
        client.send("after");
        await until(() => server.events.includes("read after"), "what came after");
        const told = server.events.filter((event) => event === "expt").length;
        for (const more of ["1", "2", "3"]) {
          client.send(more);
          await until(() => server.events.includes(`read ${more}`), more);
        }
        await turns(20);
        // With what has passed it, it may have been told once more.
        expect(server.events.filter((event) => event === "expt").length).toBeLessThanOrEqual(told + 1);
      });
    });

    test.each([
      ["Dispatcher.handleExptEvent()", EventOnly],
      ["dispatcher.handle_expt_event()", ClassicEventOnly],
    ] as const)("%s is called also where the hook is the default", async (_name, Kind) => {
      await inMode(mode, async (map) => {
        const { server, client } = await pair(map, (socket, into) => new Kind(socket, into));
        client.send("!", MSG_OOB);
        await until(() => server.events > 0, "the urgent byte");
        expect(server.events).toBe(1);
      });
    });

    test("Dispatcher.send(MSG_OOB) behind what the peer does not read returns 0, and the channel lives", async () => {
      await inMode(mode, async (map) => {
        const { server, client } = await pair(map, (socket, into) => new Unreading(socket, into));
        while (client.bufferedAmount === 0) client.send(Buffer.alloc(65_536));
        expect(client.send("!", MSG_OOB)).toBe(0);
        await turns(20);
        expect([client.connected, client.error]).toEqual([true, undefined]);
        server.abort();
      });
    });
  });
});
