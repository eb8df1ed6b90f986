/**
 * `AsyncChat`: asynchat's class. Input is cut into frames by a terminator and handed to `collectIncomingData()` and
 * `foundTerminator()`; output is a queue of bytes and producers that is refilled as the peer takes it.
 */
import { ArgumentRangeError, osError, type OSError } from "../base/errors.ts";
import { bytesOf, type SendData } from "../bytes/send-data.ts";
import { findPrefixAtEnd } from "../bytes/terminator.ts";
import type { Socket } from "../socket/socket.ts";
import { plaintextBehind } from "../socket/tls-context.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import { type ChannelMap, socketMap } from "./channel-map.ts";
import type { HookResult } from "./dispatch.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type ProducerSource, type Pull, pullFrom } from "./producer.ts";

/** What ends a frame: bytes or text; a count of bytes; null, 0 or empty: nothing does, everything is collected. */
export type Terminator = string | Uint8Array | number | null;

const EMPTY: Buffer = Buffer.alloc(0);
/** Chunks below this are joined to what was kept of the one before, as asynchat joins all. */
const COPIED_BYTES = 4096;

/**
 * A channel that speaks in frames. Override `collectIncomingData()` and `foundTerminator()`, and set a terminator.
 *
 * @example A server that answers each line
 * ```ts
 * import { AsyncChat, Dispatcher, type Socket } from "asyncore";
 *
 * class Line extends AsyncChat {
 *   #line: Buffer[] = [];
 *   constructor(socket: Socket) {
 *     super(socket);
 *     this.setTerminator("\n");
 *   }
 *   override collectIncomingData(data: Buffer) {
 *     this.#line.push(data);
 *   }
 *   override foundTerminator() {
 *     const line = Buffer.concat(this.#line.splice(0)).toString();
 *     this.push(`you said: ${line}\n`);
 *     if (line === "bye") this.closeWhenDone();
 *   }
 * }
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     new Line(socket);
 *     this.close();
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 *
 * const client = new Dispatcher();
 * client.createSocket();
 * client.connect(server.getsockname());
 * client.send("hello\nbye\n");
 * client.handleRead = () => void process.stdout.write(client.recv());
 * ```
 */
export class AsyncChat extends Dispatcher {
  /**
   * Most bytes collected before a terminator of bytes is found; beyond, the channel fails with EMSGSIZE. Counts of
   * bytes, and collecting without a terminator, are the program's own bound. Default 1 MiB; asynchat has none.
   */
  static maxCollectBytes: number = 1024 * 1024;

  /** Most bytes taken by one read. Default 64 KiB. */
  acInBufferSize = 65_536;
  /** A producer is asked again while less than this is queued, and less than the high water mark. Default 64 KiB. */
  acOutBufferSize = 65_536;
  #terminator: Terminator = null;
  #needle: Uint8Array = EMPTY;
  /** What was received and not handed on: from `#at` on. */
  #input: Buffer = EMPTY;
  #at = 0;
  #collected = 0;
  #output: (SendData | Pull | null)[] = [];
  /** What an async producer was asked for and has not given yet. */
  #pulling: Promise<SendData | undefined> | undefined;

  constructor(socket?: Socket, map: ChannelMap = socketMap) {
    super(socket, map);
  }

  // --- input -------------------------------------------------------------------------------------------------

  /** A part of the frame, as it came. The buffer is yours. */
  collectIncomingData(_data: Buffer): HookResult {
    throw new Error("collectIncomingData() must be overridden");
  }
  /** The frame is complete: all of it was given to `collectIncomingData()`. May set another terminator. */
  foundTerminator(): HookResult {
    throw new Error("foundTerminator() must be overridden");
  }

  /** @throws {ArgumentRangeError} a count that is negative or fractional */
  setTerminator(terminator: Terminator): void {
    if (typeof terminator === "number" && (!Number.isInteger(terminator) || terminator < 0)) {
      throw new ArgumentRangeError(`setTerminator: a count of bytes of at least 0, not ${terminator}`);
    }
    this.#terminator = terminator;
    const bytes = typeof terminator === "string" || terminator instanceof Uint8Array;
    this.#needle = bytes ? Buffer.from(terminator) : EMPTY;
  }
  /** Also while a part of a frame has been collected and its terminator has not come. */
  override get requestOpen(): boolean {
    return super.requestOpen || this.#collected > 0;
  }

  /**
   * As {@link Dispatcher.startTls}. What was received behind the request for TLS and not handed on counts as unread here
   * too, also a part of a frame.
   *
   * @throws {TLSError} `PLAINTEXT_BEHIND`
   * @throws {OSError} EAGAIN a producer still has something to send in plain
   */
  override startTls(options: TlsOptions): void {
    if (!this.accepting) {
      const behind = this.#input.length - this.#at + this.#collected;
      if (behind > 0) throw plaintextBehind(behind);
      this.channelDispatch.watch(this.initiateSend());
      if (this.#output.length > 0 || this.#pulling !== undefined) {
        throw osError("EAGAIN", { syscall: "startTls", detail: "a producer is not done" });
      }
    }
    super.startTls(options);
  }

  /** What was set; a count has been lowered by what was collected of it, and is 0 when it was reached. */
  getTerminator(): Terminator {
    return this.#terminator;
  }

  override handleRead(): HookResult {
    const data = this.recv(this.acInBufferSize);
    if (data.length === 0) return undefined;
    if (this.#input.length > 0) return this.#join(this.#input.subarray(this.#at), data);
    this.#input = data;
    return this.#scan();
  }

  // `kept` is a beginning of the terminator, or what a hook that failed has left. Of a large chunk only the seam is
  // copied: a peer could have every chunk end in half a terminator.
  #join(kept: Buffer, data: Buffer): HookResult {
    const needle = this.#needle;
    const reach = needle.length - 1;
    if (kept.length > reach || data.length < Math.max(reach, COPIED_BYTES)) {
      this.#input = Buffer.concat([kept, data]);
      this.#at = 0;
      return this.#scan();
    }
    const index = Buffer.concat([kept, data.subarray(0, reach)]).indexOf(needle);
    this.#input = data;
    this.#at = index < 0 ? 0 : index + needle.length - kept.length;
    const piece = index < 0 ? kept : kept.subarray(0, index);
    return this.#handOn(piece, index >= 0) ?? this.#scan();
  }

  // Hands on all that can be handed on. An async hook suspends it; no other read hook runs meanwhile.
  #scan(): HookResult {
    while (this.#at < this.#input.length) {
      if (!this.connected) return undefined;
      const input = this.#input;
      const from = this.#at;
      const terminator = this.#terminator;
      const needle = this.#needle;
      let to = input.length;
      let found = false;
      if (typeof terminator === "number" && terminator > 0) {
        to = Math.min(from + terminator, to);
        this.#terminator = terminator - (to - from);
        found = this.#terminator === 0;
      } else if (needle.length > 0) {
        const index = input.indexOf(needle, from);
        found = index >= 0;
        to = found ? index : to - prefixAtEnd(input, from, needle);
        if (to === from && !found) {
          // All there is may be the beginning of a terminator. A copy: the chunk is let go.
          this.#input = Buffer.from(input.subarray(from));
          this.#at = 0;
          return undefined;
        }
      }
      this.#at = found ? to + needle.length : to;
      const piece = from === 0 && to === input.length ? input : input.subarray(from, to);
      const pending = this.#handOn(piece, found);
      if (pending !== undefined) return pending;
    }
    this.#input = EMPTY;
    this.#at = 0;
    return undefined;
  }

  #handOn(piece: Buffer, found: boolean): HookResult {
    this.#count(piece.length, found);
    const collected = piece.length === 0 ? undefined : this.collectIncomingData(piece);
    if (collected !== undefined) return this.#goOn(collected, found);
    if (found && this.connected) {
      const ended = this.foundTerminator();
      if (ended !== undefined) return this.#goOn(ended, false);
    }
    return undefined;
  }

  async #goOn(pending: Promise<void> | void, found: boolean): Promise<void> {
    const { socket } = this;
    await pending;
    // The frame was another connection's if the channel has a new socket by now.
    if (found && this.connected && this.socket === socket) await this.foundTerminator();
    if (this.socket === socket) await this.#scan();
  }

  #count(length: number, found: boolean): void {
    this.#collected = this.#needle.length === 0 ? 0 : this.#collected + length;
    const { maxCollectBytes } = this.constructor as typeof AsyncChat;
    const most = Math.min(maxCollectBytes, this.socket?.limits.maxCollectBytes ?? Infinity);
    if (this.#collected > most) {
      throw osError("EMSGSIZE", { syscall: "recv", detail: `no terminator within ${most} bytes` });
    }
    if (found) this.#collected = 0;
  }

  // --- output ------------------------------------------------------------------------------------------------

  /** Sends `data` after all that was pushed before. @throws {ArgumentTypeError} neither text nor bytes */
  push(data: SendData): void {
    // It may have to wait for the connection or behind a producer, and the caller's memory may change meanwhile.
    const wait = this.#output.length > 0 || !this.connected;
    if (wait) this.#output.push(typeof data === "string" ? data : new Uint8Array(bytesOf(data)));
    else this.send(data);
  }

  /** Sends what `source` gives, piece by piece as the peer takes it, after all that was pushed before. */
  pushWithProducer(source: ProducerSource): void {
    this.#output.push(pullFrom(source));
    this.wake();
  }

  /** Calls `handleClose()`, which closes, when everything that was pushed has been sent. */
  closeWhenDone(): void {
    this.#output.push(null);
    this.wake();
  }

  /** Sends what was pushed and is still waiting, until enough is queued. */
  initiateSend(): HookResult {
    const enough = Math.min(this.acOutBufferSize, this.socket?.limits.highWaterBytes ?? 0);
    while (this.#output.length > 0 && this.connected && this.#pulling === undefined) {
      const first = this.#output[0] as SendData | Pull | null;
      if (first === null) {
        this.#output.shift();
        return this.handleClose();
      }
      if (isPull(first)) {
        if (this.bufferedAmount >= enough) return undefined;
        const data = first.next();
        if (data instanceof Promise) {
          this.#pulling = data;
          // Beside the hooks: a slow source must not keep the channel from reading.
          this.channelDispatch.watch(this.#pulled(data));
          return undefined;
        }
        this.#sendPulled(data);
      } else {
        this.#output.shift();
        this.send(first);
      }
    }
    return undefined;
  }

  async #pulled(next: Promise<SendData | undefined>): Promise<void> {
    try {
      const data = await next;
      // The channel was closed meanwhile, and perhaps pulls for its next connection.
      if (this.#pulling !== next || !this.connected) return;
      this.#sendPulled(data);
    } finally {
      if (this.#pulling === next) this.#pulling = undefined;
    }
    // Not done in a hook's turn, so that a failing source is this channel's failure.
    this.wake();
  }

  #sendPulled(data: SendData | undefined): void {
    if (data === undefined) this.#output.shift();
    else this.send(data);
  }

  /** Whether something waits to be sent, or the connection does not stand yet. */
  override writable(): boolean {
    return (this.#output.length > 0 && this.#pulling === undefined) || !this.connected;
  }
  override handleWrite(): HookResult {
    return this.initiateSend();
  }

  override handleClose(_lost?: OSError): HookResult {
    this.close();
  }
  override close(): void {
    super.close();
    this.discardBuffers();
  }
  override abort(): void {
    super.abort();
    this.discardBuffers();
  }

  /** Drops what was received and not collected, and what was pushed and not sent. */
  discardBuffers(): void {
    this.#input = EMPTY;
    this.#at = 0;
    this.#collected = 0;
    this.#pulling = undefined;
    const output = this.#output;
    this.#output = [];
    for (const item of output) if (isPull(item)) item.cancel();
  }
}

// How many bytes at the end of `input`, but not before `from`, are a beginning of `needle`.
function prefixAtEnd(input: Buffer, from: number, needle: Uint8Array): number {
  return findPrefixAtEnd(input.subarray(Math.max(from, input.length - needle.length + 1)), needle);
}

function isPull(item: SendData | Pull | null): item is Pull {
  return typeof item === "object" && item !== null && "next" in item;
}
