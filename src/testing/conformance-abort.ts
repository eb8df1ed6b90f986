/** Conformance: `abort()` drops everything, and what the peer's reset does to us. */
import assert from "node:assert/strict";

import { type Case, needsResets, sameBytes, throwsCode } from "./conformance-kit.ts";

export const abortCases: readonly Case[] = [
  {
    name: "Socket.abort() drops what is queued and releases before it returns",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      client.abort();
      assert.equal(client.socket.state, "closed");
      assert.equal(client.socket.bufferedAmount, 0);
      assert.equal(client.socket.fileno(), -1);
      throwsCode(() => client.send("x"), "EBADF");
      server.observe();
      await rig.until(() => server.over, "the end at the peer");
      assert.ok(server.count < sent.length);
      sameBytes(server.bytes, sent.subarray(0, server.count), "what came is a prefix");
    },
  },
  {
    name: "Socket.abort() is ECONNRESET at the peer, also where a close() was under way",
    skip: needsResets,
    async run(rig) {
      for (const closing of [false, true]) {
        const { client, server } = await rig.barePair();
        client.observe();
        await rig.fill(client);
        if (closing) client.close();
        client.abort();
        client.abort();
        client.close();
        assert.equal(client.socket.state, "closed");
        server.observe();
        await rig.until(() => server.over, "the end at the peer");
        assert.equal(server.error?.code, "ECONNRESET");
        assert.equal(server.socket.state, "ended");
      }
    },
  },
  {
    name: "Socket: the peer's reset drops what we had queued, and is told",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      await rig.fill(client);
      server.abort();
      await rig.until(() => client.over, "the reset");
      assert.equal(client.error?.code, "ECONNRESET");
      assert.equal(client.socket.bufferedAmount, 0);
      assert.equal(client.socket.state, "ended");
      await rig.until(() => client.eof, "the end after the error");
    },
  },
  {
    name: "Socket: the peer's reset ends a close() that is flushing",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      await rig.fill(client);
      client.close();
      assert.equal(client.socket.state, "flushing");
      server.abort();
      await rig.until(() => client.socket.state === "closed", "the client closed");
      assert.equal(client.socket.bufferedAmount, 0);
    },
  },
  {
    name: "Socket.takeError() gives the connection's error once",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.pair();
      assert.equal(client.socket.takeError(), undefined);
      client.reading = false;
      server.abort();
      await rig.until(() => client.socket.state === "ended", "the reset");
      assert.equal(client.socket.takeError()?.code, "ECONNRESET");
      assert.equal(client.socket.takeError(), undefined);
      assert.equal(client.socket.recv()?.length, 0);
    },
  },
];
