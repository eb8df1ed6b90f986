/** Two networks in memory, one for each family, on one virtual clock; and a resolver that answers when it is told to. */
import {
  AF_INET,
  AF_INET6,
  ChannelMap,
  type ConnectOptions,
  Dispatcher,
  type Lookup,
  OSError,
  type Socket,
  type SocketOptions,
} from "asyncore";
import { type LinkOptions, MemoryNetwork, VirtualClock } from "asyncore/testing";

import { turns } from "../support/until.ts";

/** What the resolver says for one family: addresses or an error's code, `at` so many milliseconds after the question. */
export interface Answer {
  readonly at?: number;
  readonly addresses?: readonly string[];
  readonly error?: string;
}

export interface LabOptions {
  /** A connect takes two of these, a refusal one. */
  readonly latency4Ms?: number;
  readonly latency6Ms?: number;
  readonly a?: Answer;
  readonly aaaa?: Answer;
}

export class Lab {
  readonly clock: VirtualClock = new VirtualClock();
  readonly map: ChannelMap = new ChannelMap();
  /** `250 try 10.0.0.1`, `0 ask 6`, `40 abort 4`. */
  readonly log: string[] = [];
  /** Every socket that was made for a connect. */
  readonly sockets: Socket[] = [];
  readonly #options: LabOptions;
  readonly #networks: Record<4 | 6, MemoryNetwork>;
  readonly #fillers: Socket[] = [];

  constructor(options: LabOptions = {}) {
    const { clock } = this;
    this.#options = options;
    this.#networks = {
      4: new MemoryNetwork({ clock, latencyMs: options.latency4Ms ?? 0 }),
      6: new MemoryNetwork({ clock, latencyMs: options.latency6Ms ?? 0 }),
    };
  }

  /** For `connect()`. */
  get options(): Pick<ConnectOptions<Dispatcher>, "clock" | "createSocket" | "lookup" | "map"> {
    return {
      clock: this.clock,
      createSocket: (options) => this.#create(options),
      lookup: this.lookup,
      map: this.map,
    };
  }

  #create({ family = AF_INET }: SocketOptions): Socket {
    const socket = this.#network(family === AF_INET6 ? "::" : "").createSocket(family);
    const connect = socket.connect.bind(socket);
    socket.connect = (address) => {
      this.log.push(`${this.clock.now()} try ${address[0]}`);
      connect(address);
    };
    this.sockets.push(socket);
    return socket;
  }

  #network(host: string): MemoryNetwork {
    return this.#networks[host.includes(":") ? 6 : 4];
  }

  readonly lookup: Lookup = (_host, family, signal) => {
    const answer = (family === 4 ? this.#options.a : this.#options.aaaa) ?? {};
    this.log.push(`${this.clock.now()} ask ${family}`);
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    signal.addEventListener("abort", () => this.log.push(`${this.clock.now()} abort ${family}`));
    this.clock.setTimer(() => {
      if (answer.error === undefined) resolve(answer.addresses ?? []);
      else reject(new OSError(answer.error, { syscall: "getaddrinfo" }));
    }, answer.at ?? 0);
    return promise;
  };

  /** A server at `host`, port 80, whose accepted channels are in `accepted`. */
  listen(host: string, backlog = 8): Listening {
    const listening = new Listening(this.#network(host).createSocket(familyOf(host)), this.map);
    listening.bind([host, 80]);
    listening.listen(backlog);
    return listening;
  }

  /** What the memory sockets of {@link pair} live in. */
  get network(): MemoryNetwork {
    return this.#networks[4];
  }

  /** Two sockets that are connected. */
  pair(options: LinkOptions = {}): [Socket, Socket] {
    return this.#networks[4].pair(options);
  }

  /** A host that never answers: somebody listens, and its queue is full. */
  swallow(host: string): void {
    const network = this.#network(host);
    const listener = network.createSocket(familyOf(host));
    listener.bind([host, 80]);
    listener.listen(1);
    const filler = network.createSocket(familyOf(host));
    filler.limits = { ...filler.limits, connectTimeoutMs: Infinity };
    filler.connect([host, 80]);
    this.#fillers.push(listener, filler);
  }

  /** Sockets made for the connect that still hold anything. */
  get held(): number {
    return this.sockets.filter(({ state }) => state !== "closed").length;
  }

  /** Runs the clock until `promise` settles, and says how: its value, or what it was rejected with. */
  async outcome<T>(promise: Promise<T>, withinMs = 120_000): Promise<{ value?: T; error?: unknown }> {
    let outcome: { value?: T; error?: unknown } | undefined;
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    const deadline = this.clock.now() + withinMs;
    for (;;) {
      // What a timer has begun may need some turns to end.
      await turns(4);
      if (outcome !== undefined) return outcome;
      let looks = 0;
      await this.clock.runUntil(() => looks++ > 0, "the promise settles", deadline - this.clock.now());
    }
  }

  /** The value of `promise`, with the clock run until then. */
  async value<T>(promise: Promise<T>, withinMs?: number): Promise<T> {
    const outcome = await this.outcome(promise, withinMs);
    if ("error" in outcome) throw outcome.error;
    return outcome.value as T;
  }

  /** What `promise` is rejected with. */
  async failure(promise: Promise<unknown>, withinMs?: number): Promise<OSError> {
    const outcome = await this.outcome(promise, withinMs);
    if (!("error" in outcome)) throw new Error("it did not fail");
    return outcome.error as OSError;
  }
}

function familyOf(host: string): number {
  return host.includes(":") ? AF_INET6 : AF_INET;
}

/** A channel that reads everything. */
export class Peer extends Dispatcher {
  received = "";
  events: string[] = [];
  override handleRead(): void {
    const chunk = this.recv();
    this.received += chunk.toString();
  }
  override handleClose(lost?: OSError): void {
    this.events.push(lost === undefined ? "end" : lost.code);
    this.close();
  }
}

export class Listening extends Dispatcher {
  readonly accepted: Peer[] = [];
  override handleAccepted(socket: Socket): void {
    this.accepted.push(new Peer(socket, this.into));
  }
  readonly into: ChannelMap;
  constructor(socket: Socket, map: ChannelMap) {
    super(socket, map);
    this.into = map;
  }
}
