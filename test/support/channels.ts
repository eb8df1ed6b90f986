/** Dispatchers that write down what happens to them: `expect(events).toEqual(["connect", "read 5", "close"])`. */
import { type Address, ChannelMap, Dispatcher, type Socket } from "asyncore";

/** A channel that logs every hook, reads everything, and closes at the end of the stream. */
export class Logged extends Dispatcher {
  readonly events: string[] = [];
  received = "";
  error: unknown;

  override handleRead(): void | Promise<void> {
    const chunk = this.recv();
    if (chunk.length === 0) return;
    this.received += chunk.toString();
    this.events.push(`read ${chunk.length}`);
  }
  override handleConnect(): void | Promise<void> {
    this.events.push("connect");
  }
  override handleClose(): void | Promise<void> {
    this.events.push("close");
    this.close();
  }
  override handleError(error: unknown): void | Promise<void> {
    this.error = error;
    this.events.push(`error ${error instanceof Error ? error.message : String(error)}`);
    this.close();
  }
}

/** A listener on a free port that keeps what it accepts. */
export class Listening extends Dispatcher {
  readonly accepted: Dispatcher[] = [];
  readonly #make: (socket: Socket, map: ChannelMap) => Dispatcher;
  readonly #into: ChannelMap;

  constructor(
    map: ChannelMap = new ChannelMap(),
    make: (socket: Socket, map: ChannelMap) => Dispatcher = (socket, into) => new Logged(socket, into),
  ) {
    super(undefined, map);
    this.#into = map;
    this.#make = make;
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    this.accepted.push(this.#make(socket, this.#into));
  }
  get address(): Address {
    return this.getsockname();
  }
}

/** A client of `address`, connecting. */
export function connectTo<T extends Dispatcher>(channel: T, address: Address): T {
  channel.createSocket();
  channel.connect(address);
  return channel;
}
