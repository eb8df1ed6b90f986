import { afterEach, describe, expect, test } from "bun:test";

import {
  type Address,
  ChannelMap,
  closeAll,
  defaultLimits,
  Dispatcher,
  osError,
  type Socket,
  systemClock,
} from "asyncore";

import type { Endpoint, Wire } from "../../src/socket/endpoint.ts";
import { libc } from "../../src/socket/libc.ts";
import { type Accepted, Listener } from "../../src/socket/listener.ts";
import { connectTo, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";

// --- with an endpoint that only writes down -------------------------------------------------------------------

class Connection implements Accepted {
  readonly name: string;
  readonly #events: string[];
  constructor(name: string, events: string[]) {
    this.name = name;
    this.#events = events;
  }
  abort(): void {
    this.#events.push(`abort ${this.name}`);
  }
  parkIfIdle(): void {
    this.#events.push(`park ${this.name}`);
  }
}

function rig(options: { backlog: number; canPause: boolean; startFails?: number }): {
  events: string[];
  listener: Listener<Connection>;
  open(name: string): void;
} {
  const events: string[] = [];
  let fails = options.startFails ?? 0;
  const endpoint = {
    canPause: options.canPause,
    stopAccepting: () => events.push("stop"),
    startAccepting: () => {
      if (fails-- > 0) {
        events.push("start fails");
        throw osError("EMFILE", { syscall: "dup" });
      }
      events.push("start");
    },
  } as unknown as Endpoint;
  const owner = {
    clock: systemClock,
    limits: defaultLimits,
    adopt: (wire: Wire) => new Connection(wire.data as unknown as string, events),
    connectionCame: () => events.push("ready"),
  };
  const listener = new Listener(owner, endpoint, options.backlog);
  const open = (name: string): void => {
    listener.bunOpened({ data: name, terminate: () => events.push(`reset ${name}`) } as unknown as Wire);
  };
  return { events, listener, open };
}

describe("Listener", () => {
  test("Listener.accept() gives connections in the order they came, then nothing", () => {
    const { listener, open, events } = rig({ backlog: 10, canPause: true });
    expect([listener.ready, listener.accept()]).toEqual([false, undefined]);
    for (const name of ["a", "b", "c"]) open(name);
    expect(listener.ready).toBe(true);
    expect([1, 2, 3, 4].map(() => listener.accept()?.name)).toEqual(["a", "b", "c", undefined]);
    expect(listener.ready).toBe(false);
    expect(events).toEqual(["ready", "ready", "ready"]);
  });

  test("Listener stops accepting when the queue is full, and starts when it is empty, once each", () => {
    const { listener, open, events } = rig({ backlog: 2, canPause: true });
    open("a");
    open("b");
    // Bun may have accepted one more already: it is kept all the same.
    open("c");
    expect(events).toEqual(["ready", "ready", "stop", "ready"]);
    expect([listener.accept()?.name, listener.accept()?.name]).toEqual(["a", "b"]);
    expect(events.splice(0)).toEqual(["ready", "ready", "stop", "ready"]);
    expect(listener.accept()?.name).toBe("c");
    expect(listener.accept()).toBeUndefined();
    expect(events.splice(0)).toEqual(["start"]);
    open("d");
    open("e");
    expect(events).toEqual(["ready", "ready", "stop"]);
  });

  test("Listener resets the newest when it cannot be paused", () => {
    const { listener, open, events } = rig({ backlog: 1, canPause: false });
    for (const name of ["a", "b"]) open(name);
    expect(events).toEqual(["ready", "reset b"]);
    expect([listener.accept()?.name, listener.accept()]).toEqual(["a", undefined]);
    open("c");
    expect(events).toEqual(["ready", "reset b", "ready"]);
  });

  test("Listener.close() aborts what nobody accepted, once", () => {
    const { listener, open, events } = rig({ backlog: 5, canPause: true });
    for (const name of ["a", "b"]) open(name);
    listener.accept();
    listener.close();
    listener.close();
    expect(events).toEqual(["ready", "ready", "abort b"]);
    expect([listener.ready, listener.accept()]).toEqual([false, undefined]);
  });

  test("Listener parks what was handed out, next turn", async () => {
    const { listener, open, events } = rig({ backlog: 5, canPause: true });
    for (const name of ["a", "b"]) open(name);
    listener.accept();
    listener.accept();
    expect(events.splice(0)).toEqual(["ready", "ready"]);
    await turns(1);
    expect(events).toEqual(["park a", "park b"]);
  });

  test("Listener.accept() loses neither the connection nor the listener when accepting cannot be resumed", () => {
    // Out of descriptors: startAccepting() makes one.
    const { listener, open, events } = rig({ backlog: 1, canPause: true, startFails: 1 });
    open("a");
    expect(events.splice(0)).toEqual(["ready", "stop"]);
    let got: string | undefined;
    try {
      got = listener.accept()?.name;
    } catch {
      // If it throws, the connection must still be there.
      got = listener.accept()?.name;
    }
    expect(got).toBe("a");
    // And accepting is resumed as soon as that is possible again.
    if (!events.includes("start")) listener.accept();
    expect(events.filter((event) => event === "start")).toEqual(["start"]);
  });
});

// --- with the kernel ------------------------------------------------------------------------------------------

const map = new ChannelMap();
afterEach(() => closeAll(map));

/** A server that accepts only when told. */
class Slow extends Dispatcher {
  readonly served: string[] = [];
  offered = 0;
  constructor(backlog: number) {
    super(undefined, map);
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen(backlog);
  }
  override handleAccept(): void {
    this.offered++;
  }
  serveOne(): boolean {
    const pair = this.accept();
    if (pair === null) return false;
    const channel = new Logged(pair[0], map);
    this.served.push(String((pair[1] as readonly [string, number])[1]));
    channel.send(`number ${this.served.length}`);
    return true;
  }
}

describe.if(libc() !== undefined)("Dispatcher.listen() with a backlog", () => {
  const clientsOf = async (address: Address, count: number): Promise<Logged[]> => {
    const clients: Logged[] = [];
    for (let i = 0; i < count; i++) {
      const client = connectTo(new Logged(undefined, map), address);
      clients.push(client);
      // One after the other, so that the order they wait in is known.
      await until(() => client.connected || client.error !== undefined, `client ${i}`);
    }
    return clients;
  };

  test("Dispatcher.accept() serves what waited beyond the backlog, in order, and nothing was reset", async () => {
    const server = new Slow(4);
    const address = server.getsockname();
    // 4 in the queue, and the kernel holds 4 + 1 more.
    const clients = await clientsOf(address, 9);
    await turns(20);
    expect(clients.map((client) => client.events)).toEqual(clients.map(() => ["connect"]));
    await until(() => {
      server.serveOne();
      return server.served.length === 9;
    }, "all are served");
    await until(() => clients.every((client) => client.received !== ""), "all have their answer");
    expect(clients.map((client) => client.received)).toEqual(clients.map((_, i) => `number ${i + 1}`));
    expect(server.served).toEqual(
      clients.map((client) => String((client.getsockname() as readonly [string, number])[1])),
    );
  });

  test("Dispatcher.listen() with a backlog leaves the kernel's queue that long, and no longer", async () => {
    const server = new Slow(3);
    const [, port] = server.getsockname() as readonly [string, number];
    const clients = await clientsOf(server.getsockname(), 3);
    await until(() => server.socket?.readReady === true, "connections are waiting");
    // 3 were accepted from the kernel; its own queue takes backlog + 1 more, listen(2). The rest must wait outside.
    const more = Array.from({ length: 12 }, () => connectTo(new Logged(undefined, map), ["127.0.0.1", port]));
    await until(() => more.filter((client) => client.connected).length >= 4, "the kernel's queue is full");
    // Loopback handshakes are done within a turn or two; a queue of 511 would have taken all of them.
    await turns(200);
    expect(more.filter((client) => client.connected).length).toBeLessThanOrEqual(4);
    expect(more.filter((client) => client.error !== undefined)).toEqual([]);
    for (const client of [...clients, ...more]) client.abort();
  });

  test("Dispatcher.close() of a listener resets who waits in its queue and who waits in the kernel", async () => {
    const server = new Slow(2);
    const clients = await clientsOf(server.getsockname(), 5);
    await until(() => server.socket?.readReady === true, "connections are waiting");
    server.close();
    await until(() => clients.every((client) => client.events.length > 1), "all are told");
    for (const client of clients) expect(client.events).toEqual(["connect", "close"]);
  });

  test("Dispatcher.handleAccept() is asked again as long as connections are waiting", async () => {
    const server = new Slow(10);
    await clientsOf(server.getsockname(), 1);
    await until(() => server.offered >= 3, "it is asked again");
    expect(server.serveOne()).toBe(true);
    expect(server.serveOne()).toBe(false);
  });

  test("Dispatcher.listen(0) and listen(1) serve one after the other", async () => {
    for (const backlog of [0, 1]) {
      const server = new Slow(backlog);
      server.handleAccept = () => void server.serveOne();
      // One after the other: of many at once the kernel would leave most to their retries, which begin at a second.
      const clients = await clientsOf(server.getsockname(), 20);
      await until(() => clients.every((client) => client.received !== ""), "all have their answer");
      expect(server.served.length).toBe(20);
      server.close();
    }
  });

  test("Dispatcher.accept() gives an address also when the peer has reset before", async () => {
    const server = new Slow(10);
    const [client] = await clientsOf(server.getsockname(), 1);
    (client as Logged).abort();
    await until(() => server.socket?.readReady === true, "the connection is waiting");
    await turns(20);
    const pair = server.accept();
    expect(pair).not.toBeNull();
    const [socket, address] = pair as [Socket, Address];
    expect([typeof address[0], typeof address[1]]).toEqual(["string", "number"]);
    const channel = new Logged(socket, map);
    await until(() => channel.events.length > 0, "the channel is told");
    expect(channel.events).toEqual(["close"]);
  });

  test("Dispatcher.accept() gives an address also when the peer has reset before Bun accepted", async () => {
    // The listener is paused with its queue full: what follows is reset while it waits in the kernel.
    const server = new Slow(1);
    const address = server.getsockname();
    await clientsOf(address, 1);
    await until(() => server.socket?.readReady === true, "the queue is full");
    const [late] = await clientsOf(address, 1);
    (late as Logged).abort();
    await turns(5);
    expect(server.serveOne()).toBe(true);
    await until(() => server.socket?.readReady === true, "the second is waiting");
    const pair = server.accept() as [Socket, Address];
    expect([typeof pair[1][0], typeof pair[1][1]]).toEqual(["string", "number"]);
    pair[0].close();
  });
});
