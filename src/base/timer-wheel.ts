/**
 * Timers for the many: deadlines that are nearly always moved or taken back before they run out. Arming, moving and
 * taking back one is a few memory accesses and allocates nothing, however many there are; in return they are coarse. One
 * timer of the clock's is set for all of them, and only while one is armed. For exact timers use the clock's own.
 *
 *   level 0   |·|·|x|·| … 64 slots of  8 ms     x: a ring of entries
 *   level 1   |·|x|·|·| … 64 slots of 32 ms     a slot expires at its end, so nothing is early;
 *   level 2   |·|·|·|·| … 64 slots of 128 ms    a level takes delays of 16 to 63 of its slots,
 *      …                                        so nothing is later than a 15th of its delay
 *   level 11  |·|·|·|·| … 64 slots of 9.3 hours
 *
 * Nothing is moved from level to level: an entry is touched when it is armed and when it is due, and never between.
 */
import { type Clock, LONGEST_TIMER_MS, type TimerHandle } from "./clock.ts";
import { ArgumentRangeError } from "./errors.ts";

/** The finest slot. */
const GRAIN_MS = 8;
const SLOTS = 64;
/** How much coarser each level is than the one before. */
const FACTOR = 4;
const LEVELS = 12;
/** Most entries that expire in one go; the others follow after the event loop had a turn. */
const BATCH = 512;

/** What a wheel holds: extend it, and the object itself is the timer. It may be in one wheel at a time. */
export abstract class WheelEntry {
  /** The wheel's. Undefined when not armed. */
  next: WheelEntry | undefined = undefined;
  /** The wheel's. */
  previous: WheelEntry | undefined = undefined;
  /** When it is due, by the wheel's clock. */
  due = 0;

  get armed(): boolean {
    return this.next !== undefined;
  }

  /** The time has come; it is not armed any more, and may be armed again. What it throws is an uncaught exception. */
  abstract expired(): void;
}

/** Begin and end of a ring. */
class Ring extends WheelEntry {
  constructor() {
    super();
    this.next = this;
    this.previous = this;
  }
  get isEmpty(): boolean {
    return this.next === this;
  }
  expired(): void {}
}

class Level {
  readonly number: number;
  /** Grains of one slot. */
  readonly span: number;
  /** Grains of the longest delay it takes. */
  readonly reach: number;
  /** By slot modulo 64. */
  readonly rings: readonly Ring[] = Array.from({ length: SLOTS }, () => new Ring());

  constructor(number: number) {
    this.number = number;
    this.span = FACTOR ** number;
    this.reach = (SLOTS - 1) * this.span;
  }
}

/** The timers of one clock. */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #origin: number;
  /** The finest first; as many as delays have asked for. */
  readonly #levels: Level[] = [new Level(0)];
  /** What is due and waits for its turn. */
  readonly #due = new Ring();
  /** Grains since the origin: every slot up to here has been emptied. */
  #tick = 0;
  #armed = 0;
  #timer: TimerHandle;
  /** For when the clock's timer is set. No slot with something in it expires before. */
  #wakeTick = Infinity;
  #running = false;

  static readonly #wheels = new WeakMap<Clock, TimerWheel>();

  /** The one wheel of a clock. */
  static of(clock: Clock): TimerWheel {
    let wheel = TimerWheel.#wheels.get(clock);
    if (wheel === undefined) {
      wheel = new TimerWheel(clock);
      TimerWheel.#wheels.set(clock, wheel);
    }
    return wheel;
  }

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#origin = clock.now();
  }

  /** How many entries are armed. */
  get size(): number {
    return this.#armed;
  }

  /**
   * Has `entry.expired()` called `delayMs` from now: never earlier, and at most 8 ms and a 15th of the delay later. An
   * entry that is armed is moved. Any delay is possible, also beyond what a timer of the clock takes.
   *
   * @throws {ArgumentRangeError} negative, NaN, or infinite
   */
  arm(entry: WheelEntry, delayMs: number): void {
    if (typeof delayMs !== "number" || !(delayMs >= 0 && delayMs < Infinity)) {
      throw new ArgumentRangeError(`arm: the delay is a finite number of at least 0, not ${String(delayMs)}`);
    }
    const now = this.#clock.now();
    this.#catchUp(this.#tickAt(now));
    if (entry.next === undefined) this.#armed++;
    else unlink(entry);
    entry.due = now + delayMs;
    const tick = this.#place(entry);
    if (!this.#running && tick < this.#wakeTick) this.#wakeAt(tick, now);
  }

  /** Takes an entry back. Harmless when it is not armed. */
  cancel(entry: WheelEntry): void {
    if (entry.next === undefined) return;
    unlink(entry);
    this.#left();
  }

  #left(): void {
    this.#armed--;
    if (this.#armed === 0 && !this.#running) this.#sleep();
  }

  // The level is chosen by the distance from #tick. Slots before #wakeTick have nothing in them; beyond it the clock's
  // timer is late, and what it will find is put in its place.
  #catchUp(tick: number): void {
    if (tick <= this.#tick) return;
    if (tick < this.#wakeTick) this.#tick = tick;
    else this.#collect(tick);
  }

  #tickAt(now: number): number {
    return Math.floor((now - this.#origin) / GRAIN_MS);
  }

  /** @returns the tick its slot expires at */
  #place(entry: WheelEntry): number {
    const tick = this.#tick;
    const due = Math.max(Math.ceil((entry.due - this.#origin) / GRAIN_MS), tick + 1);
    const distance = due - tick;
    let level = this.#levels[0] as Level;
    while (distance > level.reach && level.number < LEVELS - 1) {
      level = this.#levels[level.number + 1] ?? this.#addLevel();
    }
    const { span, rings } = level;
    // Beyond the last level: as far as that goes. It is placed anew then.
    const slot = Math.min(Math.ceil(due / span), Math.floor(tick / span) + SLOTS);
    link(entry, rings[slot % SLOTS] as Ring);
    return slot * span;
  }

  #addLevel(): Level {
    const level = new Level(this.#levels.length);
    this.#levels.push(level);
    return level;
  }

  #wakeAt(tick: number, now: number): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#wakeTick = tick;
    const delay = Math.max(0, this.#origin + tick * GRAIN_MS - now);
    this.#timer = this.#clock.setTimer(this.#turn, Math.min(delay, LONGEST_TIMER_MS));
  }

  #sleep(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#wakeTick = Infinity;
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    this.#catchUp(this.#tickAt(now));
    this.#running = true;
    for (let count = 0; count < BATCH && !this.#due.isEmpty; count++) {
      const entry = this.#due.next as WheelEntry;
      unlink(entry);
      if (entry.due > now) this.#place(entry);
      else this.#expire(entry);
    }
    this.#running = false;
    if (this.#armed === 0) this.#sleep();
    else this.#wakeAt(this.#due.isEmpty ? this.#nextTick() : this.#tick, this.#clock.now());
  };

  #expire(entry: WheelEntry): void {
    this.#armed--;
    try {
      entry.expired();
    } catch (error) {
      // As with a timer of its own: nobody else's business, but not hidden.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  // Moves the rings of all slots that expire by `tick` to what is due.
  #collect(tick: number): void {
    for (const { span, rings } of this.#levels) {
      const last = Math.floor(tick / span);
      let slot = Math.max(Math.floor(this.#tick / span), last - SLOTS);
      while (slot < last) splice(rings[++slot % SLOTS] as Ring, this.#due);
    }
    this.#tick = tick;
  }

  // The first slot with something in it to expire.
  #nextTick(): number {
    let next = Infinity;
    for (const { span, rings } of this.#levels) {
      const base = Math.floor(this.#tick / span);
      for (let slot = base + 1; slot <= base + SLOTS && slot * span < next; slot++) {
        if (!(rings[slot % SLOTS] as Ring).isEmpty) next = slot * span;
      }
    }
    return next;
  }
}

function link(entry: WheelEntry, ring: Ring): void {
  const last = ring.previous as WheelEntry;
  entry.previous = last;
  entry.next = ring;
  last.next = entry;
  ring.previous = entry;
}

function unlink(entry: WheelEntry): void {
  const next = entry.next as WheelEntry;
  const previous = entry.previous as WheelEntry;
  previous.next = next;
  next.previous = previous;
  entry.next = undefined;
  entry.previous = undefined;
}

// All entries of `from` behind those of `to`.
function splice(from: Ring, to: Ring): void {
  if (from.isEmpty) return;
  const first = from.next as WheelEntry;
  const last = from.previous as WheelEntry;
  const end = to.previous as WheelEntry;
  end.next = first;
  first.previous = end;
  last.next = to;
  to.previous = last;
  from.next = from;
  from.previous = from;
}
