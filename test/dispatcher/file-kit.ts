// Descriptors for the tests of files: pipes, FIFOs, ptys, and a look at what this process holds.
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from "node:fs";

import { libc } from "../../src/socket/libc.ts";

/** Files need Linux's C library. */
export const hasFiles: boolean = libc() !== undefined;

const { i32, ptr } = FFIType;
const SYMBOLS = {
  pipe2: { args: [ptr, i32], returns: i32 },
  openpty: { args: [ptr, ptr, ptr, ptr, ptr], returns: i32 },
  mkfifo: { args: [ptr, i32], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
} as const;
const c = hasFiles ? dlopen("libc.so.6", SYMBOLS).symbols : undefined;

/** Two descriptors, which the test closes by name or by the end of its scope. */
export class Fds implements Disposable {
  readonly read: number;
  readonly write: number;
  readonly #open: Set<number>;

  constructor(read: number, write: number) {
    this.read = read;
    this.write = write;
    this.#open = new Set([read, write]);
  }
  close(fd: number): void {
    if (this.#open.delete(fd)) closeSync(fd);
  }
  [Symbol.dispose](): void {
    for (const fd of this.#open) this.close(fd);
  }
}

const CLOSE_ON_EXEC = 0o2000000;
const cells = new Int32Array(new ArrayBuffer(8));
const pair = (): [number, number] => [cells[0] as number, cells[1] as number];

export function makePipe(): Fds {
  if (c === undefined || c.pipe2(cells, CLOSE_ON_EXEC) < 0) throw new Error("no pipe");
  return new Fds(...pair());
}

/** `read` is the master, `write` the slave; in fact both are both. */
export function makePty(): Fds {
  const slave = new Int32Array(new ArrayBuffer(4));
  if (c === undefined || c.openpty(cells, slave, null, null, null) < 0) throw new Error("no pty");
  return new Fds(cells[0] as number, slave[0] as number);
}

/** mkfifo(3): no program is needed for it. */
export function mkfifo(path: string): void {
  const name = new Uint8Array(new ArrayBuffer(Buffer.byteLength(path) + 1));
  name.set(Buffer.from(path));
  if (c === undefined || c.mkfifo(name, 0o600) < 0) throw new Error(`no FIFO at ${path}`);
}

export function makeFifo(path: string): Fds {
  mkfifo(path);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Fds(read, openSync(path, constants.O_WRONLY));
}

export function isNonBlocking(fd: number): boolean {
  return ((c?.fcntl(fd, 3, 0) ?? 0) & constants.O_NONBLOCK) !== 0;
}
export function setBlocking(fd: number): void {
  c?.fcntl(fd, 4, 0);
}

export function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** Everything there is in a non-blocking descriptor now. */
export function drainNow(fd: number): Buffer {
  const found: Buffer[] = [];
  const room = Buffer.alloc(65_536);
  try {
    for (;;) {
      const count = readSync(fd, room);
      if (count === 0) break;
      found.push(Buffer.from(room.subarray(0, count)));
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "EAGAIN") throw error;
  }
  return Buffer.concat(found);
}

/** How many descriptors this process has. */
export const openCount = (): number => readdirSync("/proc/self/fd").length;
/** How many threads this process has. */
export const threadCount = (): number => readdirSync("/proc/self/task").length;
