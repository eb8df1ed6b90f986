// How sockets with TLS are released: from inside every hook, with a peer that takes nothing more, with nobody who holds
// them. TLS has buffers of its own below ours, and Bun does not say what is in them.
import { afterEach, describe, expect, test } from "bun:test";
import tls from "node:tls";

import {
  AF_INET,
  ChannelMap,
  closeAll,
  Dispatcher,
  type Socket,
  SO_SNDBUF,
  SOL_SOCKET,
  streamLimits,
} from "asyncore";

import { libc } from "../../src/socket/libc.ts";
import { inMode, modes } from "../regress/modes.ts";
import { ca, server, stranger } from "../support/certificates.ts";
import { SecureChannel, secureClient, SecureEcho, SecureServer, trusting } from "../support/secure.ts";
import { turns, until } from "../support/until.ts";
import { descriptors, hasProc, noProc } from "./support/process-stat.ts";
import { Program } from "./support/program.ts";
import { noPython, python } from "./support/python.ts";
import { StreamCheck, streamBytes, wholeReport } from "./support/stream.ts";

const map = new ChannelMap();
const foreign: tls.TLSSocket[] = [];
afterEach(() => {
  for (const socket of foreign.splice(0)) socket.destroy();
  closeAll(map, true);
});

/** A client on node:tls that answers an end with its own. */
async function plainClient(port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: "127.0.0.1", port, ca, servername: "localhost" });
  foreign.push(socket);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  return socket;
}

// --- from inside hooks -----------------------------------------------------------------------------------------

type Ending = "close" | "abort";
const hooks = ["handleConnect", "handleRead", "handleWrite", "handleClose", "handleError"] as const;
type Hook = (typeof hooks)[number];

/** Ends itself in one hook; notes that one and all that run after it. */
class EndingIn extends SecureChannel {
  readonly ran: string[] = [];
  readonly #hook: Hook;
  readonly #how: Ending;
  constructor(hook: Hook, how: Ending, into: ChannelMap) {
    super(undefined, into);
    this.#hook = hook;
    this.#how = how;
  }
  #run(hook: Hook, usual: () => unknown): void {
    if (this.ran.length > 0 || hook === this.#hook) this.ran.push(hook);
    void usual();
    if (hook === this.#hook) this[this.#how]();
  }
  override handleConnect(): void {
    this.#run("handleConnect", () => this.send("hello"));
  }
  override handleRead(): void {
    this.#run("handleRead", () => super.handleRead());
  }
  override handleWrite(): void {
    this.#run("handleWrite", () => undefined);
  }
  override handleClose(): void {
    this.#run("handleClose", () => super.handleClose());
  }
  override handleError(error: unknown): void {
    this.#run("handleError", () => super.handleError(error));
  }
}

describe.each(modes)("close() and abort() inside a hook, in %s mode", (mode) => {
  for (const how of ["close", "abort"] as const satisfies readonly Ending[]) {
    test.each(hooks)(
      `${how}() in a client's %s runs no hook after it, and releases everything`,
      async (hook) => {
        await inMode(mode, async (into) => {
          const before = hasProc ? descriptors() : 0;
          const listener = new SecureServer(into);
          const options = hook === "handleError" ? { ...trusting, ca: stranger.cert } : trusting;
          const client = secureClient(listener.address, options, new EndingIn(hook, how, into));
          if (hook === "handleClose") {
            await until(() => listener.accepted.length === 1, "the connection");
            listener.first.close();
          }
          await until(() => client.ran.length > 0, "the hook");
          await until(() => client.socket?.state === "closed", "the release");
          await turns(3);
          expect(client.ran).toEqual([hook]);
          const told = (): boolean => listener.failures.length > 0 || listener.accepted[0]?.over === true;
          await until(() => told() || hook === "handleClose", "the other end");
          listener.close();
          if (hasProc) await until(() => descriptors() <= before, "every descriptor");
        });
      },
    );

    test.each(["handleAccept", "handleAccepted", "handleError"] as const)(
      `${how}() in a listener's %s`,
      async (hook) => {
        await inMode(mode, async (into) => {
          const before = hasProc ? descriptors() : 0;
          const listener = new SecureServer(into);
          let ran = 0;
          if (hook === "handleAccepted") {
            listener.handleAccepted = (socket: Socket) => {
              ran++;
              socket[how]();
              listener[how]();
            };
          } else {
            listener[hook] = () => {
              ran++;
              listener[how]();
            };
          }
          const options = hook === "handleError" ? { ...trusting, ca: stranger.cert } : trusting;
          const clients = [1, 2, 3].map(() =>
            secureClient(listener.address, options, new SecureChannel(undefined, into)),
          );
          await until(() => clients.every((client) => client.over) && ran > 0, "their ends");
          expect(ran).toBe(1);
          if (hasProc) await until(() => descriptors() <= before, "every descriptor");
        });
      },
    );
  }
});

// --- a peer that takes nothing more ------------------------------------------------------------------------------

/** Sends so much that the kernel is full and TLS holds some of it back, and closes. */
class Sending extends SecureChannel {
  static override limits = streamLimits({ lingerTimeoutMs: 100, closeTimeoutMs: 700 });
  static size = 0;
  /** How much the kernel takes. */
  static kernelBytes: number | undefined;
  constructor(socket: Socket, into: ChannelMap) {
    super(socket, into);
    if (Sending.kernelBytes !== undefined) socket.setsockopt(SOL_SOCKET, SO_SNDBUF, Sending.kernelBytes);
    this.send(streamBytes(Sending.size));
    socket.flush();
    this.close();
  }
}
// What TLS has taken of these fits into its buffer of 128 KiB and the kernel's, or does not: either way must end.
const sizes = [100_000, 140_000, 160_000, 180_000, 200_000, 220_000, 240_000, 262_143, 400_000];
const runs = hasProc && libc() !== undefined;
const reason = runs ? "" : ` (${hasProc ? "SKIPPED: sets a socket option" : noProc})`;

describe.skipIf(!runs)(`a peer that stops reading${reason}`, () => {
  test.each(sizes)("costs no descriptor after closeTimeoutMs, with %d bytes to go", async (size) => {
    Sending.size = size;
    Sending.kernelBytes = 4096;
    const listener = new SecureServer(map, server, Sending);
    const before = descriptors();
    const peer = await plainClient(listener.port);
    peer.pause();
    await until(() => listener.accepted.length === 1, "the connection");
    await until(() => listener.first.socket?.state === "closed", "our end");
    // The peer's own descriptor remains.
    await until(() => descriptors() <= before + 1, "the release of ours");
  });

  test.skipIf(python === undefined)(
    `and goes on before that gets all of it, and close_notify${python === undefined ? ` (${noPython})` : ""}`,
    async () => {
      await using program = new Program([python ?? "", `${import.meta.dirname}/peers/peer.py`, "stalled"]);
      Sending.kernelBytes = undefined;
      // Around the four megabytes that Linux takes by default.
      for (const [id, size] of [4_000_000, 4_130_000, 4_150_000, 4_170_000, 4_190_000, 4_300_000].entries()) {
        Sending.size = size;
        const listener = new SecureServer(map, server, Sending);
        program.tell({ id, do: "connect", to: listener.address, tls: "TLSv1.3" });
        await until(() => listener.accepted.length === 1, "the connection");
        const { lingerTimeoutMs, closeTimeoutMs } = Sending.limits;
        await new Promise((resolve) => {
          setTimeout(resolve, (lingerTimeoutMs + closeTimeoutMs) / 2);
        });
        program.tell({ id, do: "resume" });
        const answer = await program.answer(
          (one) => one["id"] === id && one["end"] !== undefined,
          "the report",
        );
        expect(answer).toMatchObject({ ...wholeReport(size) });
      }
    },
  );
});

test("a slow peer of a large queue gets all of it after close()", async () => {
  class Closing extends SecureChannel {
    constructor(socket: Socket, into: ChannelMap) {
      super(socket, into);
      this.send(streamBytes(16 * 1024 * 1024));
      this.close();
    }
  }
  const listener = new SecureServer(map, server, Closing);
  const peer = await plainClient(listener.port);
  const check = new StreamCheck();
  let rests = 0;
  peer.on("data", (chunk: Buffer) => {
    check.update(chunk);
    if (rests++ > 50) return;
    peer.pause();
    setTimeout(() => peer.resume(), 5);
  });
  await new Promise((resolve) => peer.once("end", resolve));
  expect(check.report("fin")).toEqual(wholeReport(16 * 1024 * 1024));
});

// --- nobody holds it -----------------------------------------------------------------------------------------

describe("a dropped socket with TLS", () => {
  for (const scenario of [
    "accepted and dropped",
    "accepted, written to and dropped",
    "upgraded and dropped",
  ]) {
    for (const says of ["", "unread bytes"]) {
      const name = `Socket is closed by garbage collection: ${scenario}${says === "" ? "" : ", with bytes unread"}`;
      test(name, async () => {
        await using child = Program.bun("tls-dropped.ts", [scenario, "10"]);
        const { listening } = await child.answer((one) => one["listening"] !== undefined, "the address");
        const ends: string[] = [];
        const received: string[] = [];
        for (let i = 0; i < 10; i++) {
          const peer = await plainClient((listening as [string, number])[1]);
          received.push("");
          peer.on("data", (chunk: Buffer) => (received[i] += chunk.toString()));
          peer.on("end", () => ends.push("end"));
          peer.on("error", (error) => ends.push(String(error)));
          if (says !== "") peer.write(says);
        }
        await child.answer((one) => one["dropped"] !== undefined, "the drop");
        for (let i = 0; i < 40 && ends.length < 10; i++) {
          child.tell({});
          await child.answer((one) => one["collected"] === true, "the collection");
        }
        await until(() => ends.length === 10, "the end of every connection");
        expect(new Set(ends)).toEqual(new Set(["end"]));
        expect(new Set(received)).toEqual(new Set([scenario.includes("written") ? "hello" : ""]));
      });
    }
  }
});

test("closing a listener ends its handshakes under way, and leaves its connections alone", async () => {
  const listener = new SecureServer(map, server, SecureEcho);
  const connected = secureClient(listener.address, trusting, new SecureChannel(undefined, map));
  connected.send("hello");
  await until(() => connected.received === "hello", "the echo");
  const plain = new Dispatcher(undefined, map);
  plain.createSocket(AF_INET);
  plain.connect(listener.address);
  let ended = false;
  plain.handleConnect = () => undefined;
  plain.handleRead = () => void plain.recv();
  plain.handleClose = () => {
    ended = true;
    plain.close();
  };
  await until(() => plain.connected, "a connection without a handshake");
  await turns(3);
  listener.close();
  await until(() => ended, "its end");
  connected.send(" again");
  await until(() => connected.received === "hello again", "the other one");
});
