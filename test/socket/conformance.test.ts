/** Every kind of stream through the one conformance suite. */
import { afterAll, describe, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } from "../../src/base/constants.ts";
import { TcpSocket } from "../../src/socket/tcp.ts";
import { ca, server } from "../support/certificates.ts";
import { memoryKind, socketConformance, socketKind } from "../../src/testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "asyncore-"));
afterAll(() => rmSync(folder, { recursive: true }));

let names = 0;

// One object: which end it is shows when it listens or connects.
const tls = { ...server, ca };

const kinds = [
  memoryKind("memory"),
  memoryKind("memory with latency", { latencyMs: [0, 5], seed: 2 }),
  memoryKind("memory with faults", {
    seed: 3,
    capacityBytes: 1024,
    bulkBytes: 8 * 1024,
    faults: {
      writeBytes: [1, 7],
      drainDelayMs: [0, 1],
      spuriousDrains: true,
      pieceBytes: [1, 5],
      pieceDelayMs: [0, 1],
    },
  }),
  socketKind({
    name: "tcp4",
    create: () => TcpSocket.create(AF_INET),
    address: () => ["127.0.0.1", 0],
  }),
  socketKind({
    name: "tcp6",
    create: () => TcpSocket.create(AF_INET6),
    address: () => ["::1", 0],
  }),
  socketKind({
    name: "tls4",
    create: () => TcpSocket.create(AF_INET, SOCK_STREAM, tls),
    address: () => ["127.0.0.1", 0],
  }),
  socketKind({
    name: "tls over unix",
    create: () => TcpSocket.create(AF_UNIX, SOCK_STREAM, { ...tls, serverName: "localhost" }),
    address: () => join(folder, `s${++names}`),
    resets: false,
  }),
  socketKind({
    name: "unix",
    create: () => TcpSocket.create(AF_UNIX),
    address: () => join(folder, `s${++names}`),
    resets: false,
  }),
  socketKind({
    name: "unix abstract",
    create: () => TcpSocket.create(AF_UNIX),
    address: () => `\0asyncore-${process.pid}-${++names}`,
    resets: false,
  }),
];

for (const kind of kinds) {
  describe(kind.name, () => {
    for (const { name, skip, run } of socketConformance(kind)) {
      if (skip === undefined) test(name, run);
      else test.skip(`${name} (${skip})`, run);
    }
  });
}
