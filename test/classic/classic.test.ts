/** The Python names do what the core's do: hooks of either spelling are called, defaults reach the core. */
import { describe, expect, spyOn, test } from "bun:test";
import { closeSync, openSync } from "node:fs";

import { type Address, ArgumentTypeError, ChannelMap, Dispatcher, osError, type Socket } from "asyncore";
import * as asyncore from "asyncore/classic";

import { until } from "../support/until.ts";

/** A channel that writes down its hooks. */
class Logged extends asyncore.dispatcher {
  readonly events: string[] = [];
  override writable(): boolean {
    return !this.connected;
  }
  override handle_connect(): asyncore.HookResult {
    this.events.push("connect");
  }
  override handle_read(): asyncore.HookResult {
    const data = this.recv(8192);
    if (data.length > 0) this.events.push(`read ${data.toString()}`);
  }
  override handle_close(): void {
    this.events.push("close");
    this.close();
  }
  override handle_error(error?: unknown): void {
    this.events.push(`error ${String(error)}`);
    this.close();
  }
}

function serve(map: ChannelMap, make: (sock: Socket) => unknown): Address {
  class Server extends asyncore.dispatcher {
    override handle_accepted(sock: Socket): void {
      make(sock);
      this.close();
    }
  }
  const server = new Server(null, map);
  server.create_socket();
  server.bind(["127.0.0.1", 0]);
  server.listen(5);
  return server.getsockname();
}

function connect<T extends asyncore.dispatcher>(channel: T, address: Address): T {
  channel.create_socket();
  channel.connect(address);
  return channel;
}

/** What is written to standard output meanwhile. */
function written(run: () => void): string[] {
  const lines: string[] = [];
  const spy = spyOn(process.stdout, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  try {
    run();
  } finally {
    spy.mockRestore();
  }
  return lines;
}

describe("dispatcher", () => {
  for (const mode of ["push", "poll"] as const) {
    test(`hooks in Python's spelling are called in ${mode} mode`, async () => {
      const map = new ChannelMap();
      const accepted: Logged[] = [];
      const address = serve(map, (sock) => accepted.push(new Logged(sock, map)));
      const client = connect(new Logged(null, map), address);
      client.handle_connect = () => {
        client.events.push("connect");
        client.send("hello");
        client.shutdown(asyncore.SHUT_WR);
      };
      if (mode === "poll") await asyncore.loop(5, false, map);
      else await until(() => map.size === 0, "the map is empty");
      expect(accepted[0]?.events).toEqual(["read hello", "close"]);
      expect(client.events).toEqual(["connect", "close"]);
    });
  }

  test("each event method and hook goes from the core's name to Python's and from there to the core's default", () => {
    const calls: string[] = [];
    class All extends asyncore.dispatcher {
      override handle_read_event(): void {
        calls.push("read_event");
        void super.handle_read_event();
      }
      override handle_read(): void {
        calls.push("read");
      }
      override handle_write_event(): void {
        calls.push("write_event");
        void super.handle_write_event();
      }
      override handle_write(): void {
        calls.push("write");
      }
      override handle_expt_event(): void {
        calls.push("expt_event");
        void super.handle_expt_event();
      }
      override handle_expt(): void {
        calls.push("expt");
      }
      override handle_connect_event(): void {
        calls.push("connect_event");
        void super.handle_connect_event();
      }
      override handle_connect(): void {
        calls.push("connect");
      }
    }
    const channel: Dispatcher = new All(null, new ChannelMap());
    void channel.handleReadEvent();
    void channel.handleWriteEvent();
    void channel.handleExptEvent();
    void channel.handleConnectEvent();
    expect(calls.join(" ")).toBe("read_event read write_event write expt_event expt connect_event connect");
  });

  test("set_socket(), add_channel() and create_socket() are what the constructor and the core call", () => {
    const calls: string[] = [];
    class Steps extends asyncore.dispatcher {
      override create_socket(family?: number, type?: number): void {
        calls.push("create_socket");
        super.create_socket(family, type);
      }
      override set_socket(sock: Socket, map?: ChannelMap | null): void {
        calls.push("set_socket");
        super.set_socket(sock, map);
      }
      override add_channel(map?: ChannelMap | null): void {
        calls.push("add_channel");
        super.add_channel(map);
      }
    }
    const map = new ChannelMap();
    const channel = new Steps(null, map);
    channel.createSocket(asyncore.AF_INET6);
    expect(calls).toEqual(["create_socket", "set_socket", "add_channel"]);
    expect(channel.family_and_type).toEqual([asyncore.AF_INET6, asyncore.SOCK_STREAM]);
    channel.del_channel();
    expect(map.size).toBe(0);
    channel.add_channel(map);
    expect([...map.values()]).toEqual([channel]);
    channel.set_reuse_addr();
    channel.close();
    expect(map.size).toBe(0);
  });

  test("the error comes to handle_error(), whose default logs it and calls handle_close()", () => {
    const map = new ChannelMap();
    class Failing extends asyncore.dispatcher {
      closes = 0;
      override handle_read(): void {
        throw new Error("mine");
      }
      override handle_close(): void {
        this.closes++;
      }
    }
    const channel = new Failing(null, map);
    channel.create_socket();
    const lines = written(() => asyncore.read(channel));
    expect(lines.join("")).toMatch(/^error: uncaptured exception, closing channel <Failing .*\(Error:mine /);
    expect(channel.closes).toBe(1);
    channel.close();
  });

  test("a program may assign fields that asyncore leaves free: opened, closed", () => {
    const channel = new asyncore.dispatcher(null, new ChannelMap());
    expect(Object.keys(channel)).not.toContain("closed");
    expect(channel.closed).toBeInstanceOf(Promise);
    Object.assign(channel, { opened: 1, closed: false });
    expect([channel.opened, channel.closed] as unknown[]).toEqual([1, false]);
  });

  test("ignore_log_types is a class's, on its prototype or as a field, and an instance's", () => {
    class Quiet extends asyncore.dispatcher {
      override ignore_log_types = ["info"];
    }
    const loud = new asyncore.dispatcher();
    expect(written(() => loud.log_info("a", "warning"))).toEqual([]);
    expect(written(() => loud.log_info("a"))).toEqual(["info: a\n"]);
    loud.ignore_log_types = [];
    expect(written(() => loud.log_info("a", "warning"))).toEqual(["warning: a\n"]);
    expect(written(() => new Quiet().log_info("a"))).toEqual([]);
    expect(written(() => new Quiet().logInfo("a", "error"))).toEqual(["error: a\n"]);
    expect(loud.debug).toBe(false);
  });

  test("every class of the module is a dispatcher, as isinstance() has it", () => {
    expect(new asyncore.async_chat() instanceof asyncore.dispatcher).toBe(true);
    expect(new asyncore.dispatcher_with_send() instanceof asyncore.dispatcher).toBe(true);
    expect(new Logged() instanceof Logged).toBe(true);
    expect(new asyncore.dispatcher() instanceof Logged).toBe(false);
    expect(new asyncore.dispatcher() instanceof asyncore.async_chat).toBe(false);
    expect(new Dispatcher() instanceof asyncore.dispatcher).toBe(false);
    expect({} instanceof asyncore.dispatcher).toBe(false);
  });
});

describe("dispatcher_with_send", () => {
  test("initiate_send() is what a write event calls", () => {
    const calls: string[] = [];
    class Sends extends asyncore.dispatcher_with_send {
      override initiate_send(): void {
        calls.push("initiate_send");
        super.initiate_send();
      }
    }
    const channel = new Sends();
    void channel.handleWrite();
    expect(calls).toEqual(["initiate_send"]);
    expect(channel.writable()).toBe(true);
  });
});

describe("file_dispatcher", () => {
  test("reads a file to its end", async () => {
    const map = new ChannelMap();
    let bytes = 0;
    class Count extends asyncore.file_dispatcher {
      override handle_read(): void {
        bytes += this.recv(1000).length;
      }
      override handle_close(): void {
        this.close();
      }
    }
    const fd = openSync(import.meta.path, "r");
    new Count(fd, map);
    closeSync(fd);
    await asyncore.loop({ timeout: 5, map });
    expect(bytes).toBe(Bun.file(import.meta.path).size);
  });

  test("set_file() takes another file", async () => {
    const map = new ChannelMap();
    const fd = openSync(import.meta.path, "r");
    const file = new asyncore.file_dispatcher(fd, map);
    expect(file.recv(3).toString()).toBe("/**");
    const other = openSync(`${import.meta.dir}/names.test.ts`, "r");
    file.set_file(other);
    closeSync(fd);
    closeSync(other);
    expect(file.recv(9).toString()).toBe("/** Every");
    expect(map.size).toBe(1);
    file.close();
  });

  test("file_wrapper reads and writes", () => {
    const fd = openSync(import.meta.path, "r");
    const file = new asyncore.file_wrapper(fd);
    closeSync(fd);
    expect(file.read(3)?.toString()).toBe("/**");
    expect(file.fileno()).toBeGreaterThan(2);
    file.close();
    expect(file.fileno()).toBe(-1);
    expect(() => file.write("x")).toThrow("EBADF");
  });
});

describe("async_chat", () => {
  class Line extends asyncore.async_chat {
    readonly lines: string[] = [];
    constructor(sock: Socket | null, map: ChannelMap) {
      super(sock, map);
      this.set_terminator("\n");
    }
    override collect_incoming_data(data: Buffer): void {
      this._collect_incoming_data(data);
    }
    override found_terminator(): void {
      const line = this._get_data().toString();
      this.lines.push(line);
      this.push(`<${line}>\n`);
      if (line === "bye") this.close_when_done();
    }
  }

  test("collects lines, answers and closes when done", async () => {
    const map = new ChannelMap();
    let server: Line | undefined;
    const address = serve(map, (sock) => (server = new Line(sock, map)));
    const client = connect(new Logged(null, map), address);
    client.send("one\nbye\n");
    await asyncore.loop({ timeout: 5, map });
    expect(server?.lines).toEqual(["one", "bye"]);
    expect(server?.incoming).toEqual([]);
    expect(server?.get_terminator()).toBe("\n");
    expect(client.events.join(" ")).toBe("connect read <one>\n<bye>\n close");
  });

  test("ac_in_buffer_size is the size of a read; of the class or the instance", async () => {
    const map = new ChannelMap();
    const sizes: number[] = [];
    class Small extends asyncore.async_chat {
      override ac_in_buffer_size = 3;
      override collect_incoming_data(data: Buffer): void {
        sizes.push(data.length);
      }
    }
    const address = serve(map, (sock) => new Small(sock, map));
    const client = connect(new asyncore.dispatcher_with_send(null, map), address);
    client.send("12345678");
    client.close();
    await asyncore.loop({ timeout: 5, map });
    expect(sizes).toEqual([3, 3, 2]);
    expect(new asyncore.async_chat().ac_out_buffer_size).toBe(65_536);
  });

  test("use_encoding sends text and takes terminators in `encoding`, and refuses what that lacks", async () => {
    const map = new ChannelMap();
    class Latin extends asyncore.async_chat {
      override use_encoding = true;
    }
    const latin = new Latin(null, map);
    latin.set_terminator("é");
    expect(latin.get_terminator()).toEqual(Buffer.of(0xe9));
    expect(() => latin.set_terminator("€")).toThrow(ArgumentTypeError);
    const received: number[] = [];
    const address = serve(map, (sock) => {
      const channel = new Logged(sock, map);
      channel.handle_read = () => void received.push(...channel.recv(10));
    });
    connect(latin, address);
    latin.push("é");
    latin.push_with_producer(new asyncore.simple_producer("a"));
    latin.push_with_producer(["é"]);
    latin.close_when_done();
    await asyncore.loop({ timeout: 5, map });
    expect(received).toEqual([0xe9, 0x61, 0xe9]);
  });

  test("discard_buffers() drops what was collected, close() does not", () => {
    const chat = new Line(null, new ChannelMap());
    chat._collect_incoming_data(Buffer.from("kept"));
    chat.close();
    expect(chat.incoming).toHaveLength(1);
    chat.discard_buffers();
    expect(chat.incoming).toEqual([]);
  });

  test("collect_incoming_data() and found_terminator() must be overridden", () => {
    const chat = new asyncore.async_chat();
    expect(() => void chat.collect_incoming_data(Buffer.from("x"))).toThrow("must be overridden");
    expect(() => void chat.found_terminator()).toThrow("must be overridden");
  });
});

describe("loop() and poll()", () => {
  class Asked extends asyncore.dispatcher {
    passes = 0;
    override readable(): boolean {
      this.passes++;
      return false;
    }
  }
  function asked(map: ChannelMap): Asked {
    const channel = new Asked(null, map);
    channel.create_socket();
    channel.bind(["127.0.0.1", 0]);
    return channel;
  }

  test("take Python's arguments in order or by name, and null for None", async () => {
    const map = new ChannelMap();
    const channel = asked(map);
    await asyncore.loop(0.001, false, map, 2);
    expect(channel.passes).toBe(2);
    await asyncore.loop({ timeout: 0.001, use_poll: true, map, count: 1 });
    expect(channel.passes).toBe(3);
    await asyncore.poll(0, map);
    await asyncore.poll2(0, map);
    await asyncore.poll3(0, map);
    expect(channel.passes).toBe(6);
    expect(asyncore.poll3).toBe(asyncore.poll2);
    await asyncore.loop(0, true, null, 1);
    asyncore.close_all(map);
    expect(map.size).toBe(0);
    await asyncore.loop({ map });
  });

  test("ExitNow comes out of loop()", async () => {
    const map = new ChannelMap();
    const channel = asked(map);
    channel.readable = () => {
      throw new asyncore.ExitNow("enough");
    };
    const run = asyncore.loop({ timeout: 30, map });
    expect(await run.catch((error: unknown) => error)).toBeInstanceOf(asyncore.ExitNow);
    asyncore.close_all(map, true);
    expect(map.size).toBe(0);
  });
});

describe("read(), write() and readwrite()", () => {
  // What CPython 3.11 calls for each flag.
  const flags: [number, string[]][] = [
    [asyncore.POLLIN, ["read"]],
    [asyncore.POLLPRI, ["expt"]],
    [asyncore.POLLOUT, ["write"]],
    [asyncore.POLLERR, ["close"]],
    [asyncore.POLLHUP, ["close"]],
    [asyncore.POLLNVAL, ["close"]],
    [63, ["read", "write", "expt", "close"]],
  ];
  class Handlers {
    readonly events: string[] = [];
    failure: unknown;
    handle_read_event(): void {
      this.events.push("read");
      if (this.failure !== undefined) throw this.failure as Error;
    }
    handle_write_event(): void {
      this.events.push("write");
    }
    handle_expt_event(): void {
      this.events.push("expt");
    }
    handle_close(): void {
      this.events.push("close");
    }
    handle_error(): void {
      this.events.push("error");
    }
  }

  test.each(flags)("readwrite() with the flags %d calls %p", (flag, events) => {
    const obj = new Handlers();
    asyncore.readwrite(obj, flag);
    expect(obj.events).toEqual(events);
  });

  test("an error goes to handle_error(), ExitNow out, and a lost connection is readwrite()'s handle_close()", () => {
    const obj = new Handlers();
    obj.failure = new Error("mine");
    asyncore.read(obj);
    asyncore.write(obj);
    asyncore.readwrite(obj, asyncore.POLLIN);
    expect(obj.events.splice(0)).toEqual(["read", "error", "write", "read", "error"]);
    obj.failure = osError("EPIPE");
    asyncore.read(obj);
    asyncore.readwrite(obj, asyncore.POLLIN);
    expect(obj.events.splice(0)).toEqual(["read", "error", "read", "close"]);
    obj.failure = new asyncore.ExitNow();
    expect(() => asyncore.read(obj)).toThrow(asyncore.ExitNow);
    expect(() => asyncore.readwrite(obj, asyncore.POLLIN)).toThrow(asyncore.ExitNow);
  });

  test("an async handler's rejection goes to handle_error()", async () => {
    const map = new ChannelMap();
    const channel = new Logged(null, map);
    channel.create_socket();
    channel.handle_read = () => Promise.reject(new Error("late"));
    asyncore.read(channel);
    await until(() => channel.events.length > 0, "the error");
    expect(channel.events).toEqual(["error Error: late"]);
  });
});

describe("compact_traceback()", () => {
  test("gives Python's tuple, innermost frame first and all of them in the text", () => {
    function fail(): never {
      throw new TypeError("bad");
    }
    try {
      fail();
    } catch (error) {
      const [[file, fn, line], type, value, info] = asyncore.compact_traceback(error);
      expect([file, fn, type, value]).toEqual([import.meta.path, "fail", "TypeError", "bad"]);
      expect(Number(line)).toBeGreaterThan(1);
      expect(info.endsWith(`[${file}|fail|${line}]`)).toBe(true);
    }
    expect(asyncore.compact_traceback("text")).toEqual([["", "", ""], "string", "text", ""]);
  });
});
