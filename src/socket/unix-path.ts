/**
 * Files of unix sockets: which one is ours to remove, and which one is a dead process's to replace. Never removes
 * a live socket, a plain file, or a successor's socket at the same path.
 */
import { lstatSync, readFileSync, type Stats, unlinkSync } from "node:fs";

/** The file a `bind()` of ours made. */
export class UnixPath {
  readonly #path: string;
  readonly #made: Stats;

  private constructor(path: string, made: Stats) {
    this.#path = path;
    this.#made = made;
  }

  /** Remembers the file just made at `path`; undefined for an abstract name, which has none. */
  static made(path: string): UnixPath | undefined {
    const made = socketAt(path);
    return made === undefined ? undefined : new UnixPath(path, made);
  }

  /** Whether the file still is the one that was made. */
  isThere(): boolean {
    const found = socketAt(this.#path);
    return found !== undefined && isSame(found, this.#made);
  }

  /** Removes the file if it still is the one that was made. */
  remove(): void {
    const found = socketAt(this.#path);
    if (found !== undefined && isSame(found, this.#made)) removeQuietly(this.#path);
  }
}

/**
 * Clears the way for a bind that met EADDRINUSE: when the path is a socket that `isStale` says nobody listens on,
 * it is removed. @returns whether it was
 */
export function replaceStaleSocket(path: string, isStale: () => boolean): boolean {
  const before = socketAt(path);
  if (before === undefined || isBound(path) || !isStale()) return false;
  // Another process may have replaced it while we asked. Between this look and the removal one still can: the
  // kernel has no call that does both.
  const after = socketAt(path);
  return after !== undefined && isSame(before, after) && removeQuietly(path);
}

// Who is bound and about to listen refuses connections as a dead one does. Linux lists every socket by the path it
// was bound to: Num RefCount Protocol Flags Type St Inode Path; state 01 is unconnected (03: accepted from a listener).
function isBound(path: string): boolean {
  try {
    const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
    return lines.some((line) => line.endsWith(` ${path}`) && line.split(" ", 6)[5] === "01");
  } catch {
    return false;
  }
}

function socketAt(path: string): Stats | undefined {
  if (path.startsWith("\0")) return undefined;
  try {
    const found = lstatSync(path);
    return found.isSocket() ? found : undefined;
  } catch {
    // Gone, or its folder is (ENOENT, ENOTDIR, ELOOP, EACCES): nothing of ours to touch.
    return undefined;
  }
}

// An inode number alone may be given out again at once; with the time of its making it names one file (chmod moves
// ctime, nothing moves the mtime of a socket).
function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.mtimeMs === b.mtimeMs;
}

function removeQuietly(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    // Gone already, or the directory forbids it: the caller's own bind tells what matters.
    return false;
  }
}
