import { afterEach, describe, expect, test } from "bun:test";

import {
  type Address,
  AF_INET6,
  ChannelMap,
  closeAll,
  Dispatcher,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVBUF,
  type Socket,
  SOL_SOCKET,
} from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { TcpSocket } from "../../src/socket/tcp.ts";
import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

/** A port nobody listens on. */
function refusing(): Address {
  const listening = new Listening(map);
  const { address } = listening;
  listening.close();
  return address;
}

describe.if(libc() !== undefined)("TcpSocket", () => {
  test("TcpSocket.getsockopt(SO_ERROR) while connecting does not take the connect's error away", async () => {
    for (const turnsBefore of [0, 1, 3]) {
      const address = refusing();
      const client = new Logged(undefined, map);
      client.createSocket();
      client.connect(address);
      await turns(turnsBefore);
      if (client.connecting) client.getsockopt(SOL_SOCKET, SO_ERROR);
      await until(() => client.events.length > 0, "the outcome");
      const [host, port] = address as [string, number];
      expect(client.events).toEqual([`error connect ${host}:${port}: ECONNREFUSED connection refused`]);
    }
  });

  test("TcpSocket.connect() that throws leaves the socket as it was", () => {
    const socket = TcpSocket.create(AF_INET6);
    expect(() => socket.connect(["fe80::1%nosuchinterface", 80])).toThrow("no interface");
    expect(socket.state).toBe("idle");
    socket.close();
  });

  test("TcpSocket.getsockname() and getpeername() are known inside handleClose() after a reset", async () => {
    const seen: unknown[] = [];
    class Noting extends Logged {
      override handleClose(): void {
        for (const ask of ["getpeername", "getsockname"] as const) {
          try {
            seen.push(this[ask]());
          } catch (error) {
            seen.push(String(error));
          }
        }
        this.close();
      }
    }
    const listening = new Listening(map, (socket, into) => new Noting(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => client.connected && listening.accepted.length === 1, "the connection");
    const own = client.getsockname();
    client.abort();
    await until(() => seen.length > 1, "the end");
    expect(seen).toEqual([own, listening.address]);
  });

  test("TcpSocket.getsockname() is the bound source address, before, while and after connecting", async () => {
    const listening = new Listening(map);
    const client = new Logged(undefined, map);
    client.createSocket();
    client.bind(["127.0.0.7", 0]);
    const bound = client.getsockname() as [string, number];
    expect([bound[0], bound[1] > 0]).toEqual(["127.0.0.7", true]);
    client.connect(listening.address);
    expect(client.getsockname()).toEqual(bound);
    await until(() => client.connected && listening.accepted.length === 1, "the connection");
    expect(client.getsockname()).toEqual(bound);
    expect(listening.accepted[0]?.getpeername()).toEqual(bound);
  });

  test("TcpSocket.setsockopt() before connecting holds after it", async () => {
    const listening = new Listening(map);
    const client = new Logged(undefined, map);
    client.createSocket();
    client.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
    client.setsockopt(SOL_SOCKET, SO_RCVBUF, 16_384);
    client.connect(listening.address);
    await until(() => client.connected, "the connection");
    expect(client.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(1);
    expect(client.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBe(32_768);
    expect(client.fileno()).toBeGreaterThan(2);
  });

  test("TcpSocket.connect() to a name that is unknown fails with ENOTFOUND after it has returned", async () => {
    const client = new Logged(undefined, map);
    client.createSocket();
    client.connect(["no-such-host.invalid", 80]);
    expect(client.events).toEqual([]);
    await until(() => client.events.length > 0, "the failure");
    expect(client.error).toMatchObject({
      name: "ResolveError",
      syscall: "getaddrinfo",
      address: "no-such-host.invalid",
      port: 80,
    });
  });

  test("TcpSocket.connect() to a name of this machine connects", async () => {
    const listening = new Listening(map);
    const [, port] = listening.address as [string, number];
    const client = connectTo(new Logged(undefined, map), ["localhost", port]);
    await until(() => client.events.length > 0, "the outcome");
    expect(client.events).toEqual(["connect"]);
  });

  test("TcpSocket.close() while the name is being looked up ends it silently", async () => {
    const client = connectTo(new Logged(undefined, map), ["localhost", 9]);
    client.close();
    await turns(50);
    expect([client.events, client.fileno()]).toEqual([[], -1]);
  });
});

describe.if(libc() !== undefined)("Parked", () => {
  /** Accepts and does what the test says with the socket. */
  class Holder extends Dispatcher {
    readonly took: (socket: Socket) => void;
    constructor(took: (socket: Socket) => void) {
      super(undefined, map);
      this.took = took;
      this.createSocket();
      this.bind(["127.0.0.1", 0]);
      this.listen();
    }
    override handleAccepted(socket: Socket): void {
      this.took(socket);
    }
  }

  const collectUntil = (condition: () => boolean, what: string): Promise<void> =>
    until(() => {
      Bun.gc(true);
      return condition();
    }, what);

  test("Parked closes an accepted connection that the program dropped", async () => {
    let count = 0;
    const holder = new Holder(() => void count++);
    const clients = Array.from({ length: 20 }, () =>
      connectTo(new Logged(undefined, map), holder.getsockname()),
    );
    await until(() => count === 20, "all are accepted");
    // The collector is conservative: one or two may be held by an old stack slot.
    await collectUntil(
      () => clients.filter((client) => client.events.includes("close")).length >= 17,
      "dropped connections end",
    );
    for (const client of clients) expect(client.error).toBeUndefined();
  });

  test("Parked closes a dropped connection soon also when its peer has sent something", async () => {
    let count = 0;
    const holder = new Holder(() => void count++);
    const clients = Array.from({ length: 20 }, () =>
      connectTo(new Logged(undefined, map), holder.getsockname()),
    );
    await until(() => clients.every((client) => client.connected) && count === 20, "all are accepted");
    for (const client of clients) client.send("unread");
    const began = performance.now();
    await collectUntil(
      () => clients.filter((client) => client.events.includes("close")).length >= 17,
      "dropped connections end",
    );
    // And the descriptors on the other side: a paused one would not see the peer's FIN, and wait 5 s for it.
    expect(performance.now() - began).toBeLessThan(4000);
  });

  test("Parked keeps a connection that the program holds, with its bytes, until it is taken up", async () => {
    const held: Socket[] = [];
    const holder = new Holder((socket) => void held.push(socket));
    const client = connectTo(new Logged(undefined, map), holder.getsockname());
    await until(() => client.connected && held.length === 1, "the connection");
    client.send("waiting");
    for (let i = 0; i < 10; i++) {
      Bun.gc(true);
      await turns(1);
    }
    expect(client.events).toEqual(["connect"]);
    const taken = new Logged(held[0], map);
    await until(() => taken.received === "waiting", "the bytes");
    taken.send("answer");
    await until(() => client.received === "answer", "the answer");
  });

  test("Parked tells a held socket of the peer's end when it is taken up", async () => {
    const held: Socket[] = [];
    const holder = new Holder((socket) => void held.push(socket));
    const client = connectTo(new Logged(undefined, map), holder.getsockname());
    await until(() => client.connected && held.length === 1, "the connection");
    client.send("last");
    client.close();
    await turns(20);
    const taken = new Logged(held[0], map);
    await until(() => taken.events.includes("close"), "the end");
    expect(taken.events).toEqual(["read 4", "close"]);
  });
});
