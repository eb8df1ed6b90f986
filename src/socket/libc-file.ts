/**
 * What `file.ts` needs of the kernel and Bun has no API for: read(2) and write(2) that never wait, and being told that a
 * descriptor of any kind (pipe, FIFO, tty, socket) is ready without reading from it. Loaded on first use, by the
 * rules of `libc.ts`, and only where that is to be had.
 */
import { dlopen, FFIType, read, type Pointer } from "bun:ffi";

import { codeOf, osError } from "../base/errors.ts";
import type { Libc } from "./libc.ts";

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
