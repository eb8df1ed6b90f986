/**
 * How files become ready without a thread: all descriptors are in ONE epoll set of ours. An epoll descriptor is itself
 * readable when something in it is ready, so Bun's loop is made to watch it: it is given a duplicate as if that were
 * a socket. When the set has something Bun tries recv(2), is told ENOTSOCK, closes the duplicate and says so: that is
 * the wake-up. Nothing was read from anybody. The next duplicate follows; one costs about 10 µs, whatever the number
 * of descriptors, and nothing while they are idle. `test/socket/file.test.ts` holds Bun to this.
 */
import { wireHandlers } from "./bun-handlers.ts";
import type { BunOwner, Wire } from "./endpoint.ts";
import { LibcFile } from "./libc-file.ts";
import { firstLibrary, libc } from "./libc.ts";

/** How soon to try again when there is no descriptor left to be woken by. */
const RETRY_MS = 10;

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
  const c = firstLibrary((file) => LibcFile.open(file, base));
  return c === null ? null : { c, poll: new FilePoll(c) };
}
