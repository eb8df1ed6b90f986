/** Dispatchers with TLS that write down what happens to them, and what a client's first flight looks like. */
import net from "node:net";
import tls from "node:tls";

import {
  AF_INET,
  type Address,
  type ChannelMap,
  Dispatcher,
  OSError,
  type Socket,
  socketMap,
  type StreamLimits,
  TLSError,
  type TlsOptions,
} from "asyncore";

import { ca, server } from "./certificates.ts";

/** What a client that trusts our authority has. */
export const trusting: TlsOptions = { ca, serverName: "localhost" };

/** `DECRYPTION_FAILED (established)`, `ECONNRESET`, or the message of what is neither. */
export function wordsFor(error: unknown): string {
  if (error instanceof TLSError) return `${error.reason} (${error.phase})`;
  return error instanceof OSError ? error.code : String(error);
}

/** Logs its hooks (`connect`, `close`, `close ECONNRESET`, `error …`), keeps what it reads, closes at the end. */
export class SecureChannel extends Dispatcher {
  readonly events: string[] = [];
  received = "";
  error: unknown;

  override handleConnect(): void | Promise<void> {
    this.events.push("connect");
  }
  override handleSecure(): void | Promise<void> {
    this.events.push("secure");
  }
  override handleRead(): void | Promise<void> {
    this.received += this.recv().toString("latin1");
  }
  override handleClose(reason?: OSError): void | Promise<void> {
    this.error ??= reason;
    this.events.push(reason === undefined ? "close" : `close ${wordsFor(reason)}`);
    this.close();
  }
  override handleError(error: unknown): void | Promise<void> {
    this.error ??= error;
    this.events.push(`error ${wordsFor(error)}`);
    this.close();
  }
  get over(): boolean {
    return this.events.some((event) => event !== "connect" && event !== "secure");
  }
}

/** The same, and sends everything back. */
export class SecureEcho extends SecureChannel {
  override handleRead(): void {
    this.send(this.recv());
  }
}

type Accepting = new (socket: Socket, map: ChannelMap) => SecureChannel;

/** A listener on a free port that keeps what it accepts, and the failures of handshakes. */
export class SecureServer extends Dispatcher {
  readonly accepted: SecureChannel[] = [];
  readonly failures: TLSError[] = [];
  readonly #into: ChannelMap;
  readonly #Kind: Accepting;

  constructor(
    map: ChannelMap = socketMap,
    options: TlsOptions = server,
    Kind: Accepting = SecureEcho,
    limits?: StreamLimits,
  ) {
    super(undefined, map);
    this.#into = map;
    this.#Kind = Kind;
    this.createSocket({ family: AF_INET, tls: options });
    if (limits !== undefined) (this.socket as Socket).limits = limits;
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  get address(): Address {
    return this.getsockname();
  }
  get port(): number {
    return this.getsockname()[1] as number;
  }
  get first(): SecureChannel {
    return this.accepted[0] as SecureChannel;
  }
  /** The reasons of all failures so far. */
  get reasons(): string[] {
    return this.failures.map(({ reason }) => reason);
  }
  override handleAccepted(socket: Socket): void {
    this.accepted.push(new this.#Kind(socket, this.#into));
  }
  override handleError(error: unknown): void {
    if (!(error instanceof TLSError)) throw error;
    this.failures.push(error);
  }
}

/** `channel`, connecting to `address`. */
export function secureClient<T extends Dispatcher = SecureChannel>(
  address: Address,
  options: TlsOptions,
  channel: T,
): T {
  channel.createSocket({ family: AF_INET, tls: options });
  channel.connect(address);
  return channel;
}

/** A client's first flight: a whole ClientHello for `localhost`. */
export async function clientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const listener = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (flight) => {
      resolve(flight as Buffer);
      socket.destroy();
      listener.close();
    });
  });
  await new Promise<void>((listening) => listener.listen(0, "127.0.0.1", listening));
  const { port } = listener.address() as net.AddressInfo;
  tls.connect({ port, host: "127.0.0.1", servername: "localhost" }).on("error", () => undefined);
  return promise;
}
