/** Conformance: `close()` loses nothing of ours, whatever the peer does, and tells nobody afterwards. */
import assert from "node:assert/strict";

import { SHUT_WR } from "../base/constants.ts";
import { type Case, sameBytes, throwsCode } from "./conformance-kit.ts";

export const closeCases: readonly Case[] = [
  {
    name: "Socket.close() flushes everything that is queued, then sends FIN",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      client.close();
      assert.equal(client.socket.state, "flushing");
      assert.ok(client.socket.bufferedAmount > 0);
      server.observe();
      await rig.until(() => server.eof, "the FIN");
      sameBytes(server.bytes, sent, "what came before the FIN");
      assert.equal(server.error, undefined);
      server.close();
      await rig.until(
        () => client.socket.state === "closed" && server.socket.state === "closed",
        "both closed",
      );
      assert.equal(client.socket.bufferedAmount, 0);
    },
  },
  {
    name: "Socket.close() while the peer is sending loses nothing of ours",
    async run(rig) {
      const { client, server } = await rig.pair();
      const answer = rig.bulk();
      client.reading = false;
      client.send("chatter");
      await rig.until(() => server.count === 7, "the first bytes");
      server.send(answer);
      server.close();
      client.reading = false;
      let said = 0;
      await rig.until(() => {
        // As slow as can be, and a word with every look: bytes that meet a closed socket would reset it.
        if (client.take(Math.ceil(answer.length / 64)) && !client.eof && client.error === undefined) {
          said += client.socket.state === "open" ? client.send("chatter") : 0;
        }
        return client.over;
      }, "the end of the answer");
      assert.ok(said > 0);
      sameBytes(client.bytes, answer, "the answer");
      assert.equal(client.error, undefined);
      client.close();
      await rig.until(
        () => server.socket.state === "closed" && client.socket.state === "closed",
        "both closed",
      );
    },
  },
  {
    name: "Socket.close() with bytes that were received and not taken loses nothing of ours",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      const upload = await rig.fill(client);
      const answer = rig.random.bytes(Math.ceil(rig.bulkBytes / 8));
      server.send(answer);
      server.close();
      await rig.until(() => client.eof, "the FIN");
      sameBytes(client.bytes, answer, "the answer");
      await rig.until(() => client.socket.bufferedAmount === 0, "the upload to be thrown away");
      assert.equal(client.socket.bytesSent, upload.length);
      client.close();
      await rig.until(() => server.socket.state === "closed", "the server closed");
    },
  },
  {
    name: "Socket.close() on a socket that was never observed loses nothing of ours",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      client.send("ignored");
      await rig.settle();
      server.send("go away");
      server.close();
      await rig.until(() => client.eof, "the FIN");
      assert.equal(client.text, "go away");
      assert.equal(client.error, undefined);
    },
  },
  {
    name: "Socket.close() may be called again, at any time",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("bye");
      client.close();
      client.close();
      await rig.until(() => server.eof, "the FIN");
      client.close();
      server.close();
      server.close();
      await rig.until(
        () => client.socket.state === "closed" && server.socket.state === "closed",
        "both closed",
      );
      client.close();
      assert.equal(server.text, "bye");
      assert.equal(client.socket.state, "closed");
    },
  },
  {
    name: "Socket.close() after the peer's FIN releases as soon as all is written",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.shutdown(SHUT_WR);
      await rig.until(() => server.eof, "the FIN");
      server.send("bye");
      server.close();
      await rig.until(() => server.socket.state === "closed", "the server closed");
      await rig.until(() => client.eof, "the server's FIN");
      assert.equal(client.text, "bye");
      assert.equal(client.error, undefined);
    },
  },
  {
    name: "Socket.close() after shutdown(SHUT_WR) waits for the peer's FIN",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.shutdown(SHUT_WR);
      await rig.until(() => server.eof, "the FIN");
      client.close();
      assert.equal(client.socket.state, "lingering");
      server.send("too late");
      server.close();
      await rig.until(
        () => client.socket.state === "closed" && server.socket.state === "closed",
        "both closed",
      );
    },
  },
  {
    name: "Socket.close() at both ends at once loses nothing",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("one");
      server.send("two");
      client.close();
      server.close();
      await rig.until(
        () => client.socket.state === "closed" && server.socket.state === "closed",
        "both closed",
      );
    },
  },
  {
    name: "Socket.close() and abort(): no observer is told anything afterwards",
    async run(rig) {
      for (const end of ["close", "abort"] as const) {
        const { client, server } = await rig.pair();
        server.send("more");
        client[end]();
        const told = client.told;
        await rig.until(() => server.over, "the end at the peer");
        server.abort();
        await rig.settle();
        assert.equal(client.told, told);
      }
    },
  },
  {
    name: "Socket.close() of an idle, a listening or a connecting socket closes at once, and tells nobody",
    async run(rig) {
      const idle = rig.create().observe();
      const listener = rig.listener();
      const connecting = rig.create().observe();
      connecting.call(() => connecting.socket.connect(listener.socket.getsockname()));
      for (const probe of [idle, connecting, listener]) {
        probe.close();
        probe.close();
        assert.equal(probe.socket.state, "closed");
        assert.deepEqual([probe.socket.readReady, probe.socket.writeReady], [false, false]);
        assert.equal(probe.socket.fileno(), -1);
      }
      await rig.settle();
    },
  },
  {
    name: "Socket.close() while connecting delivers what was sent before, then FIN",
    async run(rig) {
      const listener = rig.listener();
      const client = rig.create().observe();
      client.call(() => client.socket.connect(listener.socket.getsockname()));
      client.send("parting words");
      client.close();
      throwsCode(() => client.send("x"), "EBADF");
      client.close();
      await rig.until(() => listener.socket.readReady, "the connection");
      const server = rig.probe(listener.socket.accept()![0]).observe();
      await rig.until(() => server.eof, "the FIN");
      assert.equal(server.text, "parting words");
      server.close();
      await rig.until(() => client.socket.state === "closed", "the client closed");
    },
  },
  {
    name: "Socket.close() while connecting with bytes to deliver releases when the connect is refused",
    async run(rig) {
      const listener = rig.listener();
      const address = listener.socket.getsockname();
      listener.close();
      const client = rig.create().observe();
      client.call(() => client.socket.connect(address));
      client.send("parting words");
      client.close();
      await rig.until(() => client.socket.state === "closed", "the client closed");
      assert.equal(client.socket.bufferedAmount, 0);
      assert.equal(client.socket.fileno(), -1);
    },
  },
  {
    name: "Socket.close() of an ended socket drops what was not taken",
    async run(rig) {
      const { client, server } = await rig.pair();
      server.reading = false;
      // One byte: a second piece would pause the socket, and hide the FIN.
      client.send("u");
      client.shutdown(SHUT_WR);
      server.shutdown(SHUT_WR);
      await rig.until(() => server.socket.state === "ended", "the end");
      server.close();
      assert.equal(server.socket.state, "closed");
      assert.equal(server.socket.readReady, false);
    },
  },
];
