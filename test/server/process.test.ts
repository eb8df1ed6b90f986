/** What serve() has to do with its process: signals, inherited descriptors, code that is loaded again. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { afterEach, describe, expect, test } from "bun:test";

import { inheritedListeners } from "asyncore/server";

import { libc } from "../../src/socket/libc.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

const ECHO = "test/server/programs/echo-server.ts";

const peers: net.Socket[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.destroy();
});

interface Peer {
  readonly socket: net.Socket;
  text(): string;
  ended(): boolean;
}

function connectTo(port: number): Peer {
  const socket = net.connect(port, "127.0.0.1");
  peers.push(socket);
  let text = "";
  let ended = false;
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("end", () => (ended = true));
  socket.on("error", () => undefined);
  return { socket, text: () => text, ended: () => ended };
}

async function echoed(peer: Peer, text: string, answer = text): Promise<void> {
  const before = peer.text();
  peer.socket.write(text);
  await until(() => peer.text() === before + answer, `${answer} after ${before}`);
}

describe("drainOn", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s drains, and ends the process by itself", async (signal) => {
    await using program = new Program([ECHO], { SERVE: JSON.stringify({ drainOn: true }) });
    const peer = connectTo(await program.port());
    await echoed(peer, "hello");
    program.kill(signal);
    await until(() => peer.ended(), "the connection to be closed in order");
    await program.exited;
    expect(program.signal).toBe(signal);
  });

  test("a second signal ends the process at once", async () => {
    await using program = new Program([ECHO], { SERVE: JSON.stringify({ drainOn: true }) });
    const port = await program.port();
    const peer = connectTo(port);
    peer.socket.pause();
    // More than the kernel holds: the drain has to wait for us.
    for (let i = 0; i < 64; i++) peer.socket.write(Buffer.alloc(256 * 1024));
    await until(() => peer.socket.writableLength === 0 || peer.socket.bytesWritten > 4 * 1024 * 1024);
    program.kill("SIGTERM");
    await untilRefused(port);
    program.kill("SIGTERM");
    await program.exited;
    expect(program.signal).toBe("SIGTERM");
  });

  test("without it a signal does what it does by itself", async () => {
    await using program = new Program([ECHO]);
    await program.port();
    program.kill("SIGTERM");
    await program.exited;
    expect(program.signal).toBe("SIGTERM");
  });
});

// Resolves once nobody listens on the port any more.
async function untilRefused(port: number): Promise<void> {
  let refused = false;
  const attempt = (): void => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => (refused = true));
    socket.on("connect", () => {
      socket.destroy();
      setImmediate(attempt);
    });
  };
  attempt();
  await until(() => refused, "the listener to be closed");
}

describe("inherited descriptors", () => {
  test.skipIf(libc() === undefined)("systemd's protocol: the descriptor is served", async () => {
    const listener = net.createServer();
    await new Promise<void>((done) => {
      listener.listen(0, "127.0.0.1", done);
    });
    const { port } = listener.address() as net.AddressInfo;
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    // What systemd does: the descriptor is number 3, and LISTEN_PID the process that is to take it.
    const child = Bun.spawn(
      ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web exec "$@"', "sh", process.execPath, ECHO],
      { cwd: resolve(import.meta.dir, "../.."), stdio: ["ignore", "pipe", "inherit", fd] },
    );
    try {
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      expect(new TextDecoder().decode(value)).toContain(`port ${port}`);
      listener.close();
      const peer = connectTo(port);
      await echoed(peer, "hello");
    } finally {
      child.kill();
      await child.exited;
    }
  });

  test.skipIf(libc() === undefined)(
    "a successor takes the listener over, and no connect is refused meanwhile",
    async () => {
      await using program = new Program(["test/server/programs/handover.ts"]);
      const port = await program.port();
      const refused: string[] = [];
      const answers: string[] = [];
      const over = new AbortController();
      const churn = async (): Promise<void> => {
        while (!over.signal.aborted) {
          const socket = net.connect(port, "127.0.0.1");
          await new Promise<void>((done) => {
            socket.on("connect", () => socket.write("?"));
            socket.on("data", (answer: Buffer) => {
              answers.push(answer.toString());
              socket.end();
            });
            socket.on("error", (error) => refused.push(String(error)));
            socket.on("close", () => done());
          });
        }
      };
      const churners = [churn(), churn(), churn()];
      try {
        await until(() => answers.length > 50, "answers of the first");
        program.kill("SIGUSR1");
        await until(() => program.stdout.includes("drained"), "the first to be drained");
        const before = answers.length;
        await until(() => answers.length > before + 50, "answers of the second");
      } finally {
        over.abort();
        await Promise.all(churners);
        const successor = Number(/successor (\d+)/.exec(program.stdout)?.[1]);
        if (successor > 0) process.kill(successor);
      }
      expect(answers.slice(-20)).toEqual(Array.from({ length: 20 }, () => "2"));
      expect(program.stdout).toContain('"aborted":0');
      expect(refused).toEqual([]);
    },
  );

  test("only those meant for this process, and only sound ones", () => {
    const pid = String(process.pid);
    expect(inheritedListeners({ LISTEN_PID: pid, LISTEN_FDS: "2", LISTEN_FDNAMES: "web:" })).toEqual([
      { fd: 3, name: "web" },
      { fd: 4, name: "unknown" },
    ]);
    for (const env of [
      {},
      { LISTEN_FDS: "1" },
      { LISTEN_PID: "1", LISTEN_FDS: "1" },
      { LISTEN_PID: pid },
      { LISTEN_PID: pid, LISTEN_FDS: "x" },
      { LISTEN_PID: pid, LISTEN_FDS: "-1" },
    ]) {
      expect(inheritedListeners(env)).toEqual([]);
    }
  });
});

describe("bun --hot", () => {
  test("the server is adopted, and connections that stand get the new code with their state", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hot-"));
    try {
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(resolve(import.meta.dir, "../.."), join(folder, "node_modules", "asyncore"));
      const file = join(folder, "main.ts");
      const write = (version: number): void =>
        writeFileSync(
          file,
          `import { AsyncChat, Dispatcher } from "asyncore";
           import { serve } from "asyncore/server";
           class Counting extends Dispatcher {
             count = 0;
             constructor(socket, map) {
               super(socket, map);
               this.send("hello");
             }
             handleRead() {
               const text = this.recv().toString();
               if (text !== "") this.send("v${version} " + ++this.count + " " + text);
             }
             handleClose() { this.close(); }
           }
           class Lines extends AsyncChat {
             constructor(socket, map) {
               super(socket, map);
               this.setTerminator("\\n");
             }
             collectIncomingData(data) { this.line = data.toString(); }
             foundTerminator() { this.push("v${version} " + this.line); }
           }
           const server = serve({ port: 0 }, Counting);
           const lines = serve({ port: 0 }, Lines);
           console.log("v${version}", lines.address[1], "port", server.address[1]);
          `,
        );
      write(1);
      await using program = new Program(["--hot", "--no-clear-screen", file]);
      const port = await program.port();
      const linesPort = Number(program.stdout.split(" ")[1]);
      const old = connectTo(port);
      await until(() => old.text() === "hello");
      await echoed(old, "a", "v1 1 a");
      const line = connectTo(linesPort);
      await echoed(line, "x\n", "v1 x");
      write(2);
      await until(() => program.stdout.includes(`v2 ${linesPort} port ${port}`), "the new code");
      await echoed(old, "b", "v2 2 b");
      await echoed(line, "y\n", "v2 y");
      const fresh = connectTo(port);
      await until(() => fresh.text() === "hello");
      await echoed(fresh, "c", "v2 1 c");
      old.socket.end();
      await until(() => old.ended(), "the old connection to close");
      await echoed(fresh, "d", "v2 2 d");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
