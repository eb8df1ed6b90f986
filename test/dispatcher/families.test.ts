/** IPv4, IPv6, both at once; names; what a connect that leads nowhere ends with. */
import { afterEach, describe, expect, test } from "bun:test";

import {
  type Address,
  AF_INET,
  AF_INET6,
  ChannelMap,
  closeAll,
  Dispatcher,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  type Socket,
  SOL_SOCKET,
  streamLimits,
  TCP_NODELAY,
} from "asyncore";

import { Logged } from "../support/channels.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

class Listener extends Dispatcher {
  readonly peers: Address[] = [];
  override handleAccepted(socket: Socket, address: Address): void {
    this.peers.push(address);
    new Logged(socket, map);
  }
}

function listen(
  family: number,
  address: Address,
  prepare?: (listener: Listener) => void,
  backlog = 16,
): Listener {
  const listener = new Listener(undefined, map);
  listener.createSocket(family);
  prepare?.(listener);
  listener.bind(address);
  listener.listen(backlog);
  return listener;
}

function connect(family: number, host: string, port: number): Logged {
  const client = new Logged(undefined, map);
  client.createSocket(family);
  client.connect([host, port]);
  return client;
}

const portOf = (listener: Dispatcher): number => (listener.getsockname() as [string, number])[1];

describe("address families", () => {
  test("Dispatcher.bind() to :: takes IPv6 and IPv4 connections", async () => {
    const listener = listen(AF_INET6, ["::", 0]);
    const clients = [
      connect(AF_INET6, "::1", portOf(listener)),
      connect(AF_INET, "127.0.0.1", portOf(listener)),
    ];
    await until(() => clients.every((client) => client.connected), "both connections");
    await until(() => listener.peers.length === 2, "both were accepted");
    expect(listener.peers.map((peer) => peer[0]).toSorted()).toEqual(["::1", "::ffff:127.0.0.1"]);
    expect(clients[0]?.getpeername()).toEqual(["::1", portOf(listener)]);
  });

  test("Dispatcher.setsockopt(IPV6_V6ONLY) before bind() keeps IPv4 out", async () => {
    const listener = listen(AF_INET6, ["::", 0], (one) => one.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1));
    const six = connect(AF_INET6, "::1", portOf(listener));
    const four = connect(AF_INET, "127.0.0.1", portOf(listener));
    await until(() => six.connected && four.error !== undefined, "one stands, one is refused");
    expect(four.error).toMatchObject({ code: "ECONNREFUSED", address: "127.0.0.1", port: portOf(listener) });
  });

  test("Dispatcher.bind() with an empty host means every interface", () => {
    expect(listen(AF_INET, ["", 0]).getsockname()).toEqual(["0.0.0.0", expect.any(Number)]);
    expect(listen(AF_INET6, ["", 0]).getsockname()).toEqual(["::", expect.any(Number)]);
  });

  test("Dispatcher.connect() and bind() look names up, and connect() tells a name nobody knows", async () => {
    const listener = listen(AF_INET, ["localhost", 0]);
    const client = connect(AF_INET, "localhost", portOf(listener));
    const lost = connect(AF_INET, "no-such-host.invalid", 80);
    await until(() => client.connected && lost.error !== undefined, "both outcomes");
    expect(client.getpeername()).toEqual(["127.0.0.1", portOf(listener)]);
    expect(client.addr).toEqual(["localhost", portOf(listener)]);
    expect(lost.error).toMatchObject({
      name: "ResolveError",
      syscall: "getaddrinfo",
      address: "no-such-host.invalid",
    });
    expect(lost.events).toHaveLength(1);
  });

  test("Dispatcher.bind() before connect() chooses the source address", async () => {
    const listener = listen(AF_INET, ["127.0.0.1", 0]);
    const client = new Logged(undefined, map);
    client.createSocket();
    client.bind(["127.0.0.9", 0]);
    const name = client.getsockname();
    client.connect(listener.getsockname());
    await until(() => client.connected && listener.peers.length === 1, "the connection stands");
    expect(listener.peers).toEqual([name]);
    expect(name[0]).toBe("127.0.0.9");
  });

  test("Dispatcher.connect() that nobody answers fails with ETIMEDOUT at its deadline, and lets go", async () => {
    // A listener that never accepts: what its backlog of 1 does not take is left without an answer.
    const full = listen(AF_INET, ["127.0.0.1", 0], undefined, 1);
    full.readable = () => false;
    class Impatient extends Logged {
      static override limits = streamLimits({ connectTimeoutMs: 150 });
    }
    const clients: Impatient[] = [];
    for (let i = 0; i < 6; i++) {
      const client = new Impatient(undefined, map);
      client.createSocket();
      client.connect(full.getsockname());
      clients.push(client);
    }
    await until(() => clients.some((client) => client.error !== undefined), "a deadline");
    const late = clients.filter((client) => client.error !== undefined);
    expect(late[0]?.error).toMatchObject({ code: "ETIMEDOUT", name: "TimeoutError", address: "127.0.0.1" });
    expect(late[0]?.socket?.state).toBe("closed");
    expect(late[0]?.fileno()).toBe(-1);
  });

  test("Dispatcher.setsockopt() and getsockopt() reach the kernel before and after the connection", async () => {
    const listener = listen(AF_INET, ["127.0.0.1", 0], (one) => {
      one.setReuseAddr();
      one.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
      one.setsockopt(SOL_SOCKET, SO_RCVBUF, 65_536);
    });
    expect(listener.getsockopt(SOL_SOCKET, SO_REUSEADDR)).not.toBe(0);
    expect(listener.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBeGreaterThanOrEqual(65_536);
    const client = connect(AF_INET, "127.0.0.1", portOf(listener));
    await until(() => client.connected, "the connection stands");
    expect(client.fileno()).toBeGreaterThan(2);
    client.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
    expect(client.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(1);
    expect(client.getsockopt(IPPROTO_TCP, TCP_NODELAY)).toBe(1);
    expect(() => client.getsockopt(SOL_SOCKET, 9999)).toThrow(
      expect.objectContaining({ code: "ENOPROTOOPT" }),
    );
  });

  // The namespace is the test's own, so nothing is sent anywhere.
  const unshare = ["unshare", "--user", "--map-root-user", "--net"];
  const hasNamespaces = Bun.which("unshare") !== null && Bun.spawnSync([...unshare, "true"]).exitCode === 0;
  const why = hasNamespaces ? "" : " (SKIPPED: no network namespaces here)";
  test.skipIf(!hasNamespaces)(`Dispatcher.connect() without a network tells ENETUNREACH${why}`, async () => {
    const program = `${import.meta.dir}/unreachable-client.ts`;
    await using client = new Program([program], {}, unshare);
    expect(await client.exited).toBe(0);
    await until(() => client.stdout.endsWith("\n"), "its answer");
    expect(JSON.parse(client.stdout)).toEqual({
      code: "ENETUNREACH",
      errno: 101,
      address: "127.0.0.1",
      port: 9,
    });
  });
});
