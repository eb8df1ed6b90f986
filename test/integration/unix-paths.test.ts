// The files of unix sockets: what bind() may replace, and what close() removes. `without-libc.test.ts` runs this
// file once more where there is no C library.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";

import { AF_UNIX, Dispatcher, OSError, type Socket } from "asyncore";

import { freshPath, removePaths } from "./support/place.ts";
import { Program } from "./support/program.ts";
import { RawPeer } from "./support/raw.ts";
import { until } from "../support/until.ts";

class Hello extends Dispatcher {
  constructor(path: string) {
    super();
    this.createSocket(AF_UNIX);
    try {
      this.bind(path);
      this.listen();
    } catch (error) {
      this.close();
      throw error;
    }
  }
  override handleAccepted(socket: Socket): void {
    socket.send("hello");
    socket.close();
  }
}

const codeOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof OSError) return error.code;
    throw error;
  }
  return "none";
};

async function greeting(path: string): Promise<string> {
  using peer = await RawPeer.connect(path, { answersFin: true });
  await until(() => peer.closed, "the end");
  return peer.received;
}

/** The file of a socket whose process was killed. */
async function stale(path: string): Promise<void> {
  await using child = Program.bun("unix-listener.ts", [path]);
  await child.answer((one) => one["listening"] === path, "the listener");
}

let path = "";
beforeEach(() => {
  path = freshPath();
});

afterAll(removePaths);

describe("bind() to a unix path", () => {
  test("Dispatcher.bind() replaces the socket file of a dead process", async () => {
    await stale(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    const server = new Hello(path);
    expect(await greeting(path)).toBe("hello");
    server.close();
    expect(existsSync(path)).toBe(false);
  });

  test("Dispatcher.bind() never replaces the socket file of a live server in another process", async () => {
    await using child = Program.bun("unix-listener.ts", [path]);
    await child.answer((one) => one["listening"] === path, "the listener");
    expect(codeOf(() => new Hello(path))).toBe("EADDRINUSE");
    expect(await greeting(path)).toBe("from the child");
  });

  test("Dispatcher.bind() never replaces the socket file of a live server in this process", async () => {
    const server = new Hello(path);
    expect(codeOf(() => new Hello(path))).toBe("EADDRINUSE");
    expect(await greeting(path)).toBe("hello");
    server.close();
  });

  test("Dispatcher.bind() never replaces a plain file", () => {
    writeFileSync(path, "precious");
    expect(codeOf(() => new Hello(path))).toBe("EADDRINUSE");
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("Dispatcher.bind() never replaces a directory", () => {
    mkdirSync(path);
    expect(codeOf(() => new Hello(path))).toBe("EADDRINUSE");
    expect(lstatSync(path).isDirectory()).toBe(true);
  });

  test("Dispatcher.bind() throws ENOENT when the directory is missing", () => {
    expect(codeOf(() => new Hello(`${path}/missing/s`))).toBe("ENOENT");
  });

  test("Dispatcher.bind() throws ENAMETOOLONG when the path has more than 107 bytes, and takes 107", () => {
    const room = 107 - Buffer.byteLength(path) - 1;
    const longest = `${path}-${"x".repeat(room)}`;
    expect(codeOf(() => new Hello(`${longest}x`))).toBe("ENAMETOOLONG");
    const server = new Hello(longest);
    expect(lstatSync(longest).isSocket()).toBe(true);
    server.close();
    expect(existsSync(longest)).toBe(false);
  });

  test("Dispatcher.getsockname() tells the path after bind()", () => {
    const server = new Hello(path);
    expect(server.getsockname()).toBe(path);
    server.close();
  });

  test("Dispatcher.bind() takes an abstract name, which leaves no file and is free after close()", async () => {
    const name = `\0${path}`;
    for (let i = 0; i < 2; i++) {
      const server = new Hello(name);
      expect(server.getsockname()).toBe(name);
      expect(codeOf(() => new Hello(name))).toBe("EADDRINUSE");
      expect(await greeting(name)).toBe("hello");
      server.close();
    }
    expect(existsSync(path)).toBe(false);
  });

  test("Dispatcher.connect() reaches an abstract name", async () => {
    const server = new Hello(`\0${path}`);
    let received = "";
    let closed = false;
    class Client extends Dispatcher {
      override handleConnect(): void {}
      override handleRead(): void {
        received += String(this.recv());
      }
      override handleClose(): void {
        closed = true;
        this.close();
      }
    }
    const client = new Client();
    client.createSocket(AF_UNIX);
    client.connect(`\0${path}`);
    await until(() => closed, "the end");
    expect(received).toBe("hello");
    server.close();
  });
});

describe("close() of a unix listener", () => {
  test("Dispatcher.close() removes the file it made", () => {
    const server = new Hello(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    server.close();
    expect(existsSync(path)).toBe(false);
  });

  // Bun's own stop() unlinks whatever is at the path; only our own bind() can do better.
  const libcOnly = test.skipIf(process.env["ASYNCORE_FFI"] === "0");
  const only = process.env["ASYNCORE_FFI"] === "0" ? " (SKIPPED: needs the C library)" : "";

  libcOnly(`Dispatcher.close() leaves a successor's socket at the same path alone${only}`, async () => {
    const first = new Hello(path);
    renameSync(path, `${path}.old`);
    const second = new Hello(path);
    first.close();
    expect(await greeting(path)).toBe("hello");
    second.close();
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.old`)).toBe(true);
  });

  libcOnly(`Dispatcher.close() leaves a plain file that replaced its socket alone${only}`, () => {
    const server = new Hello(path);
    unlinkSync(path);
    writeFileSync(path, "precious");
    server.close();
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("Dispatcher.close() of an accepted connection leaves the listener's file", async () => {
    const server = new Hello(path);
    expect(await greeting(path)).toBe("hello");
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(await greeting(path)).toBe("hello");
    server.close();
  });

  test("Dispatcher.connect() to a path without a server fails with ENOENT, to a dead one with ECONNREFUSED", async () => {
    const fails = async (to: string): Promise<string> => {
      let code = "";
      class Client extends Dispatcher {
        override handleError(error: unknown): void {
          code = error instanceof OSError ? error.code : String(error);
          this.close();
        }
      }
      const client = new Client();
      client.createSocket(AF_UNIX);
      client.connect(to);
      expect(code).toBe("");
      await until(() => code !== "", "the failure");
      return code;
    };
    await stale(`${path}.dead`);
    expect([await fails(path), await fails(`${path}.dead`)]).toEqual(["ENOENT", "ECONNREFUSED"]);
  });
});
