/** A server that runs out of descriptors: it neither spins nor stops, and recovers. */
import net from "node:net";

import { afterEach, expect, test } from "bun:test";

import { cpuMs, hasProc } from "../integration/support/process-stat.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

const LIMIT = 128;
const CLIENTS = 200;
const SAMPLE_MS = 500;

const peers: net.Socket[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.destroy();
});

test.skipIf(!hasProc)(
  `a server with ${LIMIT} descriptors and ${CLIENTS} clients stays below 5 % CPU, serves those it has, and then the rest`,
  async () => {
    await using program = new Program(["test/server/programs/echo-server.ts"], {}, [
      "sh",
      "-c",
      `ulimit -n ${LIMIT}; exec "$@"`,
      "sh",
    ]);
    const port = await program.port();
    const answers = new Set<number>();
    const clients = Array.from({ length: CLIENTS }, (_, i) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.on("connect", () => socket.write("x"));
      socket.on("data", () => answers.add(i));
      socket.on("error", () => undefined);
      peers.push(socket);
      return socket;
    });
    await until(() => clients.every((socket) => socket.readyState === "open"), "all to be connected");
    await until(() => answers.size > LIMIT / 2, "those there is room for");
    // The others wait in the kernel's queue.
    const pid = program.pid;
    let calmest = Infinity;
    await until(() => {
      const before = cpuMs(pid);
      const began = performance.now();
      Bun.sleepSync(SAMPLE_MS);
      calmest = Math.min(calmest, ((cpuMs(pid) - before) / (performance.now() - began)) * 100);
      return calmest < 5;
    }, "the server to be calm");
    expect(answers.size).toBeLessThan(LIMIT);
    const served = answers.size;
    // Those it has are still served.
    const first = clients[[...answers][0] as number] as net.Socket;
    const again = new Promise((resolve) => {
      first.once("data", resolve);
    });
    first.write("y");
    await again;
    // Room for the rest, as those that were served leave.
    await until(() => {
      for (const i of answers) clients[i]?.end();
      return answers.size === CLIENTS;
    }, `all to be served after the first ${served}`);
  },
);
