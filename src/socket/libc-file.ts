/**
 * What `file.ts` needs of the kernel and Bun has no API for: read(2) and write(2) that never wait, and being told that a
 * descriptor of any kind (pipe, FIFO, tty, socket) is ready without reading from it. Loaded on first use, by the
 * rules of `libc.ts`, and only where that is to be had.
 *
 * How readiness comes without a thread: all descriptors are in ONE epoll set of ours. An epoll descriptor is itself
 * readable when something in it is ready, so Bun's loop is made to watch it: it is given a duplicate as if that were
 * a socket. When the set has something Bun tries recv(2), is told ENOTSOCK, closes the duplicate and says so: that is
 * the wake-up. Nothing was read from anybody. The next duplicate follows; one costs about 10 µs, whatever the number
 * of descriptors, and nothing while they are idle. `test/socket/file.test.ts` holds Bun to this.
 */
import { dlopen, FFIType, read, type Pointer } from "bun:ffi";

import { codeOf, osError } from "../base/errors.ts";
import { wireHandlers } from "./bun-handlers.ts";
import type { BunOwner, Wire } from "./endpoint.ts";
import { libc, type Libc } from "./libc.ts";

const { i32, i64_fast, ptr, u64 } = FFIType;
/** What is loaded. */
const SYMBOLS = {
  read: { args: [i32, ptr, u64], returns: i64_fast },
  write: { args: [i32, ptr, u64], returns: i64_fast },
  poll: { args: [ptr, u64, i32], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, ptr], returns: i32 },
  epoll_wait: { args: [i32, ptr, i32, i32], returns: i32 },
  __errno_location: { args: [], returns: ptr },
} as const;

type Symbols = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

const F_GETFL = 3;
const F_SETFL = 4;
const O_ACCMODE = 0o3;
const O_NONBLOCK = 0o4000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLONESHOT = 1 << 30;
const EINTR = 4;
const EPERM = 1;

/** poll(2) and epoll(7) have the same bits. */
export const POLLIN = 0x1;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;

// struct epoll_event is packed on x86-64 only.
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;
/** Events taken at one wake-up; more cause the next one. */
const BATCH = 64;
/** A pipe's usual size. */
const READ_BYTES = 64 * 1024;
/** How soon to try again when there is no descriptor left to be woken by. */
const RETRY_MS = 10;

/** Whether a descriptor was opened for reading, for writing or for both. */
export type AccessMode = "r" | "w" | "rw";

export class LibcFile {
  readonly #c: Symbols;
  readonly #libc: Libc;
  readonly #scratch: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(READ_BYTES));
  readonly #pollFd: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(8));
  readonly #pollView: DataView = new DataView(this.#pollFd.buffer);
  readonly #event: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(EVENT_BYTES));
  readonly #eventView: DataView = new DataView(this.#event.buffer);
  readonly #events: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(EVENT_BYTES * BATCH));
  readonly #eventsView: DataView = new DataView(this.#events.buffer);

  private constructor(symbols: unknown, base: Libc) {
    this.#c = symbols as Symbols;
    this.#libc = base;
  }

  /** @throws when the platform has no such file or the file no such functions */
  static open(file: string, base: Libc): LibcFile {
    return new LibcFile(dlopen(file, SYMBOLS).symbols, base);
  }

  // Must be read before anything is awaited: the next call of this thread overwrites it.
  #errno(): number {
    return read.i32(this.#c.__errno_location() as Pointer, 0);
  }

  /** dup(2), close-on-exec. @throws {OSError} EBADF, EMFILE */
  duplicate(fd: number): number {
    return this.#libc.duplicate(fd);
  }
  close(fd: number): void {
    this.#libc.close(fd);
  }

  /** @throws {OSError} EBADF */
  accessMode(fd: number): AccessMode {
    const flags = this.#c.fcntl(fd, F_GETFL, 0);
    if (flags < 0) throw osError(codeOf(this.#errno()), { syscall: "fcntl" });
    const mode = flags & O_ACCMODE;
    if (mode === 0) return "r";
    return mode === 1 ? "w" : "rw";
  }

  /** Sets O_NONBLOCK where it is not set: whoever shares the open file may have cleared it. */
  setNonBlocking(fd: number): void {
    const flags = this.#c.fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) === 0) this.#c.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  }

  /** poll(2) without waiting: which of `events`, POLLERR and POLLHUP there are now. */
  poll(fd: number, events: number): number {
    this.#pollView.setInt32(0, fd, true);
    this.#pollView.setInt32(4, events, true);
    return this.#c.poll(this.#pollFd, 1, 0) > 0 ? this.#pollView.getUint16(6, true) : 0;
  }

  /** read(2): what there is, up to `size` and 64 KiB; or the code it failed with (EAGAIN: nothing). */
  read(fd: number, size: number): Buffer | string {
    for (;;) {
      const count = this.#c.read(fd, this.#scratch, Math.min(size, READ_BYTES)) as number;
      if (count >= 0) return Buffer.from(this.#scratch.subarray(0, count));
      const errno = this.#errno();
      if (errno !== EINTR) return codeOf(errno);
    }
  }

  /** write(2): how many bytes were taken, or the code it failed with (EAGAIN: no room). */
  write(fd: number, bytes: Uint8Array): number | string {
    for (;;) {
      const count = this.#c.write(fd, bytes, bytes.length) as number;
      if (count >= 0) return count;
      const errno = this.#errno();
      if (errno !== EINTR) return codeOf(errno);
    }
  }

  /** A new epoll set. @throws {OSError} EMFILE, ENFILE */
  createSet(): number {
    const set = this.#c.epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) throw osError(codeOf(this.#errno()), { syscall: "epoll_create1" });
    return set;
  }

  /**
   * Puts `fd` into the set, asking for nothing yet.
   *
   * @returns false for what is always ready: regular files, directories, /dev/null
   * @throws {OSError} ENOMEM, ENOSPC …
   */
  addTo(set: number, fd: number, id: number): boolean {
    if (this.#control(set, EPOLL_CTL_ADD, fd, id, 0) === 0) return true;
    const errno = this.#errno();
    if (errno === EPERM) return false;
    throw osError(codeOf(errno), { syscall: "epoll_ctl" });
  }

  /** Asks to be told once of any of `events`, of an error and of a hang-up. */
  ask(set: number, fd: number, id: number, events: number): void {
    this.#control(set, EPOLL_CTL_MOD, fd, id, events);
  }

  /** Must come before close(2): the set holds the open file, which the caller's descriptor keeps open. */
  removeFrom(set: number, fd: number): void {
    this.#control(set, EPOLL_CTL_DEL, fd, 0, 0);
  }

  #control(set: number, operation: number, fd: number, id: number, events: number): number {
    this.#eventView.setUint32(0, events | EPOLLONESHOT, true);
    this.#eventView.setUint32(DATA_AT, id, true);
    return this.#c.epoll_ctl(set, operation, fd, this.#event);
  }

  /** Pairs of id and events. */
  takeEvents(set: number): [number, number][] {
    const count = this.#c.epoll_wait(set, this.#events, BATCH, 0);
    const found: [number, number][] = [];
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      found.push([this.#eventsView.getUint32(at + DATA_AT, true), this.#eventsView.getUint32(at, true)]);
    }
    return found;
  }
}

/** Who is told. */
export interface Pollee {
  /** Of `events`, once; then {@link FilePoll.ask} asks again. */
  pollReady(events: number): void;
}

/** The epoll set of this thread. It is open while a member is, and holds the process while somebody listens. */
export class FilePoll implements BunOwner {
  readonly #c: LibcFile;
  readonly #listening: Map<number, Pollee> = new Map();
  #members = 0;
  #lastId = 0;
  #set = -1;
  #watching = false;
  #wire: Wire | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(c: LibcFile) {
    this.#c = c;
  }

  /** Takes `fd` in. @returns its id, negative for a descriptor that is always ready @throws {OSError} EMFILE … */
  add(fd: number): number {
    if (this.#set < 0) this.#set = this.#c.createSet();
    try {
      // Not the descriptor as its id: an event already fetched must not reach whoever got the number since.
      const id = ++this.#lastId;
      const pollable = this.#c.addTo(this.#set, fd, id);
      this.#members++;
      return pollable ? id : -id;
    } finally {
      this.#closeIfEmpty();
    }
  }

  remove(fd: number, id: number): void {
    this.unlisten(id);
    if (id > 0) this.#c.removeFrom(this.#set, fd);
    this.#members--;
    this.#closeIfEmpty();
  }

  /** From now on `pollee` is told, and the process is held. */
  listen(id: number, pollee: Pollee): void {
    this.#listening.set(id, pollee);
    this.#watch();
  }

  unlisten(id: number): void {
    if (this.#listening.delete(id) && this.#listening.size === 0) this.#unwatch();
  }

  ask(fd: number, id: number, events: number): void {
    if (id > 0) this.#c.ask(this.#set, fd, id, events);
  }

  #closeIfEmpty(): void {
    if (this.#members > 0 || this.#set < 0) return;
    this.#c.close(this.#set);
    this.#set = -1;
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    let fd = -1;
    try {
      fd = this.#c.duplicate(this.#set);
      const connect = Bun.connect as unknown as (options: object) => Promise<unknown>;
      connect({ fd, data: this, socket: wireHandlers, allowHalfOpen: true }).catch(() => this.#watchLater());
    } catch {
      if (fd >= 0) this.#c.close(fd);
      this.#watchLater();
    }
  }

  // No descriptor left, most likely: that passes. The timer holds the process as the descriptor would.
  #watchLater(): void {
    if (this.#watching) this.#retry ??= setTimeout(() => this.bunClosed(), RETRY_MS);
  }

  #unwatch(): void {
    this.#watching = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.terminate();
  }

  bunOpened(wire: Wire): void {
    if (this.#watching && this.#wire === undefined) this.#wire = wire;
    else wire.terminate();
  }
  bunReceived(): void {}
  bunDrained(): void {}
  bunEnded(): void {}
  /** Something in the set is ready. */
  bunClosed(): void {
    // Nobody listens any more, and it was ourselves who closed it.
    if (!this.#watching || (this.#wire === undefined && this.#retry === undefined)) return;
    this.#wire = undefined;
    this.#retry = undefined;
    this.#watching = false;
    try {
      for (const [id, events] of this.#c.takeEvents(this.#set)) this.#listening.get(id)?.pollReady(events);
    } finally {
      if (this.#listening.size > 0) this.#watch();
    }
  }
}

/** The C functions for files, and the set they are watched with. */
export interface FileCalls {
  readonly c: LibcFile;
  readonly poll: FilePoll;
}

let loaded: FileCalls | null | undefined;

/** Undefined where `libc()` is: see there. */
export function fileCalls(): FileCalls | undefined {
  loaded ??= load();
  return loaded ?? undefined;
}

function load(): FileCalls | null {
  const base = libc();
  if (base === undefined) return null;
  const musl = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  for (const file of ["libc.so.6", musl]) {
    try {
      const c = LibcFile.open(file, base);
      return { c, poll: new FilePoll(c) };
    } catch {
      // Not this C library: try the next. Where none loads, FileSocket says ENOSYS.
    }
  }
  return null;
}
