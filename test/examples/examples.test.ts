import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import net from "node:net";

import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

const serverEnv = { PORT: "0" };

/** A client that is not ours: node:net's. */
class Client implements Disposable {
  received = "";
  ended = false;
  /** Whether `watchFor` has come by. */
  watched = false;
  readonly #socket: net.Socket;

  /** Keeps the last `keep` bytes of what it receives. */
  constructor(port: number, keep = Infinity, watchFor = "") {
    this.#socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    this.#socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1");
      if (watchFor !== "") this.watched ||= this.received.includes(watchFor);
      this.received = this.received.slice(-keep);
    });
    this.#socket.on("end", () => (this.ended = true));
    this.#socket.on("error", () => (this.ended = true));
  }
  send(text: string): void {
    this.#socket.write(text);
  }
  end(text = ""): void {
    this.#socket.end(text);
  }
  /** Whether everything that was sent has left for the kernel. */
  get flushed(): boolean {
    return this.#socket.writableLength === 0;
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

describe("examples", () => {
  test("each is one file of at most 60 lines with a comment that says how to try it", () => {
    for (const file of readdirSync(`${import.meta.dir}/../../examples`).filter((name) =>
      name.endsWith(".ts"),
    )) {
      const text = readFileSync(`${import.meta.dir}/../../examples/${file}`, "utf8");
      expect([file, text.split("\n").length <= 61, /^\/\/ .*\n?(\/\/ .*)*Try it/.test(text)]).toEqual([
        file,
        true,
        true,
      ]);
    }
  });

  test("echo.ts answers and stops on SIGINT", async () => {
    await using server = new Program(["examples/echo.ts"], serverEnv);
    using client = new Client(await server.port());
    client.send("hello");
    await until(() => client.received === "hello", "the echo");
    client.end(" and goodbye");
    await until(() => client.ended, "the end");
    expect(client.received).toBe("hello and goodbye");
    server.kill("SIGINT");
    expect(await server.exited).toBe(0);
  });

  for (const LOOP of ["0", "1"]) {
    test(`http-client.ts fetches a page from a real HTTP server (LOOP=${LOOP})`, async () => {
      const page = "0123456789abcdef".repeat(20_000);
      using http = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(page) });
      await using client = new Program(["examples/http-client.ts", "127.0.0.1", String(http.port), "/"], {
        LOOP,
      });
      expect(await client.exited).toBe(0);
      await until(() => client.stdout.endsWith(page), "the whole output");
      expect(client.stdout.startsWith("HTTP/1.1 200 OK\r\n")).toBe(true);
    });
  }

  test("http-client.ts says what went wrong when there is no server", async () => {
    const closed = net.createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    await using client = new Program(["examples/http-client.ts", "127.0.0.1", String(port)]);
    expect(await client.exited).toBe(1);
    await until(() => client.stderr.includes("\n"), "the message");
    expect(client.stderr).toBe(
      `http-client: ConnectionRefusedError: connect 127.0.0.1:${port}: ECONNREFUSED connection refused\n`,
    );
  });

  test("chat.ts tells everybody else, and cuts off who does not read", async () => {
    await using server = new Program(["examples/chat.ts"], serverEnv);
    const port = await server.port();
    using ann = new Client(port, 20_000, " left\n");
    await until(() => ann.received.includes("welcome, 1 here"), "ann is in");
    using bob = new Client(port);
    await until(() => bob.received.includes("welcome, 2 here"), "bob is in");
    await until(() => ann.received.includes("joined"), "ann saw bob");
    ann.send("hel");
    ann.send("lo\nhow are you?\n");
    await until(() => bob.received.includes("how are you?\n"), "bob heard ann");
    expect(bob.received).toMatch(/127\.0\.0\.1:\d+: hello\n127\.0\.0\.1:\d+: how are you\?\n$/);
    expect(ann.received).not.toContain("hello");
    using carl = new Client(port);
    await until(() => carl.received.includes("welcome, 3 here"), "carl is in");
    carl.pause();
    // More than the kernel's largest buffers for one connection, 4 MiB at the sender and 32 MiB at the receiver.
    const line = `${"x".repeat(4000)}\n`.repeat(16);
    for (let i = 0; i < 1000 && !ann.watched; i++) {
      bob.send(line);
      await until(() => bob.flushed, "bob's lines are on their way");
    }
    await until(() => ann.watched, "carl was cut off", 25_000);
    bob.send("still here\n");
    await until(() => ann.received.endsWith("still here\n"), "ann and bob go on");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });

  test("proxy.ts relays both ways, carries half-close through, and holds a fast side back", async () => {
    let upstreamGot = 0;
    const total = 32 * 1024 * 1024;
    let hold = true;
    const upstream = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.pause();
      const go = setInterval(() => {
        if (hold) return;
        clearInterval(go);
        socket.resume();
      }, 1);
      socket.on("data", (chunk) => (upstreamGot += chunk.length));
      // The answer comes only after the client's half-close has come through.
      socket.on("end", () => socket.end(`got ${upstreamGot}`));
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const { port } = upstream.address() as net.AddressInfo;
    await using relay = new Program(["examples/proxy.ts", "127.0.0.1", String(port)], serverEnv);
    using client = new Client(await relay.port());
    client.end("y".repeat(total));
    let sawBackPressure = 0;
    await until(() => (client.flushed ? 0 : ++sawBackPressure) > 50, "the client is held back");
    expect(upstreamGot).toBe(0);
    hold = false;
    await until(() => client.ended, "the answer");
    expect(client.received).toBe(`got ${total}`);
    upstream.close();
    relay.kill("SIGINT");
    expect(await relay.exited).toBe(0);
  });

  test("proxy.ts passes a reset on as a reset", async () => {
    const upstream = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.write("partial");
      socket.once("data", () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    await using relay = new Program(
      ["examples/proxy.ts", "127.0.0.1", String((upstream.address() as net.AddressInfo).port)],
      serverEnv,
    );
    const errors: string[] = [];
    const client = net.connect(await relay.port(), "127.0.0.1");
    client.on("error", (error: NodeJS.ErrnoException) => errors.push(String(error.code)));
    client.once("data", () => client.write("go"));
    await until(() => client.destroyed, "the end");
    expect(errors).toEqual(["ECONNRESET"]);
    upstream.close();
  });
});
