/** Conformance: `shutdown()`, and what one direction's end means for the other. */
import assert from "node:assert/strict";

import { SHUT_RD, SHUT_RDWR, SHUT_WR } from "../base/constants.ts";
import { ArgumentRangeError } from "../base/errors.ts";
import { type Case, sameBytes, throwsCode } from "./conformance-kit.ts";

export const halfCloseCases: readonly Case[] = [
  {
    name: "Socket.shutdown(SHUT_WR) ends one direction; the other goes on",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("question");
      client.shutdown(SHUT_WR);
      await rig.until(() => server.eof, "the client's FIN");
      assert.equal(server.text, "question");
      assert.equal(server.socket.state, "open");
      assert.equal(server.socket.writeReady, true);
      assert.equal(client.socket.writeReady, false);
      const answer = rig.bulk();
      server.send(answer);
      await rig.until(() => client.count === answer.length, "the answer");
      sameBytes(client.bytes, answer, "the answer");
      assert.equal(client.eof, false);
    },
  },
  {
    name: "Socket.shutdown(SHUT_WR) sends what is queued before the FIN",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      client.shutdown(SHUT_WR);
      assert.ok(client.socket.bufferedAmount > 0);
      server.observe();
      await rig.until(() => server.eof, "the FIN");
      sameBytes(server.bytes, sent, "what came before the FIN");
    },
  },
  {
    name: "Socket.shutdown(SHUT_WR) at both ends ends the connection without an error",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.shutdown(SHUT_WR);
      client.shutdown(SHUT_WR);
      await rig.until(() => server.eof, "the client's FIN");
      server.send("bye");
      server.shutdown(SHUT_WR);
      await rig.until(
        () => client.eof && client.socket.state === "ended" && server.socket.state === "ended",
        "the end of both",
      );
      assert.equal(client.text, "bye");
      assert.deepEqual([client.error, server.error], [undefined, undefined]);
      assert.deepEqual([client.socket.takeError(), server.socket.takeError()], [undefined, undefined]);
    },
  },
  {
    name: "Socket.shutdown(SHUT_RD) tells the end at once, drops what comes, and sending goes on",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.shutdown(SHUT_RD);
      await rig.until(() => client.eof, "the end");
      server.send(rig.bulk());
      await rig.until(() => server.socket.bufferedAmount === 0, "the peer to be rid of its bytes");
      client.send("still here");
      await rig.until(() => server.count === 10, "bytes the other way");
      await rig.settle();
      assert.equal(client.count, 0);
      server.shutdown(SHUT_WR);
      client.shutdown(SHUT_WR);
      await rig.until(
        () => client.socket.state === "ended" && server.socket.state === "ended",
        "the end of both",
      );
      assert.deepEqual([client.error, server.error], [undefined, undefined]);
    },
  },
  {
    name: "Socket.shutdown(SHUT_RD) drops what was received and not taken",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.reading = false;
      server.send("unread");
      await rig.until(() => client.socket.readReady, "bytes");
      client.shutdown(SHUT_RD);
      assert.equal(client.socket.recv()?.length, 0);
      assert.equal(client.socket.readReady, false);
    },
  },
  {
    name: "Socket.shutdown(SHUT_RDWR) flushes, sends FIN and tells the end",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("bye");
      client.shutdown(SHUT_RDWR);
      throwsCode(() => client.send("x"), "EPIPE");
      await rig.until(() => client.eof && server.eof, "the end at both");
      assert.equal(server.text, "bye");
      server.send("dropped");
      server.close();
      await rig.until(() => client.socket.state === "ended", "the end of the connection");
      assert.equal(client.count, 0);
      assert.equal(client.error, undefined);
    },
  },
  {
    name: "Socket.shutdown() throws ENOTCONN, EBADF or ArgumentRangeError",
    async run(rig) {
      throwsCode(() => rig.create().shutdown(SHUT_WR), "ENOTCONN");
      throwsCode(() => rig.listener().shutdown(SHUT_WR), "ENOTCONN");
      const { client } = await rig.pair();
      for (const how of [-1, 3, 0.5]) assert.throws(() => client.shutdown(how), ArgumentRangeError);
      client.close();
      throwsCode(() => client.shutdown(SHUT_WR), "EBADF");
    },
  },
  {
    name: "Socket.shutdown(): the peer's FIN never cuts off our reply",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.reading = false;
      client.send("GET");
      client.shutdown(SHUT_WR);
      await rig.until(() => server.eof, "the FIN");
      const answer = rig.bulk();
      server.send(answer);
      server.close();
      await rig.settle();
      client.read();
      await rig.until(() => client.eof, "the end of the answer");
      sameBytes(client.bytes, answer, "the answer");
    },
  },
];
