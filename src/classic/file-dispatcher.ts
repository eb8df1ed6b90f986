/** asyncore's `file_dispatcher` and `file_wrapper`: the core's `FileDispatcher` and its socket, with Python's names. */
import { fstatSync } from "node:fs";

import { osError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { Dispatcher } from "../dispatcher/dispatcher.ts";
import { FileDispatcher, type FileLike } from "../dispatcher/file-dispatcher.ts";
import { FileSocket } from "../socket/file.ts";
import { type PythonNames, pythonNames } from "./dispatcher.ts";

/** `FileDispatcher` with Python's names. */
export type NamedFileDispatcher = Omit<typeof FileDispatcher, "prototype"> & {
  new (fd: FileLike, map?: ChannelMap | null): FileDispatcher & PythonNames;
  readonly prototype: FileDispatcher & PythonNames;
};

// Its constructor takes a descriptor where the others take a socket; Python's names do not look at either.
const NamedFile: NamedFileDispatcher = pythonNames(
  FileDispatcher as unknown as typeof Dispatcher,
) as unknown as NamedFileDispatcher;

/** `FileDispatcher` with Python's names. */
export class file_dispatcher extends NamedFile {
  /** Takes another descriptor. @throws {OSError} EBADF, EMFILE */
  set_file(fd: number): void {
    this.set_socket(new FileSocket(fd));
  }
}

/** A descriptor in the clothes of a socket. `recv()` gives undefined when there is nothing now, empty bytes at the end. */
export class file_wrapper extends FileSocket {
  /** The duplicate, -1 once it is closed. */
  get fd(): number {
    return this.fileno();
  }
  /** `recv()` */
  read(size?: number): Buffer | undefined {
    return this.recv(size);
  }
  /** `send()` */
  write(data: SendData): number {
    return this.send(data);
  }
  /**
   * Closes the duplicate. May be called again.
   *
   * @throws {OSError} EBADF when somebody else has closed it; not where a channel uses it, as in Python
   */
  override close(): void {
    const gone = this.observer === undefined && this.fd >= 0 && !isOpen(this.fd);
    super.close();
    if (gone) throw osError("EBADF", { syscall: "close" });
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    // fstat(2) fails for no other reason that a descriptor has.
    return false;
  }
}
