/**
 * What every stream shares: the write queue, the read buffer, half-close, and the close machine. A kind of socket
 * (TCP, memory) extends it with six wire operations and calls the `wire…ed` methods when the wire tells something.
 * Must never run a user's code and never throw from a wire callback.
 *
 *                  opened                        close()
 *   idle ──► connecting ───► open ──────────────────────────────► flushing ── all written: FIN ──► lingering
 *    │            │           │ │                                    │                                │
 *    │            │ failed    │ └ RST, or FIN both ways ──► ended    │ RST, no progress for           │ peer's FIN,
 *    │            └───────────┼──────────────────────────►    │     │ closeTimeoutMs                 │ lingerTimeoutMs
 *    ▼                        ▼                               ▼     ▼                                ▼
 *  closed ◄──────────────── abort() ◄────────────────── close() ◄────────────────────────────────────┘
 *   (idle ──► listening ──► closed belongs to tcp.ts)
 *
 * A close() while connecting waits for the outcome when bytes were sent before, else it gives the attempt up.
 * ended: nothing more will come or go, but bytes that came before can still be read. From flushing on the observer
 * is gone, and what the peer sends is read and thrown away: unread bytes would make the kernel answer our FIN's
 * data with RST. Where the peer's FIN came first, the socket is released at once, for then nothing can be unread.
 */
import type { TimerHandle } from "../base/clock.ts";
import { armDeadline, clearDeadline } from "../base/deadline.ts";
import { SHUT_RD, SHUT_WR } from "../base/constants.ts";
import { osError, type OSError } from "../base/errors.ts";
import { queueMemory } from "../bytes/queue-memory.ts";
import { ReadBuffer } from "../bytes/read-buffer.ts";
import { bytesOf, type SendData } from "../bytes/send-data.ts";
import { WriteQueue } from "../bytes/write-queue.ts";
import { checkHow, checkSize } from "./arguments.ts";
import { BareSocket } from "./bare-socket.ts";
import { defaultLimits } from "./limits.ts";
import { PlainTail } from "./plain-tail.ts";
import { SendHabit } from "./send-habit.ts";
import type { SocketObserver, SocketState, StreamLimits } from "./socket.ts";
import { overBudget, overCap, recvRefusal, sendRefusal } from "./stream-errors.ts";
import {
  BLOCKED,
  CLOSE_TIMED_OUT,
  CLOSE_WANTED,
  EOF,
  EOF_TOLD,
  FIN_SENT,
  FIN_WANTED,
  FLUSH_QUEUED,
  HIGH,
  PAUSED,
  READ_SHUT,
} from "./stream-flags.ts";
import { type ByteRates, Throttle } from "./throttle.ts";
import { handshakeTimedOut, plaintextBehind } from "./tls-context.ts";
import { type Flushable, queueFlush, turnNumber } from "./turn.ts";

/** From this size on a piece is written at once instead of copied: its memcpy would cost more than a system call. */
const DIRECT_WRITE_BYTES = 32 * 1024;

/** Shared by all that have nothing queued: never appended to. */
const NOTHING = new WriteQueue();

/** Of these only the last is set while sends of a turn collect. */
const COLLECTING = BLOCKED | FIN_WANTED | CLOSE_WANTED | FLUSH_QUEUED;

export abstract class StreamSocket extends BareSocket implements Flushable {
  // What every message touches first, so that it shares its lines of the CPU's cache.
  limits: StreamLimits = defaultLimits;
  #state: SocketState;
  #flags = 0;
  #observer: SocketObserver | undefined;
  readonly #input = new ReadBuffer();
  bytesRead = 0;
  bytesSent = 0;
  /** A write said that the connection is gone, and the wire has not told its end yet. */
  #broken: OSError | undefined;
  readonly #habit: SendHabit;
  /** The number of the turn that sent last. */
  #turn = 0;
  #throttle: Throttle | undefined;
  #queue = NOTHING;
  /** Why it ended: told once to whoever reads, and once to whoever sends. */
  #error: OSError | undefined;
  #sendError: OSError | undefined;
  #deadline: TimerHandle;
  #securing: PlainTail | undefined;
  protected unsentBytes = 0;

  constructor(family: number, state: "idle" | "open", habit: SendHabit = new SendHabit()) {
    super(family);
    this.#state = state;
    this.#habit = habit;
  }

  // --- the wire: what a kind of socket provides ------------------------------------------------------------

  /** Writes without blocking. @returns how many bytes were taken, -1 when the connection is gone */
  protected abstract wireWrite(bytes: Uint8Array, offset: number, length: number): number;
  /** Sends FIN. */
  protected abstract wireShutdown(): void;
  protected abstract wirePause(): void;
  protected abstract wireResume(): void;
  /** Whether `wireClose()` keeps its promise also for bytes just written. TLS holds some back, and must send its own end. */
  protected get closesAtOnce(): boolean {
    return true;
  }
  /** Whether, after {@link wireShutdown}, bytes or the FIN may still wait for room in the kernel. A drain tells of their end. */
  protected get holdsBack(): boolean {
    return false;
  }
  /** Releases the descriptor; what the kernel holds still goes out. May call `wireClosed` before it returns. */
  protected abstract wireClose(): void;
  /** The socket is closed for good: let go of what is not the wire. */
  protected wireReleased(): void {}
  /** Nobody observes the socket, and something was written. */
  protected wireUnobserved(): void {}
  /** Resets and releases. May call `wireClosed` before it returns. */
  protected abstract wireTerminate(): void;

  // --- the wire: what it tells -----------------------------------------------------------------------------

  /** connect() succeeded. */
  protected wireOpened(): void {
    if (this.#state !== "connecting") return;
    this.#clearTimer();
    this.#state = "open";
    this.#securing = undefined;
    if ((this.#flags & CLOSE_WANTED) !== 0) {
      this.close();
      return;
    }
    this.flush();
    this.#observer?.socketReady();
  }

  /** connect() failed. */
  protected wireFailed(error: OSError): void {
    if (this.#state !== "connecting") return;
    if ((this.#flags & CLOSE_WANTED) !== 0) {
      this.#release();
      this.wireTerminate();
      return;
    }
    this.#error = error;
    this.#end();
    this.#observer?.socketReady();
  }

  /** Bytes came. The hottest line of the library: one store, one call. */
  protected wireReceived(chunk: Buffer): void {
    if (this.#state !== "open" || (this.#flags & READ_SHUT) !== 0) return;
    const input = this.#input;
    const waiting = input.length !== 0;
    input.push(chunk);
    this.#observer?.socketReady();
    if (this.#throttle !== undefined && this.#throttle.received(chunk.length)) this.#pause();
    // Nobody takes the bytes: after the second chunk that was left lying, the peer has to wait.
    if (input.length !== 0 && (waiting || this.#observer === undefined)) this.#pause();
  }

  /** There may be room again. Harmless when there is not. */
  protected wireDrained(): void {
    if (this.#securing !== undefined) this.#writePlain(this.#securing);
    if (this.#state === "lingering" && !this.closesAtOnce) this.#linger();
    if (this.#state !== "open" && this.#state !== "flushing") return;
    const before = this.#queue.length;
    this.#flags &= ~BLOCKED;
    this.flush();
    if (this.#state === "flushing") {
      // Bounded although it starts anew: the queue is finite, and each wait must make it shorter.
      if (this.#queue.length < before) this.#armFlushDeadline();
    } else if (this.writeReady) this.#observer?.socketReady();
  }

  /** The peer's FIN came. */
  protected wireEnded(): void {
    if ((this.#flags & EOF) !== 0) return;
    if (this.#broken !== undefined) {
      this.wireClosed(undefined);
      this.wireTerminate();
      return;
    }
    this.#flags |= EOF;
    this.#observer?.socketReady();
  }

  /**
   * The descriptor is gone, with the error where there was one. Without an error and without either FIN it is one all
   * the same (a reset that a write met first looks like a clean end to Bun), and so it is when we had more to send.
   */
  protected wireClosed(error: OSError | undefined): void {
    switch (this.#state) {
      case "connecting":
        this.wireFailed(error ?? osError("ECONNABORTED", { syscall: "connect" }));
        return;
      case "open":
        this.#error ??= error ?? this.#broken;
        if ((this.#flags & (EOF | FIN_SENT)) === 0)
          this.#error ??= osError("ECONNRESET", { syscall: "recv" });
        if (this.#queue.length > 0) this.#error ??= osError("EPIPE", { syscall: "send" });
        this.#end();
        this.#observer?.socketReady();
        return;
      case "flushing":
      case "lingering":
        this.#release();
        return;
      case "idle":
      case "listening":
      case "ended":
      case "closed":
    }
  }

  // --- state ------------------------------------------------------------------------------------------------

  get state(): SocketState {
    // Closed while connecting, with bytes to deliver: to everybody else that is flushing.
    return (this.#flags & CLOSE_WANTED) !== 0 && this.#state === "connecting" ? "flushing" : this.#state;
  }
  get bufferedAmount(): number {
    return this.#queue.length + (this.#securing?.length ?? 0);
  }
  /** The peer's FIN has been seen, or the connection is over. */
  get eof(): boolean {
    return (this.#flags & EOF) !== 0;
  }
  get readReady(): boolean {
    if (this.#input.length !== 0) return true;
    if (this.#state !== "open" && this.#state !== "ended")
      return this.#state === "listening" && this.acceptReady;
    // A loss may follow an end that was told.
    return this.#error !== undefined || (this.#flags & (EOF | EOF_TOLD)) === EOF;
  }
  get writeReady(): boolean {
    if (this.#state === "open") return (this.#flags & (HIGH | FIN_WANTED)) === 0;
    return this.#state === "ended" && this.#sendError !== undefined;
  }

  /** For the kind that listens: whether a connection is waiting. */
  protected get acceptReady(): boolean {
    return false;
  }
  /** For the kind that opens: whether the outcome of connect() is open. */
  protected get pending(): boolean {
    return this.#state === "connecting";
  }
  get observer(): SocketObserver | undefined {
    return this.#observer;
  }

  observe(observer: SocketObserver | undefined): void {
    this.#observer = observer;
    // Without one the peer is held back as soon as something comes; its FIN can still be seen.
    if (observer !== undefined && this.#input.length === 0) this.#resume();
  }

  takeError(): OSError | undefined {
    const error = this.#error;
    this.#error = undefined;
    this.#sendError = undefined;
    return error;
  }

  /** For the kind that opens: connecting begins. */
  protected startConnecting(): void {
    this.#state = "connecting";
    this.arm(this.limits.connectTimeoutMs, () => {
      this.wireFailed(this.connectTimedOut());
      this.wireTerminate();
    });
  }

  /** For the kind that has TLS: from now on the deadline is the handshake's. */
  protected startHandshake(): void {
    this.arm(this.limits.handshakeTimeoutMs, () => {
      this.wireFailed(handshakeTimedOut());
      this.wireTerminate();
    });
  }

  /** Whether startTls() is under way on a connection that stands. */
  protected get securing(): boolean {
    return this.#securing !== undefined;
  }

  /**
   * For the kind that has TLS: as if connecting again. `upgrade` is called when everything sent so far has gone out in
   * plain; what is sent from now on waits for {@link wireOpened}.
   */
  protected startSecuring(upgrade: () => void): void {
    if (this.#input.length !== 0) throw plaintextBehind(this.#input.length);
    if ((this.#flags & (EOF | FIN_WANTED)) !== 0 || this.#broken !== undefined) {
      throw osError("ENOTCONN", { syscall: "startTls", detail: "one direction is closed already" });
    }
    this.flush();
    const plain = new PlainTail(this.#queue, upgrade);
    this.#queue = NOTHING;
    this.#flags &= ~HIGH;
    this.#state = "connecting";
    this.#securing = plain;
    this.startHandshake();
    this.#writePlain(plain);
  }

  #writePlain(plain: PlainTail): void {
    if (!plain.write((bytes, offset, length) => this.wireWrite(bytes, offset, length))) return;
    this.#flags &= ~(BLOCKED | PAUSED);
    plain.upgrade();
  }

  protected startListening(): void {
    this.#state = "listening";
  }

  /** The error of a connect that its deadline ended. */
  protected connectTimedOut(): OSError {
    return osError("ETIMEDOUT", { syscall: "connect" });
  }

  // --- sending ----------------------------------------------------------------------------------------------

  send(data: SendData): number {
    // The second send of a turn and all that follow: one copy, about 30 ns.
    if ((this.#flags & COLLECTING) === FLUSH_QUEUED && this.#state === "open" && data instanceof Uint8Array) {
      const { maxBufferedBytes, highWaterBytes } = this.limits;
      if (this.#queue.appendInPlace(data, maxBufferedBytes)) {
        this.#writesAtOnce();
        this.bytesSent += data.length;
        if (this.#queue.length >= highWaterBytes) this.#flags |= HIGH;
        return data.length;
      }
    }
    if (
      (this.#flags & (FIN_WANTED | CLOSE_WANTED)) !== 0 ||
      this.#broken !== undefined ||
      (this.#state !== "open" && this.#state !== "connecting")
    ) {
      this.#refuseSend();
    }
    if (data === "") return 0;
    if (typeof data !== "string") return this.#sendBytes(bytesOf(data));
    if (data.length >= DIRECT_WRITE_BYTES) return this.#sendBytes(Buffer.from(data));
    this.#writesAtOnce();
    const queue = this.#ownQueue();
    // A UTF-16 code unit becomes at most three bytes: only near the cap is the exact length worth its price.
    const room = this.limits.maxBufferedBytes - queue.charge;
    if (data.length * 3 > room && Buffer.byteLength(data) > room) this.#overflow(Buffer.byteLength(data));
    const bytes = queue.appendText(data);
    this.#appended(bytes);
    return bytes;
  }

  #sendBytes(bytes: Uint8Array): number {
    const count = bytes.length;
    if (count === 0) return 0;
    let taken = 0;
    const atOnce = this.#writesAtOnce();
    if ((atOnce || count >= DIRECT_WRITE_BYTES) && this.#state === "open") {
      if (this.#queue.length !== 0) this.flush();
      if ((this.#flags & BLOCKED) === 0 && this.#throttle === undefined) {
        taken = this.wireWrite(bytes, 0, count);
        if (taken >= 0 && taken < count) this.#flags |= BLOCKED;
      }
    }
    if (taken < count) {
      const queue = this.#ownQueue();
      // A connection that is gone is nobody's mistake: the write at the end of the turn meets it too, and tells.
      const gone = taken < 0;
      if (gone) taken = 0;
      const charge = queue.charge + count - taken;
      if (charge > this.limits.maxBufferedBytes && !gone) this.#overflow(count);
      if ((this.#flags & BLOCKED) !== 0) queue.stall();
      queue.append(bytes, taken);
    }
    this.#appended(count);
    return count;
  }

  // Of each send: whether it is to be written at once. Also how the habit learns.
  #writesAtOnce(): boolean {
    const turn = turnNumber();
    const atOnce = this.#habit.sends(turn, this.#turn);
    this.#turn = turn;
    return atOnce;
  }

  // A connection that only reads, or only answers at once, has none of its own.
  #ownQueue(): WriteQueue {
    if (this.#queue === NOTHING) this.#queue = new WriteQueue();
    return this.#queue;
  }

  #appended(count: number): void {
    this.bytesSent += count;
    const queue = this.#queue;
    if (queue.length === 0) return;
    if (queue.length >= this.limits.highWaterBytes) this.#flags |= HIGH;
    if (queueMemory.bytes > queueMemory.budget) this.#overBudget();
    if ((this.#flags & BLOCKED) !== 0 || this.#state !== "open") return;
    if (queue.blockFilled) this.#write(true);
    if ((this.#flags & (FLUSH_QUEUED | BLOCKED)) === 0 && queue.length > 0) {
      this.#flags |= FLUSH_QUEUED;
      queueFlush(this);
    }
  }

  flush(): void {
    this.#flags &= ~FLUSH_QUEUED;
    this.#write(false);
  }

  // With `filledOnly` the block that is still being filled stays: it goes out in the same number of writes later, and fuller.
  #write(filledOnly: boolean): void {
    if ((this.#flags & BLOCKED) !== 0 || (this.#state !== "open" && this.#state !== "flushing")) return;
    const queue = this.#queue;
    let front = queue.front;
    while (front !== undefined) {
      const throttle = this.#throttle;
      const length = throttle === undefined ? queue.frontLength : throttle.allowance(queue.frontLength);
      const taken = length === 0 ? 0 : this.wireWrite(front, queue.start, length);
      if (taken < 0) {
        this.#writeFailed();
        return;
      }
      throttle?.written(taken);
      queue.consume(taken);
      if (taken < length || length === 0) {
        this.#flags |= BLOCKED;
        queue.stall();
        break;
      }
      if (filledOnly && !queue.blockFilled) break;
      front = queue.front;
    }
    queue.release();
    if (queue.length === 0 && (this.#flags & FIN_WANTED) !== 0) this.#sendFin();
    if ((this.#flags & HIGH) !== 0 && queue.length <= this.limits.lowWaterBytes) {
      this.#flags &= ~HIGH;
      this.#observer?.socketChanged();
    }
    if (this.#observer === undefined) this.wireUnobserved();
  }

  // The wire said -1: the connection is gone, and Bun may report that as a clean end. The error is kept for then;
  // until then bytes that came before the reset can still arrive, and are not thrown away.
  #writeFailed(): void {
    this.#drop();
    if (this.#state === "flushing") {
      this.#release();
      this.wireTerminate();
      return;
    }
    this.#broken = osError((this.#flags & EOF) !== 0 ? "EPIPE" : "ECONNRESET", { syscall: "send" });
    this.#flags |= BLOCKED;
    this.#resume();
    this.arm(this.limits.lingerTimeoutMs, () => {
      this.wireClosed(undefined);
      this.wireTerminate();
    });
  }

  #refuseSend(): never {
    const lost = this.#state === "ended" ? this.#sendError : this.#broken;
    if (this.#state === "ended") this.#sendError = undefined;
    throw sendRefusal(this.state, lost);
  }

  #overflow(count: number): never {
    this.#loseAndThrow(overCap(count, this.#queue.length, this.limits.maxBufferedBytes));
  }

  #overBudget(): void {
    if (queueMemory.relief?.() === true || this.#state === "ended" || this.#state === "closed") return;
    this.#loseAndThrow(overBudget());
  }

  #loseAndThrow(error: OSError): never {
    this.#lose(error);
    throw error;
  }

  cut(error: OSError): void {
    if (this.#state === "ended") return;
    const live = this.#state === "open" || this.#state === "connecting";
    // With nobody to be told, nobody would close it.
    if (live && this.#observer !== undefined) this.#lose(error);
    else this.abort();
  }

  #lose(error: OSError): void {
    this.#error = error;
    this.#input.clear();
    this.#end();
    // What is missing must not look like the end of the stream to the peer: RST, not FIN.
    this.wireTerminate();
    this.#observer?.socketChanged();
  }

  // --- receiving --------------------------------------------------------------------------------------------

  recv(size: number = Infinity): Buffer | undefined {
    checkSize(size);
    const chunk = this.#input.take(size);
    if (chunk !== undefined) {
      this.bytesRead += chunk.length;
      if ((this.#flags & PAUSED) !== 0 && this.#input.length === 0 && this.#observer !== undefined)
        this.#resume();
      return chunk;
    }
    const refusal = recvRefusal(this.state, this.#securing !== undefined);
    if (refusal !== undefined) throw refusal;
    if (this.#securing !== undefined) return undefined;
    // Asking for nothing is no way to be told the end.
    if (size === 0) return (this.#flags & EOF) !== 0 ? EMPTY : undefined;
    const error = this.takeError();
    if (error !== undefined) throw error;
    if ((this.#flags & EOF) === 0) return undefined;
    this.#flags |= EOF_TOLD;
    return EMPTY;
  }

  #pause(): void {
    if ((this.#flags & PAUSED) !== 0 || this.#state !== "open") return;
    this.#flags |= PAUSED;
    this.wirePause();
  }

  #resume(): void {
    if ((this.#flags & PAUSED) === 0 || this.#throttle?.holdsReading === true) return;
    this.#flags &= ~PAUSED;
    this.wireResume();
  }

  override get throttled(): boolean {
    return this.#throttle !== undefined && (this.#throttle.holdsReading || this.#throttle.holdsWriting);
  }
  override throttle(rates: ByteRates | undefined): void {
    const mayRead = (): void => {
      if (this.#input.length === 0) this.#resume();
    };
    const mayWrite = (): void => this.wireDrained();
    const next = rates === undefined ? undefined : new Throttle(rates, this.clock, mayRead, mayWrite);
    this.#throttle?.stop();
    this.#throttle = next;
    // What the old one has held back.
    mayRead();
    mayWrite();
  }

  // --- ending -----------------------------------------------------------------------------------------------

  shutdown(how: number): void {
    checkHow(how);
    const { state } = this;
    if (state !== "open") {
      const gone = state === "flushing" || state === "lingering" || state === "closed";
      throw osError(gone ? "EBADF" : "ENOTCONN", { syscall: "shutdown" });
    }
    if (how !== SHUT_RD && (this.#flags & FIN_WANTED) === 0) {
      this.#flags |= FIN_WANTED;
      this.flush();
    }
    if (how !== SHUT_WR && (this.#flags & READ_SHUT) === 0) {
      this.#flags |= READ_SHUT | EOF;
      this.#input.clear();
      // Its bytes are dropped from here on, but they must be read, or the peer's FIN would never be seen.
      this.#resume();
      this.#observer?.socketChanged();
    }
  }

  close(): void {
    this.#observer = undefined;
    switch (this.#state) {
      case "open":
        // A write has met the end of the connection already.
        if (this.#broken !== undefined) break;
        this.#input.clear();
        this.#state = "flushing";
        this.#flags |= FIN_WANTED;
        // What comes now is thrown away, and has to be: unread bytes would make the kernel reset.
        this.#throttle?.stopReading();
        this.#resume();
        if ((this.#flags & FIN_SENT) !== 0) this.#linger();
        else this.flush();
        // flush() may have gone further than "flushing".
        if ((this.#state as SocketState) === "flushing") this.#armFlushDeadline();
        return;
      case "connecting":
        if (this.bufferedAmount === 0) break;
        // What was accepted is still owed to the peer: wireOpened() goes on from here.
        this.#flags |= CLOSE_WANTED;
        return;
      case "idle":
      case "listening":
      case "ended":
        break;
      case "flushing":
      case "lingering":
      case "closed":
        return;
    }
    this.#release();
    this.wireTerminate();
  }

  abort(): void {
    this.#observer = undefined;
    if (this.#state === "closed") return;
    this.#release();
    this.wireTerminate();
  }

  #sendFin(): void {
    if ((this.#flags & FIN_SENT) !== 0) return;
    this.#flags |= FIN_SENT;
    if (this.#state !== "flushing") {
      this.wireShutdown();
      return;
    }
    if ((this.#flags & (EOF | READ_SHUT)) === EOF && this.closesAtOnce) {
      // Both directions are done, so close(2) can lose nothing, and saves a turn.
      this.#release();
      this.wireClose();
      return;
    }
    this.wireShutdown();
    this.#linger();
  }

  #linger(): void {
    this.#state = "lingering";
    this.arm(this.limits.lingerTimeoutMs, () => {
      if (this.holdsBack) {
        // The peer takes nothing: this is a flush that has not ended.
        this.#armFlushDeadline();
        return;
      }
      // The gentle close: the kernel goes on sending what it holds.
      this.#release();
      this.wireClose();
    });
  }

  #armFlushDeadline(): void {
    this.arm(this.limits.closeTimeoutMs, () => {
      this.#flags |= CLOSE_TIMED_OUT;
      this.#release();
      this.wireTerminate();
    });
  }

  /** One timer at most: each state waits for one thing. */
  protected arm(delayMs: number, expired: () => void): void {
    const state = this.#state;
    this.#deadline = armDeadline(this.clock, this.#deadline, delayMs, () => {
      this.#deadline = undefined;
      if (this.#state === state) expired();
    });
  }
  #clearTimer(): void {
    this.#deadline = clearDeadline(this.clock, this.#deadline);
  }

  #end(): void {
    this.#clearTimer();
    this.#state = "ended"; // by itself: the owner has not closed it yet
    this.#sendError = this.#error;
    this.#flags |= EOF;
    this.#flags &= ~HIGH;
    this.#drop();
  }

  protected override get closeTimedOut(): boolean {
    return (this.#flags & CLOSE_TIMED_OUT) !== 0;
  }

  #drop(): void {
    this.#throttle?.stop();
    this.#throttle = undefined;
    this.unsentBytes += this.bufferedAmount;
    if (this.#queue !== NOTHING) this.#queue.clear();
    this.#securing?.clear();
    this.#securing = undefined;
  }

  // Nothing is held any more. Set before the wire is told, for it may call back at once.
  #release(): void {
    this.#clearTimer();
    this.#state = "closed";
    this.#error = undefined;
    this.#drop();
    this.#input.clear();
    this.wireReleased();
    this.tellReleased();
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
