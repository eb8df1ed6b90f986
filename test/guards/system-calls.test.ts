// What a message costs most is system calls, and the library must make none that raw `Bun.listen` does not make: one to
// learn that something came, one to read it, one to write. strace counts them, so neither load nor the machine matters.
import { describe, expect, test } from "bun:test";

import type { Socket } from "bun";

import { ca } from "../support/certificates.ts";
import { until, within } from "../support/until.ts";
import { type Calls, noStrace, Traced } from "./strace.ts";

const WAITS = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];
const READS = ["recvfrom", "recvmsg"];
const WRITES = ["sendto", "sendmsg"];
const DATAGRAM_READS = [...READS, "recvmmsg"];
const DATAGRAM_WRITES = [...WRITES, "sendmmsg"];
const USUAL = [...WAITS, ...READS, ...WRITES];

/** Before any is counted: what is done once, and for the connection, is done by then. */
const WARM_UP = 100;
const MESSAGES = 300;
/** Connections before any is counted, and those that are. */
const FIRST_VISITS = 20;
const VISITS = 100;
/** Waits beyond one for each message: a timer of the engine's ran out, or a message came in two parts. */
const FEW = 20;

const sixtyFourBytes = (first: string): string => first.padEnd(64, "m");
const sixteenLines = (first: string): string => `${first.padEnd(31, "l")}\n`.repeat(16);

/** A client's packets, and the marks by which the first and the last that count are known. */
interface Exchange {
  readonly usual: string;
  readonly begin: string;
  readonly end: string;
  readonly marks: readonly [first: string | number, last: string | number];
  /** Bytes of the answer to a packet; as many as those of the packet by default. */
  readonly answer?: (packet: string) => number;
  readonly tls?: boolean;
}

/** What begins with its mark. */
const marked = (packet: (first: string) => string): Exchange => {
  return { usual: packet(""), begin: packet("BEGIN"), end: packet("END"), marks: ["BEGIN", "END"] };
};
/** A record of TLS 1.3 has a header, a type and a tag beyond what is in it. */
const RECORD_BYTES = 5 + 1 + 16;
const secured: Exchange = {
  usual: "m".repeat(64),
  begin: "m".repeat(1000),
  end: "m".repeat(2000),
  marks: [1000 + RECORD_BYTES, 2000 + RECORD_BYTES],
  tls: true,
};
const ping = "*1\r\n$4\r\nPING\r\n";
const pings: Exchange = {
  usual: ping.repeat(16),
  begin: ping.repeat(17),
  end: ping.repeat(18),
  marks: [ping.length * 17, ping.length * 18],
  answer: (packet) => (packet.length / ping.length) * "+PONG\r\n".length,
};

/** Sends a packet, waits for its answer, and so on. @returns what the server did for {@link MESSAGES} of them */
async function pingPong(exchange: Exchange, ...program: readonly string[]): Promise<Calls> {
  await using server = new Traced(...program);
  const port = await server.port();
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const { usual, begin, end, answer = (packet: string) => packet.length } = exchange;
  let missing = 0;
  let answers = 0;
  const say = (wire: Socket, packet: string): void => {
    missing = answer(packet);
    wire.write(packet);
  };
  const next = (wire: Socket): void => {
    if (answers === WARM_UP) say(wire, begin);
    else if (answers === WARM_UP + MESSAGES) say(wire, end);
    else if (answers > WARM_UP + MESSAGES) resolve();
    else say(wire, usual);
  };
  const socket = {
    ...(exchange.tls === true ? { handshake: next } : { open: next }),
    data: (from: Socket, chunk: Buffer): void => {
      missing -= chunk.length;
      if (missing > 0) return;
      answers++;
      next(from);
    },
    close: (): void => reject(new Error("the server closed the connection")),
  };
  const tls = exchange.tls === true ? { tls: { ca, serverName: "localhost" } } : {};
  const wire = await Bun.connect({ hostname: "127.0.0.1", port, socket, ...tls });
  await within(done, "the answer to every message");
  wire.terminate();
  return await server.between(...exchange.marks);
}

/** As many datagrams at once as in `burst`, waits for their echoes, and so on. @returns what the server did for {@link MESSAGES} */
async function datagrams(burst: number, ...program: readonly string[]): Promise<Calls> {
  await using server = new Traced(...program);
  const port = await server.port();
  let missing = 0;
  let echoed: (() => void) | undefined;
  const data = (): void => {
    if (--missing === 0) echoed?.();
  };
  const wire = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port }, socket: { data } });
  try {
    const exchange = async (first: string, count: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      missing = count;
      echoed = resolve;
      const packets = Array.from({ length: count }, () => sixtyFourBytes(first));
      expect(wire.sendMany(packets)).toBe(count);
      await within(promise, `the echo of ${count} datagrams`);
    };
    for (let count = 0; count < WARM_UP; count += burst) await exchange("", burst);
    await exchange("BEGIN", 1);
    for (let count = 0; count < MESSAGES; count += burst)
      await exchange("", Math.min(burst, MESSAGES - count));
    await exchange("END", 1);
  } finally {
    wire.close();
  }
  return await server.between("BEGIN", "END");
}

const OF_CONNECTIONS = ["accept4", "epoll_ctl", "setsockopt", "getsockopt", "getsockname", "getpeername"];
const OF_ENDS = ["shutdown", "close"];
const LIFE = [...READS, ...WRITES, ...OF_CONNECTIONS, ...OF_ENDS, "fcntl", "ioctl"];

/** Connects, sends a little, reads its echo and closes, again and again. @returns what the server did for {@link VISITS} */
async function comeAndGo(...program: readonly string[]): Promise<Calls> {
  await using server = new Traced(...program);
  const port = await server.port();
  for (let index = 0; index <= FIRST_VISITS + VISITS; index++) {
    const first = index === FIRST_VISITS ? "BEGIN" : index === FIRST_VISITS + VISITS ? "END" : "hello";
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const socket = {
      open: (wire: Socket): void => void wire.write(first),
      data: (wire: Socket): void => void wire.end(),
      close: (): void => resolve(),
    };
    await within(Bun.connect({ hostname: "127.0.0.1", port, socket }), "the connection");
    await within(closed, "the echo");
  }
  return await server.between("BEGIN", "END");
}

/** Nothing but reads, writes and waits for each message. */
function expectNoOthers(calls: Calls): void {
  // Threads that compile and collect wake each other, and the engine looks at the memory that is left, in files. Measured
  // 5 to 60 calls of the program's own thread and 30 to 200 of all. A futex, an mmap or an epoll_ctl for each message
  // would be 300 more.
  expect(calls.except(USUAL), String(calls)).toBeLessThan(MESSAGES / 2);
  expect(calls.except(USUAL, true), String(calls)).toBeLessThan(2 * MESSAGES);
}

function expectThoseOf(raw: Calls, calls: Calls): void {
  const what = `${String(calls)}, raw ${String(raw)}`;
  expect(calls.of(READS), what).toBe(raw.of(READS));
  expect(calls.of(WRITES), what).toBe(raw.of(WRITES));
  expect(calls.of(WAITS), what).toBeLessThanOrEqual(raw.of(WAITS) + FEW);
  expect(calls.of(["epoll_ctl"]), what).toBe(0);
  expectNoOthers(calls);
}

const reason = noStrace === undefined ? "" : ` (${noStrace})`;

describe.skipIf(noStrace !== undefined)(`system calls of a server${reason}`, () => {
  test("are those of raw Bun.listen for a message in push mode", async () => {
    const raw = await pingPong(marked(sixtyFourBytes), "bench/peers/raw-bun-echo.ts");
    const calls = await pingPong(marked(sixtyFourBytes), "bench/peers/asyncore-echo.ts");
    expectThoseOf(raw, calls);
  });

  // A pass gives everybody else a turn of the event loop, in which the kernel may be asked once more.
  test("are one read, one write and two waits at most for a message in poll mode", async () => {
    const calls = await pingPong(marked(sixtyFourBytes), "bench/peers/asyncore-echo.ts", "--poll");
    expect(calls.of(READS), String(calls)).toBe(MESSAGES);
    expect(calls.of(WRITES), String(calls)).toBe(MESSAGES);
    expect(calls.of(WAITS), String(calls)).toBeLessThanOrEqual(2 * MESSAGES + FEW);
    expect(calls.of(["epoll_ctl"]), String(calls)).toBe(0);
    expectNoOthers(calls);
  });

  // Raw Bun.listen makes sixteen writes of it.
  test("are one read and one write for a packet of 16 lines that are answered by a send each", async () => {
    const calls = await pingPong(marked(sixteenLines), "bench/peers/asyncore-lines.ts");
    expect(calls.of(READS), String(calls)).toBe(MESSAGES);
    expect(calls.of(WRITES), String(calls)).toBe(MESSAGES);
    expect(calls.of(WAITS), String(calls)).toBeLessThanOrEqual(MESSAGES + FEW);
    expectNoOthers(calls);
  });

  test("are those of raw Bun.listen for a message over TLS", async () => {
    const raw = await pingPong(secured, "bench/peers/raw-bun-tls-echo.ts");
    const calls = await pingPong(secured, "bench/peers/asyncore-tls-echo.ts");
    expectThoseOf(raw, calls);
  });

  test("are one read and one write for 16 commands of the key-value server in one packet", async () => {
    const calls = await pingPong(pings, "test/guards/programs/redis.ts");
    expect(calls.of(READS), String(calls)).toBe(MESSAGES);
    expect(calls.of(WRITES), String(calls)).toBe(MESSAGES);
    expect(calls.of(WAITS), String(calls)).toBeLessThanOrEqual(MESSAGES + FEW);
    expectNoOthers(calls);
  });

  // After each wait Bun reads until a read finds nothing. How many waits there are is the client's doing: there is none
  // where its next datagram has come before that last read. So reads that found something and those that did not are
  // counted apart. A read brings several datagrams where they have come together.
  for (const burst of [1, 16]) {
    test(`are those of raw Bun.udpSocket at most for datagrams that come ${burst} at a time`, async () => {
      const raw = await datagrams(burst, "bench/peers/raw-bun-udp-echo.ts");
      const calls = await datagrams(burst, "bench/peers/asyncore-udp-echo.ts");
      const what = `${String(calls)}, raw ${String(raw)}`;
      const found = (of: Calls): number => of.of(DATAGRAM_READS) - of.inVain(DATAGRAM_READS);
      const most = burst === 1 ? MESSAGES + 1 : found(raw) + FEW;
      expect(found(calls), what).toBeWithin(1, most + 1);
      expect(calls.inVain(DATAGRAM_READS), what).toBeLessThanOrEqual(calls.of(WAITS) + 1);
      expect(calls.of(DATAGRAM_WRITES), what).toBeWithin(1, raw.of(DATAGRAM_WRITES) + 1);
      expect(calls.of(WAITS), what).toBeLessThanOrEqual(Math.ceil(MESSAGES / burst) + FEW);
      expect(calls.of(["epoll_ctl"]), what).toBe(0);
      expect(calls.except([...USUAL, ...DATAGRAM_READS, ...DATAGRAM_WRITES]), what).toBeLessThan(
        MESSAGES / 2,
      );
    });
  }

  // Two to learn the peer's address, which Bun forgets when the peer has gone; two of Bun's, of which one is for a peer that
  // closes first and may still be answered, and one is in its end().
  test("are four more than those of raw Bun.listen at most for a connection that comes and goes", async () => {
    const raw = await comeAndGo("bench/peers/raw-bun-echo.ts");
    const calls = await comeAndGo("bench/peers/asyncore-echo.ts");
    const what = `${String(calls)}, raw ${String(raw)}`;
    expect(calls.of(LIFE), what).toBeWithin(8 * VISITS, raw.of(LIFE) + 4 * VISITS + FEW);
    // It comes, says something and goes: three at most, and two where the kernel tells of the first two together.
    expect(calls.of(WAITS), what).toBeLessThanOrEqual(3 * VISITS + FEW);
  });

  // Each connection's counters are looked at ten times in the window. All looks that fall into one 8 ms slot of the timer
  // wheel share one wake-up, so what the kernel sees is bounded by time and not by connections: measured 34 waits where
  // a timer for each connection would make 300 and more, and one call for each of them 1,000 and more.
  test("are none for each of 1,000 idle connections with timeouts", async () => {
    await using server = new Traced("test/guards/programs/timed-connections.ts");
    const port = await server.port();
    let echoed = 0;
    const wires: Socket[] = [];
    const handlers = { data: () => void echoed++ };
    const connect = (): Promise<Socket> => Bun.connect({ hostname: "127.0.0.1", port, socket: handlers });
    while (wires.length < 1000) {
      wires.push(...(await within(Promise.all(Array.from({ length: 20 }, connect)), "20 connections")));
    }
    const say = async (text: string): Promise<void> => {
      const before = echoed;
      wires[0]?.write(text);
      await until(() => echoed > before, `the echo of ${text}`);
    };
    await say("hello");
    const began = performance.now();
    await say("BEGIN");
    // Not for something to happen: it is the window in which nothing does.
    await Bun.sleep(500);
    await say("END");
    const slots = (performance.now() - began) / 8;
    for (const wire of wires) wire.terminate();
    const calls = await server.between("BEGIN", "END");
    expect(calls.of(WAITS), String(calls)).toBeLessThan(slots + FEW);
    expect(calls.except([], true), String(calls)).toBeLessThan(1000);
  });
});
