import { describe, expect, test } from "bun:test";

import { type Address, ChannelMap, Dispatcher, type OSError, type Socket } from "../../src/index.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../../src/base/constants.ts";
import { MemoryNetwork } from "../../src/testing/index.ts";

function codeOf(operation: () => unknown): string {
  try {
    operation();
    return "no error";
  } catch (error) {
    return (error as OSError).code;
  }
}

/** Notes what a socket tells, as it tells it. */
function watch(socket: Socket, log: string[], name: string): void {
  const look = (): void => {
    if (socket.state === "listening") log.push(`${name} has a connection`);
    else {
      const chunk = socket.readReady && socket.state === "open" ? String(socket.recv()) : undefined;
      log.push(chunk === undefined ? `${name} ${socket.state}` : `${name} got "${chunk}"`);
    }
  };
  socket.observe({ socketReady: look, socketChanged: look });
}

async function refusal(network: MemoryNetwork, family: number, to: Address): Promise<string | undefined> {
  const socket = network.createSocket(family);
  socket.connect(to);
  await network.clock.runUntil(() => socket.state !== "connecting", "an outcome");
  return socket.takeError()?.message;
}

describe("MemoryNetwork", () => {
  test("connects names of all families, and nothing happens inside a call", async () => {
    const network = new MemoryNetwork();
    const names: [number, Address][] = [
      [AF_INET, ["10.0.0.1", 80]],
      [AF_INET, ["db", 80]],
      [AF_INET6, ["fe80::1", 80]],
      [AF_UNIX, "/run/x"],
      [AF_UNIX, "\0x"],
    ];
    for (const [family, name] of names) {
      const log: string[] = [];
      const server = network.createSocket(family);
      server.bind(name);
      server.listen(1);
      watch(server, log, "server");
      const client = network.createSocket(family);
      client.connect(name);
      watch(client, log, "client");
      client.send("hi");
      expect(log).toEqual([]);
      await network.clock.runAll();
      expect(log).toEqual(["server has a connection", "client open"]);
      const [accepted] = server.accept() as readonly [Socket, Address];
      watch(accepted, log, "accepted");
      expect(String(accepted.recv())).toBe("hi");
      expect(accepted.getsockname()).toEqual(name);
    }
  });

  test("refuses where nobody listens, and a unix path that is not there is missing", async () => {
    const network = new MemoryNetwork();
    const bound = network.createSocket(AF_UNIX);
    bound.bind("/run/bound");
    expect(await refusal(network, AF_INET, ["10.0.0.1", 80])).toMatch(/^connect 10.0.0.1:80: ECONNREFUSED/);
    expect(await refusal(network, AF_UNIX, "/run/none")).toMatch(/^connect \/run\/none: ENOENT/);
    expect(await refusal(network, AF_UNIX, "/run/bound")).toMatch(/ECONNREFUSED/);
    expect(await refusal(network, AF_UNIX, "\0none")).toMatch(/ECONNREFUSED/);
  });

  test("a wildcard address takes connections to every host, and keeps its port from the others", async () => {
    const network = new MemoryNetwork();
    const server = network.createSocket();
    server.bind(["", 80]);
    expect(server.getsockname()).toEqual(["0.0.0.0", 80]);
    server.listen(8);
    expect(codeOf(() => network.createSocket().bind(["10.0.0.1", 80]))).toBe("EADDRINUSE");
    const client = network.createSocket();
    client.connect(["10.9.9.9", 80]);
    await network.clock.runAll();
    expect([client.state, server.readReady]).toEqual(["open", true]);
  });

  test("a name is free again when its socket has closed", () => {
    const network = new MemoryNetwork();
    const first = network.createSocket();
    first.bind(["a", 1]);
    expect(codeOf(() => network.createSocket().bind(["a", 1]))).toBe("EADDRINUSE");
    first.close();
    network.createSocket().bind(["a", 1]);
  });

  test("port 0 gives a port each, until none is left", () => {
    const network = new MemoryNetwork();
    const ports = new Set<number>();
    const bind = (): void => {
      const socket = network.createSocket();
      socket.bind(["a", 0]);
      ports.add(socket.getsockname()[1] as number);
    };
    for (let i = 0; i < 100; i++) bind();
    expect(ports.size).toBe(100);
  });

  test("createSocket() throws EAFNOSUPPORT for a family it has not", () => {
    expect(codeOf(() => new MemoryNetwork().createSocket(99))).toBe("EAFNOSUPPORT");
  });

  test("a connect beyond the backlog waits for accept(), in order, and its deadline is virtual", async () => {
    const network = new MemoryNetwork();
    const server = network.createSocket();
    server.bind(["a", 1]);
    server.listen(1);
    const clients = Array.from({ length: 3 }, () => network.createSocket());
    for (const client of clients) client.connect(["a", 1]);
    await network.clock.advance(1_000);
    const states = (): string[] => clients.map(({ state }) => state);
    expect(states()).toEqual(["open", "connecting", "connecting"]);
    server.accept();
    await network.clock.advance(1_000);
    expect(states()).toEqual(["open", "open", "connecting"]);
    await network.clock.advance(60_000);
    expect(states()).toEqual(["open", "open", "ended"]);
    expect(clients[2]?.takeError()?.message).toMatch(/^connect a:1: ETIMEDOUT/);
  });

  test("a connect that is given up while the answer is under way resets the accepted side", async () => {
    const network = new MemoryNetwork({ latencyMs: 10 });
    const server = network.createSocket();
    server.bind(["a", 1]);
    server.listen(1);
    const client = network.createSocket();
    client.connect(["a", 1]);
    await network.clock.advance(15);
    const [accepted] = server.accept() as readonly [Socket, Address];
    client.close();
    await network.clock.runAll();
    expect([client.state, accepted.state, accepted.takeError()?.code]).toEqual([
      "closed",
      "ended",
      "ECONNRESET",
    ]);
  });

  test("latency keeps the order, and bytes may not overtake the answer to the connect", async () => {
    const network = new MemoryNetwork({ latencyMs: [0, 50], seed: 9 });
    const log: string[] = [];
    const server = network.createSocket();
    server.bind(["a", 1]);
    server.listen(1);
    server.observe({
      socketReady: () => void server.accept()?.[0].send("welcome"),
      socketChanged: () => {},
    });
    const client = network.createSocket();
    client.connect(["a", 1]);
    watch(client, log, "client");
    await network.clock.runAll();
    expect(log).toEqual(["client open", 'client got "welcome"']);
  });

  test("runs dispatchers; the same seed gives the same run", async () => {
    const run = async (): Promise<string[]> => {
      const faults = { writeBytes: [1, 3], pieceBytes: [1, 4], drainDelayMs: [0, 9] } as const;
      const network = new MemoryNetwork({ seed: 77, latencyMs: [0, 9], faults });
      const map = new ChannelMap();
      const log: string[] = [];
      class Echo extends Dispatcher {
        override handleRead(): void {
          const chunk = this.recv();
          log.push(`${network.clock.now()} echo ${chunk.length}`);
          this.send(chunk);
        }
        override handleClose(): void {
          this.close();
        }
      }
      class Server extends Dispatcher {
        override handleAccepted(socket: Socket): void {
          new Echo(socket, map);
        }
      }
      class Client extends Dispatcher {
        text = "";
        override handleConnect(): void {
          this.send("the quick brown fox");
        }
        override handleRead(): void {
          this.text += String(this.recv());
        }
      }
      const server = new Server(network.createSocket(), map);
      server.bind(["10.0.0.1", 7]);
      server.listen();
      const client = new Client(network.createSocket(), map);
      client.connect(["10.0.0.1", 7]);
      await network.clock.runUntil(() => client.text === "the quick brown fox", "the echo");
      client.close();
      server.close();
      await network.clock.runAll();
      expect(map.size).toBe(0);
      return log;
    };
    const first = await run();
    expect(first.length).toBeGreaterThan(4);
    expect(await run()).toEqual(first);
  });
});
