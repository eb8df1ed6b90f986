/** Conformance: connecting, listening, accepting, and the ways these are misused. */
import assert from "node:assert/strict";

import { sameAddress, type Address } from "../base/address.ts";
import { AF_UNIX } from "../base/constants.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../base/errors.ts";
import { type Case, type Probe, type Rig, throwsCode } from "./conformance-kit.ts";

// Where nobody listens: an address that was bound, and is free again.
function deadAddress(rig: Rig): Address {
  const { socket } = rig.listener();
  const address = socket.getsockname();
  socket.close();
  return address;
}

function connect(probe: Probe, address: Address): void {
  probe.call(() => probe.socket.connect(address));
}

export const connectCases: readonly Case[] = [
  {
    name: "Socket.connect(), listen() and accept() make a connection, and each side is told",
    async run(rig) {
      const listener = rig.listener();
      assert.equal(listener.socket.state, "listening");
      assert.deepEqual([listener.socket.readReady, listener.socket.writeReady], [false, false]);
      assert.equal(listener.socket.accept(), undefined);
      const client = rig.create().observe();
      const to = listener.socket.getsockname();
      connect(client, to);
      assert.equal(client.socket.state, "connecting");
      assert.equal(client.socket.writeReady, false);
      await rig.until(() => client.socket.state === "open" && listener.socket.readReady, "the connection");
      assert.ok(client.told > 0 && listener.told > 0);
      assert.equal(client.socket.writeReady, true);
      assert.equal(client.socket.takeError(), undefined);
      const [socket, from] = listener.socket.accept() ?? assert.fail("nothing to accept");
      const server = rig.probe(socket).observe();
      assert.equal(listener.socket.readReady, false);
      assert.equal(server.socket.state, "open");
      assert.ok(sameAddress(client.socket.getpeername(), to));
      assert.ok(sameAddress(from, server.socket.getpeername()));
      assert.ok(sameAddress(server.socket.getsockname(), to));
      if (listener.socket.family !== AF_UNIX) assert.ok(sameAddress(from, client.socket.getsockname()));
      client.send("ping");
      server.send("pong");
      await rig.until(() => client.count === 4 && server.count === 4, "bytes both ways");
    },
  },
  {
    name: "Socket.pauseAccepting() keeps connections from accept() until resumeAccepting(), and loses none",
    async run(rig) {
      const listener = rig.listener().observe();
      listener.call(() => listener.socket.pauseAccepting());
      const client = rig.create().observe();
      connect(client, listener.socket.getsockname());
      await rig.settle();
      assert.equal(listener.socket.readReady, false);
      listener.call(() => listener.socket.resumeAccepting());
      await rig.until(() => listener.socket.readReady, "the connection");
      const [socket] = listener.socket.accept() ?? assert.fail("nothing to accept");
      const server = rig.probe(socket).observe();
      await rig.until(() => client.socket.state === "open", "the client's side of it");
      client.send("ping");
      await rig.until(() => server.count === 4, "what was sent");
      throwsCode(() => client.socket.pauseAccepting(), "EINVAL");
    },
  },
  {
    name: "Socket.connect() that is refused tells it later, and takeError() gives it once",
    async run(rig) {
      const client = rig.create();
      client.reading = false;
      client.observe();
      const address = deadAddress(rig);
      connect(client, address);
      assert.equal(client.socket.state, "connecting");
      assert.deepEqual([client.socket.readReady, client.socket.writeReady, client.told], [false, false, 0]);
      await rig.until(() => client.socket.state === "ended", "the refusal");
      assert.ok(client.told > 0);
      assert.deepEqual([client.socket.readReady, client.socket.writeReady], [true, true]);
      const error = client.socket.takeError();
      assert.ok(error?.code === "ECONNREFUSED" || error?.code === "ENOENT", String(error));
      assert.equal(error.syscall, "connect");
      assert.equal(error.address, typeof address === "string" ? address : address[0]);
      assert.equal(error.port, typeof address === "string" ? undefined : address[1]);
      assert.equal(client.socket.takeError(), undefined);
      assert.equal(client.socket.writeReady, false);
      throwsCode(() => client.send("x"), "EPIPE");
    },
  },
  {
    name: "Socket.connect() that is refused drops what was sent meanwhile",
    async run(rig) {
      const client = rig.create().observe();
      connect(client, deadAddress(rig));
      if (client.socket.state === "connecting") client.send("lost");
      await rig.until(() => client.over, "the refusal");
      assert.ok(client.error?.code === "ECONNREFUSED" || client.error?.code === "ENOENT");
      assert.equal(client.socket.bufferedAmount, 0);
    },
  },
  {
    name: "Socket.connect() throws EALREADY, EISCONN, EINVAL or EBADF by state",
    async run(rig) {
      const listener = rig.listener();
      const to = listener.socket.getsockname();
      throwsCode(() => connect(listener, to), "EINVAL");
      const client = rig.create().observe();
      connect(client, to);
      throwsCode(() => connect(client, to), "EALREADY");
      await rig.until(() => client.socket.state === "open", "the connection");
      throwsCode(() => connect(client, to), "EISCONN");
      client.close();
      throwsCode(() => connect(client, to), "EBADF");
    },
  },
  {
    name: "Socket.connect() and bind() throw for a malformed address, and the socket stays idle",
    run(rig) {
      const { socket } = rig.create();
      const wrong: unknown[] =
        socket.family === AF_UNIX
          ? ["", 5, undefined, ["127.0.0.1", 1]]
          : ["/a/path", ["127.0.0.1"], [1, 1], ["127.0.0.1", "1"], null];
      for (const address of wrong) {
        assert.throws(() => socket.connect(address as Address), ArgumentTypeError);
        assert.throws(() => socket.bind(address as Address), ArgumentTypeError);
      }
      if (socket.family === AF_UNIX) {
        throwsCode(() => socket.bind("x".repeat(200)), "ENAMETOOLONG");
      } else {
        const host = rig.kind.address()[0] ?? "";
        for (const port of [65_536, -1, 1.5]) {
          assert.throws(() => socket.bind([host, port]), ArgumentRangeError);
          assert.throws(() => socket.connect([host, port]), ArgumentRangeError);
        }
      }
      assert.equal(socket.state, "idle");
      socket.bind(rig.kind.address());
    },
  },
  {
    name: "Socket.accept() throws EINVAL when not listening and EBADF when closed",
    async run(rig) {
      throwsCode(() => rig.create().socket.accept(), "EINVAL");
      const { client } = await rig.pair();
      throwsCode(() => client.socket.accept(), "EINVAL");
      const listener = rig.listener();
      listener.close();
      throwsCode(() => listener.socket.accept(), "EBADF");
    },
  },
  {
    name: "Socket.listen() throws EINVAL when connected or listening, EBADF when closed, and for a bad backlog",
    async run(rig) {
      const idle = rig.create();
      for (const backlog of [-1, 0.5, Number.NaN]) {
        assert.throws(() => idle.socket.listen(backlog), ArgumentRangeError);
      }
      const listener = rig.listener();
      throwsCode(() => listener.socket.listen(8), "EINVAL");
      throwsCode(() => listener.socket.bind(rig.kind.address()), "EINVAL");
      const { client } = await rig.pair();
      throwsCode(() => client.socket.listen(8), "EINVAL");
      throwsCode(() => client.socket.bind(rig.kind.address()), "EINVAL");
      client.close();
      throwsCode(() => client.socket.listen(8), "EBADF");
      throwsCode(() => client.socket.bind(rig.kind.address()), "EBADF");
    },
  },
  {
    name: "Socket.accept() gives every connection once, also those beyond the backlog",
    async run(rig) {
      const listener = rig.listener(2);
      const clients: Probe[] = [];
      for (let i = 0; i < 5; i++) {
        const client = rig.create().observe();
        connect(client, listener.socket.getsockname());
        clients.push(client);
        await rig.settle();
      }
      const servers: Probe[] = [];
      await rig.until(() => {
        const pair = listener.socket.accept();
        if (pair !== undefined) servers.push(rig.probe(pair[0]).observe());
        return servers.length === 5;
      }, "all five");
      await rig.until(() => clients.every(({ socket }) => socket.state === "open"), "all to be connected");
      for (const [index, client] of clients.entries()) client.send(String(index));
      await rig.until(() => servers.every(({ count }) => count === 1), "a byte of each");
      assert.deepEqual(servers.map(({ text }) => text).sort(), ["0", "1", "2", "3", "4"]);
      assert.equal(listener.socket.accept(), undefined);
    },
  },
  {
    name: "Socket.accept(): a connection may have sent and ended before it is accepted",
    async run(rig) {
      const listener = rig.listener();
      const client = rig.create().observe();
      connect(client, listener.socket.getsockname());
      await rig.until(() => client.socket.state === "open" && listener.socket.readReady, "the connection");
      client.send("early");
      client.close();
      await rig.settle();
      const server = rig.probe(listener.socket.accept()![0]).observe();
      await rig.until(() => server.eof, "the end");
      assert.equal(server.text, "early");
    },
  },
  {
    name: "Socket.accept() gives the listener's limits to what it accepts",
    async run(rig) {
      const listener = rig.listener();
      const limits = { ...listener.socket.limits, lingerTimeoutMs: 17 };
      listener.socket.limits = limits;
      const client = rig.create().observe();
      connect(client, listener.socket.getsockname());
      await rig.until(() => listener.socket.readReady, "the connection");
      const server = rig.probe(listener.socket.accept()![0]);
      assert.equal(server.socket.limits.lingerTimeoutMs, 17);
    },
  },
  {
    name: "Socket.close() of a listener ends the connections nobody accepted, and refuses new ones",
    async run(rig) {
      const listener = rig.listener();
      const address = listener.socket.getsockname();
      const waiting = rig.create().observe();
      connect(waiting, address);
      await rig.until(() => waiting.socket.state === "open" && listener.socket.readReady, "the connection");
      listener.close();
      await rig.until(() => waiting.over, "the end of the connection that waited");
      const late = rig.create().observe();
      connect(late, address);
      await rig.until(() => late.over, "the refusal");
      assert.ok(late.error?.code === "ECONNREFUSED" || late.error?.code === "ENOENT", String(late.error));
    },
  },
  {
    name: "Socket.close() of a listener leaves accepted connections alone",
    async run(rig) {
      const listener = rig.listener();
      const client = rig.create().observe();
      connect(client, listener.socket.getsockname());
      await rig.until(() => client.socket.state === "open" && listener.socket.readReady, "the connection");
      const server = rig.probe(listener.socket.accept()![0]).observe();
      listener.close();
      client.send("still");
      server.send("here");
      await rig.until(() => client.count === 4 && server.count === 5, "bytes both ways");
    },
  },
];
