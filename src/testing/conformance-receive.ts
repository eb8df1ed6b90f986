/** Conformance: receiving, the observer, and the back-pressure that a socket without a reader makes. */
import assert from "node:assert/strict";

import { ArgumentRangeError } from "../base/errors.ts";
import { type Case, needsResets, sameBytes, throwsCode } from "./conformance-kit.ts";

export const receiveCases: readonly Case[] = [
  {
    name: "Socket.recv() returns undefined while there is nothing",
    async run(rig) {
      const { client } = await rig.pair();
      assert.equal(client.socket.readReady, false);
      assert.equal(client.socket.recv(), undefined);
      assert.equal(client.socket.recv(0), undefined);
      assert.equal(client.socket.recv(100), undefined);
    },
  },
  {
    name: "Socket.recv(size) takes up to size bytes, and readReady stays true for the rest",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      client.send("0123456789");
      let text = "";
      while (text.length < 10) {
        await rig.until(() => server.socket.readReady, "bytes");
        const chunk = server.socket.recv(3);
        assert.ok(chunk !== undefined && chunk.length > 0 && chunk.length <= 3);
        text += String(chunk);
        assert.equal(server.socket.bytesRead, text.length);
      }
      assert.equal(text, "0123456789");
      assert.equal(server.socket.readReady, false);
    },
  },
  {
    name: "Socket.recv(0) takes nothing",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      client.send("x");
      await rig.until(() => server.socket.readReady, "a byte");
      assert.equal(server.socket.recv(0)?.length, 0);
      assert.equal(server.socket.bytesRead, 0);
      assert.equal(server.socket.readReady, true);
      assert.equal(String(server.socket.recv()), "x");
    },
  },
  {
    name: "Socket.recv() hands out memory that nobody changes afterwards",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      client.send("first");
      await rig.until(() => server.socket.readReady, "bytes");
      const first = server.socket.recv(1);
      server.read();
      client.send("second");
      await rig.until(() => server.text.endsWith("second"), "more bytes");
      assert.equal(String(first), "f");
      assert.equal(server.text, "irstsecond");
    },
  },
  {
    name: "Socket.recv() tells the end of the stream once, by an empty buffer, after the last byte",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      client.send("bye");
      client.close();
      await rig.until(() => server.socket.readReady, "bytes");
      server.read();
      await rig.until(() => server.eof, "the end");
      assert.equal(server.text, "bye");
      assert.equal(server.error, undefined);
      assert.equal(server.socket.readReady, false);
      assert.equal(server.socket.recv()?.length, 0);
    },
  },
  {
    name: "Socket.recv() throws the peer's reset once the bytes before it were taken",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      client.send("last words");
      await rig.until(() => server.socket.readReady, "bytes");
      await rig.settle();
      client.abort();
      await rig.until(() => server.socket.state === "ended", "the reset");
      assert.ok(server.socket.readReady);
      while (server.error === undefined && !server.eof) server.take();
      assert.ok(server.count > 0 && "last words".startsWith(server.text));
      assert.equal(server.error?.code, "ECONNRESET");
      assert.equal(server.socket.recv()?.length, 0);
    },
  },
  {
    name: "Socket.recv() throws ENOTCONN or EBADF by state, and ArgumentRangeError for a bad size",
    async run(rig) {
      throwsCode(() => rig.create().socket.recv(), "ENOTCONN");
      throwsCode(() => rig.listener().socket.recv(), "ENOTCONN");
      const { client } = await rig.pair();
      for (const size of [-1, 1.5, Number.NaN]) {
        assert.throws(() => client.socket.recv(size), ArgumentRangeError);
      }
      client.close();
      throwsCode(() => client.socket.recv(), "EBADF");
    },
  },
  {
    name: "Socket.observe(): without an observer the peer feels back-pressure, and nothing is lost",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      assert.ok(client.socket.bufferedAmount > 0);
      server.observe();
      await rig.until(() => server.count === sent.length, "all bytes");
      sameBytes(server.bytes, sent, "what came");
    },
  },
  {
    name: "Socket.observe(): an observer that does not read holds bounded memory, and the peer feels it",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      const sent = await rig.fill(client);
      assert.ok(client.socket.bufferedAmount > 0);
      // As much as two reads can bring is taken before the pause.
      let held = 0;
      while (server.socket.readReady && held < 4 * 1024 * 1024) {
        const chunk = server.socket.recv(1);
        assert.ok(chunk !== undefined);
        held += chunk.length;
        if (held > 0) break;
      }
      server.read();
      await rig.until(() => server.count + held === sent.length, "all bytes");
      sameBytes(server.bytes, sent.subarray(held), "what came");
    },
  },
  {
    name: "Socket.observe(undefined) in mid-stream stops reading, and a new observer goes on",
    async run(rig) {
      const { client, server } = await rig.pair();
      const first = rig.random.bytes(Math.ceil(rig.bulkBytes / 8));
      client.send(first);
      await rig.until(() => server.count > 0, "bytes");
      server.socket.observe(undefined);
      const told = server.told;
      const rest = await rig.fill(client);
      assert.equal(server.told, told, "told nothing while it does not observe");
      const next = rig.probe(server.socket).observe();
      await rig.until(() => server.count + next.count === first.length + rest.length, "all bytes");
      sameBytes(Buffer.concat([server.bytes, next.bytes]), Buffer.concat([first, rest]), "what came");
      assert.equal(server.told, told, "the former observer is told nothing");
      assert.equal(server.socket.bytesRead, first.length + rest.length);
    },
  },
  {
    name: "Socket.observe(): bytes and the end that came before the observer are not lost",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.send("early");
      client.close();
      await rig.settle();
      server.observe();
      await rig.until(() => server.eof, "the end");
      assert.equal(server.text, "early");
    },
  },
  {
    name: "Socket.readReady does not change by looking, and is told when it becomes true",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      assert.equal(server.told, 0);
      client.send("x");
      await rig.until(() => server.told > 0, "a notification");
      assert.deepEqual([server.socket.readReady, server.socket.readReady], [true, true]);
      assert.equal(String(server.socket.recv()), "x");
      assert.equal(server.socket.readReady, false);
    },
  },
];
