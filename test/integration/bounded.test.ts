// "Bounded": whatever a peer does or leaves undone, memory, time and CPU have a limit.
import { describe, expect, test } from "bun:test";

import { type Address, Dispatcher, type Socket, type StreamLimits, streamLimits } from "asyncore";

import { cpuMs, descriptors, hasProc, noProc, residentBytes } from "./support/process-stat.ts";
import { Program } from "./support/program.ts";
import { RawPeer, type RawOptions } from "./support/raw.ts";
import { until } from "../support/until.ts";

const MIB = 1024 * 1024;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

// --- CPU in stuck states -------------------------------------------------------------------------------------

/** The state, and the peer that makes it. */
const stuckStates: Readonly<Record<string, RawOptions>> = {
  "the peer never reads": { paused: true },
  "the peer never reads after close()": { paused: true },
  "the peer never closes after our FIN": {},
  "half-open and idle": { halfCloses: true },
  "readable() is false and the peer floods": { floods: true },
  "handleRead() takes nothing and the peer floods": { floods: true },
  "handleRead() takes nothing after a thousand wake() calls": { floods: true },
  "an async hook never settles and the peer floods": { floods: true },
  "connecting to a full backlog": {},
  "a listener's readable() is false and connections wait": {},
  "a listener's readable() is false and connections wait in the kernel": {},
};

const WINDOW_MS = 2000;
const WINDOWS = 5;

/** CPU use of a process in per cent: the best of several windows, for a late garbage collection is no spin. */
async function calmestCpu(pid: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < WINDOWS && best >= 1; i++) {
    const began = performance.now();
    const before = cpuMs(pid);
    await pause(WINDOW_MS);
    best = Math.min(best, ((cpuMs(pid) - before) / (performance.now() - began)) * 100);
  }
  return best;
}

class FullServer extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen(1);
  }
  override readable(): boolean {
    return false;
  }
}

async function stuckCpu(state: string, mode: string): Promise<object> {
  using cleanUp = new DisposableStack();
  let args: string[] = [];
  if (state === "connecting to a full backlog") {
    const server = new FullServer();
    cleanUp.defer(() => server.close());
    args = (server.getsockname() as [string, number]).map(String);
  }
  await using child = Program.bun("stuck.ts", [state, mode, ...args]);
  if (args.length === 0) {
    const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
    const peers = state.startsWith("a listener's") ? 5 : 1;
    for (let i = 0; i < peers; i++) {
      cleanUp.use(await RawPeer.connect(listening as Address, stuckStates[state] ?? {}));
    }
  }
  await child.answer((one) => one["stuck"] === state, "the state");
  const cpu = await calmestCpu(child.pid);
  child.tell({});
  const { still, buffered } = await child.answer((one) => one["still"] !== undefined, "the look");
  // Over high water nobody is asked for more; close() had been given 32 MiB.
  const atMost = state === "the peer never reads after close()" ? 32 * MIB : 96 * 1024;
  return {
    still,
    cpu: cpu < 1 ? "below 1 %" : `${cpu.toFixed(1)} %`,
    queue: Number(buffered) <= atMost ? "bounded" : `${String(buffered)} bytes`,
  };
}

describe.concurrent("CPU below 1 % when stuck", () => {
  for (const state of Object.keys(stuckStates)) {
    for (const mode of ["push", "poll"]) {
      const name = `Dispatcher uses no CPU in ${mode} mode when ${state}`;
      if (!hasProc) {
        test.skip(`${name} (${noProc})`, () => {});
        continue;
      }
      test(
        name,
        async () => {
          expect(await stuckCpu(state, mode)).toEqual({ still: true, cpu: "below 1 %", queue: "bounded" });
        },
        30_000,
      );
    }
  }
});

// --- memory --------------------------------------------------------------------------------------------------

test.skipIf(!hasProc)(
  `Dispatcher.send() closes with ENOBUFS and holds memory flat when peers never read${hasProc ? "" : ` (${noProc})`}`,
  async () => {
    await using child = Program.bun("keeps-sending.ts");
    const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
    const round = async (): Promise<string[]> => {
      using peers = new DisposableStack();
      const codes: string[] = [];
      for (let i = 0; i < 20; i++) peers.use(await RawPeer.connect(listening as Address, { paused: true }));
      for (let i = 0; i < 20; i++) {
        const { closed } = await child.answer((one) => one["closed"] !== undefined, "the end of a channel");
        codes.push(String(closed));
      }
      return codes;
    };
    const codes: string[] = [];
    for (let i = 0; i < 3; i++) codes.push(...(await round()));
    const before = residentBytes(child.pid);
    for (let i = 0; i < 10; i++) codes.push(...(await round()));
    const growth = residentBytes(child.pid) - before;
    expect(new Set(codes)).toEqual(new Set(["ENOBUFS"]));
    // 200 connections were sent 1 GiB and left 200 MiB queued meanwhile; the garbage of a few of them may be left.
    expect(growth).toBeLessThan(64 * MIB);
  },
);

// --- deadlines -----------------------------------------------------------------------------------------------

class Bounded extends Dispatcher {
  static override limits: StreamLimits = streamLimits({
    maxBufferedBytes: 64 * MIB,
    closeTimeoutMs: 300,
    lingerTimeoutMs: 300,
  });
}
class BoundedServer extends Dispatcher {
  readonly #reply: Uint8Array | string;
  socketGiven: Socket | undefined;

  constructor(reply: Uint8Array | string) {
    super();
    this.#reply = reply;
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    const channel = new Bounded(socket);
    this.socketGiven = socket;
    channel.send(this.#reply);
    channel.close();
    this.close();
  }
}

test("Dispatcher.close() releases the descriptor after lingerTimeoutMs when the peer never closes after our FIN", async () => {
  const server = new BoundedServer("bye");
  const began = performance.now();
  using peer = await RawPeer.connect(server.getsockname());
  await until(() => peer.events.includes("fin"), "the FIN");
  expect(server.socketGiven?.state).toBe("lingering");
  const before = hasProc ? descriptors() : 0;
  await until(() => server.socketGiven?.state === "closed", "the end of the linger");
  expect(performance.now() - began).toBeWithin(290, 2000);
  if (hasProc) expect(descriptors()).toBe(before - 1);
  expect({ received: peer.received, events: peer.events }).toEqual({
    received: "bye",
    events: ["open", "fin"],
  });
});

test("Dispatcher.close() resets after closeTimeoutMs when the peer never reads", async () => {
  const server = new BoundedServer(Buffer.alloc(32 * MIB));
  const began = performance.now();
  using peer = await RawPeer.connect(server.getsockname(), { paused: true });
  await until(() => server.socketGiven?.state === "flushing", "close()");
  await until(() => server.socketGiven?.state === "closed", "the deadline");
  expect(performance.now() - began).toBeWithin(290, 2000);
  // Not a FIN: what is missing must not look like the end.
  await until(() => peer.closed, "the reset");
  expect(peer.events).toEqual(["open", "closed ECONNRESET"]);
  expect(peer.bytes).toBeLessThan(32 * MIB);
});

test("Dispatcher.send() over the cap resets the connection, which must not look like the end of the stream", async () => {
  let failure: unknown;
  class Capped extends Dispatcher {
    static override limits: StreamLimits = streamLimits({ maxBufferedBytes: MIB });
    override handleError(error: unknown): void {
      failure = error;
      this.close();
    }
  }
  class Server extends Dispatcher {
    override handleAccepted(socket: Socket): void {
      this.close();
      const channel = new Capped(socket);
      for (let i = 0; i < 200; i++) channel.send(Buffer.alloc(100_000));
    }
    override handleError(): void {}
  }
  const server = new Server();
  server.createSocket();
  server.bind(["127.0.0.1", 0]);
  server.listen();
  using peer = await RawPeer.connect(server.getsockname(), { paused: true });
  await until(() => peer.closed && failure !== undefined, "the reset");
  expect({ events: peer.events, code: (failure as { code?: string }).code }).toEqual({
    events: ["open", "closed ECONNRESET"],
    code: "ENOBUFS",
  });
});
