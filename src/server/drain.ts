/** The end of a server: its connections are asked to end, waited for, and at the deadline reset. */
import type { TimerHandle } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { armDeadline, clearDeadline } from "../base/deadline.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import type { Socket } from "../socket/socket.ts";
import type { Connection } from "./connection.ts";
import type { ServerStats } from "./stats.ts";

/** A handler that wants to end by itself has this. */
export interface Drainable {
  /** The server is ending: finish what is under way and close the channel, before the deadline. */
  handleDrain(): HookResult;
}

/** How a drain went. */
export interface DrainReport {
  /** Connections that ended by themselves: everything they had sent was delivered. */
  readonly closed: number;
  /** Connections reset at the deadline, or lost with bytes still queued. */
  readonly aborted: number;
  /** Bytes that had been sent and did not get out. */
  readonly unsentBytes: number;
  /** How long it took. */
  readonly elapsedMs: number;
}

export class Drain {
  readonly report: Promise<DrainReport>;
  readonly #left = new Set<Connection>();
  readonly #stats: ServerStats;
  readonly #startedAt = systemClock.now();
  #deadline: TimerHandle;
  #deadlineAt = Infinity;
  readonly #failed = new Set<Socket>();
  #begun = false;
  #aborting = false;
  #closed = 0;
  #aborted = 0;
  #unsent = 0;
  readonly #finish: (report: DrainReport) => void;

  /** Begins when the present turn of the program is over: a handler may just be being made. */
  constructor(connections: () => Iterable<Connection>, stats: ServerStats) {
    this.#stats = stats;
    const { promise, resolve } = Promise.withResolvers<DrainReport>();
    this.report = promise;
    this.#finish = resolve;
    queueMicrotask(() => {
      this.#begun = true;
      for (const connection of Array.from(connections())) this.#watch(connection);
      for (const connection of Array.from(this.#left)) this.#ask(connection);
      if (this.#left.size === 0) this.#end();
    });
  }

  /** One that came while it begins. */
  add(connection: Connection): void {
    if (!this.#begun) return;
    this.#watch(connection);
    this.#ask(connection);
  }

  #watch(connection: Connection): void {
    this.#left.add(connection);
    connection.socket.whenReleased((unsent) => this.#over(connection, unsent));
  }

  #ask({ channel, socket }: Connection): void {
    try {
      if (isDrainable(channel)) channel.channelDispatch.runDue(() => channel.handleDrain());
      else channel.close();
    } catch (error) {
      // A close() of the user's own. The others are closed all the same.
      const reason = error instanceof Error ? error : new Error(String(error));
      channel.channelDispatch.watch(Promise.reject(reason));
      this.#failed.add(socket);
      socket.abort();
    }
  }

  /** Resets what is left after `ms`, if that is sooner than what was said before. */
  until(ms: number): void {
    const at = systemClock.now() + ms;
    if (at >= this.#deadlineAt || (this.#begun && this.#left.size === 0)) return;
    this.#deadlineAt = at;
    this.#deadline = armDeadline(systemClock, this.#deadline, ms, () => this.#abort());
  }

  #abort(): void {
    this.#aborting = true;
    for (const { channel, socket } of Array.from(this.#left)) {
      channel.channelDispatch.remove();
      channel.socket?.abort();
      // The channel may have another socket by now.
      socket.abort();
    }
  }

  #over(connection: Connection, unsent: number): void {
    if (!this.#left.delete(connection)) return;
    this.#unsent += unsent;
    if (this.#aborting || unsent > 0 || this.#failed.has(connection.socket)) this.#aborted++;
    else this.#closed++;
    if (this.#aborting) this.#stats.timeouts.drain++;
    if (this.#left.size === 0) this.#end();
  }

  #end(): void {
    this.#deadline = clearDeadline(systemClock, this.#deadline);
    this.#finish({
      closed: this.#closed,
      aborted: this.#aborted,
      unsentBytes: this.#unsent,
      elapsedMs: systemClock.now() - this.#startedAt,
    });
  }
}

function isDrainable<Channel extends object>(channel: Channel): channel is Channel & Drainable {
  return typeof (channel as Partial<Drainable>).handleDrain === "function";
}
