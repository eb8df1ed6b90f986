// Run with ASYNCORE_FFI=0: serves and connects over a family, and says what worked. argv: tcp4, tcp6 or unix, and the address to bind to as JSON.
// stdout: one line of results, which `without-libc.test.ts` compares.
import {
  type Address,
  Dispatcher,
  OSError,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  type Socket,
  SOL_SOCKET,
} from "asyncore";

import { libc } from "../../../src/socket/libc.ts";
import { afOf, type Family } from "../support/family.ts";
import { StreamCheck, streamBytes } from "../support/stream.ts";
import { until } from "../../support/until.ts";

const family = (process.argv[2] ?? "tcp4") as Family;
const at = JSON.parse(process.argv[3] ?? "null") as Address;
const SIZE = 1_048_577;

const codeOf = (body: () => unknown): string => {
  try {
    return `returned ${String(body())}`;
  } catch (error) {
    return error instanceof OSError ? error.code : String(error);
  }
};

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}
class Server extends Dispatcher {
  accepted: Echo | undefined;
  override handleAccepted(socket: Socket): void {
    this.accepted = new Echo(socket);
  }
}
class Client extends Dispatcher {
  readonly check: StreamCheck = new StreamCheck();
  failure = "";
  ended = false;

  override handleConnect(): void {
    this.send(streamBytes(SIZE));
    // The echo's FIN comes back when it has all.
    this.shutdown(1);
  }
  override handleRead(): void {
    this.check.update(this.recv());
  }
  override handleClose(): void {
    this.ended = true;
    this.close();
  }
  override handleError(error: unknown): void {
    this.failure = error instanceof OSError ? error.code : String(error);
    this.close();
  }
}

const server = new Server();
server.createSocket(afOf[family]);
server.setReuseAddr();
server.bind(at);
server.listen();
const address = server.getsockname();

const client = new Client();
client.createSocket(afOf[family]);
client.connect(address);
await until(() => client.ended || client.failure !== "", "the echo");
const options = {
  idleSet: codeOf(() => new Dispatcher().setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)),
  listenerSet: codeOf(() => server.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)),
  listenerGet: codeOf(() => server.getsockopt(SOL_SOCKET, SO_KEEPALIVE)),
  reuse: codeOf(() => server.getsockopt(SOL_SOCKET, SO_REUSEADDR)),
};

const busy = new Server();
busy.createSocket(afOf[family]);
const bindTwice = codeOf(() => busy.bind(address));
busy.close();

// A connection whose options are asked for.
const open = new Client();
open.createSocket(afOf[family]);
open.handleConnect = () => {};
const before = server.accepted;
open.connect(address);
await until(() => open.connected && server.accepted !== before, "the second connection");
const connectedSet = codeOf(() => open.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1));
const acceptedSet = codeOf(() => server.accepted?.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1));
open.abort();

server.close();
const refused = new Client();
refused.createSocket(afOf[family]);
refused.connect(address);
await until(() => refused.failure !== "", "the refusal");

const { bytes, badAt } = client.check;
process.stdout.write(
  `${JSON.stringify({
    libc: libc() !== undefined,
    addressKnown: typeof address === "string" || address[1] > 0,
    echoed: { bytes, badAt, failure: client.failure },
    ...options,
    connectedSet,
    acceptedSet,
    bindTwice,
    refused: refused.failure,
  })}\n`,
);
