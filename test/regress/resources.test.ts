// What the kernel and the process give only so much of: descriptors, memory, and the process's own life.
import { describe, expect, test } from "bun:test";

import { ChannelMap, Dispatcher, type Socket, streamLimits } from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { RawPeer } from "../integration/support/raw.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { Program } from "../support/program.ts";
import { turns, until } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

const programs = `${import.meta.dirname}/programs`;

test("Dispatcher.handleRead() holds the process when it leaves bytes unread and the connection is over", () =>
  inMode("push", async (map) => {
    class Server extends Logged {
      override handleClose(): void {
        this.send("hello");
        this.close();
      }
    }
    const listening = new Listening(map, (socket, into) => new Server(socket, into));
    await using child = new Program([`${programs}/idle-read.ts`, String(listening.address[1])]);
    expect(await child.exited).toBe(0);
    await until(() => child.stdout.includes("close"), `its last words; stderr: ${child.stderr}`);
    expect(child.stdout).toBe("read hello\nclose\n");
  }));

test.skipIf(libc() === undefined)(
  "Dispatcher.accept() loses no connection and listens again when no descriptor was free for a while",
  async () => {
    const limited = ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"];
    await using child = new Program([`${programs}/starved.ts`], {}, limited);
    expect(await child.exited).toBe(0);
    await until(() => child.stdout.includes("\n"), `its last words; stderr: ${child.stderr}`);
    expect(child.stdout).toBe("hoarded true, accepted 4, errors 0\n");
  },
);

describe("Dispatcher.delChannel()", () => {
  for (const [how, what] of [
    ["connected", "its connection stands"],
    ["sent", "it has just sent something"],
    ["connecting", "it is still connecting"],
  ] as const) {
    test(`Dispatcher.delChannel() lets garbage collection close the connection when ${what}`, () =>
      inMode("push", async (map) => {
        const listening = new Listening(map);
        await using child = new Program([`${programs}/dropped.ts`, how, String(listening.address[1])]);
        const ended = (): Logged[] =>
          (listening.accepted as Logged[]).filter((server) => server.events.includes("close"));
        await until(() => listening.accepted.length === 11, `the connections; stderr: ${child.stderr}`);
        // The last one dropped may hide in a register.
        await until(() => ended().length >= 9, "garbage collection closes what was dropped", 3000);
        expect(listening.accepted[0]?.connected).toBe(true);
        const received = how === "sent" ? "x" : "";
        for (const server of ended()) expect(server.received).toBe(received);
      }));
  }
});

for (const mode of modes) {
  test(`Dispatcher.setSocket() closes the socket the channel had when it gets another, in ${mode} mode`, () =>
    inMode(mode, async (map) => {
      const listening = new Listening(map);
      const client = connectTo(new Logged(undefined, map), listening.address);
      await until(() => client.connected && listening.accepted.length === 1, "the first connection");
      const before = client.socket as Socket;
      const other = connectTo(new Logged(undefined, new ChannelMap()), listening.address);
      await until(() => other.connected && listening.accepted.length === 2, "the second connection");
      other.delChannel();
      client.send("goodbye");
      client.setSocket(other.socket as Socket);
      const [first, second] = listening.accepted as Logged[];
      await until(() => before.state === "closed", "the first is closed");
      expect(first?.events).toEqual(["read 7", "close"]);
      second?.send("hello");
      await until(() => client.received === "hello", "the second is read");
      expect(client.events).toEqual(["connect", "read 5"]);
    }));
}

/** Sends ten bytes whenever it is asked, as long as the cap has room for ten more. */
class Trickle extends Dispatcher {
  error: unknown;
  asked = 0;
  override writable(): boolean {
    return this.bufferedAmount + 10 <= (this.socket?.limits.maxBufferedBytes ?? 0);
  }
  override handleWrite(): void {
    this.asked++;
    if (this.bufferedAmount === 0) this.send(Buffer.alloc(8000));
    else for (let i = 0; i < 8 && this.writable(); i++) this.send("ten bytes!");
  }
  override handleError(error: unknown): void {
    this.error = error;
    this.close();
  }
}

for (const [what, limits] of [
  [
    "the high water mark is half of the cap",
    streamLimits({ maxBufferedBytes: 32_768, highWaterBytes: 16_384 }),
  ],
  ["only the cap was given", streamLimits({ maxBufferedBytes: 16_384 })],
] as const) {
  test(`Dispatcher.send() meets no ENOBUFS when it keeps to writable() and ${what}`, () =>
    inMode("push", async (map) => {
      class Server extends Trickle {
        static override limits = limits;
      }
      const listening = new Listening(map, (socket, into) => new Server(socket, into));
      using _peer = await RawPeer.connect(listening.address, { paused: true });
      await until(() => listening.accepted.length === 1, "the connection is accepted");
      const server = listening.accepted[0] as Server;
      const full = (): boolean => server.socket?.writeReady === false || !server.writable();
      await until(() => server.error !== undefined || (server.bufferedAmount > 8000 && full()), "it is full");
      await turns(50);
      expect(server.error).toBeUndefined();
      expect(server.socket?.state).toBe("open");
      server.abort();
    }));
}
