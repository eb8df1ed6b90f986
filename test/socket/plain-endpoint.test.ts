import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Address, checkAddress } from "../../src/base/address.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOL_SOCKET,
} from "../../src/base/constants.ts";
import type { OSError } from "../../src/base/errors.ts";
import type { BunOwner, Wire } from "../../src/socket/endpoint.ts";
import { PlainEndpoint } from "../../src/socket/plain-endpoint.ts";
import { turns, until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "asyncore-plain-"));
const endpoints: PlainEndpoint[] = [];
const owners: Owner[] = [];
afterAll(() => {
  for (const endpoint of endpoints) endpoint.close();
  for (const owner of owners) owner.wire?.terminate();
  rmSync(folder, { recursive: true, force: true });
});
let paths = 0;
const freshPath = (): string => join(folder, `s${++paths}`);

/** Writes down what Bun tells. */
class Owner implements BunOwner {
  readonly events: string[] = [];
  wire: Wire | undefined;
  constructor() {
    owners.push(this);
  }
  bunOpened(wire: Wire): void {
    this.wire = wire;
    this.events.push("open");
  }
  bunReceived(chunk: Buffer): void {
    this.events.push(`data ${chunk.toString()}`);
  }
  bunDrained(): void {}
  bunEnded(): void {
    this.events.push("end");
  }
  bunClosed(): void {
    this.events.push("close");
  }
}

const create = (family: number): PlainEndpoint => {
  const endpoint = new PlainEndpoint(family);
  endpoints.push(endpoint);
  return endpoint;
};
const bind = (endpoint: PlainEndpoint, family: number, address: Address): void =>
  endpoint.bind(address, checkAddress(family, address, "bind"));
const connect = (family: number, address: Address): Owner => {
  const owner = new Owner();
  create(family).connect(address, checkAddress(family, address, "connect"), owner, (error) =>
    owner.events.push(`failed ${error.message}`),
  );
  return owner;
};
function thrownBy(action: () => unknown): OSError | undefined {
  try {
    action();
  } catch (error) {
    return error as OSError;
  }
  return undefined;
}
/** A socket file that nobody listens on. */
function makeStale(path: string): void {
  const listener = Bun.listen({ unix: `${path}.live`, socket: { data: () => undefined } });
  renameSync(`${path}.live`, path);
  listener.stop();
}

describe("PlainEndpoint", () => {
  test.each([
    [AF_INET, ["127.0.0.1", 0], "127.0.0.1"],
    [AF_INET, ["", 0], "0.0.0.0"],
    [AF_INET6, ["::1", 0], "::1"],
    [AF_INET6, ["", 0], "::"],
  ] as [number, [string, number], string][])(
    "PlainEndpoint.bind() of family %p to %j has a port at once, and the host %p",
    (family, address, host) => {
      const endpoint = create(family);
      bind(endpoint, family, address);
      const [bound, port] = endpoint.getsockname() as [string, number];
      expect(bound).toBe(host);
      expect(port).toBeGreaterThan(0);
      endpoint.close();
    },
  );

  test("PlainEndpoint.getsockname() before bind() is every interface and no port", () => {
    expect(create(AF_INET).getsockname()).toEqual(["0.0.0.0", 0]);
    expect(create(AF_INET6).getsockname()).toEqual(["::", 0]);
  });

  test("PlainEndpoint.bind() throws EADDRINUSE, EADDRNOTAVAIL and EINVAL as the kernel would", () => {
    const first = create(AF_INET);
    bind(first, AF_INET, ["127.0.0.1", 0]);
    const taken = first.getsockname() as [string, number];
    expect(thrownBy(() => bind(create(AF_INET), AF_INET, taken))).toMatchObject({
      code: "EADDRINUSE",
      syscall: "bind",
      address: taken[0],
      port: taken[1],
    });
    expect(thrownBy(() => bind(create(AF_INET), AF_INET, ["192.0.2.1", 0]))).toMatchObject({
      code: "EADDRNOTAVAIL",
      address: "192.0.2.1",
    });
    expect(thrownBy(() => bind(first, AF_INET, ["127.0.0.1", 0]))).toMatchObject({ code: "EINVAL" });
    expect(first.getsockname()).toEqual(taken);
  });

  test("PlainEndpoint resets who connects before listen(), and hands over who connects after", async () => {
    const endpoint = create(AF_INET);
    bind(endpoint, AF_INET, ["127.0.0.1", 0]);
    const early = connect(AF_INET, endpoint.getsockname());
    await until(() => early.events.length > 1, "the reset");
    expect(early.events).toEqual(["open", "close"]);
    const owner = new Owner();
    endpoint.listen(5, owner);
    const late = connect(AF_INET, endpoint.getsockname());
    await until(() => owner.events.length > 0 && late.events.length > 0, "the connection");
    expect([owner.events, late.events]).toEqual([["open"], ["open"]]);
  });

  test("PlainEndpoint.listen() without bind() has a port", () => {
    const endpoint = create(AF_INET);
    endpoint.listen(5, new Owner());
    const [host, port] = endpoint.getsockname() as [string, number];
    expect([host, port > 0]).toEqual(["0.0.0.0", true]);
  });

  test("PlainEndpoint.connect() tells nothing before it has returned, then the failure with the address", async () => {
    const busy = create(AF_INET);
    bind(busy, AF_INET, ["127.0.0.1", 0]);
    const address = busy.getsockname() as [string, number];
    busy.close();
    const refused = connect(AF_INET, address);
    const missing = freshPath();
    const none = connect(AF_UNIX, missing);
    expect([refused.events, none.events]).toEqual([[], []]);
    await until(() => refused.events.length > 1 && none.events.length > 1, "both failures");
    expect(refused.events).toContain(
      `failed connect 127.0.0.1:${address[1]}: ECONNREFUSED connection refused`,
    );
    expect(none.events).toContain(`failed connect ${missing}: ENOENT no such file or directory`);
  });

  test("PlainEndpoint.connect() keeps the bound source address", async () => {
    const server = create(AF_INET);
    bind(server, AF_INET, ["127.0.0.1", 0]);
    const owner = new Owner();
    server.listen(5, owner);
    const client = create(AF_INET);
    bind(client, AF_INET, ["127.0.0.7", 0]);
    const [host, port] = client.getsockname() as [string, number];
    const target = server.getsockname();
    const wire = new Owner();
    client.connect(target, checkAddress(AF_INET, target, "connect"), wire, (error) =>
      wire.events.push(`failed ${error.message}`),
    );
    await until(() => owner.events.length > 0 || wire.events.length > 0, "the connection");
    await until(() => owner.wire !== undefined, "the connection");
    expect([owner.wire?.remoteAddress, owner.wire?.remotePort]).toEqual([host, port]);
  });

  test("PlainEndpoint has no options but SO_REUSEADDR, no descriptor, and cannot be paused", () => {
    const endpoint = create(AF_INET);
    expect([endpoint.fd, endpoint.canPause, endpoint.getsockopt(SOL_SOCKET, SO_REUSEADDR)]).toEqual([
      -1,
      false,
      1,
    ]);
    endpoint.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    for (const action of [
      () => endpoint.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0),
      () => endpoint.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1),
      () => endpoint.getsockopt(SOL_SOCKET, SO_KEEPALIVE),
      () => endpoint.stopAccepting(),
      () => endpoint.startAccepting(),
    ]) {
      expect(thrownBy(action)).toMatchObject({ code: "ENOSYS" });
    }
  });

  // --- unix paths ---------------------------------------------------------------------------------------------

  test("PlainEndpoint.bind() replaces a stale socket file, and close() removes its own", async () => {
    const path = freshPath();
    makeStale(path);
    const endpoint = create(AF_UNIX);
    bind(endpoint, AF_UNIX, path);
    expect(endpoint.getsockname()).toBe(path);
    const owner = new Owner();
    endpoint.listen(1, owner);
    const client = connect(AF_UNIX, path);
    await until(() => owner.events.length > 0 && client.events.length > 0, "the connection");
    endpoint.close();
    expect(existsSync(path)).toBe(false);
  });

  test("PlainEndpoint.bind() leaves a live socket and a plain file, and throws EADDRINUSE", async () => {
    const live = freshPath();
    const listener = Bun.listen({ unix: live, socket: { data: () => undefined } });
    const file = freshPath();
    writeFileSync(file, "data");
    for (const path of [live, file]) {
      const endpoint = create(AF_UNIX);
      expect(thrownBy(() => bind(endpoint, AF_UNIX, path))).toMatchObject({
        code: "EADDRINUSE",
        address: path,
      });
      expect(existsSync(path)).toBe(true);
    }
    await turns(5);
    listener.stop();
  });

  test("PlainEndpoint.close() leaves a successor's file at the same path", () => {
    const path = freshPath();
    const endpoint = create(AF_UNIX);
    bind(endpoint, AF_UNIX, path);
    unlinkSync(path);
    writeFileSync(path, "a successor");
    endpoint.close();
    expect(existsSync(path)).toBe(true);
  });
});

test("Dispatcher echoes without the C library", async () => {
  const source = `
    import { Dispatcher } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    class Echo extends Dispatcher {
      handleRead() { this.send(this.recv()); }
      handleClose() { this.close(); }
    }
    class Client extends Dispatcher {
      handleConnect() { this.send("hello"); }
      handleRead() { console.log(String(this.recv())); this.close(); server.close(); }
    }
    const server = new Dispatcher();
    server.handleAccepted = (socket) => void new Echo(socket);
    server.createSocket();
    server.setReuseAddr();
    server.bind(["127.0.0.1", 0]);
    server.listen(1);
    const client = new Client();
    client.createSocket();
    client.connect(server.getsockname());
  `;
  const child = Bun.spawn([process.execPath, "-e", source], {
    env: { ...process.env, ASYNCORE_FFI: "0" },
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(await new Response(child.stdout).text()).toBe("hello\n");
  expect(await child.exited).toBe(0);
});
