/** Conformance: every wait of a socket ends by its deadline, and progress counts as life. */
import assert from "node:assert/strict";

import { AF_UNIX, SHUT_WR } from "../base/constants.ts";
import { TLSError } from "../base/errors.ts";
import { streamLimits } from "../socket/limits.ts";
import { type Case, needsAdvance, needsResets, type Probe, sameBytes } from "./conformance-kit.ts";

const SHORT_MS = 60;
/** Long enough that no case reaches it. */
const NEVER_MS = 10_000_000;

export const deadlineCases: readonly Case[] = [
  {
    name: "StreamLimits.closeTimeoutMs ends a close() whose peer takes nothing more",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      client.socket.limits = streamLimits({ closeTimeoutMs: SHORT_MS, lingerTimeoutMs: NEVER_MS });
      client.close();
      assert.equal(client.socket.state, "flushing");
      await rig.until(() => client.socket.state === "closed", "the deadline");
      assert.equal(client.socket.bufferedAmount, 0);
      server.observe();
      await rig.until(() => server.over, "the end at the peer");
      sameBytes(server.bytes, sent.subarray(0, server.count), "what came is a prefix");
      if (rig.kind.resets !== false) assert.equal(server.error?.code, "ECONNRESET");
    },
  },
  {
    name: "StreamLimits.closeTimeoutMs starts anew with every progress",
    skip: (kind) => needsResets(kind) ?? needsAdvance(kind),
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      const closeTimeoutMs = 1_000;
      client.socket.limits = streamLimits({ closeTimeoutMs, lingerTimeoutMs: NEVER_MS });
      server.reading = false;
      server.observe();
      client.close();
      let waited = 0;
      while (!server.over && waited < 1_000_000) {
        await rig.kind.advance?.(closeTimeoutMs * 0.9);
        waited += closeTimeoutMs * 0.9;
        for (let taken = 0; taken < sent.length / 16 && server.socket.readReady && !server.over;) {
          const before = server.count;
          server.take();
          taken += server.count - before;
        }
      }
      assert.ok(waited > 2 * closeTimeoutMs, "the peer was slow");
      assert.equal(server.error, undefined);
      sameBytes(server.bytes, sent, "what the slow peer got");
    },
  },
  {
    name: "StreamLimits.lingerTimeoutMs ends the wait for a FIN that never comes, and loses nothing",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.socket.limits = streamLimits({ lingerTimeoutMs: SHORT_MS, closeTimeoutMs: NEVER_MS });
      client.send("bye");
      client.close();
      await rig.until(() => server.eof, "the FIN");
      assert.equal(server.text, "bye");
      await rig.until(() => client.socket.state === "closed", "the deadline");
      assert.equal(client.socket.fileno(), -1);
      assert.equal(server.error, undefined);
    },
  },
  {
    name: "StreamLimits.lingerTimeoutMs ends the wait for the FIN of a peer that never stops sending",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.socket.limits = streamLimits({ lingerTimeoutMs: SHORT_MS, closeTimeoutMs: NEVER_MS });
      client.send("bye");
      client.close();
      await rig.until(() => server.eof, "the FIN");
      // Each round takes time of either sort of clock; 10 000 are far beyond the deadline.
      for (let round = 0; round < 10_000 && client.socket.state !== "closed"; round++) {
        if (server.socket.state === "open" && server.socket.bufferedAmount < 100)
          server.send("and another thing");
        await rig.settle();
      }
      assert.equal(client.socket.state, "closed");
      assert.equal(server.text, "bye");
    },
  },
  {
    name: "StreamLimits.lingerTimeoutMs does not count while both sides still use the connection",
    skip: needsAdvance,
    async run(rig) {
      const { client, server } = await rig.pair();
      client.socket.limits = streamLimits({ lingerTimeoutMs: SHORT_MS });
      client.shutdown(SHUT_WR);
      await rig.kind.advance?.(1_000_000);
      server.send("late");
      await rig.until(() => client.count === 4, "the late answer");
      assert.equal(client.socket.state, "open");
    },
  },
  {
    name: "StreamLimits.connectTimeoutMs ends a connect that nobody answers, with ETIMEDOUT",
    // A unix connect to a full listener fails at once, and is not worth retrying. With TLS the kernel may have answered
    // where nobody goes on to a handshake.
    async run(rig) {
      const listener = rig.listener(1);
      const clients: Probe[] = [];
      for (let i = 0; i < 6; i++) {
        const client = rig.create();
        client.socket.limits = streamLimits({
          connectTimeoutMs: 2 * SHORT_MS,
          handshakeTimeoutMs: 2 * SHORT_MS,
        });
        client.observe();
        client.call(() => client.socket.connect(listener.socket.getsockname()));
        clients.push(client);
        await rig.settle();
      }
      await rig.until(
        () => clients.every(({ socket }) => socket.state !== "connecting"),
        "all to be decided",
      );
      const failed = clients.filter((client) => client.error !== undefined);
      assert.ok(failed.length > 0, "a listener with a backlog of 1 that accepts nothing has room for 6");
      for (const { error, socket } of failed) {
        const handshake = error instanceof TLSError;
        assert.equal(error?.code, socket.family === AF_UNIX && !handshake ? "EAGAIN" : "ETIMEDOUT");
        assert.equal(error?.syscall, handshake ? "tls" : "connect");
        assert.equal(socket.state, "ended");
      }
    },
  },
];
