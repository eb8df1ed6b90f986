/** The loads against servers in this process: what is right is counted, and a single wrong byte is noticed. */
import { afterEach, describe, expect, test } from "bun:test";

import type { Socket, SocketHandler, TLSOptions } from "bun";

import { ChurnLoad } from "../../bench/macro/clients/churn.ts";
import { DatagramLoad } from "../../bench/macro/clients/datagrams.ts";
import { EchoLoad } from "../../bench/macro/clients/echo.ts";
import { FanoutLoad } from "../../bench/macro/clients/fanout.ts";
import { LinesLoad } from "../../bench/macro/clients/lines.ts";
import { TlsEchoLoad } from "../../bench/macro/clients/tls-echo.ts";
import type { PausableLoad } from "../../bench/macro/slices.ts";
import { identity } from "../../bench/peers/certificate.ts";
import { until, within } from "../support/until.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function serve<D>(socket: SocketHandler<D>, tls?: TLSOptions): number {
  const listener = Bun.listen<D>({ hostname: "127.0.0.1", port: 0, socket, ...(tls && { tls }) });
  closers.push(() => listener.stop(true));
  return listener.port;
}

/** Flips a bit after so many bytes. */
function spoiler(spoilAfter: number): (chunk: Buffer) => Buffer {
  let passed = 0;
  return (chunk) => {
    if (passed < spoilAfter && passed + chunk.length >= spoilAfter) {
      const at = spoilAfter - passed - 1;
      chunk[at] = (chunk[at] ?? 0) ^ 1;
    }
    passed += chunk.length;
    return chunk;
  };
}

/** Echoes what it makes of a chunk; its port. */
type EchoServer = (through: (chunk: Buffer) => Buffer) => number | Promise<number>;

const echo: EchoServer = (through) =>
  serve({ data: (wire: Socket, chunk) => void wire.write(through(chunk)) });
const echoThroughTls: EchoServer = (through) =>
  serve({ data: (wire: Socket, chunk) => void wire.write(through(chunk)) }, identity);
const echoDatagrams: EchoServer = async (through) => {
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: { data: (from, chunk, port, address) => void from.send(through(chunk), port, address) },
  });
  closers.push(() => socket.close());
  return socket.port;
};

async function begun(load: PausableLoad, connections: number, port: number): Promise<PausableLoad> {
  closers.push(() => load.close());
  await load.open(connections, port);
  load.start();
  return load;
}

function failureOf(load: PausableLoad): Promise<string> {
  return within(load.failed.catch(String), "the load to fail");
}

const datagrams = (): DatagramLoad => new DatagramLoad({ kind: "datagrams", connections: 3, bytes: 64 });

const loads: Record<string, () => PausableLoad> = {
  EchoLoad: () => new EchoLoad({ bytes: 64, bystanders: 2 }),
  "LinesLoad of lines": () =>
    new LinesLoad({ kind: "lines", connections: 3, linesPerPacket: 4, lineBytes: 32, packetsInFlight: 2 }),
  "LinesLoad of frames": () =>
    new LinesLoad({
      kind: "lines",
      connections: 3,
      linesPerPacket: 4,
      lineBytes: 32,
      packetsInFlight: 2,
      framing: "length",
    }),
  ChurnLoad: () => new ChurnLoad({ kind: "churn", atOnce: 3, bytes: 64 }),
  TlsEchoLoad: () => new TlsEchoLoad({ bytes: 64 }),
  DatagramLoad: datagrams,
};
/** Where it is not {@link echo}. */
const servers: Record<string, EchoServer> = { TlsEchoLoad: echoThroughTls, DatagramLoad: echoDatagrams };

describe.each(Object.keys(loads))("%s", (name) => {
  const make = loads[name] as () => PausableLoad;
  const server = servers[name] ?? echo;
  test("counts what came back, records latencies, and rests with nothing in flight", async () => {
    const load = await begun(make(), 3, await server((chunk) => chunk));
    if (load.latency !== undefined) load.latency.counting = true;
    await until(() => load.bytes > 20_000);
    await load.pause();
    const { bytes } = load;
    expect(bytes % load.bytesPerMessage).toBe(0);
    expect(load.latency?.count).toBeGreaterThan(0);
    expect(load.latency?.quantile(0.5)).toBeGreaterThan(0);
    load.start();
    await until(() => load.bytes > bytes);
    await load.pause();
  });
  test("fails when one bit of an answer is wrong", async () => {
    const load = await begun(make(), 3, await server(spoiler(10_007)));
    expect(await failureOf(load)).toContain("wrong bytes came back");
  });
  // UDP has none to close.
  if (server === echoDatagrams) return;
  test("fails when the server closes a connection", async () => {
    let connections = 0;
    const closeSecond = (wire: Socket): void => {
      if (++connections === 2) wire.end();
    };
    const data = (wire: Socket, chunk: Buffer): void => void wire.write(chunk);
    const port =
      server === echoThroughTls
        ? serve({ handshake: closeSecond, data }, identity)
        : serve({ open: closeSecond, data });
    const load = make();
    closers.push(() => load.close());
    const failure = failureOf(load);
    await load.open(3, port);
    load.start();
    expect(await failure).toMatch(/closed|gone/u);
  });
});

describe("DatagramLoad", () => {
  test("fails when a datagram comes twice", async () => {
    let count = 0;
    const socket = await Bun.udpSocket({
      hostname: "127.0.0.1",
      socket: {
        data(from, chunk, port, address) {
          from.send(chunk, port, address);
          if (++count === 100) from.send(chunk, port, address);
        },
      },
    });
    closers.push(() => socket.close());
    const load = await begun(datagrams(), 3, socket.port);
    expect(await failureOf(load)).toContain("wrong bytes came back");
  });
  test("fails when nobody is there", async () => {
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = socket;
    socket.close();
    const load = await begun(datagrams(), 3, port);
    expect(await failureOf(load)).toContain("ECONNREFUSED");
  });
});

describe("TlsEchoLoad", () => {
  test("does not open, and says why, when the server closes a connection before the handshake", async () => {
    const port = serve({ open: (wire: Socket) => void wire.end(), data: () => undefined });
    const load = new TlsEchoLoad({ bytes: 64 });
    closers.push(() => load.close());
    expect(await load.open(3, port).then(() => "open", String)).toContain("disconnected before secure TLS");
  });
});

describe("FanoutLoad", () => {
  const job = { kind: "fanout", subscribers: 5, linesPerPacket: 4, lineBytes: 64 } as const;
  interface Participant {
    role: string;
    rest: string;
  }

  /** Fans out; `cut` resets the last subscriber after so many messages, `spoil` changes one. */
  function fanout({ cut = Infinity, spoil = Infinity }: { cut?: number; spoil?: number }): number {
    const subscribers = new Set<Socket<Participant>>();
    let messages = 0;
    const publish = (line: string): void => {
      messages++;
      const text = messages === spoil ? line.replace("line", "lime") : line;
      for (const subscriber of subscribers) subscriber.write(`> ${text}\n`);
      if (messages !== cut) return;
      const last = [...subscribers].at(-1);
      if (last !== undefined) last.terminate();
    };
    return serve<Participant>({
      open: (wire) => {
        wire.data = { role: "", rest: "" };
      },
      data(wire, chunk) {
        const parts = (wire.data.rest + chunk.toString()).split("\n");
        wire.data.rest = parts.pop() ?? "";
        for (const part of parts) {
          if (wire.data.role !== "") publish(part);
          else {
            wire.data.role = part;
            if (part === "SUB") subscribers.add(wire);
            wire.write("ready\n");
          }
        }
      },
      close: (wire) => void subscribers.delete(wire),
    });
  }

  test("counts deliveries to every subscriber, and rests when all have all", async () => {
    const load = await begun(new FanoutLoad({ ...job, stalled: false }), 5, fanout({}));
    await until(() => load.bytes > 50_000);
    await load.pause();
    expect(load.bytes % (job.subscribers * job.linesPerPacket * job.lineBytes)).toBe(0);
    expect(load.figures).toEqual({});
  });
  test("fails when a delivery is wrong", async () => {
    const load = await begun(new FanoutLoad({ ...job, stalled: false }), 5, fanout({ spoil: 50 }));
    expect(await failureOf(load)).toContain("wrong bytes came back");
  });
  test("goes on when the stalled one is cut, checks what that one held, and puts another in its place", async () => {
    const load = await begun(new FanoutLoad({ ...job, stalled: true }), 5, fanout({ cut: 100 }));
    await until(() => load.figures?.["cuts"] === 1);
    const { bytes } = load;
    await until(() => load.bytes > bytes + 50_000);
    await load.pause();
    expect(load.figures?.["cutAfterBytes"]).toBeGreaterThan(0);
  });
  test("fails when another one is cut", async () => {
    const load = await begun(new FanoutLoad({ ...job, stalled: false }), 5, fanout({ cut: 100 }));
    expect(await failureOf(load)).toContain("the server closed a connection");
  });
});
