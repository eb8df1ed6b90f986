// A receiver on raw Bun sockets, in a process of its own. argv: how it behaves (fast, slow, chatty, half-closing,
// stalled). stdin: {id, do: "connect", to, tls?} | {id, do: "listen", at, tls?} | {id, do: "resume"}, one a line; `tls`
// is the version to speak. stdout: {id, listening: address}, then {id, bytes, sha256, end, badAt}. `peer.py` is the same
// with Python's sockets.
import { ca, server } from "../../support/certificates.ts";
import type { TlsVersion } from "../support/peers.ts";
import { StreamCheck } from "../support/stream.ts";

type Address = [host: string, port: number] | string;
type Command =
  | { readonly id: number; readonly do: "connect"; readonly to: Address; readonly tls?: TlsVersion }
  | { readonly id: number; readonly do: "listen"; readonly at: Address; readonly tls?: TlsVersion }
  | { readonly id: number; readonly do: "resume" };

const [behaviour = "fast"] = process.argv.slice(2);
const slow = behaviour === "slow" || behaviour === "chatty";
/** How often a slow peer waits 1 ms at most: its time is bounded whatever the size. */
const SLOW_WAITS = 40;

class Transfer {
  readonly id: number;
  readonly tls: TlsVersion | undefined;
  readonly check: StreamCheck = new StreamCheck();
  end: string | undefined;
  wire: Wire | undefined;
  waits = 0;
  /** A stalled peer that may read now. */
  resumed = false;
  chat: ReturnType<typeof setInterval> | undefined;

  constructor(id: number, tls: TlsVersion | undefined) {
    this.id = id;
    this.tls = tls;
  }
}
type Wire = Bun.Socket<Transfer>;

const transfers = new Map<number, Transfer>();
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};

/** The connection stands, TLS included. */
function begin(wire: Wire): void {
  const transfer = wire.data;
  transfer.wire = wire;
  if (behaviour === "stalled" && !transfer.resumed) wire.pause();
  if (behaviour === "half-closing") {
    wire.write("request");
    wire.shutdown();
  }
  if (behaviour === "chatty") transfer.chat = setInterval(() => wire.write("x"), 1);
}

const socket: Bun.SocketHandler<Transfer> = {
  open(wire) {
    if (wire.data.tls === undefined) begin(wire);
  },
  handshake(wire, success) {
    if (success) begin(wire);
    else wire.data.end = "handshake";
  },
  data(wire, chunk) {
    const transfer = wire.data;
    transfer.check.update(chunk);
    if (!slow || transfer.waits >= SLOW_WAITS) return;
    transfer.waits++;
    wire.pause();
    setTimeout(() => wire.resume(), 1);
  },
  drain() {},
  end(wire) {
    const transfer = wire.data;
    transfer.end = "fin";
    clearInterval(transfer.chat);
    wire.shutdown();
  },
  close(wire, error) {
    const transfer = wire.data;
    clearInterval(transfer.chat);
    transfers.delete(transfer.id);
    const end = transfer.end ?? (error === undefined || error === null ? "fin" : "reset");
    say({ id: transfer.id, ...transfer.check.report(end) });
  },
  error(_wire, error) {
    throw error;
  },
};

/** Bun's `tls` option, where it is wanted. It takes versions as the wire's numbers only. */
function secure(version: TlsVersion | undefined, end: object): { tls?: object } {
  if (version === undefined) return {};
  const number = version === "TLSv1.2" ? 0x0303 : 0x0304;
  return { tls: { ...end, minVersion: number, maxVersion: number } };
}

async function connect(id: number, to: Address, tls: TlsVersion | undefined): Promise<void> {
  const transfer = new Transfer(id, tls);
  transfers.set(id, transfer);
  const end = { ca, serverName: "localhost" };
  const common = { data: transfer, socket, allowHalfOpen: true, ...secure(tls, end) };
  try {
    if (typeof to === "string") await Bun.connect({ unix: to, ...common });
    else await Bun.connect({ hostname: to[0], port: to[1], ...common });
  } catch (error) {
    say({ id, ...transfer.check.report(`connect: ${String(error)}`) });
  }
}

function listen(id: number, at: Address, tls: TlsVersion | undefined): void {
  const transfer = new Transfer(id, tls);
  transfers.set(id, transfer);
  const accepting: Bun.SocketHandler<Transfer> = {
    ...socket,
    open(wire) {
      void socket.open?.(wire);
      listener.stop();
    },
  };
  const common = { data: transfer, socket: accepting, allowHalfOpen: true, ...secure(tls, server) };
  const listener =
    typeof at === "string"
      ? Bun.listen({ unix: at, ...common })
      : Bun.listen({ hostname: at[0], port: at[1], ...common });
  const listening: Address = typeof at === "string" ? at : [at[0], (listener as { port: number }).port];
  say({ id, listening });
}

function resume(id: number): void {
  const transfer = transfers.get(id);
  if (transfer === undefined) return;
  transfer.resumed = true;
  transfer.wire?.resume();
}

for await (const line of console) {
  const command = JSON.parse(line) as Command;
  if (command.do === "connect") await connect(command.id, command.to, command.tls);
  else if (command.do === "listen") listen(command.id, command.at, command.tls);
  else resume(command.id);
}
