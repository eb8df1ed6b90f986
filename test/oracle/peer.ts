/**
 * The scripted peer: plays the other side of a scenario step by step, for the Python program and for ours alike.
 * One JSON command a line on stdin, one JSON answer a line on stdout. It uses blocking sockets of the C library, so
 * that an answer means that the kernel has done it; every wait is bounded.
 */
import { dlopen, FFIType } from "bun:ffi";

import type { Answer, Command, PeerAddress } from "./protocol.ts";

const { i32, u32, ptr, u64 } = FFIType;
const libc = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, ptr, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, ptr, u32], returns: i32 },
  accept: { args: [i32, u64, u64], returns: i32 },
  getsockname: { args: [i32, ptr, ptr], returns: i32 },
  setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
  poll: { args: [ptr, u64, i32], returns: i32 },
  recv: { args: [i32, ptr, u64, i32], returns: FFIType.i64_fast },
  send: { args: [i32, ptr, u64, i32], returns: FFIType.i64_fast },
  shutdown: { args: [i32, i32], returns: i32 },
  close: { args: [i32], returns: i32 },
}).symbols;

const AF_UNIX = 1;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const SHUT_WR = 1;
const MSG_OOB = 1;
const MSG_NOSIGNAL = 0x4000;
const POLLIN = 1;
const POLLOUT = 4;
const LONGEST_WAIT_MS = 3000;

const sockets = new Map<string, number>();

interface SockAddr {
  readonly family: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function sockAddr(address: PeerAddress): SockAddr {
  const bytes = new Uint8Array(new ArrayBuffer(110));
  const view = new DataView(bytes.buffer);
  if (typeof address === "string") {
    view.setUint16(0, AF_UNIX, true);
    bytes.set(Buffer.from(address), 2);
    return { family: AF_UNIX, bytes };
  }
  const [host, port] = address;
  const v6 = host.includes(":");
  const family = v6 ? AF_INET6 : 2;
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  // The only hosts are the two loopbacks.
  if (v6) bytes[23] = 1;
  else bytes.set([127, 0, 0, 1], 4);
  return { family, bytes: bytes.slice(0, v6 ? 28 : 16) };
}

function open(address: PeerAddress): [fd: number, sockAddr: SockAddr] {
  const made = sockAddr(address);
  return [libc.socket(made.family, 1, 0), made];
}

function boundName(fd: number, address: PeerAddress): PeerAddress {
  if (typeof address === "string") return address;
  const bytes = new Uint8Array(new ArrayBuffer(128));
  libc.getsockname(fd, bytes, new Uint32Array([128]));
  return [address[0], new DataView(bytes.buffer).getUint16(2)];
}

function ready(fd: number, events: number, waitMs: number): boolean {
  const asked = new Int32Array([fd, events]);
  return libc.poll(asked, 1, waitMs) > 0;
}

const chunk = new Uint8Array(new ArrayBuffer(1 << 18));

/** Reads until `want` bytes, the end or the deadline. */
function receive(fd: number, want: number): Answer {
  const parts: Buffer[] = [];
  let length = 0;
  const end = performance.now() + LONGEST_WAIT_MS;
  while (length < want) {
    if (!ready(fd, POLLIN, end - performance.now())) return { data: text(parts), end: "timeout" };
    const got = Number(libc.recv(fd, chunk, Math.min(chunk.length, want - length), 0));
    if (got <= 0) return { data: text(parts), end: got === 0 ? "eof" : "reset" };
    parts.push(Buffer.from(chunk.subarray(0, got)));
    length += got;
  }
  return { data: text(parts), end: "" };
}

const text = (parts: Buffer[]): string => Buffer.concat(parts).toString("latin1");

function sendAll(fd: number, data: string, flags: number): number {
  const bytes = Buffer.from(data, "latin1");
  let sent = 0;
  while (sent < bytes.length && ready(fd, POLLOUT, LONGEST_WAIT_MS)) {
    const now = Number(libc.send(fd, new Uint8Array(bytes.subarray(sent)), bytes.length - sent, flags));
    if (now < 0) break;
    sent += now;
  }
  return sent;
}

function obey(command: Command): Answer {
  const fd = sockets.get(command.id) ?? -1;
  switch (command.op) {
    case "listen":
    case "refuser": {
      const [made, address] = open(command.address);
      libc.bind(made, address.bytes, address.bytes.length);
      const name = boundName(made, command.address);
      if (command.op === "refuser") {
        libc.close(made);
      } else {
        libc.listen(made, 16);
        sockets.set(command.id, made);
      }
      return { address: name };
    }
    case "connect": {
      const [made, address] = open(command.address);
      sockets.set(command.id, made);
      return { ok: libc.connect(made, address.bytes, address.bytes.length) === 0 };
    }
    case "accept": {
      const listener = sockets.get(command.listener) ?? -1;
      const made = ready(listener, POLLIN, LONGEST_WAIT_MS) ? libc.accept(listener, 0, 0) : -1;
      sockets.set(command.id, made);
      return { ok: made >= 0 };
    }
    case "send":
      return { ok: sendAll(fd, command.data, MSG_NOSIGNAL) === command.data.length };
    case "flood": {
      const sent = sendAll(fd, "x".repeat(command.count), MSG_NOSIGNAL);
      return { ok: sent === command.count };
    }
    case "oob":
      return { ok: sendAll(fd, command.data, MSG_NOSIGNAL | MSG_OOB) === command.data.length };
    case "recv":
      return receive(fd, command.count);
    case "eof":
      return receive(fd, Infinity);
    case "fin":
      return { ok: libc.shutdown(fd, SHUT_WR) === 0 };
    case "rst":
      libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]), 8);
      libc.close(fd);
      sockets.delete(command.id);
      return { ok: true };
    case "close":
      libc.close(fd);
      sockets.delete(command.id);
      return { ok: true };
    case "reset": {
      for (const left of sockets.values()) libc.close(left);
      sockets.clear();
      return { ok: true };
    }
  }
}

for await (const line of console) {
  if (line === "") continue;
  process.stdout.write(`${JSON.stringify(obey(JSON.parse(line) as Command))}\n`);
}
