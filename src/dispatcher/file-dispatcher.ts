/**
 * `FileDispatcher`: asyncore's `file_dispatcher`. A channel over a descriptor that is no socket: the hooks, predicates,
 * `send()` and `recv()` of a {@link Dispatcher}. How a descriptor becomes a socket is `socket/file.ts`.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import { FileSocket } from "../socket/file.ts";
import { type ChannelMap, socketMap } from "./channel-map.ts";
import type { HookResult } from "./dispatch.ts";
import { Dispatcher } from "./dispatcher.ts";

/** A descriptor, or what has one: `process.stdin`, a `FileHandle` (`fd`), or asyncore's way (`fileno()`). */
export type FileLike = number | { readonly fd: number } | { fileno(): number };

/**
 * A channel over a pipe, FIFO, tty, regular file or standard stream.
 *
 * The descriptor is duplicated: the caller keeps its own and closes it, and `close()` closes the duplicate, after
 * what was sent has been written. The open file that both stand for becomes non-blocking and stays so, also for
 * other processes that share it (the terminal of the shell). Reads happen in `recv()` and nowhere else: what is not
 * asked for stays where it is. The end of the file calls `handleClose()`; so does a reader that has gone (EPIPE),
 * at once and not only when something is sent.
 *
 * @example Counts the bytes of a file
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { FileDispatcher } from "asyncore";
 *
 * class Count extends FileDispatcher {
 *   bytes = 0;
 *   override handleRead() {
 *     this.bytes += this.recv().length;
 *   }
 *   override handleClose() {
 *     console.log(this.bytes);
 *     this.close();
 *   }
 * }
 * const fd = openSync("package.json", "r");
 * new Count(fd);
 * closeSync(fd);
 * ```
 */
export class FileDispatcher extends Dispatcher {
  /**
   * @param file the descriptor, or what has one
   * @param map where the channel is registered. Default: `socketMap`
   * @throws {OSError} EBADF, EMFILE; ENOSYS where the platform's C library is out of reach
   * @throws {ArgumentTypeError|ArgumentRangeError} neither a descriptor nor something that has one
   */
  constructor(file: FileLike, map: ChannelMap = socketMap) {
    super(new FileSocket(descriptorOf(file)), map);
  }

  /** Where only writing is possible a read event means that nobody reads: `handleClose()`, as asyncore's poll has it. */
  override handleReadEvent(): HookResult {
    if (!(this.socket instanceof FileSocket) || this.socket.mode !== "w") return super.handleReadEvent();
    this.recv();
  }
}

function descriptorOf(file: FileLike): number {
  if (typeof file === "number") return file;
  if (typeof file === "object" && file !== null) {
    if ("fileno" in file && typeof file.fileno === "function") return file.fileno();
    if ("fd" in file && typeof file.fd === "number") return file.fd;
  }
  throw new ArgumentTypeError("FileDispatcher: a file descriptor, or an object with fd or fileno()");
}
