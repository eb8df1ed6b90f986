/** Byte rates, under virtual time. */
import { describe, expect, test } from "bun:test";

import { AF_INET, type Socket } from "asyncore";
import { MemoryNetwork } from "asyncore/testing";

async function pair(): Promise<{ network: MemoryNetwork; client: Socket; server: Socket }> {
  const network = new MemoryNetwork({ capacityBytes: 1 << 20 });
  const listener = network.createSocket(AF_INET);
  listener.bind(["127.0.0.1", 0]);
  listener.listen(8);
  const client = network.createSocket(AF_INET);
  client.connect(listener.getsockname());
  await network.clock.runUntil(() => listener.readReady && client.state === "open", "a connection", 1000);
  const [server] = listener.accept() as readonly [Socket, unknown];
  return { network, client, server };
}

/** Reads all that comes. */
function drain(socket: Socket): { count: () => number } {
  let count = 0;
  const read = (): void => {
    for (;;) {
      const chunk = socket.recv();
      if (chunk === undefined || chunk.length === 0) return;
      count += chunk.length;
    }
  };
  socket.observe({ socketReady: read, socketChanged: () => undefined });
  return { count: () => count };
}

describe("Socket.throttle()", () => {
  test("writes no faster than its rate, and all of it", async () => {
    const { network, client, server } = await pair();
    const sink = drain(server);
    client.throttle({ writeBytesPerSecond: 10_000, burstBytes: 1000 });
    client.send(Buffer.alloc(21_000, 1));
    client.flush();
    await network.clock.advance(1000);
    expect(sink.count()).toBeGreaterThan(10_000);
    expect(sink.count()).toBeLessThanOrEqual(11_100);
    await network.clock.advance(1100);
    expect(sink.count()).toBe(21_000);
    expect(client.bufferedAmount).toBe(0);
  });

  test("reads no faster than its rate: the peer's queue stays full meanwhile", async () => {
    const { network, client, server } = await pair();
    server.throttle({ readBytesPerSecond: 10_000, burstBytes: 1000 });
    const sink = drain(server);
    let sent = 0;
    const timer = setInterval(() => undefined, 1000);
    for (let piece = 0; piece < 40; piece++) {
      client.send(Buffer.alloc(1000, 1));
      client.flush();
      sent += 1000;
      await network.clock.advance(10);
    }
    clearInterval(timer);
    // 0.4 s at 10 kB/s on top of the burst, and at most what one chunk is over.
    expect(sink.count()).toBeLessThanOrEqual(40_000);
    await network.clock.advance(4000);
    expect(sink.count()).toBe(sent);
  });

  test("close() delivers what is queued at the rate, and lifting the rate lets the rest go at once", async () => {
    const { network, client, server } = await pair();
    const sink = drain(server);
    client.throttle({ writeBytesPerSecond: 1000, burstBytes: 100 });
    client.send(Buffer.alloc(60_000, 1));
    client.close();
    await network.clock.advance(5000);
    expect(client.state).toBe("flushing");
    expect(sink.count()).toBeLessThan(6000);
    client.throttle(undefined);
    await network.clock.advance(10);
    expect(sink.count()).toBe(60_000);
  });

  test("refuses rates that are none", async () => {
    const { client } = await pair();
    for (const rate of [0, -1, Number.NaN, "1" as unknown as number]) {
      expect(() => client.throttle({ readBytesPerSecond: rate })).toThrow("a byte rate is a number over 0");
    }
    expect(() => client.throttle({ writeBytesPerSecond: 10, burstBytes: 0 })).toThrow("burst");
  });
});
