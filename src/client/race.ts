/**
 * Connects to several addresses, one after the other and each with a head start, and keeps the first connection that
 * stands (RFC 8305 §5). Sockets are observed here directly, without a channel; the others are aborted in the same call
 * in which the first one wins. Called by `connect.ts`; never throws from a socket's event.
 */
import type { Clock, TimerHandle } from "../base/clock.ts";
import { LONGEST_TIMER_MS } from "../base/clock.ts";
import { OSError, osError } from "../base/errors.ts";
import type { Socket } from "../socket/socket.ts";
import type { Attempt, Schedule } from "./happy-eyeballs.ts";

/** What a {@link Race} is made of. */
export interface RaceOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A socket that connects to the attempt's address. @throws {OSError} counts as this attempt's failure */
  readonly begin: (attempt: Attempt) => Socket;
  /** The error of an attempt that was cut short with `code`. */
  readonly describe: (code: string, attempt: Attempt) => OSError;
}

export class Race {
  /** What went wrong so far, in that order: one for each attempt that failed, and for each look-up. */
  readonly errors: OSError[] = [];
  readonly #options: RaceOptions;
  readonly #running = new Map<Socket, Attempt>();
  readonly #won = Promise.withResolvers<Socket | undefined>();
  #timer: TimerHandle;
  #over = false;

  constructor(options: RaceOptions) {
    this.#options = options;
  }

  /**
   * The first connection that stands; undefined when all attempts failed or the race was given up. Rejects with what
   * `begin` threw if that was no OSError. The winner keeps an observer that does nothing, so that it stays alive.
   */
  get won(): Promise<Socket | undefined> {
    return this.#won.promise;
  }

  /** A family's addresses are known. With the error when they could not be looked up. */
  answered(family: number, addresses: readonly string[], error?: OSError): void {
    if (this.#over) return;
    if (error !== undefined) this.errors.push(error);
    this.#options.schedule.answered(family, addresses, this.#options.clock.now());
    this.#goOn();
  }

  /** Aborts every attempt; those under way are told with `code` in {@link errors}. */
  giveUp(code: string): void {
    if (this.#over) return;
    for (const attempt of this.#running.values()) this.errors.push(this.#options.describe(code, attempt));
    this.#end(undefined);
  }

  #goOn(): void {
    const { clock, schedule } = this.#options;
    this.#clearTimer();
    while (!this.#over) {
      const next = schedule.next(clock.now());
      if (next === undefined) break;
      if (typeof next === "number") {
        const delayMs = next - clock.now();
        if (delayMs <= LONGEST_TIMER_MS) this.#timer = clock.setTimer(() => this.#goOn(), delayMs);
        return;
      }
      this.#begin(next);
    }
    if (!this.#over && this.#running.size === 0 && schedule.exhausted) this.#end(undefined);
  }

  #begin(attempt: Attempt): void {
    try {
      const socket = this.#options.begin(attempt);
      this.#running.set(socket, attempt);
      const look = (): void => this.#look(socket);
      socket.observe({ socketReady: look, socketChanged: () => queueMicrotask(look) });
    } catch (error) {
      if (error instanceof OSError) {
        this.errors.push(error);
        this.#options.schedule.failed();
        return;
      }
      this.#abortAll();
      this.#won.reject(error);
    }
  }

  #look(socket: Socket): void {
    const attempt = this.#running.get(socket);
    if (attempt === undefined || socket.state === "connecting") return;
    this.#running.delete(socket);
    if (socket.state === "open") {
      socket.observe(IDLE);
      this.#end(socket);
      return;
    }
    this.errors.push(socket.takeError() ?? osErrorOf(attempt));
    socket.abort();
    this.#options.schedule.failed();
    this.#goOn();
  }

  #end(winner: Socket | undefined): void {
    this.#abortAll();
    this.#won.resolve(winner);
  }

  #abortAll(): void {
    this.#over = true;
    this.#clearTimer();
    for (const socket of this.#running.keys()) socket.abort();
    this.#running.clear();
  }

  #clearTimer(): void {
    if (this.#timer === undefined) return;
    this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

/** Observes a socket that changes hands. */
export const IDLE = { socketReady(): void {}, socketChanged(): void {} };

// A kind of socket that ends without a reason.
function osErrorOf(attempt: Attempt): OSError {
  return osError("ECONNABORTED", { syscall: "connect", address: attempt.address });
}
