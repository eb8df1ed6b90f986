/** Conformance: a new socket, its addresses, its options. */
import assert from "node:assert/strict";

import { sameAddress } from "../base/address.ts";
import { AF_UNIX, SO_ERROR, SOCK_STREAM, SOL_SOCKET } from "../base/constants.ts";
import { type Case, needsResets, throwsCode } from "./conformance-kit.ts";

export const nameCases: readonly Case[] = [
  {
    name: "Socket: a new one is idle and has nothing",
    run(rig) {
      const { socket } = rig.create();
      assert.equal(socket.state, "idle");
      assert.equal(socket.type, SOCK_STREAM);
      assert.deepEqual([socket.bufferedAmount, socket.bytesRead, socket.bytesSent], [0, 0, 0]);
      assert.deepEqual([socket.readReady, socket.writeReady], [false, false]);
      assert.equal(socket.takeError(), undefined);
      socket.flush();
    },
  },
  {
    name: "Socket.getsockname() is the bound address with its real port",
    run(rig) {
      const { socket } = rig.create();
      const unbound = socket.getsockname();
      if (typeof unbound === "string") assert.equal(unbound, "");
      else assert.equal(unbound[1], 0);
      const wanted = rig.kind.address();
      socket.bind(wanted);
      const name = socket.getsockname();
      if (typeof name === "string" || typeof wanted === "string") assert.equal(name, wanted);
      else {
        assert.equal(name[0], wanted[0]);
        assert.ok(name[1] > 0);
      }
      socket.listen(1);
      assert.ok(sameAddress(socket.getsockname(), name));
    },
  },
  {
    name: "Socket.getpeername() throws ENOTCONN without a peer, and both names EBADF once closed",
    async run(rig) {
      throwsCode(() => rig.create().socket.getpeername(), "ENOTCONN");
      const listener = rig.listener();
      throwsCode(() => listener.socket.getpeername(), "ENOTCONN");
      const { client } = await rig.pair();
      client.socket.getpeername();
      for (const probe of [client, listener, rig.create()]) {
        probe.abort();
        throwsCode(() => probe.socket.getpeername(), "EBADF");
        throwsCode(() => probe.socket.getsockname(), "EBADF");
      }
    },
  },
  {
    name: "Socket.getpeername() is still known after the peer has gone",
    async run(rig) {
      const { client, server } = await rig.pair();
      const peer = server.socket.getpeername();
      client.abort();
      await rig.until(() => server.over, "the end");
      assert.ok(sameAddress(server.socket.getpeername(), peer));
    },
  },
  {
    name: "Socket.bind() throws EINVAL when bound already, and EADDRINUSE for an address in use",
    run(rig) {
      const first = rig.listener();
      const name = first.socket.getsockname();
      const second = rig.create();
      throwsCode(() => second.socket.bind(name), "EADDRINUSE");
      second.socket.bind(rig.kind.address());
      throwsCode(() => second.socket.bind(rig.kind.address()), "EINVAL");
      first.close();
      const third = rig.create();
      third.socket.bind(name);
      assert.ok(sameAddress(third.socket.getsockname(), name));
    },
  },
  {
    name: "Socket.listen() without bind() chooses a port; a unix socket throws EINVAL",
    run(rig) {
      const { socket } = rig.create();
      if (socket.family === AF_UNIX) {
        throwsCode(() => socket.listen(1), "EINVAL");
        return;
      }
      socket.listen(1);
      const name = socket.getsockname();
      assert.ok(typeof name !== "string" && name[1] > 0);
    },
  },
  {
    name: "Socket.getsockopt() and setsockopt() throw ENOPROTOOPT for what there is not, EBADF once closed",
    async run(rig) {
      const { client } = await rig.pair();
      // Without the C library there are no options at all.
      throwsCode(() => client.socket.getsockopt(SOL_SOCKET, 9_999), "ENOPROTOOPT", "ENOSYS");
      throwsCode(() => client.socket.setsockopt(SOL_SOCKET, 9_999, 1), "ENOPROTOOPT", "ENOSYS");
      client.abort();
      throwsCode(() => client.socket.getsockopt(SOL_SOCKET, 9_999), "EBADF");
      throwsCode(() => client.socket.setsockopt(SOL_SOCKET, 9_999, 1), "EBADF");
    },
  },
  {
    name: "Socket.getsockopt(SO_ERROR) is the recorded error's number, once",
    skip: needsResets,
    async run(rig) {
      const { client, server } = await rig.pair();
      client.reading = false;
      server.abort();
      await rig.until(() => client.socket.state === "ended", "the reset");
      const errno = client.socket.getsockopt(SOL_SOCKET, SO_ERROR);
      assert.ok(errno > 0);
      assert.equal(client.socket.takeError(), undefined);
    },
  },
];
