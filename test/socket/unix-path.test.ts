import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { AF_UNIX, ChannelMap, closeAll, Dispatcher, type Socket } from "asyncore";

import { replaceStaleSocket, UnixPath } from "../../src/socket/unix-path.ts";
import { connectTo, Logged } from "../support/channels.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "asyncore-unix-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let paths = 0;
const freshPath = (): string => join(folder, `s${++paths}`);

/** A socket file of a listener that somebody, not this library, has open. */
function listenRaw(path: string): { stop(): void } {
  const listener = Bun.listen({ unix: path, socket: { data: () => undefined } });
  return { stop: () => listener.stop() };
}

/** A socket file that nobody listens on, as a process that was killed leaves it. */
function makeStale(path: string): void {
  const listener = listenRaw(`${path}.live`);
  renameSync(`${path}.live`, path);
  listener.stop();
  expect(lstatSync(path).isSocket()).toBe(true);
}

function thrownBy(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("UnixPath", () => {
  test("UnixPath.remove() removes the file that was made, once", () => {
    const path = freshPath();
    makeStale(path);
    const made = UnixPath.made(path);
    made?.remove();
    expect(existsSync(path)).toBe(false);
    made?.remove();
  });

  test("UnixPath.made() is undefined for an abstract name, a plain file and nothing", () => {
    const path = freshPath();
    writeFileSync(path, "data");
    expect([UnixPath.made("\0abstract"), UnixPath.made(path), UnixPath.made(freshPath())]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("UnixPath.remove() leaves a successor's socket, a plain file and a folder alone", () => {
    const replacements = [
      makeStale,
      (path: string): void => writeFileSync(path, "data"),
      (path: string): void => {
        mkdirSync(path);
      },
    ];
    for (const replace of replacements) {
      const path = freshPath();
      makeStale(path);
      const made = UnixPath.made(path);
      unlinkSync(path);
      replace(path);
      made?.remove();
      expect(existsSync(path)).toBe(true);
    }
  });

  test("UnixPath.remove() knows its file after chmod", () => {
    const path = freshPath();
    makeStale(path);
    const made = UnixPath.made(path);
    chmodSync(path, 0o600);
    made?.remove();
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    ["is gone", (): void => undefined],
    ["became a file", (parent: string): void => writeFileSync(parent, "")],
    ["became a loop", (parent: string): void => symlinkSync(parent, parent)],
  ])("UnixPath.remove() does not throw when the folder %s", (_what, replace) => {
    const parent = freshPath();
    mkdirSync(parent);
    const path = join(parent, "s");
    makeStale(path);
    const made = UnixPath.made(path);
    rmSync(parent, { recursive: true });
    replace(parent);
    expect(thrownBy(() => made?.remove())).toBeUndefined();
  });
});

describe("replaceStaleSocket()", () => {
  test("replaceStaleSocket() removes a socket that is stale", () => {
    const path = freshPath();
    makeStale(path);
    expect(replaceStaleSocket(path, () => true)).toBe(true);
    expect(existsSync(path)).toBe(false);
  });

  test("replaceStaleSocket() leaves a live one", () => {
    const path = freshPath();
    const live = listenRaw(path);
    expect(replaceStaleSocket(path, () => false)).toBe(false);
    expect(existsSync(path)).toBe(true);
    live.stop();
  });

  test("replaceStaleSocket() does not even ask about a plain file, a folder, a link, nothing or an abstract name", () => {
    const file = freshPath();
    writeFileSync(file, "data");
    const link = freshPath();
    const target = freshPath();
    makeStale(target);
    symlinkSync(target, link);
    const ask = (): boolean => {
      throw new Error("asked");
    };
    for (const path of [file, folder, link, freshPath(), "\0abstract"]) {
      expect(replaceStaleSocket(path, ask)).toBe(false);
    }
    expect([readFileSync(file, "utf8"), existsSync(link), existsSync(target)]).toEqual(["data", true, true]);
  });

  test("replaceStaleSocket() leaves a successor that came while it asked", () => {
    const path = freshPath();
    makeStale(path);
    const replaced = replaceStaleSocket(path, () => {
      unlinkSync(path);
      makeStale(path);
      return true;
    });
    expect([replaced, existsSync(path)]).toEqual([false, true]);
    const file = freshPath();
    makeStale(file);
    const kept = replaceStaleSocket(file, () => {
      unlinkSync(file);
      writeFileSync(file, "data");
      return true;
    });
    expect([kept, readFileSync(file, "utf8")]).toEqual([false, "data"]);
  });

  test("replaceStaleSocket() says no when the file vanished while it asked", () => {
    const path = freshPath();
    makeStale(path);
    expect(
      replaceStaleSocket(path, () => {
        unlinkSync(path);
        return true;
      }),
    ).toBe(false);
  });
});

describe("Dispatcher on a unix path", () => {
  const map = new ChannelMap();
  class Server extends Dispatcher {
    constructor() {
      super(undefined, map);
      this.createSocket(AF_UNIX);
    }
    override handleAccepted(socket: Socket): void {
      new Logged(socket, map);
    }
  }
  const codeOf = (action: () => void): unknown => (thrownBy(action) as { code?: unknown } | undefined)?.code;

  test("Dispatcher.bind() replaces a stale socket, and close() removes its own", () => {
    const path = freshPath();
    makeStale(path);
    const server = new Server();
    server.bind(path);
    server.listen();
    expect(server.getsockname()).toBe(path);
    server.close();
    expect(existsSync(path)).toBe(false);
  });

  test("Dispatcher.bind() throws EADDRINUSE for a live socket, a plain file and a folder, and leaves them", () => {
    const live = freshPath();
    const listener = listenRaw(live);
    const file = freshPath();
    writeFileSync(file, "data");
    const dir = freshPath();
    mkdirSync(dir);
    for (const path of [live, file, dir]) {
      const server = new Server();
      expect(codeOf(() => server.bind(path))).toBe("EADDRINUSE");
      expect(existsSync(path)).toBe(true);
      // The channel is as it was: it can be bound elsewhere.
      server.bind(freshPath());
      server.close();
      expect(existsSync(path)).toBe(true);
    }
    listener.stop();
  });

  test("Dispatcher.bind() throws EADDRINUSE for a path whose owner is bound and about to listen", async () => {
    const path = freshPath();
    const first = new Server();
    first.bind(path);
    const second = new Server();
    const code = codeOf(() => second.bind(path));
    second.close();
    first.listen();
    const client = new Logged(undefined, map);
    client.createSocket(AF_UNIX);
    client.connect(path);
    await until(() => client.events.length > 0, "the connect ends");
    closeAll(map);
    expect([code, client.events]).toEqual(["EADDRINUSE", ["connect"]]);
  });

  test("Dispatcher.bind() a second time to the same path throws, and the first bind stands", async () => {
    const path = freshPath();
    const server = new Server();
    server.bind(path);
    expect(thrownBy(() => server.bind(path))).toMatchObject({ syscall: "bind" });
    expect(existsSync(path)).toBe(true);
    server.listen();
    const client = new Logged(undefined, map);
    client.createSocket(AF_UNIX);
    client.connect(path);
    await until(() => client.events.length > 0, "the connect ends");
    closeAll(map);
    expect(client.events).toEqual(["connect"]);
  });

  test("Dispatcher.close() leaves a successor's socket at the same path", () => {
    const path = freshPath();
    const server = new Server();
    server.bind(path);
    server.listen();
    unlinkSync(path);
    const successor = listenRaw(path);
    server.close();
    expect(existsSync(path)).toBe(true);
    successor.stop();
  });

  test("Dispatcher.close() does not throw when the folder of its path became a loop", () => {
    const parent = freshPath();
    mkdirSync(parent);
    const server = new Server();
    server.bind(join(parent, "s"));
    server.listen();
    rmSync(parent, { recursive: true });
    symlinkSync(parent, parent);
    const thrown = thrownBy(() => server.close());
    expect([thrown, server.fileno()]).toEqual([undefined, -1]);
  });

  test("Dispatcher.close() of a connected client removes the path the client was bound to", async () => {
    const path = freshPath();
    const own = freshPath();
    const server = new Server();
    server.bind(path);
    server.listen();
    const client = new Logged(undefined, map);
    client.createSocket(AF_UNIX);
    client.bind(own);
    client.connect(path);
    await until(() => client.connected, "the connection");
    expect([client.getsockname(), client.getpeername(), existsSync(own)]).toEqual([own, path, true]);
    client.abort();
    server.close();
    expect(existsSync(own)).toBe(false);
  });

  test("Dispatcher.bind() to an abstract name makes no file, and a second one gets EADDRINUSE", async () => {
    const name = `\0asyncore-test-${process.pid}-${++paths}`;
    const server = new Server();
    server.bind(name);
    expect(server.getsockname()).toBe(name);
    server.listen();
    const second = new Server();
    expect(codeOf(() => second.bind(name))).toBe("EADDRINUSE");
    second.close();
    const client = new Logged(undefined, map);
    client.createSocket(AF_UNIX);
    client.connect(name);
    await until(() => client.connected, "the connection");
    closeAll(map);
  });

  test("Dispatcher.connect() to a path without file fails with ENOENT, to a stale one with ECONNREFUSED", async () => {
    const stale = freshPath();
    makeStale(stale);
    const none = freshPath();
    for (const [path, failure] of [
      [none, `connect ${none}: ENOENT no such file or directory`],
      [stale, `connect ${stale}: ECONNREFUSED connection refused`],
    ] as const) {
      const client = new Logged(undefined, map);
      client.createSocket(AF_UNIX);
      client.connect(path);
      expect(client.events).toEqual([]);
      await until(() => client.events.length > 0, "the failure");
      expect(client.events).toEqual([`error ${failure}`]);
    }
  });

  test("connectTo() is not fooled by families: a unix path on a TCP channel is a malformed address", () => {
    const client = new Logged(undefined, map);
    expect(thrownBy(() => connectTo(client, freshPath()))).toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    client.close();
  });
});
