/**
 * Reads what a peer says before its TLS handshake (a PROXY header), and not one byte more. Bun reads whatever is there and
 * cannot take a ClientHello back, so the connection is paused from its first moment, and this reads the descriptor by
 * itself, told by the epoll set of `file-poll.ts`. Made by `tcp.ts` when a listener wants it; ended by `startTls()`.
 */
import { osError } from "../base/errors.ts";
import { type FileCalls, fileCalls, type Pollee } from "./file-poll.ts";
import { POLLIN } from "./libc-file.ts";

/** The start of a connection; see {@link Socket.preface}. */
export interface Preface {
  /** Up to `size` bytes; an empty buffer at the end of the stream; undefined when there is nothing now. */
  recv(size: number): Buffer | undefined;
}

export class PrefaceReader implements Preface, Pollee {
  readonly #calls: FileCalls;
  readonly #fd: number;
  readonly #id: number;
  readonly #ready: () => void;
  #over = false;

  private constructor(calls: FileCalls, fd: number, ready: () => void) {
    this.#calls = calls;
    this.#fd = fd;
    this.#ready = ready;
    this.#id = calls.poll.add(fd);
    calls.poll.listen(this.#id, this);
    calls.poll.ask(fd, this.#id, POLLIN);
  }

  /** @throws {OSError} ENOSYS without the C library */
  static check(): void {
    if (fileCalls() === undefined) {
      throw osError("ENOSYS", { syscall: "listen", detail: "a preface before TLS needs the C library" });
    }
  }

  /** `ready` is called when there is something to read, and once the peer has ended. */
  static begin(fd: number, ready: () => void): PrefaceReader | undefined {
    const calls = fileCalls();
    return calls === undefined ? undefined : new PrefaceReader(calls, fd, ready);
  }

  recv(size: number): Buffer | undefined {
    if (this.#over) throw osError("EBADF", { syscall: "recv", detail: "the preface is over" });
    const bytes = this.#calls.c.read(this.#fd, size);
    if (typeof bytes !== "string") return bytes;
    if (bytes !== "EAGAIN" && bytes !== "EWOULDBLOCK") throw osError(bytes, { syscall: "recv" });
    this.#calls.poll.ask(this.#fd, this.#id, POLLIN);
    return undefined;
  }

  pollReady(): void {
    this.#ready();
  }

  /** Before the descriptor is closed, or given to TLS. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#calls.poll.remove(this.#fd, this.#id);
  }
}
