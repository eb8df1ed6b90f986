/**
 * An echo server. Says its port, answers `{"connections": n}`, once n of them stand, with what the JS heap holds then, and
 * ends when its input does. Its argument: `plain`; `timed`, where connections have timeouts; `raw`, on `Bun.listen` alone.
 */
import { estimateShallowMemoryUsageOf, heapStats } from "bun:jsc";

import { Dispatcher, type Socket, streamLimits } from "asyncore";

import { until } from "../../support/until.ts";

/** What the heap holds after a full collection. */
export interface Held {
  readonly bytes: number;
  readonly cells: number;
  /** Cells by type. */
  readonly types: Readonly<Record<string, number>>;
  /** Bytes of the objects of one connection themselves; undefined with `raw`. */
  readonly shallow?: { readonly channel: number; readonly dispatch: number; readonly socket: number };
}

class Idle extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

class Timed extends Idle {
  static override limits = streamLimits({ idleTimeoutMs: 60_000, lifetimeTimeoutMs: 3_600_000 });
}

const kind = process.argv[2];
const Kind = kind === "timed" ? Timed : Idle;
let accepted = 0;
let last: Idle | undefined;

class Server extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    accepted++;
    last = new Kind(socket);
  }
}

function listen(): number {
  const server = new Server();
  server.createSocket();
  server.bind(["127.0.0.1", 0]);
  server.listen();
  return (server.getsockname() as [string, number])[1];
}
function rawListen(): number {
  const socket = {
    open: (): void => void accepted++,
    data: (wire: Bun.Socket, chunk: Buffer): void => void wire.write(chunk),
  };
  return Bun.listen({ hostname: "127.0.0.1", port: 0, socket }).port;
}

async function measure(connections: number): Promise<Held> {
  await until(() => accepted === connections, `${connections} connections`);
  // What one collection finalizes the next one frees.
  for (let pass = 0; pass < 3; pass++) Bun.gc(true);
  const { heapSize, extraMemorySize, objectCount, objectTypeCounts } = heapStats();
  const held = { bytes: heapSize + extraMemorySize, cells: objectCount, types: objectTypeCounts };
  if (last === undefined) return held;
  const shallow = {
    channel: estimateShallowMemoryUsageOf(last),
    dispatch: estimateShallowMemoryUsageOf(last.channelDispatch),
    socket: estimateShallowMemoryUsageOf(last.socket as object),
  };
  return { ...held, shallow };
}

const say = (answer: object): void => console.log(JSON.stringify(answer));

say({ port: kind === "raw" ? rawListen() : listen() });
const decoder = new TextDecoder();
// One question at a time: each chunk is one.
for await (const chunk of Bun.stdin.stream()) {
  const { connections } = JSON.parse(decoder.decode(chunk)) as { connections: number };
  say(await measure(connections));
}
process.exit(0);
