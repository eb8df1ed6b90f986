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
  sockatmark: { args: [i32], returns: i32 },
  read: { args: [i32, ptr, u64], returns: FFIType.i64_fast },
  write: { args: [i32, ptr, u64], returns: FFIType.i64_fast },
  open: { args: [ptr, i32], returns: i32 },
  mkfifo: { args: [ptr, u32], returns: i32 },
  posix_openpt: { args: [i32], returns: i32 },
  grantpt: { args: [i32], returns: i32 },
  unlockpt: { args: [i32], returns: i32 },
  ptsname_r: { args: [i32, ptr, u64], returns: i32 },
  tcgetattr: { args: [i32, ptr], returns: i32 },
  cfmakeraw: { args: [ptr], returns: FFIType.void },
  tcsetattr: { args: [i32, i32, ptr], returns: i32 },
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
const POLLPRI = 2;
const POLLOUT = 4;
const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const LONGEST_WAIT_MS = 10_000;

const sockets = new Map<string, number>();
/** Those of them that are FIFOs and terminals. */
const files = new Set<number>();

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

/** Reads until `want` bytes, the urgent mark if it is to be minded, the end or the deadline. */
function receive(fd: number, want: number, toMark: boolean = false): Answer {
  const parts: Buffer[] = [];
  let length = 0;
  const end = performance.now() + LONGEST_WAIT_MS;
  const atMark = (): boolean => toMark && libc.sockatmark(fd) === 1;
  while (length < want && !atMark()) {
    if (!ready(fd, POLLIN, end - performance.now())) return { data: text(parts), end: "timeout" };
    const size = Math.min(chunk.length, want - length);
    const got = Number(files.has(fd) ? libc.read(fd, chunk, size) : libc.recv(fd, chunk, size, 0));
    if (got <= 0) return { data: text(parts), end: got === 0 ? "eof" : "reset" };
    parts.push(Buffer.from(chunk.subarray(0, got)));
    length += got;
  }
  return { data: text(parts), end: "" };
}

function drain(fd: number): Answer {
  let count = 0;
  const end = performance.now() + LONGEST_WAIT_MS;
  while (ready(fd, POLLIN, end - performance.now())) {
    const got = Number(libc.recv(fd, chunk, chunk.length, 0));
    if (got <= 0) return { count, end: got === 0 ? "eof" : "reset" };
    count += got;
  }
  return { count, end: "timeout" };
}

const text = (parts: Buffer[]): string => Buffer.concat(parts).toString("latin1");

function receiveUrgent(fd: number): Answer {
  if (!ready(fd, POLLPRI, LONGEST_WAIT_MS)) return { data: "", end: "timeout" };
  const got = Number(libc.recv(fd, chunk, 1, MSG_OOB));
  return { data: text([Buffer.from(chunk.subarray(0, got))]), end: "" };
}

function sendAll(fd: number, data: string, flags: number): number {
  const bytes = Buffer.from(data, "latin1");
  let sent = 0;
  while (sent < bytes.length && ready(fd, POLLOUT, LONGEST_WAIT_MS)) {
    const rest = new Uint8Array(bytes.subarray(sent));
    // Where nobody reads a write to a file is told EPIPE: this runtime ignores the signal.
    const now = Number(
      files.has(fd) ? libc.write(fd, rest, rest.length) : libc.send(fd, rest, rest.length, flags),
    );
    if (now < 0) break;
    sent += now;
  }
  return sent;
}

const pathBytes = (path: string): Uint8Array => new Uint8Array(Buffer.from(`${path}\0`));

function openFile(id: string, path: string, mode: "r" | "w"): Answer {
  const fd = libc.open(pathBytes(path), (mode === "w" ? 1 : 0) | O_NONBLOCK | O_NOCTTY);
  return keepFile(id, fd);
}

function keepFile(id: string, fd: number): Answer {
  if (fd >= 0) {
    sockets.set(id, fd);
    files.add(fd);
  }
  return { ok: fd >= 0 };
}

/** A terminal that changes nothing of what is written. */
function openTerminal(id: string): Answer {
  const master = libc.posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (libc.grantpt(master) < 0 || libc.unlockpt(master) < 0) return { ok: false };
  const name = new Uint8Array(new ArrayBuffer(64));
  libc.ptsname_r(master, name, name.length);
  const settings = new Uint8Array(new ArrayBuffer(128));
  libc.tcgetattr(master, settings);
  libc.cfmakeraw(settings);
  libc.tcsetattr(master, 0, settings);
  keepFile(id, master);
  return { ok: true, address: Buffer.from(name.subarray(0, name.indexOf(0))).toString() };
}

function close(id: string): Answer {
  const fd = sockets.get(id) ?? -1;
  sockets.delete(id);
  files.delete(fd);
  return { ok: libc.close(fd) === 0 };
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
    case "fifo":
      return { ok: libc.mkfifo(pathBytes(command.path), 0o600) === 0 };
    case "open":
      return openFile(command.id, command.path, command.mode);
    case "pty":
      return openTerminal(command.id);
    case "urgent":
      return receiveUrgent(fd);
    case "mark":
      return receive(fd, Infinity, true);
    case "recv":
      return receive(fd, command.count);
    case "eof":
      return receive(fd, Infinity);
    case "drain":
      return drain(fd);
    case "fin":
      return { ok: libc.shutdown(fd, SHUT_WR) === 0 };
    case "rst":
      libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]), 8);
      return close(command.id);
    case "close":
      return close(command.id);
    case "reset": {
      for (const left of sockets.values()) libc.close(left);
      sockets.clear();
      files.clear();
      return { ok: true };
    }
  }
}

/** Commands come one at a time; nothing else is to be done, so this process blocks. */
function serve(): void {
  let rest = "";
  for (;;) {
    ready(0, POLLIN, -1);
    const got = Number(libc.read(0, chunk, chunk.length));
    if (got <= 0) return;
    const lines = (rest + Buffer.from(chunk.subarray(0, got)).toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) answer(obey(JSON.parse(line) as Command));
  }
}

function answer(given: Answer): void {
  const bytes = new Uint8Array(Buffer.from(`${JSON.stringify(given)}\n`));
  for (let at = 0; at < bytes.length;) {
    ready(1, POLLOUT, -1);
    const taken = Number(libc.write(1, bytes.subarray(at), bytes.length - at));
    if (taken > 0) at += taken;
  }
}

serve();
