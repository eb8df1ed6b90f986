import { afterEach, describe, expect, test } from "bun:test";

import { ChannelMap, closeAll, Dispatcher, ExitNow, loop, poll, type Socket, socketMap } from "asyncore";

import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until } from "../support/until.ts";

let map = new ChannelMap();
afterEach(() => {
  closeAll(map);
  map = new ChannelMap();
});

describe("poll mode", () => {
  test("loop() runs until the map is empty", async () => {
    const server = new Listening(map);
    class Client extends Logged {
      override handleConnect(): void | Promise<void> {
        this.send("hello");
        return super.handleConnect();
      }
    }
    class Echo extends Logged {
      override handleRead(): void {
        this.send(this.recv());
        server.close();
        listening.close();
        this.close();
      }
    }
    const client = new Client(undefined, map);
    const listening = new Listening(map, (socket, into) => new Echo(socket, into));
    connectTo(client, listening.address);
    await loop({ map, timeout: 1 });
    expect(client.events).toEqual(["connect", "read 5", "close"]);
    expect(map.size).toBe(0);
  });

  test("loop() ends when a timer closes the last channel while it waits", async () => {
    const listening = new Listening(map);
    setTimeout(() => listening.close(), 5);
    const began = performance.now();
    await loop({ map });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test("loop() runs no hook outside of it once it has begun", async () => {
    const listening = new Listening(map);
    await poll(0, map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => client.socket?.state === "open", "connected below");
    await turns(5);
    expect(client.events).toEqual([]);
    await loop({ map, count: 2, timeout: 1 });
    expect(client.events).toEqual(["connect"]);
  });

  test("loop() goes on in push mode's channels where their events had left off", async () => {
    class Server extends Logged {
      override readable(): boolean {
        return map.polling;
      }
    }
    const listening = new Listening(map, (socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    await until(() => listening.accepted.length === 1 && client.connected, "the connection stands");
    client.send("early");
    const server = listening.accepted[0] as Server;
    await until(() => server.socket?.readReady === true, "the bytes have come");
    expect(server.events).toEqual([]);
    await loop({ map, count: 1, timeout: 5 });
    expect(server.events).toEqual(["read 5"]);
  });

  test("loop({ count }) makes that many passes", async () => {
    let asked = 0;
    class Idle extends Logged {
      override readable(): boolean {
        asked++;
        return true;
      }
      override writable(): boolean {
        return false;
      }
    }
    const channel = new Idle(undefined, map);
    channel.createSocket();
    await loop({ map, count: 3, timeout: 0 });
    expect(asked).toBe(3);
  });

  test("loop({ timeout }) ends a pass without events after that many seconds", async () => {
    const listening = new Listening(map);
    const began = performance.now();
    await loop({ map, count: 1, timeout: 0.05 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(45);
    expect(map.size).toBe(1);
    listening.close();
  });

  test("loop({ signal }) resolves when it is aborted and leaves the channels open", async () => {
    const listening = new Listening(map);
    const stop = new AbortController();
    const looping = loop({ map, signal: stop.signal });
    await turns(3);
    stop.abort();
    await looping;
    expect(listening.accepting).toBe(true);
  });

  test("loop() rejects with the ExitNow that a hook throws, and can be entered again", async () => {
    class Server extends Logged {
      override handleRead(): void | Promise<void> {
        if (this.events.length === 0) {
          this.events.push("exit");
          throw new ExitNow("enough");
        }
        return super.handleRead();
      }
    }
    const listening = new Listening(map, (socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    setTimeout(() => client.send("x"), 5);
    expect(loop({ map, timeout: 1 })).rejects.toThrow(new ExitNow("enough"));
    await until(() => listening.accepted.length === 1, "accepted");
    const server = listening.accepted[0] as Server;
    await until(() => server.events.length === 1, "it exited");
    expect(server.connected).toBe(true);
    await loop({ map, count: 1, timeout: 1 });
    expect(server.events).toEqual(["exit", "read 1"]);
  });

  test("loop() does all reads of a pass before all writes, loop({ usePoll }) goes channel by channel", async () => {
    for (const usePoll of [false, true]) {
      const order: string[] = [];
      class Server extends Dispatcher {
        override handleRead(): void {
          order.push(`r${this.recv().toString()}`);
        }
        override writable(): boolean {
          return order.length === 0;
        }
        override handleWrite(): void {
          order.push("w");
        }
      }
      const listening = new Listening(map, (socket, into) => new Server(socket, into));
      const clients = ["a", "b"].map(() => connectTo(new Logged(undefined, map), listening.address));
      await until(() => listening.accepted.length === 2 || map.polling, "accepted");
      while (listening.accepted.length < 2) await loop({ map, count: 1, timeout: 1 });
      await loop({ map, count: 1, timeout: 0 });
      order.length = 0;
      const ready = (): boolean => listening.accepted.every((channel) => channel.socket?.readReady === true);
      clients.forEach((client, i) => client.socket?.send("ab"[i] as string));
      await until(ready, "both have bytes");
      await loop({ map, count: 1, timeout: 1, usePoll });
      expect(order.join(" ")).toMatch(usePoll ? /^r[ab] w r[ab] w$/ : /^r[ab] r[ab] w w$/);
      closeAll(map);
    }
  });

  test("poll() shows unread bytes again in the next pass", async () => {
    const reads: string[] = [];
    class Server extends Dispatcher {
      override handleRead(): void {
        reads.push(this.recv(1).toString());
      }
    }
    const listening = new Listening(map, (socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    while (listening.accepted.length === 0) await poll(1, map);
    client.send("abc");
    while (reads.length === 0) await poll(1, map);
    expect(reads).toEqual(["a"]);
    await poll(0, map);
    expect(reads).toEqual(["a", "b"]);
    await poll(0, map);
    await poll(0, map);
    expect(reads).toEqual(["a", "b", "c"]);
  });

  test("poll() sees what is in the kernel although no event has been reported yet", async () => {
    const listening = new Listening(map);
    const client = connectTo(new Logged(undefined, map), listening.address);
    while (listening.accepted.length === 0 || !client.connected) await poll(1, map);
    const server = listening.accepted[0] as Logged;
    client.send("now");
    client.socket?.flush();
    await poll(0, map);
    expect(server.events).toEqual(["read 3"]);
  });

  test("wake() ends the wait of a pass so that the predicates are asked again", async () => {
    let open = false;
    class Server extends Logged {
      override readable(): boolean {
        return open;
      }
      override writable(): boolean {
        return false;
      }
    }
    const listening = new Listening(map, (socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, map), listening.address);
    while (listening.accepted.length === 0 || !client.connected) await poll(1, map);
    const server = listening.accepted[0] as Server;
    client.send("hello");
    setTimeout(() => {
      open = true;
      server.wake();
    }, 20);
    await loop({ map, count: 2, timeout: 20 });
    expect(server.events).toEqual(["read 5"]);
  });

  test("loop() refuses a timeout that is no number of seconds", () => {
    const listening = new Listening(map);
    expect(loop({ map, timeout: -1 })).rejects.toThrow(RangeError);
    expect(poll(Number.NaN, map)).rejects.toThrow(RangeError);
    listening.close();
  });

  test("closeAll() closes every channel, and tells an error unless it is to ignore all", () => {
    class Stubborn extends Dispatcher {
      override close(): void {
        super.close();
        throw new Error("I will not");
      }
    }
    for (const ignoreAll of [true, false]) {
      const channels = [new Stubborn(undefined, map), new Logged(undefined, map)];
      for (const channel of channels) channel.createSocket();
      if (ignoreAll) closeAll(map, true);
      else expect(() => closeAll(map)).toThrow("I will not");
      closeAll(map, true);
      expect(map.size).toBe(0);
      expect(channels.map((channel) => channel.socket?.state)).toEqual(["closed", "closed"]);
    }
  });

  test("Dispatcher without a map of its own goes to socketMap", () => {
    const channel = new Logged();
    channel.createSocket();
    expect([...socketMap.values()]).toEqual([channel]);
    channel.close();
    expect(socketMap.size).toBe(0);
  });

  test("ChannelMap.delete() takes a channel out: no hook runs until it is added again", async () => {
    const push = new ChannelMap();
    const listening = new Listening(push);
    const client = connectTo(new Logged(undefined, push), listening.address);
    await until(() => listening.accepted.length === 1 && client.connected, "the connection stands");
    const server = listening.accepted[0] as Logged;
    server.delChannel();
    client.send("hello");
    await until(() => server.socket?.readReady === true, "the bytes have come");
    await turns(5);
    expect(server.events).toEqual([]);
    server.addChannel();
    await until(() => server.events.length > 0, "the read");
    expect(server.events).toEqual(["read 5"]);
    closeAll(push);
  });
});

describe("async hooks", () => {
  test("Dispatcher.handleRead() that is async does not overlap with itself", async () => {
    let running = 0;
    let most = 0;
    const gates: (() => void)[] = [];
    class Server extends Dispatcher {
      seen = "";
      override async handleRead(): Promise<void> {
        most = Math.max(most, ++running);
        const chunk = this.recv(1);
        await new Promise<void>((resolve) => gates.push(resolve));
        this.seen += chunk.toString();
        running--;
      }
    }
    const listening = new Listening(new ChannelMap(), (socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, new ChannelMap()), listening.address);
    client.send("abc");
    for (const expected of ["", "a", "ab"]) {
      await until(() => gates.length === 1, "a hook waits");
      await turns(3);
      expect(gates).toHaveLength(1);
      expect((listening.accepted[0] as Server).seen).toBe(expected);
      gates.pop()?.();
      await until(() => (listening.accepted[0] as Server).seen.length === expected.length + 1, "it went on");
    }
    expect(most).toBe(1);
    client.close();
    listening.accepted[0]?.close();
    listening.close();
  });

  test("Dispatcher's async hook that rejects goes to handleError, in push and in poll", async () => {
    for (const polling of [false, true]) {
      const own = new ChannelMap();
      class Server extends Logged {
        override async handleRead(): Promise<void> {
          this.recv();
          await Promise.resolve();
          throw new Error("late");
        }
      }
      const listening = new Listening(own, (socket, into) => new Server(socket, into));
      const client = connectTo(new Logged(undefined, own), listening.address);
      client.send("x");
      const failed = (): boolean => (listening.accepted[0] as Server | undefined)?.error !== undefined;
      if (polling) while (!failed()) await poll(0.05, own);
      else await until(failed, "the rejection was told");
      expect((listening.accepted[0] as Server).events).toEqual(["error late"]);
      closeAll(own);
    }
  });

  test("Dispatcher's async hook may end after close(): its rejection is logged, no hook runs", async () => {
    const own = new ChannelMap();
    let gate = (): void => {};
    let hooks = 0;
    class Server extends Dispatcher {
      override async handleRead(): Promise<void> {
        this.recv();
        await new Promise<void>((resolve) => (gate = resolve));
        throw new Error("nobody listens");
      }
      override handleError(): void {
        hooks++;
      }
      override handleClose(): void {
        hooks++;
      }
    }
    const listening = new Listening(own, (socket: Socket, into) => new Server(socket, into));
    const client = connectTo(new Logged(undefined, own), listening.address);
    client.send("x");
    const before = gate;
    await until(() => gate !== before, "the hook waits");
    listening.accepted[0]?.close();
    const { write } = process.stderr;
    let logged = "";
    process.stderr.write = (text: string | Uint8Array): boolean => {
      logged += String(text);
      return true;
    };
    try {
      gate();
      await until(() => logged !== "", "it was logged");
    } finally {
      process.stderr.write = write;
    }
    expect(logged).toContain("Error:nobody listens");
    expect(hooks).toBe(0);
    closeAll(own);
  });
});
