// "Isolated": a hook that throws or rejects costs its own channel, and nobody else: a hundred others whose bytes came
// in the same turn are served.
import { afterEach, beforeEach, describe, expect, mock, spyOn, test } from "bun:test";

import { type Address, ChannelMap, Dispatcher, loop, poll, type Socket } from "asyncore";

import { handlers, RawPeer } from "./support/raw.ts";
import { until } from "../support/until.ts";

const OTHERS = 100;
const VICTIM = 50;

/** What was logged, by anybody, anywhere. */
let told: string[] = [];
let stderr: ReturnType<typeof spyOn>;
beforeEach(() => {
  told = [];
  stderr = spyOn(process.stderr, "write").mockImplementation((text: unknown) => {
    told.push(String(text));
    return true;
  });
});
afterEach(() => {
  stderr.mockRestore();
  mock.restore();
});

class Echo extends Dispatcher {
  override handleRead(): void | Promise<void> {
    this.send(this.recv());
  }
  override handleClose(): void | Promise<void> {
    this.close();
  }
  override logInfo(message: string): void {
    told.push(message);
  }
}

/** An echo any of whose hooks can be replaced while it runs. */
class Victim extends Echo {
  readonly planted: Map<string, () => unknown> = new Map();

  #run<T>(hook: string, usual: () => T): T {
    const planted = this.planted.get(hook);
    return planted === undefined ? usual() : (planted() as T);
  }
  override readable(): boolean {
    return this.#run("readable", () => true);
  }
  override writable(): boolean {
    return this.#run("writable", () => this.connecting);
  }
  override handleRead(): void | Promise<void> {
    return this.#run("handleRead", () => super.handleRead());
  }
  override handleWrite(): void | Promise<void> {
    return this.#run("handleWrite", () => {});
  }
  override handleConnect(): void | Promise<void> {
    return this.#run("handleConnect", () => {});
  }
  override handleAccept(): void | Promise<void> {
    return this.#run("handleAccept", () => super.handleAccept());
  }
  override handleAccepted(socket: Socket, address: Address): void | Promise<void> {
    return this.#run("handleAccepted", () => super.handleAccepted(socket, address));
  }
  override handleClose(): void | Promise<void> {
    return this.#run("handleClose", () => super.handleClose());
  }
  override handleError(error: unknown): void | Promise<void> {
    return this.#run("handleError", () => super.handleError(error));
  }
  override logInfo(message: string): void {
    // What an `async logInfo()` of a user's gives back, whatever its type says.
    return this.#run<void>("logInfo", () => super.logInfo(message));
  }
  override toString(): string {
    return this.#run("toString", () => super.toString());
  }
}

class EchoServer extends Echo {
  readonly accepted: Echo[] = [];
  readonly mapGiven: ChannelMap;

  constructor(map: ChannelMap) {
    super(undefined, map);
    this.mapGiven = map;
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void | Promise<void> {
    const Kind = this.accepted.length === VICTIM ? Victim : Echo;
    this.accepted.push(new Kind(socket, this.mapGiven));
  }
}

interface Scene {
  readonly map: ChannelMap;
  readonly server: EchoServer;
  /** The accepted channel in the middle, and its peer. */
  readonly victim: Victim;
  readonly peer: RawPeer;
}
interface Case {
  readonly hook: string;
  /** Whether the hook may be async at all. */
  readonly async: boolean;
  /** Plants the failing hook and returns what makes the event, in the same breath as the others' bytes. */
  plant(
    scene: Scene,
    fail: () => never | Promise<never>,
  ): {
    channel: Victim;
    event(): void;
    /** Whether the peer of the failed connection has seen its end. */
    peerEnded(): boolean;
  };
}

const throws = (): never => {
  throw new Error("planted first");
};
const onVictim = (hook: string, event: (scene: Scene) => void): Case["plant"] => {
  return (scene, fail) => {
    const { victim, peer } = scene;
    const begin = (): void => {
      victim.planted.set(hook, fail);
      if (hook === "handleWrite") victim.planted.set("writable", () => true);
      event(scene);
    };
    return { channel: victim, event: begin, peerEnded: () => peer.ended };
  };
};
const speak = ({ peer }: Scene): void => peer.send("hello");
const hangUp = ({ peer }: Scene): void => {
  peer.wire?.shutdown();
};

/** A hook that is called when another has thrown. */
const afterFailure = (hook: string): Case["plant"] => {
  return (scene, fail) => {
    scene.victim.planted.set("handleRead", throws);
    return onVictim(hook, speak)(scene, fail);
  };
};
const onListener = (hook: string): Case["plant"] => {
  return ({ map }, fail) => {
    const listener = new Victim(undefined, map);
    listener.createSocket();
    listener.bind(["127.0.0.1", 0]);
    listener.listen();
    listener.planted.set(hook, fail);
    const address = listener.getsockname();
    let late: RawPeer | undefined;
    return {
      channel: listener,
      event: () => {
        void RawPeer.connect(address, { answersFin: true }).then((peer) => (late = peer));
      },
      peerEnded: () => late?.ended === true,
    };
  };
};
const onClient: Case["plant"] = ({ map }, fail) => {
  const peer = new RawPeer({ answersFin: true });
  const listener = Bun.listen<RawPeer>({
    hostname: "127.0.0.1",
    port: 0,
    data: peer,
    allowHalfOpen: true,
    socket: handlers,
  });
  const client = new Victim(undefined, map);
  client.createSocket();
  client.planted.set("handleConnect", () => {
    listener.stop();
    return fail();
  });
  return {
    channel: client,
    event: () => client.connect(["127.0.0.1", listener.port]),
    peerEnded: () => peer.ended,
  };
};

// handleExpt is missing: nothing here ever reports urgent data.
const cases: readonly Case[] = [
  { hook: "handleRead", async: true, plant: onVictim("handleRead", speak) },
  { hook: "handleWrite", async: true, plant: onVictim("handleWrite", speak) },
  { hook: "readable", async: false, plant: onVictim("readable", speak) },
  { hook: "writable", async: false, plant: onVictim("writable", speak) },
  { hook: "handleClose", async: true, plant: onVictim("handleClose", hangUp) },
  { hook: "handleConnect", async: true, plant: onClient },
  { hook: "handleAccept", async: true, plant: onListener("handleAccept") },
  { hook: "handleAccepted", async: true, plant: onListener("handleAccepted") },
  { hook: "handleError", async: true, plant: afterFailure("handleError") },
  { hook: "logInfo", async: true, plant: afterFailure("logInfo") },
  { hook: "toString", async: false, plant: afterFailure("toString") },
];

async function isolated(one: Case, kind: string, mode: string): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const map = new ChannelMap();
  if (mode === "poll") await poll(0, map);
  const server = new EchoServer(map);
  cleanUp.defer(() => {
    for (const channel of map.values()) channel.close();
  });
  const running = mode === "poll" ? loop({ map }) : Promise.resolve();
  const address: Address = server.getsockname();
  const peers: RawPeer[] = [];
  for (let i = 0; i <= OTHERS; i++) {
    const peer = await RawPeer.connect(address, { answersFin: true });
    cleanUp.use(peer);
    peers.push(peer);
  }
  await until(() => server.accepted.length === OTHERS + 1, "all channels");
  const [peer] = peers.splice(VICTIM, 1) as [RawPeer];
  const victim = server.accepted[VICTIM] as Victim;
  const fail =
    kind === "throws"
      ? (): never => {
          throw new Error("planted");
        }
      : async (): Promise<never> => {
          await Promise.resolve();
          throw new Error("planted");
        };
  const { channel, event, peerEnded } = one.plant({ map, server, victim, peer }, fail);

  for (const other of peers.slice(0, VICTIM)) other.send("hello");
  event();
  for (const other of peers.slice(VICTIM)) other.send("hello");

  await until(() => peers.every((other) => other.received === "hello"), "the answers to the others");
  await until(() => channel.socket?.state === "closed", "the end of the channel that failed");
  await until(peerEnded, "the end at its peer");
  expect({
    mapped: [...map.values()].includes(channel),
    told: told.some((line) => line.includes("planted")),
    others: server.accepted.filter((other) => other.socket?.state === "open").length,
  }).toEqual({ mapped: false, told: true, others: channel === victim ? OTHERS : OTHERS + 1 });

  // And they still are, after that.
  for (const other of peers) other.send("again");
  await until(() => peers.every((other) => other.received === "helloagain"), "more answers");
  for (const left of map.values()) left.close();
  await running;
}

describe("a failing hook", () => {
  for (const one of cases) {
    for (const kind of one.async ? ["throws", "rejects"] : ["throws"]) {
      for (const mode of ["push", "poll"]) {
        const name = `Dispatcher.${one.hook}() that ${kind} in ${mode} mode closes its own channel and no other`;
        test(name, () => isolated(one, kind, mode));
      }
    }
  }
});
