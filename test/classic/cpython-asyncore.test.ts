/**
 * The behaviour that CPython's own test_asyncore checks, checked on `asyncore/classic`. Which test stands for which of
 * CPython's is said in `cpython-tests.ts`.
 */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { ChannelMap, osError, streamLimits } from "asyncore";
import * as asyncore from "asyncore/classic";

import { libc } from "../../src/socket/libc.ts";
import { hasFiles } from "../dispatcher/file-kit.ts";
import { until } from "../support/until.ts";
import { Client, families, lacking, Listener, Quiet, Server, Setting } from "./cpython-kit.ts";

const skipped = (what: string, why: string): void => console.warn(`SKIPPED: ${what}: ${why}`);

// --- functions -------------------------------------------------------------------------------------------------

/** Anything that has the handlers: no dispatcher, and in no map. */
class Handlers implements asyncore.EventHandlers {
  readonly events: string[] = [];
  readonly failure: Error | undefined;
  error: unknown;

  constructor(failure?: Error) {
    this.failure = failure;
  }
  #event(name: string): void {
    this.events.push(name);
    if (this.failure !== undefined) throw this.failure;
  }
  handle_read_event(): void {
    this.#event("read");
  }
  handle_write_event(): void {
    this.#event("write");
  }
  handle_expt_event(): void {
    this.#event("expt");
  }
  handle_close(): void {
    this.#event("close");
  }
  handle_error(error: unknown): void {
    this.events.push("error");
    this.error = error;
  }
}

/** `run` lets ExitNow out, and gives every other error to handle_error(). */
function expectGuarded(run: (obj: asyncore.EventHandlers) => void, event: string): void {
  const exit = new asyncore.ExitNow("enough");
  const leaving = new Handlers(exit);
  expect(() => run(leaving)).toThrow(exit);
  expect(leaving.events).toEqual([event]);

  const crash = new Error("crash");
  const crashing = new Handlers(crash);
  run(crashing);
  expect(crashing.events).toEqual([event, "error"]);
  expect(crashing.error).toBe(crash);
}

describe("functions", () => {
  test.each([
    ["read()", "read", (obj: asyncore.EventHandlers) => asyncore.read(obj)],
    ["write()", "write", (obj: asyncore.EventHandlers) => asyncore.write(obj)],
    [
      "readwrite(POLLPRI)",
      "expt",
      (obj: asyncore.EventHandlers) => asyncore.readwrite(obj, asyncore.POLLPRI),
    ],
  ] as const)("%s lets ExitNow out and gives other errors to handle_error()", (_name, event, run) => {
    expectGuarded(run, event);
  });

  test.each([
    ["POLLIN", asyncore.POLLIN, "read"],
    ["POLLPRI", asyncore.POLLPRI, "expt"],
    ["POLLOUT", asyncore.POLLOUT, "write"],
    ["POLLERR", asyncore.POLLERR, "close"],
    ["POLLHUP", asyncore.POLLHUP, "close"],
    ["POLLNVAL", asyncore.POLLNVAL, "close"],
  ] as const)(
    "readwrite() calls the one handler of %s, lets ExitNow out, and gives other errors to handle_error()",
    (_name, flag, event) => {
      const obj = new Handlers();
      asyncore.readwrite(obj, flag);
      expect(obj.events).toEqual([event]);
      expectGuarded((guarded) => asyncore.readwrite(guarded, flag), event);
    },
  );

  function ten(map: ChannelMap | null): asyncore.dispatcher[] {
    return Array.from({ length: 10 }, () => {
      const channel = new asyncore.dispatcher(null, map);
      channel.create_socket();
      return channel;
    });
  }
  const states = (channels: readonly asyncore.dispatcher[]): Set<string | undefined> =>
    new Set(channels.map((channel) => channel.socket?.state));

  test("close_all(map) closes every channel of the map and empties it", () => {
    const map = new ChannelMap();
    const channels = ten(map);
    expect([map.size, states(channels)]).toEqual([10, new Set(["idle"])]);
    asyncore.close_all(map);
    expect([map.size, states(channels)]).toEqual([0, new Set(["closed"])]);
  });

  test("close_all() closes the channels of socket_map and leaves other maps alone", () => {
    const other = new ChannelMap();
    const [kept] = ten(other);
    const channels = ten(null);
    expect([...asyncore.socket_map.values()]).toEqual(expect.arrayContaining(channels));
    asyncore.close_all();
    expect([asyncore.socket_map.size, states(channels)]).toEqual([0, new Set(["closed"])]);
    expect([other.size, kept?.socket?.state]).toEqual([10, "idle"]);
    asyncore.close_all(other);
  });
});

// --- a dispatcher without a connection ---------------------------------------------------------------------------

/** What is written to a standard stream meanwhile, line by line. */
function written(to: "stdout" | "stderr", run: () => void): string[] {
  let text = "";
  const spy = spyOn(process[to], "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    run();
  } finally {
    spy.mockRestore();
  }
  return text.split("\n").slice(0, -1);
}

describe("dispatcher", () => {
  test("readable() and writable() are true by default", () => {
    const channel = new asyncore.dispatcher(null, new ChannelMap());
    expect([channel.readable(), channel.writable()]).toEqual([true, true]);
  });

  test("its text names the class", () => {
    class Mine extends asyncore.dispatcher {}
    expect(String(new asyncore.dispatcher(null, new ChannelMap()))).toBe("<dispatcher #0>");
    expect(String(new Mine(null, new ChannelMap()))).toBe("<Mine #0>");
  });

  test("log() writes to standard error", () => {
    const channel = new asyncore.dispatcher(null, new ChannelMap());
    const lines = written("stderr", () => {
      channel.log("a first hit");
      channel.log("a second 'hit'");
    });
    expect(lines).toEqual(["log: a first hit", "log: a second 'hit'"]);
  });

  test("log_info() writes to standard output, with the type in front", () => {
    const channel = new asyncore.dispatcher(null, new ChannelMap());
    const lines = written("stdout", () => {
      channel.log_info("one", "LOUD");
      channel.log_info("two");
      channel.log_info("three", "QUIET");
    });
    expect(lines).toEqual(["LOUD: one", "info: two", "QUIET: three"]);
  });

  test("events that nobody handles are warnings, once none is ignored", () => {
    const channel = new asyncore.dispatcher(null, new ChannelMap());
    const unhandled = (): void => {
      void channel.handle_expt();
      void channel.handle_read();
      void channel.handle_write();
      void channel.handle_connect();
    };
    expect(written("stdout", unhandled)).toEqual([]);
    channel.ignore_log_types = [];
    expect(written("stdout", unhandled)).toEqual([
      "warning: unhandled incoming priority event",
      "warning: unhandled read event",
      "warning: unhandled write event",
      "warning: unhandled connect event",
    ]);
  });

  test("an error says what the platform says for its code, and something for a code it does not have", () => {
    expect(osError("EPERM").message).toBe("EPERM operation not permitted");
    expect(osError("E-1").message).toBe("E-1 unknown error");
  });
});

describe("dispatcher_with_send", () => {
  class NoRead extends asyncore.dispatcher_with_send {
    override readable(): boolean {
      return false;
    }
    override handle_connect(): void {}
  }

  for (const when of ["before", "after"] as const) {
    test(`send() ${when} the connection stands keeps what it is given until passes have sent it`, async () => {
      using setting = new Setting("tcp4", false);
      const parts: Buffer[] = [];
      const ended = (): boolean => parts.some((part) => part.includes("\n"));
      const peer = net.createServer((socket) => {
        socket.on("data", (part) => {
          parts.push(Buffer.from(part));
          if (ended()) socket.end();
        });
      });
      try {
        await new Promise<void>((resolve) => {
          peer.listen(0, "127.0.0.1", resolve);
        });
        const channel = new NoRead(null, setting.map);
        channel.create_socket();
        channel.connect(["127.0.0.1", (peer.address() as net.AddressInfo).port]);
        if (when === "after") await setting.passes(() => channel.connected, "the connection");
        expect(channel.connected).toBe(when === "after");
        const text = "sent twice, then a newline; ";
        for (const piece of [text, text, "\n"]) expect(channel.send(piece)).toBe(piece.length);
        await setting.passes(() => channel.bufferedAmount === 0, "everything sent");
        await until(ended, "the newline");
        expect(Buffer.concat(parts).toString()).toBe(`${text}${text}\n`);
      } finally {
        peer.close();
      }
    });
  }
});

// --- files -------------------------------------------------------------------------------------------------------

if (!hasFiles) skipped("file_wrapper and file_dispatcher", "files need the C library");

describe.skipIf(!hasFiles)("file_wrapper", () => {
  const text = "what a file says, forty bytes in a line.\n";
  let folder = "";
  let file = "";
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "asyncore-cpython-"));
    file = path.join(folder, "data");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A wrapper, or what `make` makes, of the file; the descriptor it was made from is closed. */
  function opened<T>(flags: string, make: (fd: number) => T): T {
    const fd = openSync(file, flags);
    try {
      return make(fd);
    } finally {
      closeSync(fd);
    }
  }
  const wrap = (flags: string): asyncore.file_wrapper => opened(flags, (fd) => new asyncore.file_wrapper(fd));

  test("recv() and read() read from a duplicate of the descriptor, until it is closed", () => {
    writeFileSync(file, text);
    const wrapper = opened("r", (fd) => {
      const made = new asyncore.file_wrapper(fd);
      expect(made.fd).not.toBe(fd);
      expect(made.fileno()).toBe(made.fd);
      return made;
    });
    expect(wrapper.recv(7)?.toString()).toBe(text.slice(0, 7));
    expect(wrapper.read(5)?.toString()).toBe(text.slice(7, 12));
    wrapper.close();
    expect(() => wrapper.read(1)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });

  test("write() and send() have appended to the file when close() returns", () => {
    writeFileSync(file, text);
    const wrapper = wrap("a");
    wrapper.write("one more, ");
    wrapper.send("and another\n");
    wrapper.close();
    expect(readFileSync(file, "utf8")).toBe(`${text}one more, and another\n`);
  });

  test("file_dispatcher's handle_read() has read the file after two passes with use_poll", async () => {
    writeFileSync(file, text);
    const parts: Buffer[] = [];
    class Reads extends asyncore.file_dispatcher {
      override handle_read(): void {
        parts.push(this.recv(text.length));
      }
    }
    const map = new ChannelMap();
    opened("r", (fd) => new Reads(fd, map));
    await asyncore.loop({ timeout: 0.01, use_poll: true, map, count: 2 });
    expect(Buffer.concat(parts).toString()).toBe(text);
    asyncore.close_all(map);
  });

  test("close() tells that somebody else has closed the descriptor, once", () => {
    const wrapper = wrap("r");
    closeSync(wrapper.fd);
    expect(() => wrapper.close()).toThrow(expect.objectContaining({ code: "EBADF", syscall: "close" }));
    expect(wrapper.fd).toBe(-1);
    wrapper.close();
  });

  test("close() of a channel does not tell that somebody else has closed the descriptor", () => {
    const map = new ChannelMap();
    const wrapper = wrap("r");
    const channel = new asyncore.dispatcher(wrapper, map);
    closeSync(wrapper.fd);
    channel.close();
    expect([map.size, wrapper.fd]).toEqual([0, -1]);
  });
});

// --- every family, both kinds of loop ----------------------------------------------------------------------------

const hasLibc = libc() !== undefined;
if (!hasLibc) skipped("urgent data, the descriptor's flags and socket options", "they need the C library");
const hasFdInfo = process.platform === "linux" && hasLibc;
if (!hasFdInfo) skipped("the look at the descriptor's flags", "it needs Linux's /proc and the C library");

/** The flags of one of our descriptors, as open(2) has them. */
function flagsOf(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const octal = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
  const flags = Number.parseInt(octal, 8);
  return { nonBlocking: (flags & 0o4000) !== 0, closeOnExec: (flags & 0o2000000) !== 0 };
}

for (const family of families) {
  const why = lacking(family);
  if (why !== undefined) skipped(family, why);
  for (const use_poll of [false, true]) {
    describe.skipIf(why !== undefined)(`${family} ${use_poll ? "poll" : "select"}`, () => {
      /** A test in a setting of its own, in which no hook runs that was not expected. */
      const check = (
        title: string,
        body: (setting: Setting) => Promise<void> | void,
        possible: boolean = true,
      ): void =>
        test.skipIf(!possible)(title, async () => {
          using setting = new Setting(family, use_poll);
          await body(setting);
          expect(setting.unexpected).toEqual([]);
        });

      check("handle_connect() runs when the connection stands", async (setting) => {
        class Connects extends Client {
          override handle_connect(): void {
            this.flag = true;
          }
        }
        const client = new Connects(setting, new Server(setting).address);
        expect(client.flag).toBe(false);
        await setting.passes(() => client.flag, "handle_connect()");
      });

      check("handle_accept() runs when somebody connects", async (setting) => {
        class Accepts extends Listener {
          override handle_accept(): void {
            this.flag = true;
          }
        }
        const listener = new Accepts(setting);
        new Client(setting, listener.address);
        await setting.passes(() => listener.flag, "handle_accept()");
      });

      check(
        "handle_accepted() is what the default handle_accept() calls, with socket and address",
        async (setting) => {
          class Accepts extends Server {
            override handle_accepted(sock: asyncore.Socket, addr: asyncore.Address): void {
              expect(sock.state).toBe("open");
              // A unix client has no name.
              expect(family === "unix" ? addr : addr[0]).toBe(
                { tcp4: "127.0.0.1", tcp6: "::1", unix: "" }[family],
              );
              sock.close();
              this.flag = true;
            }
          }
          class Ends extends Client {
            override handle_close(): void {
              this.close();
            }
          }
          const listener = new Accepts(setting);
          new Ends(setting, listener.address);
          await setting.passes(() => listener.flag, "handle_accepted()");
        },
      );

      check("handle_read() runs when data has come", async (setting) => {
        class Sends extends Quiet {
          constructor(sock: asyncore.Socket) {
            super(setting, sock);
            this.send("x".repeat(1024));
          }
        }
        class Reads extends Client {
          override handle_read(): void {
            this.flag = true;
          }
        }
        const server = new Server(setting, (sock) => new Sends(sock));
        const client = new Reads(setting, server.address);
        await setting.passes(() => client.flag, "handle_read()");
        expect(client.recv(2048).length).toBe(1024);
      });

      check("handle_write() runs when there is room", async (setting) => {
        class Writes extends Client {
          override handle_write(): void {
            this.flag = true;
          }
        }
        const client = new Writes(setting, new Server(setting).address);
        await setting.passes(() => client.flag, "handle_write()");
        expect(client.connected).toBe(true);
      });

      check("handle_close() runs when recv() meets the end that the other side made", async (setting) => {
        class Closes extends Quiet {
          constructor(sock: asyncore.Socket) {
            super(setting, sock);
            this.close();
          }
        }
        class Reads extends Client {
          override handle_read(): void {
            expect(this.recv(1024).length).toBe(0);
          }
          override handle_close(): void {
            this.flag = true;
            this.close();
          }
        }
        const server = new Server(setting, (sock) => new Closes(sock));
        const client = new Reads(setting, server.address);
        await setting.passes(() => client.flag, "handle_close()");
      });

      // CPython's close() resets when more comes. Ours reads and drops for `lingerTimeoutMs`; the reset comes then.
      for (const [how, end] of [
        ["closed", (channel: asyncore.dispatcher): void => channel.close()],
        ["reset", (channel: asyncore.dispatcher): void => channel.abort()],
      ] as const) {
        check(
          `handle_close() runs when send() meets a connection that the other side has ${how}`,
          async (setting) => {
            const data = Buffer.alloc(128);
            class Ends extends Quiet {
              static override limits = streamLimits({ lingerTimeoutMs: 20 });
              override handle_read(): void {
                this.recv(data.length);
                end(this);
              }
              override writable(): boolean {
                return false;
              }
            }
            class Sends extends Client {
              closes = 0;
              override handle_write(): void {
                this.send(data);
              }
              override handle_close(): void {
                this.closes++;
                this.close();
              }
            }
            const server = new Server(setting, (sock) => new Ends(setting, sock));
            const client = new Sends(setting, server.address);
            await setting.passes(() => client.closes > 0, "handle_close()");
            await setting.pass(0);
            expect(client.closes).toBe(1);
          },
        );
      }

      check(
        "handle_expt() runs when urgent data has come, where the family has any",
        async (setting) => {
          if (family === "unix") {
            const channel = new asyncore.dispatcher(null, setting.map);
            channel.create_socket(setting.af);
            const refused = expect.objectContaining({ code: "EOPNOTSUPP" });
            expect(() => channel.recv(1, asyncore.MSG_OOB)).toThrow(refused);
            return;
          }
          class Sends extends Quiet {
            constructor(sock: asyncore.Socket) {
              super(setting, sock);
              expect(this.send(Buffer.of(244), asyncore.MSG_OOB)).toBe(1);
            }
          }
          class Urgent extends Client {
            urgent: Buffer | undefined;
            override handle_expt(): void {
              this.urgent = this.recv(1024, asyncore.MSG_OOB);
            }
          }
          const server = new Server(setting, (sock) => new Sends(sock));
          const client = new Urgent(setting, server.address);
          await setting.passes(() => client.urgent !== undefined, "handle_expt()");
          expect(client.urgent).toEqual(Buffer.of(244));
        },
        hasLibc,
      );

      check("handle_error() gets what a hook threw", async (setting) => {
        const mistake = new RangeError("divided by nothing");
        class Fails extends Client {
          error: unknown;
          override handle_write(): void {
            throw mistake;
          }
          override handle_error(error: unknown): void {
            this.error = error;
            this.close();
          }
        }
        const client = new Fails(setting, new Server(setting).address);
        await setting.passes(() => client.error !== undefined, "handle_error()");
        expect(client.error).toBe(mistake);
      });

      check(
        "connected and accepting say what a server and a client are, from the beginning to the end",
        async (setting) => {
          const server = new Server(setting);
          const client = new Client(setting, server.address);
          const state = (channel: asyncore.dispatcher): string =>
            [channel.connected && "connected", channel.accepting && "accepting"].filter(Boolean).join(" ") ||
            "neither";
          expect([state(server), state(client)]).toEqual(["accepting", "neither"]);
          await setting.passes(() => client.connected && server.handlers.length > 0, "the connection");
          for (let i = 0; i < 3; i++) await setting.pass(0);
          expect([state(server), state(client)]).toEqual(["accepting", "connected"]);
          client.close();
          expect([state(server), state(client)]).toEqual(["accepting", "neither"]);
          server.close();
          expect([state(server), state(client)]).toEqual(["neither", "neither"]);
        },
      );

      check("create_socket() makes a stream socket of the family", (setting) => {
        const channel = new asyncore.dispatcher(null, setting.map);
        channel.create_socket(setting.af);
        expect([channel.socket?.type, channel.socket?.family]).toEqual([asyncore.SOCK_STREAM, setting.af]);
        expect(channel.family_and_type).toEqual([setting.af, asyncore.SOCK_STREAM]);
        expect([...setting.map.values()]).toEqual([channel]);
      });

      check(
        "create_socket() makes a descriptor that does not block and that children do not get",
        (setting) => {
          const channel = new asyncore.dispatcher(null, setting.map);
          channel.create_socket(setting.af);
          expect(flagsOf(channel.fileno())).toEqual({ nonBlocking: true, closeOnExec: true });
        },
        hasFdInfo,
      );

      check("bind() fails where somebody else listens", (setting) => {
        const first = new asyncore.dispatcher(null, setting.map);
        first.create_socket(setting.af);
        first.bind(setting.free());
        first.listen(5);
        const second = new asyncore.dispatcher(null, setting.map);
        second.create_socket(setting.af);
        expect(() => second.bind(first.getsockname())).toThrow(
          expect.objectContaining({ code: "EADDRINUSE" }),
        );
      });

      check(
        "set_reuse_addr() sets SO_REUSEADDR, which is not set before",
        (setting) => {
          const first = new asyncore.dispatcher(null, setting.map);
          first.create_socket(setting.af);
          // A socket that is not connected may be handed to the constructor.
          const channel = new asyncore.dispatcher(first.socket, setting.map);
          const reuse = (): number => channel.getsockopt(asyncore.SOL_SOCKET, asyncore.SO_REUSEADDR);
          expect([channel.connected, reuse()]).toEqual([false, 0]);
          channel.socket?.close();
          channel.create_socket(setting.af);
          expect(reuse()).toBe(0);
          channel.set_reuse_addr();
          expect(reuse()).not.toBe(0);
        },
        hasLibc,
      );

      check(
        "a server goes on when a client has connected and reset before it was accepted",
        async (setting) => {
          class Echoes extends Quiet {
            override handle_read(): void {
              this.send(this.recv(100));
            }
            override handle_close(): void {
              this.close();
            }
          }
          class Talks extends Client {
            received = "";
            override handle_connect(): void {
              this.send("still there?");
            }
            override handle_read(): void {
              this.received += this.recv(100).toString();
            }
          }
          const server = new Server(setting, (sock) => new Echoes(setting, sock));
          const { address } = server;
          const target = typeof address === "string" ? [address] : [address[0], String(address[1])];
          // Nothing of ours runs meanwhile: the connection waits in the kernel, and is over before anybody looks.
          const program = path.join(import.meta.dir, "quick-connect.ts");
          const quick = Bun.spawnSync([process.execPath, program, ...target], { timeout: 20_000 });
          expect([quick.exitCode, quick.stderr.toString()]).toEqual([0, ""]);
          for (let i = 0; i < 5; i++) await setting.pass(0.01);
          // Linux hands such a connection out; elsewhere accept(2) may fail, or never hear of it.
          expect(server.handlers.length).toBeLessThanOrEqual(1);
          expect(server.handlers.some((handler) => handler.connected)).toBe(false);
          expect([server.accepting, server.connected]).toEqual([true, false]);
          const next = new Talks(setting, address);
          await setting.passes(() => next.received === "still there?", "the next client's echo");
        },
      );
    });
  }
}
