// One channel of ours in a state where nothing can go on, in a process of its own so that its CPU time can be read.
// argv: the state, then push or poll. stdout: {listening: address} where a peer is to connect; {stuck: state} once it
// is reached; for each line on stdin {still, buffered}: whether the state holds and what the send queue has.
// The peers are raw sockets in `bounded.test.ts`.
import { ChannelMap, Dispatcher, loop, poll, type Socket, streamLimits } from "asyncore";

import { until } from "../../support/until.ts";

const [state = "", mode = "push", host = "", port = "0"] = process.argv.slice(2);
const map = new ChannelMap();
const long = 600_000;
const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};

class Stuck extends Dispatcher {
  static override limits: ReturnType<typeof streamLimits> = streamLimits({
    closeTimeoutMs: long,
    lingerTimeoutMs: long,
    connectTimeoutMs: long,
  });
  reads = 0;
  ended = false;

  constructor(socket?: Socket) {
    super(socket, map);
  }
  override writable(): boolean {
    return this.connecting;
  }
  override handleConnect(): void {}
  override handleRead(): void | Promise<void> {
    this.reads++;
    this.recv();
  }
  override handleWrite(): void {}
  override handleClose(): void {
    this.ended = true;
  }
  override handleError(error: unknown): void {
    say({ error: String(error) });
    process.exit(1);
  }
}

/** Sends whenever it is asked, and wants to be asked always. */
class Writing extends Stuck {
  override writable(): boolean {
    return true;
  }
  override handleWrite(): void {
    this.send(Buffer.alloc(16_384));
  }
}
class Paused extends Stuck {
  override readable(): boolean {
    return false;
  }
}
class TakesNothing extends Stuck {
  override handleRead(): void {
    this.reads++;
  }
}
class NeverSettles extends Stuck {
  override handleRead(): Promise<void> {
    this.reads++;
    this.recv(1);
    return new Promise(() => {});
  }
}

class Server extends Stuck {
  readonly #accepted: (socket: Socket) => void;

  constructor(accepted: (socket: Socket) => void, backlog?: number) {
    super();
    this.#accepted = accepted;
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen(backlog);
    say({ listening: this.getsockname() });
  }
  override handleAccepted(socket: Socket): void {
    this.#accepted(socket);
  }
}
class PausedServer extends Server {
  override readable(): boolean {
    return false;
  }
}

let channel: Stuck | undefined;
const serve = (accepted: (socket: Socket) => Stuck): void => {
  new Server((socket) => {
    channel = accepted(socket);
  });
};
/** Bytes wait on the channel, and no more are taken in: the peer has to stop. */
const flooded = (one: Stuck): boolean => one.socket?.readReady === true;

/** Set once a connect got no answer: the queue that it was to join is full. */
let unanswered = false;
async function fillBacklog(): Promise<void> {
  while (!unanswered) {
    const one = new Stuck();
    one.createSocket();
    one.connect([host, Number(port)]);
    channel = one;
    try {
      await until(() => !one.connecting, "an answer", 300);
    } catch {
      unanswered = true;
    }
  }
}

interface State {
  begin(): void;
  holds(): boolean;
}
let wakes = 0;
const open = (): boolean => channel?.socket?.state === "open";

const states: Readonly<Record<string, State>> = {
  "the peer never reads": {
    begin: () => serve((socket) => new Writing(socket)),
    holds: () => open() && channel?.socket?.writeReady === false,
  },
  "the peer never reads after close()": {
    begin: () =>
      serve((socket) => {
        const one = new Stuck(socket);
        one.send(Buffer.alloc(32 * 1024 * 1024));
        one.close();
        return one;
      }),
    holds: () => channel?.socket?.state === "flushing",
  },
  "the peer never closes after our FIN": {
    begin: () =>
      serve((socket) => {
        const one = new Stuck(socket);
        one.send("bye");
        one.close();
        return one;
      }),
    holds: () => channel?.socket?.state === "lingering",
  },
  "half-open and idle": {
    begin: () => serve((socket) => new Stuck(socket)),
    holds: () => open() && channel?.ended === true,
  },
  "readable() is false and the peer floods": {
    begin: () => serve((socket) => new Paused(socket)),
    holds: () => open() && channel !== undefined && flooded(channel),
  },
  "handleRead() takes nothing and the peer floods": {
    begin: () => serve((socket) => new TakesNothing(socket)),
    holds: () => open() && channel !== undefined && channel.reads > 0 && flooded(channel),
  },
  "handleRead() takes nothing after a thousand wake() calls": {
    begin: () => {
      serve((socket) => {
        const one = new TakesNothing(socket);
        const timer = setInterval(() => {
          for (let i = 0; i < 10; i++) setTimeout(() => one.wake(), 0);
          wakes += 10;
          if (wakes >= 1000) clearInterval(timer);
        }, 1);
        return one;
      });
    },
    holds: () => open() && channel !== undefined && wakes >= 1000 && flooded(channel),
  },
  "an async hook never settles and the peer floods": {
    begin: () => serve((socket) => new NeverSettles(socket)),
    holds: () => open() && channel?.reads === 1 && flooded(channel),
  },
  "connecting to a full backlog": {
    begin: () => void fillBacklog(),
    holds: () => unanswered && channel?.connecting === true,
  },
  "a listener's readable() is false and connections wait": {
    begin: () => {
      channel = new PausedServer(() => {});
    },
    holds: () => channel?.socket?.readReady === true,
  },
  "a listener's readable() is false and connections wait in the kernel": {
    begin: () => {
      channel = new PausedServer(() => {}, 2);
    },
    holds: () => channel?.socket?.readReady === true,
  },
};

const chosen = states[state];
if (chosen === undefined) throw new Error(`no such state: ${state}`);
if (mode === "poll") {
  await poll(0, map);
  chosen.begin();
  void loop({ map });
} else {
  chosen.begin();
}
await until(() => chosen.holds(), state, 20_000);
say({ stuck: state });
for await (const _line of console) {
  say({ still: chosen.holds(), buffered: channel?.bufferedAmount ?? 0 });
}
