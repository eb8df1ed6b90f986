/**
 * A descriptor that is no socket of ours: a pipe, FIFO, tty, regular file, or whatever a process was given as stdin
 * and stdout (asyncore's `file_wrapper`). Called by `FileDispatcher`. Writing is a {@link StreamSocket}'s: queue,
 * water marks, cap, `close()` that flushes with a deadline. Reading is not: it happens inside `recv()`, so what a
 * program does not ask for stays in the pipe, for its writer to feel and for others who share the descriptor.
 *
 * Readiness is epoll's (see `file-poll.ts`), for every kind of descriptor alike. Bun's own ways were tried and left:
 * `fs` streams park a pool thread per idle pipe, `Bun.file(fd).stream()` fails on a tty's descriptor and reads ahead,
 * and `Bun.file(fd).writer()` makes a tty blocking again. Nothing here may wait: no read without poll(2) saying yes, no
 * write without O_NONBLOCK.
 *
 * O_NONBLOCK belongs to the open file, not to the descriptor: it is set for everybody who shares it (the caller's own
 * descriptor, the shell's terminal), as in asyncore, and stays set after `close()`.
 */
import type { Address } from "../base/address.ts";
import { SO_ERROR, SOL_SOCKET } from "../base/constants.ts";
import { ArgumentRangeError, ArgumentTypeError, osError, type OSError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import { type FileCalls, fileCalls, type Pollee } from "./file-poll.ts";
import { type AccessMode, POLLERR, POLLHUP, POLLIN, POLLOUT } from "./libc-file.ts";
import type { Socket, SocketObserver } from "./socket.ts";
import { StreamSocket } from "./stream-socket.ts";

const EMPTY: Buffer = Buffer.alloc(0);
const AF_UNSPEC = 0;
const LARGEST_FD = 2 ** 31 - 1;
/** One write(2) to a disk is no longer than this; other channels have their turn in between. */
const WRITE_BYTES = 1024 * 1024;

/** A descriptor as a {@link Socket}. What only a socket can do fails with ENOTSOCK. */
export class FileSocket extends StreamSocket implements Pollee {
  /** Whether it was opened for reading, writing or both. Reading is over where it was not opened for it. */
  readonly mode: AccessMode;
  readonly #calls: FileCalls;
  readonly #id: number;
  #fd: number;
  /** poll(2) or epoll has said that a read would not wait, and none has been done since. */
  #readable = false;
  /** `recv()` has told the end of the file, or why reading failed. */
  #readEnded = false;
  /** The last write came short. */
  #full = false;
  #lost: OSError | undefined;
  /** What epoll was asked and has not answered. */
  #asked = -1;

  /**
   * @param fd a descriptor of the caller's, which is duplicated: the caller keeps it, and closes it
   * @throws {OSError} EBADF, EMFILE; ENOSYS without the C library
   * @throws {ArgumentTypeError|ArgumentRangeError} no descriptor
   */
  constructor(fd: number) {
    super(AF_UNSPEC, "open");
    if (typeof fd !== "number")
      throw new ArgumentTypeError(`a file descriptor is a number, not ${typeof fd}`);
    if (!Number.isInteger(fd) || fd > LARGEST_FD) {
      throw new ArgumentRangeError(`a file descriptor is an integer of at least 0, not ${String(fd)}`);
    }
    if (fd < 0) throw osError("EBADF", { syscall: "dup" });
    const calls = fileCalls();
    if (calls === undefined) throw osError("ENOSYS", { syscall: "dup", detail: "files need the C library" });
    const copy = calls.c.duplicate(fd);
    try {
      this.mode = calls.c.accessMode(copy);
      this.#id = calls.poll.add(copy);
    } catch (error) {
      calls.c.close(copy);
      throw error;
    }
    this.#calls = calls;
    this.#fd = copy;
    calls.c.setNonBlocking(copy);
    descriptors.register(this, { calls, fd: copy, id: this.#id }, this);
  }

  // --- readiness -----------------------------------------------------------------------------------------------

  override observe(observer: SocketObserver | undefined): void {
    super.observe(observer);
    if (observer !== undefined && this.#fd >= 0) this.#look();
    this.#ask();
  }

  // What select(2) would say now.
  #look(): void {
    const asked = this.mode === "w" ? 0 : POLLIN;
    this.#readable = !this.#readEnded && this.#calls.c.poll(this.#fd, asked) !== 0;
  }

  // Nobody but an observer or a queue is worth a wake-up. Without either the garbage collector may have it.
  #ask(): void {
    const { poll } = this.#calls;
    if (this.#fd < 0) return;
    const { state } = this;
    if (state === "ended" || (this.observer === undefined && !this.#full)) {
      poll.unlisten(this.#id);
      // What epoll answers now reaches nobody.
      this.#asked = -1;
      return;
    }
    const reads = this.observer !== undefined && !this.#readEnded && !this.#readable;
    poll.listen(this.#id, this);
    if (!reads && !this.#full) return;
    const events = (reads && this.mode !== "w" ? POLLIN : 0) | (this.#full ? POLLOUT : 0);
    if (events === this.#asked) return;
    this.#asked = events;
    poll.ask(this.#fd, this.#id, events);
  }

  pollReady(events: number): void {
    this.#asked = -1;
    if (this.#fd < 0) return;
    if (this.observer !== undefined && !this.#readEnded && (events & ~POLLOUT) !== 0) this.#readable = true;
    if (this.#full && (events & (POLLOUT | POLLERR | POLLHUP)) !== 0) this.#roomAgain();
    if (this.#readable) this.observer?.socketReady();
    this.#ask();
  }

  #roomAgain(): void {
    this.#full = false;
    this.wireDrained();
  }

  // --- reading -------------------------------------------------------------------------------------------------

  override get readReady(): boolean {
    return (this.#readable && this.state === "open") || super.readReady;
  }

  override recv(size: number = Infinity): Buffer | undefined {
    const valid = size === Infinity || (Number.isInteger(size) && size > 0);
    if (!valid || this.state !== "open") return super.recv(size);
    if (this.#readEnded) return EMPTY;
    try {
      return this.#read(size);
    } finally {
      this.#ask();
    }
  }

  #read(size: number): Buffer | undefined {
    this.#look();
    if (!this.#readable) return undefined;
    // Only an error makes it readable: nobody reads any more.
    if (this.mode === "w") this.#failRead("EPIPE");
    const chunk = this.#calls.c.read(this.#fd, size);
    if (chunk === "EAGAIN") {
      // Somebody else who has this open file was quicker.
      this.#readable = false;
      return undefined;
    }
    if (typeof chunk === "string") this.#failRead(chunk);
    if (chunk.length === 0) this.#endReading();
    else {
      this.bytesRead += chunk.length;
      this.#look();
    }
    return chunk;
  }

  #failRead(code: string): never {
    this.#endReading();
    throw osError(code, { syscall: "read" });
  }

  #endReading(): void {
    this.#readEnded = true;
    this.#readable = false;
  }

  // --- writing -------------------------------------------------------------------------------------------------

  override get writeReady(): boolean {
    return this.mode !== "r" && super.writeReady;
  }

  override send(data: SendData): number {
    if (this.state === "open") {
      // Reading from it, too, is over then: asyncore takes EBADF for the end of the channel.
      if (this.mode === "r")
        this.#lose(osError("EBADF", { syscall: "write", detail: "not open for writing" }));
      if (this.#lost !== undefined) throw this.#lost;
    }
    return super.send(data);
  }

  protected wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#full) return 0;
    const { c } = this.#calls;
    const end = offset + Math.min(length, WRITE_BYTES);
    c.setNonBlocking(this.#fd);
    const taken = c.write(this.#fd, bytes.subarray(offset, end));
    if (typeof taken === "string" && taken !== "EAGAIN") {
      this.#lose(osError(taken, { syscall: "write" }));
      return -1;
    }
    const count = typeof taken === "string" ? 0 : taken;
    if (count < length) this.#waitForRoom();
    return count;
  }

  #waitForRoom(): void {
    this.#full = true;
    this.#ask();
    // A disk is always ready; what was left is the next turn's.
    if (this.#id < 0) setImmediate(() => this.#roomAgain());
  }

  // The event that tells it is one of its own.
  #lose(error: OSError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    queueMicrotask(() => {
      this.wireClosed(error);
      this.#ask();
    });
  }

  // --- closing -------------------------------------------------------------------------------------------------

  override close(): void {
    super.close();
    this.#ask();
  }

  /** FIN is close(2) here, and nothing is to be waited for after it. */
  protected wireShutdown(): void {
    this.#letGo();
    queueMicrotask(() => this.wireClosed(undefined));
  }
  protected wireClose(): void {
    this.#letGo();
  }
  protected wireTerminate(): void {
    this.#letGo();
  }
  // recv() is the only reader.
  protected wirePause(): void {}
  protected wireResume(): void {}

  #letGo(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    descriptors.unregister(this);
    release({ calls: this.#calls, fd, id: this.#id });
  }

  fileno(): number {
    return this.#fd;
  }

  // --- what only sockets have ----------------------------------------------------------------------------------

  bind(_address: Address): void {
    this.#notSocket("bind");
  }
  listen(_backlog: number): void {
    this.#notSocket("listen");
  }
  accept(): readonly [Socket, Address] | undefined {
    return this.#notSocket("accept");
  }
  connect(_address: Address): void {
    this.#notSocket("connect");
  }
  override shutdown(_how: number): void {
    this.#notSocket("shutdown");
  }
  getsockname(): Address {
    return this.#notSocket("getsockname");
  }
  getpeername(): Address {
    return this.#notSocket("getpeername");
  }
  /** SO_ERROR is 0, as asyncore's `file_wrapper` has it. @throws {OSError} ENOTSOCK for every other, EBADF */
  getsockopt(level: number, name: number): number {
    if (this.#fd >= 0 && level === SOL_SOCKET && name === SO_ERROR) return 0;
    return this.#notSocket("getsockopt");
  }
  setsockopt(_level: number, _name: number, _value: number): void {
    this.#notSocket("setsockopt");
  }

  #notSocket(syscall: string): never {
    const { state } = this;
    const open = state === "open" || state === "ended";
    throw osError(open ? "ENOTSOCK" : "EBADF", { syscall, detail: open ? "a file" : "the file is closed" });
  }
}

interface Held {
  readonly calls: FileCalls;
  readonly fd: number;
  readonly id: number;
}

function release({ calls, fd, id }: Held): void {
  calls.poll.remove(fd, id);
  calls.c.close(fd);
}

// asyncore's file_wrapper.__del__: a file that nobody holds any more is closed.
const descriptors = new FinalizationRegistry<Held>(release);
