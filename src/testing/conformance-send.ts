/** Conformance: sending, what is queued, the water marks and the cap. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { SHUT_WR } from "../base/constants.ts";
import { ArgumentTypeError } from "../base/errors.ts";
import { streamLimits } from "../socket/limits.ts";
import type { SendData } from "../bytes/send-data.ts";
import { enterTurn, leaveTurn } from "../socket/turn.ts";
import { type Case, needsResets, sameBytes, throwsCode } from "./conformance-kit.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export const sendCases: readonly Case[] = [
  {
    name: "Socket.send() returns the length in bytes, and the peer gets them",
    async run(rig) {
      const { client, server } = await rig.pair();
      assert.equal(client.send("hello"), 5);
      assert.equal(client.send(Buffer.from(" world")), 6);
      assert.equal(client.socket.bytesSent, 11);
      await rig.until(() => server.count === 11, "11 bytes");
      assert.equal(server.text, "hello world");
    },
  },
  {
    name: "Socket.send() sends text as UTF-8, a lone surrogate as U+FFFD",
    async run(rig) {
      const { client, server } = await rig.pair();
      const text = "aé€😀".repeat(99);
      const expected = `${text}\u{FFFD}end`;
      assert.equal(client.send(`${text}\uD800end`), Buffer.byteLength(expected));
      await rig.until(() => server.count === Buffer.byteLength(expected), "the text");
      assert.equal(server.text, expected);
    },
  },
  {
    name: "Socket.send() counts the UTF-8 bytes of a text too long to be queued in place",
    async run(rig) {
      const { client, server } = await rig.pair();
      const text = "ü€".repeat(Math.min(40_000, Math.ceil(rig.bulkBytes / 5)));
      assert.equal(client.send(text), Buffer.byteLength(text));
      assert.equal(client.socket.bytesSent, Buffer.byteLength(text));
      await rig.until(() => server.count === Buffer.byteLength(text), "the text");
      assert.equal(server.text, text);
    },
  },
  {
    name: "Socket.send() takes every kind of bytes, and only the bytes a view covers",
    async run(rig) {
      const { client, server } = await rig.pair();
      const store = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]);
      const shared = new SharedArrayBuffer(2);
      new Uint8Array(shared).set([8, 9]);
      const all: [SendData, number][] = [
        [store.subarray(1, 3), 2],
        [new Uint16Array(store.buffer, 2, 2), 4],
        [new DataView(store.buffer, 7, 1), 1],
        [store.buffer, 8],
        [shared, 2],
      ];
      for (const [data, length] of all) assert.equal(client.send(data), length);
      await rig.until(() => server.count === 17, "17 bytes");
      assert.deepEqual([...server.bytes], [1, 2, 2, 3, 4, 5, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  },
  {
    name: "Socket.send() lets the caller reuse its memory at once",
    async run(rig) {
      const { client, server } = await rig.pair();
      const sizes = [1, 100, 5_000, Math.min(100_000, rig.bulkBytes)];
      const expected: Buffer[] = [];
      for (const size of sizes) {
        const memory = rig.random.bytes(size);
        expected.push(Buffer.from(memory));
        client.send(memory);
        memory.fill(0);
      }
      const all = Buffer.concat(expected);
      await rig.until(() => server.count === all.length, "all bytes");
      sameBytes(server.bytes, all, "what was sent before the memory was overwritten");
    },
  },
  {
    name: "Socket.send() of nothing sends nothing",
    async run(rig) {
      const { client, server } = await rig.pair();
      assert.equal(client.send(""), 0);
      assert.equal(client.send(new Uint8Array(0)), 0);
      assert.equal(client.socket.bufferedAmount, 0);
      await rig.settle();
      assert.equal(server.over, false);
      assert.equal(server.count, 0);
    },
  },
  {
    name: "Socket.send() keeps every byte and its place, whatever the sizes, both ways at once",
    async run(rig) {
      const { client, server } = await rig.pair();
      const out = [createHash("sha256"), createHash("sha256")];
      let sent = [0, 0];
      while (sent[0]! + sent[1]! < rig.bulkBytes) {
        for (const [index, probe] of [client, server].entries()) {
          const largest = rig.random.pick([10, 300, 5_000, 80_000]);
          const piece = rig.random.bytes(rig.random.integer(1, Math.min(largest, rig.bulkBytes / 2)));
          assert.equal(probe.send(piece), piece.length);
          out[index]?.update(piece);
          sent = sent.map((count, which) => (which === index ? count + piece.length : count));
        }
        if (rig.random.chance(0.3)) await rig.settle();
      }
      await rig.until(() => server.count === sent[0] && client.count === sent[1], "all bytes both ways");
      assert.equal(sha256(server.bytes), out[0]?.digest("hex"));
      assert.equal(sha256(client.bytes), out[1]?.digest("hex"));
      assert.equal(client.socket.bufferedAmount + server.socket.bufferedAmount, 0);
    },
  },
  {
    name: "Socket.send() only collects during a turn, whose end writes once",
    async run(rig) {
      const { client, server } = await rig.pair();
      enterTurn();
      for (let i = 0; i < 10; i++) client.send("0123456789");
      assert.equal(client.socket.bufferedAmount, 100);
      enterTurn();
      leaveTurn();
      assert.equal(client.socket.bufferedAmount, 100, "the end of an inner turn writes nothing");
      client.call(leaveTurn);
      assert.ok(client.socket.bufferedAmount < 100, "the end of the turn writes");
      await rig.until(() => server.count === 100, "100 bytes");
    },
  },
  {
    name: "Socket.send() outside a turn is written by a microtask",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("hello");
      client.send("hello");
      assert.equal(client.socket.bufferedAmount, 10);
      await Promise.resolve();
      assert.ok(client.socket.bufferedAmount < 10);
      await rig.until(() => server.count === 10, "10 bytes");
    },
  },
  {
    name: "Socket.flush() writes at once",
    async run(rig) {
      const { client, server } = await rig.pair();
      client.send("hello");
      client.flush();
      assert.ok(client.socket.bufferedAmount < 5);
      client.flush();
      await rig.until(() => server.count === 5, "5 bytes");
      assert.equal(server.text, "hello");
    },
  },
  {
    name: "Socket.send() accepts all while the peer does not read, and all of it arrives in the end",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const sent = await rig.fill(client);
      assert.equal(client.socket.bytesSent, sent.length);
      server.observe();
      await rig.until(() => server.count === sent.length, "all bytes");
      sameBytes(server.bytes, sent, "what the slow peer got");
      assert.equal(client.socket.bufferedAmount, 0);
    },
  },
  {
    name: "Socket.writeReady is false from high water until the queue has fallen to low water, which is told",
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      const highWaterBytes = Math.ceil(rig.bulkBytes / 4);
      client.socket.limits = streamLimits({ highWaterBytes, lowWaterBytes: 10 });
      assert.equal(client.socket.writeReady, true);
      await rig.fill(client);
      while (client.socket.bufferedAmount < highWaterBytes) client.send(Buffer.alloc(1000));
      assert.equal(client.socket.writeReady, false);
      const before = client.told;
      const wrong: number[] = [];
      const look = (): boolean => {
        if (client.socket.writeReady && client.socket.bufferedAmount > 10)
          wrong.push(client.socket.bufferedAmount);
        return client.socket.writeReady;
      };
      server.observe();
      await rig.until(look, "writeReady");
      assert.deepEqual(wrong, [], "writeReady above low water");
      assert.ok(client.told > before, "the observer is told");
    },
  },
  {
    name: "Socket.send() over the cap throws ENOBUFS and resets: what is missing must not look like the end",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.barePair();
      client.observe();
      await rig.fill(client);
      const { bufferedAmount } = client.socket;
      client.socket.limits = streamLimits({ maxBufferedBytes: bufferedAmount + 100_000 });
      throwsCode(() => client.send(Buffer.alloc(100_001)), "ENOBUFS");
      assert.equal(client.socket.bufferedAmount, 0);
      server.observe();
      await rig.until(() => server.over, "the end of the connection");
      assert.equal(server.error?.code, "ECONNRESET");
    },
  },
  {
    name: "Socket.send() of text over the cap throws ENOBUFS, and later sends tell that it is over",
    async run(rig) {
      const { client } = await rig.pair();
      client.socket.limits = streamLimits({ maxBufferedBytes: 1000 });
      throwsCode(() => client.send("€".repeat(400)), "ENOBUFS");
      throwsCode(() => client.send("x"), "ENOBUFS", "EPIPE");
      throwsCode(() => client.send("x"), "EPIPE");
    },
  },
  {
    name: "Socket.send() while connecting is kept and goes out",
    async run(rig) {
      const listener = rig.listener();
      const client = rig.create().observe();
      client.call(() => client.socket.connect(listener.socket.getsockname()));
      if (client.socket.state === "connecting") assert.equal(client.send("early "), 6);
      await rig.until(() => client.socket.state === "open" && listener.socket.readReady, "the connection");
      client.send("bird");
      const server = rig.probe(listener.socket.accept()![0]).observe();
      await rig.until(() => server.text.endsWith("bird"), "the bytes");
      assert.equal(server.text, "early bird");
    },
  },
  {
    name: "Socket.send() throws ENOTCONN, EPIPE or EBADF by state, and ArgumentTypeError for what is no data",
    async run(rig) {
      throwsCode(() => rig.create().send("x"), "ENOTCONN");
      throwsCode(() => rig.listener().send("x"), "ENOTCONN");
      const { client } = await rig.pair();
      for (const data of [null, undefined, 5, {}, []] as unknown[]) {
        assert.throws(() => client.send(data as SendData), ArgumentTypeError);
      }
      const memory = new Uint8Array(4);
      structuredClone(memory, { transfer: [memory.buffer] });
      assert.throws(() => client.send(memory), ArgumentTypeError);
      assert.throws(() => client.send(memory.buffer), ArgumentTypeError);
      client.shutdown(SHUT_WR);
      throwsCode(() => client.send("x"), "EPIPE");
      client.close();
      throwsCode(() => client.send("x"), "EBADF");
    },
  },
  {
    name: "Socket.send() throws after the peer's reset: first its error, then EPIPE",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.pair();
      client.reading = false;
      server.abort();
      await rig.until(() => client.socket.state === "ended", "the reset");
      assert.equal(client.socket.writeReady, true, "a send would tell the error");
      throwsCode(() => client.send("x"), "ECONNRESET");
      throwsCode(() => client.send("x"), "EPIPE");
      assert.equal(client.socket.writeReady, false);
    },
  },
];
