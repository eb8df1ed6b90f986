/**
 * `callLater()` and `callEvery()`: one timer of the clock's for each, for what a program has few of. Deadlines of every
 * channel are in `timeouts.ts`. A timer either stands alone, or belongs to a channel: then `dispatch.ts` runs it as one
 * of the channel's hooks.
 */
import { type Clock, LONGEST_TIMER_MS, systemClock, type TimerHandle } from "../base/clock.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../base/errors.ts";

/** What `callLater()` and `callEvery()` return. `using timer = …` takes it back at the end of the block. */
export interface Timer extends Disposable {
  /** Whether its function is still to be called. */
  readonly active: boolean;
  /** Takes the timer back: its function is not called any more. May be called again, and by the function itself. */
  cancel(): void;
  /** From now on the timer alone does not keep the process alive. */
  unref(): this;
}

/** The channel a timer belongs to. */
export interface TimerOwner {
  /** The time has come: `timer.run()` is to be called, now or later. */
  timerDue(timer: ChannelTimer): void;
  /** It will not run any more. */
  timerOver(timer: ChannelTimer): void;
}

/**
 * Calls `fn` once, `ms` milliseconds from now: never earlier, and as exactly as the clock allows. Any finite delay is
 * possible. The timer keeps the process alive, as `setTimeout()` does, unless `unref()` is called. What `fn` throws is
 * an uncaught exception: a channel's own `callLater()` takes it to `handleError()`.
 *
 * @param clock whose time counts. Default: the machine's
 * @throws {ArgumentTypeError|ArgumentRangeError} `ms` is not a finite number of at least 0, `fn` no function
 *
 * @example Tries again in a moment
 * ```ts
 * import { callLater, Dispatcher } from "asyncore";
 *
 * let attempts = 0;
 * class Client extends Dispatcher {
 *   override handleError() {
 *     this.close();
 *     if (++attempts < 3) callLater(10 * 2 ** attempts, connect);
 *   }
 * }
 * function connect() {
 *   const client = new Client();
 *   client.createSocket();
 *   client.connect(["127.0.0.1", 1]);
 * }
 * connect();
 * ```
 */
export function callLater(ms: number, fn: () => unknown, clock: Clock = systemClock): Timer {
  return new ClockTimer("callLater", clock, ms, fn, true);
}

/**
 * Calls `fn` every `ms` milliseconds, the first time `ms` from now, until the timer is cancelled. At a fixed rate: the
 * n-th call is due at n × `ms`. Calls do not pile up: one that came late, or whose promise has not settled, takes the
 * place of those that were due meanwhile, and the next is the next multiple of `ms`. Otherwise as {@link callLater}.
 *
 * @throws {ArgumentTypeError|ArgumentRangeError} `ms` is not a finite number above 0, `fn` no function
 *
 * @example Three beats
 * ```ts
 * import { callEvery } from "asyncore";
 *
 * let beats = 0;
 * const timer = callEvery(5, () => {
 *   if (++beats === 3) timer.cancel();
 * });
 * ```
 */
export function callEvery(ms: number, fn: () => unknown, clock: Clock = systemClock): Timer {
  return new ClockTimer("callEvery", clock, ms, fn, true);
}

class ClockTimer implements Timer {
  readonly #clock: Clock;
  readonly #fn: () => unknown;
  /** 0: once. */
  readonly #everyMs: number;
  #due: number;
  #holds: boolean;
  #handle: TimerHandle;
  #active = true;

  constructor(name: "callLater" | "callEvery", clock: Clock, ms: number, fn: () => unknown, holds: boolean) {
    check(name, ms, fn);
    this.#clock = clock;
    this.#fn = fn;
    this.#everyMs = name === "callEvery" ? ms : 0;
    this.#holds = holds;
    this.#due = clock.now() + ms;
    this.#arm();
  }

  get active(): boolean {
    return this.#active;
  }

  cancel(): void {
    if (!this.#active) return;
    this.#disarm();
    this.#end();
  }
  [Symbol.dispose](): void {
    this.cancel();
  }

  unref(): this {
    if (this.#holds) {
      this.#holds = false;
      if (this.#disarm()) this.#arm();
    }
    return this;
  }

  /**
   * Calls the function, if nobody has cancelled the timer meanwhile.
   *
   * @returns what the function returns; its rejection is the caller's business
   */
  run(): unknown {
    if (!this.#active) return undefined;
    const fn = this.#fn;
    if (this.#everyMs === 0) {
      this.#end();
      return fn();
    }
    let result: unknown;
    try {
      result = fn();
    } catch (error) {
      this.#again();
      throw error;
    }
    if (isThenable(result)) return Promise.resolve(result).finally(() => this.#again());
    this.#again();
    return result;
  }

  /** The time has come. */
  protected expired(): void {
    // A rejection is an unhandled one, as with setTimeout().
    void this.run();
  }
  /** It will not run any more. */
  protected over(): void {}

  #end(): void {
    this.#active = false;
    this.over();
  }

  #again(): void {
    if (!this.#active) return;
    const late = Math.max(0, this.#clock.now() - this.#due);
    this.#due += this.#everyMs * (Math.floor(late / this.#everyMs) + 1);
    this.#arm();
  }

  #arm(): void {
    const delay = Math.max(0, this.#due - this.#clock.now());
    this.#handle = this.#clock.setTimer(this.#look, Math.min(delay, LONGEST_TIMER_MS), this.#holds);
  }

  #disarm(): boolean {
    if (this.#handle === undefined) return false;
    this.#clock.clearTimer(this.#handle);
    this.#handle = undefined;
    return true;
  }

  readonly #look = (): void => {
    this.#handle = undefined;
    // The clock's timers are not that long, or the clock was a little early.
    if (this.#clock.now() < this.#due) this.#arm();
    else this.expired();
  };
}

/** A timer that is one of its channel's hooks. It does not keep the process alive: the channel's socket does. */
export class ChannelTimer extends ClockTimer {
  readonly #owner: TimerOwner;

  constructor(
    owner: TimerOwner,
    name: "callLater" | "callEvery",
    clock: Clock,
    ms: number,
    fn: () => unknown,
  ) {
    super(name, clock, ms, fn, false);
    this.#owner = owner;
  }
  protected override expired(): void {
    this.#owner.timerDue(this);
  }
  protected override over(): void {
    this.#owner.timerOver(this);
  }
}

function check(name: "callLater" | "callEvery", ms: number, fn: () => unknown): void {
  if (typeof ms !== "number") throw new ArgumentTypeError(`${name}: the delay is a number, not ${typeof ms}`);
  if (typeof fn !== "function") throw new ArgumentTypeError(`${name}: a function, not ${typeof fn}`);
  const enough = name === "callEvery" ? ms > 0 : ms >= 0;
  if (enough && ms < Infinity) return;
  const least = name === "callEvery" ? "above 0" : "of at least 0";
  throw new ArgumentRangeError(`${name}: the delay is a finite number ${least}, not ${ms}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
