// What a message costs most is system calls, and the library must make none that raw `Bun.listen` does not make: one to
// learn that something came, one to read it, one to write. strace counts them, so neither load nor the machine matters.
import { describe, expect, test } from "bun:test";

import type { Socket } from "bun";

import { until, within } from "../support/until.ts";
import { type Calls, noStrace, Traced } from "./strace.ts";

const WAITS = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];
const READS = ["recvfrom", "recvmsg"];
const WRITES = ["sendto", "sendmsg"];
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

/** Sends a packet, waits for its echo, and so on. @returns what the server did for {@link MESSAGES} of them */
async function pingPong(packet: (first: string) => string, ...program: readonly string[]): Promise<Calls> {
  await using server = new Traced(...program);
  const port = await server.port();
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const { length } = packet("");
  let received = 0;
  let echoes = 0;
  const next = (wire: Socket): void => {
    if (echoes === WARM_UP) wire.write(packet("BEGIN"));
    else if (echoes === WARM_UP + MESSAGES) wire.write(packet("END"));
    else if (echoes > WARM_UP + MESSAGES) resolve();
    else wire.write(packet(""));
  };
  const wire = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: next,
      data: (from, chunk) => {
        received += chunk.length;
        if (received < length) return;
        received -= length;
        echoes++;
        next(from);
      },
      close: () => reject(new Error("the server closed the connection")),
    },
  });
  await within(done, "the echo of every message");
  wire.terminate();
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

const reason = noStrace === undefined ? "" : ` (${noStrace})`;

describe.skipIf(noStrace !== undefined)(`system calls of a server${reason}`, () => {
  test("are those of raw Bun.listen for a message in push mode", async () => {
    const raw = await pingPong(sixtyFourBytes, "bench/peers/raw-bun-echo.ts");
    const calls = await pingPong(sixtyFourBytes, "bench/peers/asyncore-echo.ts");
    const what = `${String(calls)}, raw ${String(raw)}`;
    expect(calls.of(READS), what).toBe(raw.of(READS));
    expect(calls.of(WRITES), what).toBe(raw.of(WRITES));
    expect(calls.of(WAITS), what).toBeLessThanOrEqual(raw.of(WAITS) + FEW);
    expect(calls.of(["epoll_ctl"]), what).toBe(0);
    expectNoOthers(calls);
  });

  // A pass gives everybody else a turn of the event loop, in which the kernel may be asked once more.
  test("are one read, one write and two waits at most for a message in poll mode", async () => {
    const calls = await pingPong(sixtyFourBytes, "bench/peers/asyncore-echo.ts", "--poll");
    expect(calls.of(READS), String(calls)).toBe(MESSAGES);
    expect(calls.of(WRITES), String(calls)).toBe(MESSAGES);
    expect(calls.of(WAITS), String(calls)).toBeLessThanOrEqual(2 * MESSAGES + FEW);
    expect(calls.of(["epoll_ctl"]), String(calls)).toBe(0);
    expectNoOthers(calls);
  });

  // Raw Bun.listen makes sixteen writes of it.
  test("are one read and one write for a packet of 16 lines that are answered by a send each", async () => {
    const calls = await pingPong(sixteenLines, "bench/peers/asyncore-lines.ts");
    expect(calls.of(READS), String(calls)).toBe(MESSAGES);
    expect(calls.of(WRITES), String(calls)).toBe(MESSAGES);
    expect(calls.of(WAITS), String(calls)).toBeLessThanOrEqual(MESSAGES + FEW);
    expectNoOthers(calls);
  });

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
