import { afterEach, describe, expect, test } from "bun:test";

import { AF_UNIX, ChannelMap, closeAll, Dispatcher, MSG_OOB, poll, type Socket } from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { until } from "../support/until.ts";

let map = new ChannelMap();
afterEach(() => {
  closeAll(map);
  map = new ChannelMap();
});

class Urgent extends Dispatcher {
  readonly events: string[] = [];
  override handleRead(): void {
    const text = this.recv().toString();
    if (text !== "") this.events.push(`read ${text}`);
  }
  override handleExpt(): void {
    this.events.push(`expt ${this.recv(1, MSG_OOB).toString()}`);
  }
  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
}

async function pair<S extends Dispatcher>(
  make: (socket: Socket, into: ChannelMap) => S,
): Promise<{ server: S; client: Logged }> {
  const listening = new Listening(map, make);
  const client = connectTo(new Logged(undefined, map), listening.address);
  const stands = (): boolean => listening.accepted.length === 1 && client.connected;
  if (map.polling) while (!stands()) await poll(0.05, map);
  else await until(stands, "the connection stands");
  return { server: listening.accepted[0] as S, client };
}

/** Runs passes until the condition holds in poll mode, just waits in push mode. */
async function eventually(condition: () => boolean, what: string): Promise<void> {
  if (!map.polling) return until(condition, what);
  for (let i = 0; i < 200 && !condition(); i++) await poll(0.05, map);
  expect([what, condition()]).toEqual([what, true]);
}

const supported = libc() !== undefined;
const why = supported ? "" : " (SKIPPED: needs the C library)";

describe.skipIf(!supported)(`urgent data${why}`, () => {
  for (const polling of [false, true]) {
    const mode = polling ? "poll" : "push";

    test(`Dispatcher.handleExpt() tells an urgent byte alone, in ${mode} mode`, async () => {
      if (polling) await poll(0, map);
      const { server, client } = await pair((socket, into) => new Urgent(socket, into));
      await eventually(() => true, "a pass");
      expect(client.send("!", MSG_OOB)).toBe(1);
      await eventually(() => server.events.length > 0, "the urgent byte");
      expect(server.events).toEqual(["expt !"]);
    });

    test(`Dispatcher.handleExpt() tells it between the data before and after, in ${mode} mode`, async () => {
      if (polling) await poll(0, map);
      const { server, client } = await pair((socket, into) => new Urgent(socket, into));
      client.send("abc");
      client.socket?.flush();
      await eventually(() => server.events.length === 1, "what came before");
      client.send("!", MSG_OOB);
      await eventually(() => server.events.length === 2, "the urgent byte");
      client.send("def");
      client.socket?.flush();
      await eventually(() => server.events.length === 3, "what came after");
      expect(server.events).toEqual(["read abc", "expt !", "read def"]);
    });
  }

  test("Dispatcher.send(MSG_OOB) makes the last byte urgent and keeps the others in order", async () => {
    const { server, client } = await pair((socket, into) => new Urgent(socket, into));
    client.send("one ");
    client.send("two!", MSG_OOB);
    client.send(" three");
    const read = (): string => server.events.map((event) => /^read (.*)/.exec(event)?.[1] ?? "").join("");
    await until(() => read() === "one two three" && server.events.includes("expt !"), "all of it");
  });

  test("Dispatcher without a handleExpt() of its own does not watch, and its data loses nothing else", async () => {
    const { server, client } = await pair((socket, into) => new Logged(socket, into));
    client.send("abc");
    client.send("!", MSG_OOB);
    client.send("def");
    await until(() => server.received === "abcdef", "the ordinary data");
    expect(server.socket?.urgentReady).toBe(false);
  });

  test("Dispatcher.handleExpt() serves two hundred channels from one signal handler, and lets go of it", async () => {
    const listening = new Listening(map, (socket, into) => new Urgent(socket, into));
    const clients = Array.from({ length: 200 }, () =>
      connectTo(new Logged(undefined, map), listening.address),
    );
    await until(
      () => listening.accepted.length === 200 && clients.every((one) => one.connected),
      "all stand",
    );
    await until(() => process.listenerCount("SIGURG") === 1, "they are watched");
    for (const client of clients) client.send("!", MSG_OOB);
    const servers = listening.accepted as unknown as Urgent[];
    await until(() => servers.every((server) => server.events.includes("expt !")), "every byte");
    expect(process.listenerCount("SIGURG")).toBe(1);
    closeAll(map);
    expect(process.listenerCount("SIGURG")).toBe(0);
  });

  test("Dispatcher.send() and recv() refuse other flags, and urgent data where there is none", async () => {
    const { client } = await pair((socket, into) => new Urgent(socket, into));
    expect(() => client.send("x", 7)).toThrow(RangeError);
    expect(() => client.recv(1, 7)).toThrow(RangeError);
    expect(client.recv(1, MSG_OOB)).toEqual(Buffer.alloc(0));
    const unix = new Dispatcher(undefined, map);
    unix.createSocket(AF_UNIX);
    expect(() => unix.recv(1, MSG_OOB)).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
  });
});
