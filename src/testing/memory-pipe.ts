/**
 * One direction of a memory connection: the bytes that were written and not delivered yet, and the timers that will
 * deliver them. Made by `memory-link.ts`, which decides what FIN and RST mean to the two ends.
 *
 *     write ──► [ sender's kernel │ receiver's kernel: windowBytes ] ──► received(chunk) … ended()
 *               └──────────────── capacityBytes ─────────────────┘
 *
 * Never calls anybody from inside a call: everything it tells is a timer of the clock, if only of 0 ms.
 */
import type { Clock, TimerHandle } from "../base/clock.ts";
import type { Faults, LinkOptions } from "./faults.ts";
import type { Random } from "./random.ts";

/** Whom a pipe tells what. */
export interface PipeEnds {
  /** To the receiver: bytes. */
  received(chunk: Buffer): void;
  /** To the receiver: FIN, after all bytes. */
  ended(): void;
  /** To the sender: there may be room. */
  drained(): void;
  /** Bytes arrived and the receiver has closed. */
  bounced(): void;
  /** The fault's offset was reached: both ends are to see RST. */
  broke(): void;
}

interface Segment {
  bytes: Buffer;
  readonly at: number;
}

// A read of Bun's brings at most this much.
const LARGEST_CHUNK_BYTES = 512 * 1024;

export class Pipe {
  faults: Faults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: LinkOptions;
  readonly #capacity: number;
  readonly #ends: PipeEnds;
  #segments: Segment[] = [];
  #held = 0;
  #written = 0;
  #delivered = 0;
  #lastArrival = 0;
  #finAt: number | undefined;
  #finTold = false;
  /** What is written from here on is taken and vanishes. */
  #swallowing = false;
  #receiverGone = false;
  #paused = false;
  #stalled = false;
  #wantsDrain = false;
  #deliverTimer: TimerHandle;
  #drainTimer: TimerHandle;

  constructor(clock: Clock, random: Random, options: LinkOptions, ends: PipeEnds) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
    this.#capacity = options.capacityBytes ?? 64 * 1024;
    this.#ends = ends;
    this.faults = options.faults ?? {};
  }

  // --- the sender's side --------------------------------------------------------------------------------------

  /** Takes what fits, and copies it. */
  write(bytes: Uint8Array, offset: number, length: number): number {
    const { writeBytes, finAfterBytes } = this.faults;
    if (this.#swallowing || length === 0) return length;
    const most = writeBytes === undefined ? length : Math.max(1, this.#random.amount(writeBytes));
    const taken = Math.min(length, most, Math.max(0, this.#capacity - this.#held));
    if (taken < length) {
      this.#wantsDrain = true;
      this.#scheduleDrain();
    }
    if (taken === 0) return 0;
    const kept = Math.min(taken, (finAfterBytes ?? Infinity) - this.#written);
    if (kept > 0) {
      this.#segments.push({ bytes: Buffer.from(bytes.subarray(offset, offset + kept)), at: this.#arrival() });
      this.#held += kept;
    }
    this.#written += taken;
    if (finAfterBytes !== undefined && this.#written >= finAfterBytes) {
      this.finish();
      this.#swallowing = true;
    }
    this.#scheduleDelivery();
    return taken;
  }

  /** FIN follows what was written. */
  finish(): void {
    if (this.#finAt !== undefined || this.#swallowing) return;
    this.#finAt = this.#arrival();
    this.#scheduleDelivery();
  }

  /** The sender has reset: what its kernel still held is gone; what is left comes before the RST. @returns its time */
  cut(): number {
    const window = this.#options.windowBytes ?? Math.floor(this.#capacity / 2);
    while (this.#held > window) {
      const last = this.#segments.pop() as Segment;
      this.#held -= last.bytes.length;
      if (this.#held >= window) continue;
      const bytes = last.bytes.subarray(0, window - this.#held);
      this.#segments.push({ bytes, at: last.at });
      this.#held = window;
    }
    this.#finAt = undefined;
    this.#swallowing = true;
    return this.#arrival();
  }

  /** A moment not before that of what is under way. */
  #arrival(): number {
    const latency = Math.max(0, this.#random.amount(this.#options.latencyMs ?? 0));
    this.#lastArrival = Math.max(this.#lastArrival, this.#clock.now() + latency);
    return this.#lastArrival;
  }

  /** Tells the sender of room although there is no news, where the faults say so. */
  spuriousDrain(): void {
    if (this.faults.spuriousDrains !== true) return;
    this.#wantsDrain = true;
    this.#scheduleDrain();
  }

  #scheduleDrain(): void {
    if (!this.#wantsDrain || this.#drainTimer !== undefined || this.#held >= this.#capacity) return;
    const delay = this.#random.amount(this.faults.drainDelayMs ?? 0);
    this.#drainTimer = this.#clock.setTimer(() => {
      this.#drainTimer = undefined;
      this.#wantsDrain = false;
      this.#ends.drained();
    }, delay);
  }

  // --- the receiver's side ------------------------------------------------------------------------------------

  set paused(paused: boolean) {
    this.#paused = paused;
    this.#scheduleDelivery();
  }

  /** As paused, but from outside: a receiver whose program does not run. */
  set stalled(stalled: boolean) {
    this.#stalled = stalled;
    this.#scheduleDelivery();
  }

  /** Whether bytes have reached the receiver's kernel and not the receiver. */
  get unread(): boolean {
    const first = this.#segments[0];
    return first !== undefined && first.at <= this.#clock.now();
  }

  /** The receiver has closed: what arrives from now on bounces. */
  abandon(): void {
    this.#receiverGone = true;
    this.#scheduleDelivery();
  }

  /** Takes everything out, for the delivery that precedes a reset. */
  takeAll(): Buffer {
    const all = Buffer.concat(this.#segments.map((segment) => segment.bytes));
    this.stop();
    return all;
  }

  /** Nothing is delivered any more; what is written vanishes. */
  stop(): void {
    this.#segments = [];
    this.#held = 0;
    this.#finAt = undefined;
    this.#swallowing = true;
    this.#wantsDrain = false;
    this.#clock.clearTimer(this.#deliverTimer);
    this.#deliverTimer = undefined;
    this.stopDrains();
  }

  /** The sender has released its end. */
  stopDrains(): void {
    this.#clock.clearTimer(this.#drainTimer);
    this.#drainTimer = undefined;
    this.#wantsDrain = false;
  }

  #scheduleDelivery(pieceDelayMs = 0): void {
    if (this.#deliverTimer !== undefined) return;
    const due = this.#segments[0]?.at ?? (this.#finTold ? undefined : this.#finAt);
    if (due === undefined) return;
    if (!this.#receiverGone && (this.#paused || this.#stalled)) return;
    const delay = Math.max(due - this.#clock.now(), pieceDelayMs);
    this.#deliverTimer = this.#clock.setTimer(() => {
      this.#deliverTimer = undefined;
      this.#deliver();
    }, delay);
  }

  #deliver(): void {
    if (this.#receiverGone) {
      if (this.#segments.length === 0) return;
      this.stop();
      this.#ends.bounced();
      return;
    }
    if (this.#paused || this.#stalled) return;
    if (this.#segments.length === 0) {
      if (this.#finAt === undefined || this.#finTold) return;
      this.#finTold = true;
      this.#ends.ended();
      return;
    }
    const { pieceBytes, pieceDelayMs, rstAfterBytes } = this.faults;
    const piece = Math.max(1, this.#random.amount(pieceBytes ?? LARGEST_CHUNK_BYTES));
    const chunk = this.#take(Math.min(piece, (rstAfterBytes ?? Infinity) - this.#delivered));
    this.#delivered += chunk.length;
    // Before the receiver is told, who may close in return.
    this.#scheduleDelivery(this.#random.amount(pieceDelayMs ?? 0));
    this.#scheduleDrain();
    if (chunk.length > 0) this.#ends.received(chunk);
    if (rstAfterBytes === undefined || this.#delivered < rstAfterBytes) return;
    // Exactly so many: what is under way behind them is lost.
    this.#segments = [];
    this.#held = 0;
    this.#ends.broke();
  }

  // Up to `most` of the bytes that have arrived, in a store of their own.
  #take(most: number): Buffer {
    const parts: Buffer[] = [];
    let left = most;
    const now = this.#clock.now();
    for (let first = this.#segments[0]; first !== undefined && left > 0; first = this.#segments[0]) {
      if (first.at > now) break;
      const part = first.bytes.subarray(0, left);
      parts.push(part);
      left -= part.length;
      this.#held -= part.length;
      if (part.length < first.bytes.length) first.bytes = first.bytes.subarray(part.length);
      else this.#segments.shift();
    }
    return Buffer.concat(parts);
  }
}
