import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  ArgumentRangeError,
  ArgumentTypeError,
  BlockingIOError,
  BrokenPipeError,
  ChannelMap,
  closeAll,
  Dispatcher,
  OSError,
  type SendData,
  SHUT_WR,
  SO_ERROR,
  SO_KEEPALIVE,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
} from "asyncore";

import { Logged } from "../support/channels.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "asyncore-misuse-"));
const map = new ChannelMap();

/** Echoes, and is there for every test. */
class EchoServer extends Dispatcher {
  constructor(family: number = AF_INET, address: Address = ["127.0.0.1", 0]) {
    super(undefined, serverMap);
    this.createSocket(family);
    this.bind(address);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Echo(socket, serverMap);
  }
}
class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}
const serverMap = new ChannelMap();
let server: EchoServer;
beforeAll(() => {
  server = new EchoServer();
});
afterEach(() => closeAll(map));
afterAll(() => {
  closeAll(serverMap);
  rmSync(folder, { recursive: true, force: true });
});

// --- the states a channel can be in, and how one shows that it is well -----------------------------------------

const roundTrip = async (channel: Logged): Promise<void> => {
  await until(() => channel.connected || channel.error !== undefined, "the connection stands");
  const before = channel.received.length;
  channel.send("ping");
  await until(() => channel.received.length >= before + 4 || channel.error !== undefined, "the echo");
  expect([channel.error, channel.received.slice(before)]).toEqual([undefined, "ping"]);
};

const serve = async (channel: Logged): Promise<void> => {
  const accepted: Dispatcher[] = [];
  channel.handleAccepted = (socket) => void accepted.push(new Echo(socket, map));
  const client = new Logged(undefined, map);
  client.createSocket(channel.socket?.family ?? AF_INET);
  client.connect(channel.getsockname());
  await roundTrip(client);
  expect(accepted.length).toBe(1);
};

interface State {
  make(): Promise<Logged> | Logged;
  isWell(channel: Logged): Promise<void>;
}

const fresh = (): Logged => {
  const channel = new Logged(undefined, map);
  channel.createSocket();
  return channel;
};

const states = {
  "without a socket": {
    make: () => new Logged(undefined, map),
    isWell: async (channel) => {
      channel.createSocket();
      channel.connect(server.getsockname());
      await roundTrip(channel);
    },
  },
  new: {
    make: fresh,
    isWell: async (channel) => {
      channel.connect(server.getsockname());
      await roundTrip(channel);
    },
  },
  "new unix": {
    make: () => {
      const channel = new Logged(undefined, map);
      channel.createSocket(AF_UNIX);
      return channel;
    },
    isWell: async (channel) => {
      channel.bind(join(folder, `well-${channel.socket === undefined ? 0 : ++wells}`));
      channel.listen();
      await serve(channel);
    },
  },
  "new IPv6": {
    make: () => {
      const channel = new Logged(undefined, map);
      channel.createSocket(AF_INET6);
      return channel;
    },
    isWell: async (channel) => {
      channel.bind(["::1", 0]);
      channel.listen();
      await serve(channel);
    },
  },
  bound: {
    make: () => {
      const channel = fresh();
      channel.bind(["127.0.0.1", 0]);
      return channel;
    },
    isWell: async (channel) => {
      channel.listen();
      await serve(channel);
    },
  },
  listening: {
    make: () => {
      const channel = fresh();
      channel.bind(["127.0.0.1", 0]);
      channel.listen();
      return channel;
    },
    isWell: serve,
  },
  connecting: {
    make: () => {
      const channel = fresh();
      channel.connect(server.getsockname());
      return channel;
    },
    isWell: roundTrip,
  },
  connected: {
    make: async () => {
      const channel = fresh();
      channel.connect(server.getsockname());
      await until(() => channel.connected, "the connection stands");
      return channel;
    },
    isWell: roundTrip,
  },
  "half closed": {
    make: async () => {
      const channel = fresh();
      channel.connect(server.getsockname());
      await until(() => channel.connected, "the connection stands");
      channel.send("last words");
      channel.shutdown(SHUT_WR);
      return channel;
    },
    isWell: async (channel) => {
      await until(() => channel.events.includes("close"), "the peer's end");
      expect([channel.error, channel.received]).toEqual([undefined, "last words"]);
    },
  },
  closed: {
    make: () => {
      const channel = fresh();
      channel.close();
      return channel;
    },
    isWell: async (channel) => {
      channel.createSocket();
      channel.connect(server.getsockname());
      await roundTrip(channel);
    },
  },
  "closed after a connection": {
    make: async () => {
      const channel = fresh();
      channel.connect(server.getsockname());
      await until(() => channel.connected, "the connection stands");
      channel.close();
      return channel;
    },
    isWell: async (channel) => {
      channel.createSocket();
      channel.connect(server.getsockname());
      await roundTrip(channel);
    },
  },
  aborted: {
    make: async () => {
      const channel = fresh();
      channel.connect(server.getsockname());
      await until(() => channel.connected, "the connection stands");
      channel.abort();
      return channel;
    },
    isWell: async (channel) => {
      channel.createSocket();
      channel.connect(server.getsockname());
      await roundTrip(channel);
    },
  },
} satisfies Record<string, State>;
let wells = 0;

type Kind = abstract new (...args: never[]) => Error;
type Misuse = readonly [
  name: string,
  state: keyof typeof states,
  action: (channel: Logged) => unknown,
  kind: Kind,
  code: string,
];

// A value of a type that TypeScript would not let through.
const any = (value: unknown): never => value as never;
const detached = <T>(make: (memory: ArrayBuffer) => T): T => {
  const memory = new ArrayBuffer(8);
  const value = make(memory);
  structuredClone(memory, { transfer: [memory] });
  return value;
};
const outOfBounds = <T>(make: (memory: ArrayBuffer) => T): T => {
  const memory = new ArrayBuffer(16, { maxByteLength: 16 });
  const value = make(memory);
  memory.resize(2);
  return value;
};

const TYPE = "ERR_INVALID_ARG_TYPE";
const RANGE = "ERR_OUT_OF_RANGE";

const gone: Misuse[] = (["closed", "closed after a connection", "aborted"] as const).flatMap((state) => {
  const calls: [string, (channel: Logged) => unknown][] = [
    ["send('x')", (c) => c.send("x")],
    ["send(bytes)", (c) => c.send(Buffer.from("x"))],
    ["send(64 KiB)", (c) => c.send(Buffer.alloc(64 * 1024))],
    ["send(null)", (c) => c.send(any(null))],
    ["send(undefined)", (c) => c.send(any(undefined))],
    ["send(1)", (c) => c.send(any(1))],
    ["recv()", (c) => c.recv()],
    ["recv(1)", (c) => c.recv(1)],
    ["bind()", (c) => c.bind(["127.0.0.1", 0])],
    ["listen()", (c) => c.listen()],
    ["accept()", (c) => c.accept()],
    ["connect()", (c) => c.connect(server.getsockname())],
    ["shutdown()", (c) => c.shutdown(SHUT_WR)],
    ["getpeername()", (c) => c.getpeername()],
  ];
  return calls.map(([name, action]): Misuse => [name, state, action, OSError, "EBADF"]);
});

const goneAtOnce: Misuse[] = (["closed", "aborted"] as const).flatMap((state) => {
  const calls: [string, (channel: Logged) => unknown][] = [
    ["getsockname()", (c) => c.getsockname()],
    ["getsockopt()", (c) => c.getsockopt(SOL_SOCKET, SO_KEEPALIVE)],
    ["getsockopt(SO_ERROR)", (c) => c.getsockopt(SOL_SOCKET, SO_ERROR)],
    ["setsockopt()", (c) => c.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)],
  ];
  return calls.map(([name, action]): Misuse => [name, state, action, OSError, "EBADF"]);
});

const without: Misuse[] = (
  [
    ["send('x')", (c) => c.send("x")],
    ["recv()", (c) => c.recv()],
    ["bind()", (c) => c.bind(["127.0.0.1", 0])],
    ["listen()", (c) => c.listen()],
    ["accept()", (c) => c.accept()],
    ["connect()", (c) => c.connect(server.getsockname())],
    ["shutdown()", (c) => c.shutdown(SHUT_WR)],
    ["getsockname()", (c) => c.getsockname()],
    ["getpeername()", (c) => c.getpeername()],
    ["getsockopt()", (c) => c.getsockopt(SOL_SOCKET, SO_KEEPALIVE)],
    ["setsockopt()", (c) => c.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)],
  ] as [string, (channel: Logged) => unknown][]
).map(([name, action]): Misuse => [name, "without a socket", action, OSError, "ENOTSOCK"]);

const addresses: Misuse[] = (
  [
    ["a string", "127.0.0.1:80", ArgumentTypeError, TYPE],
    ["null", null, ArgumentTypeError, TYPE],
    ["undefined", undefined, ArgumentTypeError, TYPE],
    ["a number", 80, ArgumentTypeError, TYPE],
    ["an object", { host: "127.0.0.1", port: 80 }, ArgumentTypeError, TYPE],
    ["a host alone", ["127.0.0.1"], ArgumentTypeError, TYPE],
    ["three elements", ["127.0.0.1", 80, 0], ArgumentTypeError, TYPE],
    ["a missing host", [undefined, 80], ArgumentTypeError, TYPE],
    ["a host that is a number", [2130706433, 80], ArgumentTypeError, TYPE],
    ["a host with NUL", ["127.0.0.1\0", 80], ArgumentTypeError, TYPE],
    ["port -1", ["127.0.0.1", -1], ArgumentRangeError, RANGE],
    ["port 65536", ["127.0.0.1", 65_536], ArgumentRangeError, RANGE],
    ["port 1.5", ["127.0.0.1", 1.5], ArgumentRangeError, RANGE],
    ["port NaN", ["127.0.0.1", NaN], ArgumentRangeError, RANGE],
    ['port "80"', ["127.0.0.1", "80"], ArgumentTypeError, TYPE],
    ["no port", ["127.0.0.1", undefined], ArgumentTypeError, TYPE],
    ["an IPv6 number", ["::1", 80], OSError, "EAFNOSUPPORT"],
  ] as [string, unknown, Kind, string][]
).flatMap(([what, address, kind, code]): Misuse[] => [
  [`bind(${what})`, "new", (c) => c.bind(any(address)), kind, code],
  [`connect(${what})`, "new", (c) => c.connect(any(address)), kind, code],
]);

const memories: Misuse[] = (
  [
    ["a number", () => 1],
    ["null", () => null],
    ["undefined", () => undefined],
    ["an object", () => ({})],
    ["an array", () => [1, 2]],
    ["a symbol", () => Symbol("s")],
    ["a bigint", () => 1n],
    ["a boolean", () => true],
    ["a Blob", () => new Blob(["x"])],
    ["a detached ArrayBuffer", () => detached((memory) => memory)],
    ["a detached Uint8Array", () => detached((memory) => new Uint8Array(memory))],
    ["a detached Buffer", () => detached((memory) => Buffer.from(memory))],
    ["a detached DataView", () => detached((memory) => new DataView(memory))],
    ["a detached Float64Array", () => detached((memory) => new Float64Array(memory))],
    ["a Uint8Array out of bounds", () => outOfBounds((memory) => new Uint8Array(memory, 8, 8))],
    ["a DataView out of bounds", () => outOfBounds((memory) => new DataView(memory, 8, 8))],
  ] as [string, () => unknown][]
).flatMap(([what, make]): Misuse[] =>
  (["connected", "connecting"] as const).map((state): Misuse => [
    `send(${what})`,
    state,
    (c) => c.send(any(make())),
    ArgumentTypeError,
    TYPE,
  ]),
);

const numbers: Misuse[] = [-1, 1.5, NaN, -Infinity, any("1"), any(null)].flatMap((number): Misuse[] => [
  [`recv(${String(number)})`, "connected", (c) => c.recv(number), ArgumentRangeError, RANGE],
  [`listen(${String(number)})`, "bound", (c) => c.listen(number), ArgumentRangeError, RANGE],
]);

const table: Misuse[] = [
  ...without,
  ...gone,
  ...goneAtOnce,
  ...addresses,
  ...memories,
  ...numbers,
  ["listen(Infinity)", "bound", (c) => c.listen(Infinity), ArgumentRangeError, RANGE],

  // One thing after another that does not follow.
  ["connect()", "connecting", (c) => c.connect(server.getsockname()), BlockingIOError, "EALREADY"],
  ["connect()", "connected", (c) => c.connect(server.getsockname()), OSError, "EISCONN"],
  ["connect()", "half closed", (c) => c.connect(server.getsockname()), OSError, "EISCONN"],
  ["connect()", "listening", (c) => c.connect(server.getsockname()), OSError, "EINVAL"],
  ["bind()", "bound", (c) => c.bind(["127.0.0.1", 0]), OSError, "EINVAL"],
  ["bind()", "listening", (c) => c.bind(["127.0.0.1", 0]), OSError, "EINVAL"],
  ["bind()", "connecting", (c) => c.bind(["127.0.0.1", 0]), OSError, "EINVAL"],
  ["bind()", "connected", (c) => c.bind(["127.0.0.1", 0]), OSError, "EINVAL"],
  ["listen()", "listening", (c) => c.listen(5), OSError, "EINVAL"],
  ["listen()", "connecting", (c) => c.listen(), OSError, "EINVAL"],
  ["listen()", "connected", (c) => c.listen(), OSError, "EINVAL"],
  ["listen() without bind()", "new unix", (c) => c.listen(), OSError, "EINVAL"],
  ["accept()", "new", (c) => c.accept(), OSError, "EINVAL"],
  ["accept()", "bound", (c) => c.accept(), OSError, "EINVAL"],
  ["accept()", "connecting", (c) => c.accept(), OSError, "EINVAL"],
  ["accept()", "connected", (c) => c.accept(), OSError, "EINVAL"],
  ["send()", "new", (c) => c.send("x"), OSError, "ENOTCONN"],
  ["send()", "bound", (c) => c.send("x"), OSError, "ENOTCONN"],
  ["send()", "listening", (c) => c.send("x"), OSError, "ENOTCONN"],
  ["getpeername()", "new", (c) => c.getpeername(), OSError, "ENOTCONN"],
  ["getpeername()", "listening", (c) => c.getpeername(), OSError, "ENOTCONN"],
  ["getpeername()", "connecting", (c) => c.getpeername(), OSError, "ENOTCONN"],
  ["shutdown()", "new", (c) => c.shutdown(SHUT_WR), OSError, "ENOTCONN"],
  ["shutdown()", "bound", (c) => c.shutdown(SHUT_WR), OSError, "ENOTCONN"],
  ["shutdown()", "listening", (c) => c.shutdown(SHUT_WR), OSError, "ENOTCONN"],
  ["shutdown()", "connecting", (c) => c.shutdown(SHUT_WR), OSError, "ENOTCONN"],
  ["shutdown(3)", "connected", (c) => c.shutdown(3), ArgumentRangeError, RANGE],
  ["shutdown(-1)", "connected", (c) => c.shutdown(-1), ArgumentRangeError, RANGE],
  ['shutdown("1")', "connected", (c) => c.shutdown(any("1")), ArgumentRangeError, RANGE],
  ["shutdown(undefined)", "connected", (c) => c.shutdown(any(undefined)), ArgumentRangeError, RANGE],

  // Addresses that are well formed and cannot be had.
  ["bind(a busy port)", "new", (c) => c.bind(server.getsockname()), OSError, "EADDRINUSE"],
  ["bind(not ours)", "new", (c) => c.bind(["192.0.2.1", 0]), OSError, "EADDRNOTAVAIL"],
  ["bind(an IPv4 number)", "new IPv6", (c) => c.bind(["127.0.0.1", 0]), OSError, "EAFNOSUPPORT"],
  ["connect(an IPv4 number)", "new IPv6", (c) => c.connect(["127.0.0.1", 80]), OSError, "EAFNOSUPPORT"],
  [
    "connect(no such interface)",
    "new IPv6",
    (c) => c.connect(["fe80::1%nosuchinterface", 80]),
    OSError,
    "EINVAL",
  ],
  ["bind(no such interface)", "new IPv6", (c) => c.bind(["fe80::1%nosuchinterface", 80]), OSError, "EINVAL"],
  ["connect(port 0)", "new", (c) => c.connect(["127.0.0.1", 0]), ArgumentRangeError, RANGE],
  ["connect(no host)", "new", (c) => c.connect(["", 80]), ArgumentTypeError, TYPE],

  // Unix paths.
  ["bind([host, port])", "new unix", (c) => c.bind(["127.0.0.1", 0]), ArgumentTypeError, TYPE],
  ["bind('')", "new unix", (c) => c.bind(""), ArgumentTypeError, TYPE],
  ["connect('')", "new unix", (c) => c.connect(""), ArgumentTypeError, TYPE],
  ["bind(108 bytes)", "new unix", (c) => c.bind("x".repeat(108)), OSError, "ENAMETOOLONG"],
  ["connect(108 bytes)", "new unix", (c) => c.connect("x".repeat(108)), OSError, "ENAMETOOLONG"],
  ["bind(NUL inside)", "new unix", (c) => c.bind("/tmp/a\0b"), OSError, "EINVAL"],
  ["bind(no such folder)", "new unix", (c) => c.bind(join(folder, "no", "s")), OSError, "ENOENT"],
  ["bind(a folder)", "new unix", (c) => c.bind(folder), OSError, "EADDRINUSE"],

  // createSocket() leaves the socket there was.
  ["createSocket(99)", "connected", (c) => c.createSocket(99), OSError, "EAFNOSUPPORT"],
  ["createSocket('inet')", "connected", (c) => c.createSocket(any("inet")), OSError, "EAFNOSUPPORT"],
  ["createSocket(AF_INET, 99)", "connected", (c) => c.createSocket(AF_INET, 99), OSError, "EPROTONOSUPPORT"],
  [
    "createSocket(AF_UNIX, SOCK_DGRAM)",
    "new",
    (c) => c.createSocket(AF_UNIX, SOCK_DGRAM),
    OSError,
    "EPROTONOSUPPORT",
  ],
  ["send()", "half closed", (c) => sendRaw(c), BrokenPipeError, "EPIPE"],
  ["getsockopt(unknown)", "connected", (c) => c.getsockopt(SOL_SOCKET, 9999), OSError, "ENOPROTOOPT"],
  ["setsockopt(unknown)", "connected", (c) => c.setsockopt(SOL_SOCKET, 9999, 1), OSError, "ENOPROTOOPT"],
];

// A dispatcher's send() takes EPIPE for the end of the connection, as asyncore's does; its socket throws it.
const sendRaw = (channel: Dispatcher): unknown => channel.socket?.send("x");

describe("Dispatcher throws at misuse, and is well afterwards", () => {
  test.each(table)("Dispatcher.%s on a channel that is %s", async (_name, state, action, kind, code) => {
    const { make, isWell } = states[state] as State;
    const channel = await make();
    const before = [...channel.events];
    let thrown: unknown;
    try {
      action(channel);
    } catch (error) {
      thrown = error;
    }
    const found = thrown as { constructor: Kind; code?: string } | undefined;
    const name = thrown instanceof kind ? kind.name : found?.constructor.name;
    expect([name, found?.code]).toEqual([kind.name, code]);
    // No hook hears of the caller's own mistake, and nothing else has changed.
    expect(channel.events).toEqual(before);
    await isWell(channel);
  });
});

describe("Dispatcher allows", () => {
  test("Dispatcher.close() and abort() as often as one likes, in any state, also without a socket", async () => {
    for (const { make } of Object.values(states) as State[]) {
      for (const calls of [
        ["close", "close", "abort"],
        ["abort", "abort", "close"],
      ] as const) {
        const channel = await make();
        for (const call of calls) channel[call]();
        expect([channel.connected, channel.accepting, channel.connecting]).toEqual([false, false, false]);
        expect(map.size).toBe(0);
      }
    }
  });

  test("Dispatcher.send() of nothing: no error, no bytes", async () => {
    const channel = await states.connected.make();
    expect([channel.send(""), channel.send(Buffer.alloc(0)), channel.send(new ArrayBuffer(0))]).toEqual([
      0, 0, 0,
    ]);
    expect([channel.bufferedAmount, channel.socket?.bytesSent]).toEqual([0, 0]);
    await roundTrip(channel);
  });

  test("Dispatcher.send() of every kind of memory there is", async () => {
    const channel = await states.connected.make();
    const shared = new SharedArrayBuffer(2);
    new Uint8Array(shared).set([0x65, 0x66]);
    const resizable = new ArrayBuffer(2, { maxByteLength: 10 });
    new Uint8Array(resizable).set([0x67, 0x68]);
    const pieces: SendData[] = [
      "a",
      Buffer.from("b"),
      new Uint8Array([0x63]),
      new DataView(Uint8Array.of(0x78, 0x64, 0x78).buffer, 1, 1),
      shared,
      new Uint8Array(resizable),
      new Uint16Array([0x6a69]),
      Uint8Array.of(0x6b).buffer,
    ];
    expect(pieces.map((piece) => channel.send(piece))).toEqual([1, 1, 1, 1, 2, 2, 2, 1]);
    await until(() => channel.received.length === 11, "the echo");
    expect(channel.received).toBe("abcdefghijk");
  });

  test("Dispatcher.recv(0) takes nothing and does not swallow the end of the stream", async () => {
    const events: string[] = [];
    class Peeking extends Dispatcher {
      override handleRead(): void {
        const nothing = this.recv(0);
        const chunk = this.recv();
        events.push(`read ${nothing.length} ${chunk.toString()}`);
      }
      override handleClose(): void {
        events.push("close");
        this.close();
      }
    }
    const accepted: Dispatcher[] = [];
    const listening = states.listening.make();
    listening.handleAccepted = (socket) => void accepted.push(new Peeking(socket, map));
    const client = fresh();
    client.connect(listening.getsockname());
    await until(() => client.connected, "the connection stands");
    client.send("abc");
    await until(() => events.length > 0, "the bytes");
    client.close();
    await until(() => events.length > 1, "the end");
    expect(events).toEqual(["read 0 abc", "close", "read 0 "]);
  });

  test("Dispatcher.recv(0) alone at the end of the stream leaves the end to be told", async () => {
    const events: string[] = [];
    class Peeking extends Dispatcher {
      override handleRead(): void {
        if (this.recv(0).length === 0 && events.length < 1) {
          events.push("asked for nothing");
          return;
        }
        this.recv();
      }
      override handleClose(): void {
        events.push("close");
        this.close();
      }
    }
    const listening = states.listening.make();
    listening.handleAccepted = (socket) => void new Peeking(socket, map);
    const client = fresh();
    client.connect(listening.getsockname());
    await until(() => client.connected, "the connection stands");
    client.close();
    await until(() => events.length > 1, "the end is told", 3000);
    expect(events).toEqual(["asked for nothing", "close"]);
  });

  test("Dispatcher.setReuseAddr() on a channel that is closed does nothing", () => {
    expect(() => states.closed.make().setReuseAddr()).not.toThrow();
    expect(() => new Logged(undefined, map).setReuseAddr()).not.toThrow();
  });

  test("Dispatcher.listen() again after a bad backlog, and bind() again after a bad address", async () => {
    const channel = fresh();
    expect(() => channel.bind(["127.0.0.1", -1])).toThrow(ArgumentRangeError);
    channel.bind(["127.0.0.1", 0]);
    expect(() => channel.listen(-1)).toThrow(ArgumentRangeError);
    expect([channel.accepting, channel.socket?.state]).toEqual([false, "idle"]);
    channel.listen(1);
    await serve(channel);
  });
});
