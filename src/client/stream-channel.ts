/**
 * `StreamChannel`: a dispatcher for programs that await instead of overriding hooks. It keeps no bytes of its own: a
 * chunk leaves the socket when somebody asks for one, so that a slow consumer fills the socket's two chunks, then the
 * kernel, and then the peer waits. Only what came before a connection was lost is taken out, for the socket goes then.
 *
 *   read(), for await, readableStream ──► #take(): recv() now, or #taker is settled by the next handleRead()
 *   write(), writableStream ──► socket.send(), and below the high water mark at once, else by handleWrite()
 *   end() ──► FIN when the queue is empty; FIN both ways closes
 */
import { SHUT_WR } from "../base/constants.ts";
import { OSError, osError } from "../base/errors.ts";
import { bytesOf, type SendData } from "../bytes/send-data.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import { type ChunkSource, readableView, type WritableView, writableView } from "./stream-views.ts";

/** Options of {@link StreamChannel.chunks}. */
export interface ChunksOptions {
  /** Leave the channel open when the loop is over, or left before the end of the stream. Default false. */
  readonly preventClose?: boolean;
}

/** From this size on a `write()` goes piece by piece, so that the queue never holds much more than one. */
const PIECE_BYTES = 1024 * 1024;

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * A channel that is read and written with `await`. Back-pressure is the socket's: who does not read lets the peer wait,
 * and `write()` resolves when there is room for more. One consumer at a time reads.
 *
 * The peer's FIN ends the reading, and with it a `for await` loop, which closes the channel; otherwise writing goes on
 * until `end()`, `close()` or the end of an `await using`. A connection that is lost closes the channel: what came before
 * can still be read, then reading throws the loss, and so does writing.
 */
export class StreamChannel extends Dispatcher implements AsyncIterable<Buffer>, AsyncDisposable {
  /** Whoever reads until it is done: an iterator, or the readable view. */
  #consumer: object | undefined;
  /** The one who waits for a chunk. */
  #taker: PromiseWithResolvers<Buffer | null> | undefined;
  /** What came before the connection was lost and nobody has asked for yet. */
  #left: Buffer[] = [];
  /** The peer's FIN was met. */
  #ended = false;
  /** Why nothing more can be read … */
  #failure: { readonly error: unknown } | undefined;
  /** … and written. */
  #refusal: { readonly error: unknown } | undefined;
  /** Those who wait for the queue to fall to the low water mark. */
  #waiting: PromiseWithResolvers<void>[] = [];
  /** The last write that goes piece by piece; whatever is written later goes after it. */
  #pieces: Promise<void> | undefined;
  #piecesBytes = 0;
  #end: PromiseWithResolvers<void> | undefined;
  /** A FIN is to follow what is queued. */
  #finWanted = false;
  #finSent = false;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableView | undefined;

  // --- reading -----------------------------------------------------------------------------------------------

  /**
   * The next chunk as it came, null at the end of the stream.
   *
   * @throws {OSError} rejects with the loss (ECONNRESET, ETIMEDOUT …); ECONNABORTED after `close()`; EBUSY while
   *   somebody else reads
   */
  read(): Promise<Buffer | null> {
    return this.#read(undefined);
  }

  /**
   * Every chunk until the end of the stream. However the loop is left, the channel is then closed: what was written is
   * delivered. {@link chunks} can leave it open, to answer after the peer's FIN or to read on elsewhere.
   *
   * @throws as {@link read}
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer, undefined> {
    return this.chunks();
  }

  /** As `for await (const chunk of channel)`, with options. @throws as {@link read} */
  chunks(options: ChunksOptions = {}): AsyncIterableIterator<Buffer, undefined> {
    const { preventClose = false } = options;
    let over = false;
    const finish = (): IteratorReturnResult<undefined> => {
      over = true;
      if (this.#consumer === iterator) this.#consumer = undefined;
      return DONE;
    };
    const iterator: AsyncIterableIterator<Buffer, undefined> = {
      next: async () => {
        if (over) return DONE;
        try {
          const chunk = await this.#read(iterator);
          if (chunk !== null) return { done: false, value: chunk };
          if (!preventClose && !over) this.close();
          return finish();
        } catch (error) {
          // Another consumer's channel is left alone.
          finish();
          throw error;
        }
      },
      return: () => {
        if (!over && this.#consumer === iterator) {
          this.#settleTaker(null);
          if (!preventClose) this.close();
        }
        return Promise.resolve(finish());
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * The chunks as a byte stream, which takes one from the socket when it is asked for one, without copying it. Cancelling
   * it closes the channel. The same stream each time; from then on nobody else can read.
   *
   * @throws {OSError} EBUSY while somebody else reads
   */
  get readableStream(): ReadableStream<Uint8Array> {
    if (this.#readable !== undefined) return this.#readable;
    if (this.#consumer !== undefined || this.#taker !== undefined) throw busy();
    const view: ChunkSource = { read: () => this.#read(view), cancel: () => this.close() };
    this.#consumer = view;
    this.#readable = readableView(view);
    return this.#readable;
  }

  async #read(consumer: object | undefined): Promise<Buffer | null> {
    if (this.#taker !== undefined || (this.#consumer !== undefined && this.#consumer !== consumer))
      throw busy();
    this.#consumer = consumer;
    const chunk = this.#take();
    if (chunk !== undefined) return chunk;
    this.#taker = Promise.withResolvers<Buffer | null>();
    // A pass that waits has asked readable() already.
    this.wake();
    return this.#taker.promise;
  }

  // A chunk, null at the end, undefined when there is nothing yet. Throws why there will be nothing.
  #take(): Buffer | null | undefined {
    const left = this.#left.shift();
    if (left !== undefined) return left;
    if (!this.#isOver() && this.connected && this.socket?.readReady === true) {
      const chunk = this.#receive();
      if (chunk.length > 0) return chunk;
    }
    // recv() may have met the end.
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#ended ? null : undefined;
  }

  // What recv() throws is the end of the connection too.
  #receive(): Buffer {
    try {
      return this.recv();
    } catch (error) {
      this.#fail(error);
      return EMPTY;
    }
  }

  #isOver(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  #settleTaker(chunk: Buffer | null): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.resolve(chunk);
  }

  /** Whether somebody waits for a chunk; or the connection is over and its rest must be taken. */
  override readable(): boolean {
    return this.#taker !== undefined || (this.socket?.state === "ended" && !this.#isOver());
  }

  override handleRead(): HookResult {
    if (this.#taker !== undefined) {
      const chunk = this.#receive();
      if (chunk.length > 0) this.#settleTaker(chunk);
      return;
    }
    // Never more than the socket had when it ended.
    if (this.socket?.state !== "ended") return;
    for (let chunk = this.#receive(); chunk.length > 0; chunk = this.#receive()) this.#left.push(chunk);
  }

  // --- writing -----------------------------------------------------------------------------------------------

  /**
   * Sends all of `data`; resolves when there is room for more: at once below the high water mark, else when the queue
   * has fallen to the low one. More than 1 MiB goes piece by piece, and other writes after it: `data` must not change
   * before this resolves.
   *
   * @throws {OSError} rejects with the loss; EPIPE after `end()`; ECONNABORTED when the channel is or was closed here;
   *   ENOTCONN before there is a connection or an attempt; ENOBUFS when writes that nobody awaits pass
   *   `limits.maxBufferedBytes`, and the connection is reset
   * @throws {ArgumentTypeError} rejects so for what is neither text nor bytes
   */
  async write(data: SendData): Promise<void> {
    if (this.#end !== undefined) throw osError("EPIPE", { syscall: "send", detail: "after end()" });
    const bytes = typeof data === "string" ? undefined : bytesOf(data);
    const length = bytes?.length ?? (data as string).length;
    if (length > PIECE_BYTES) return this.#inTurn(piecesOf(bytes ?? Buffer.from(data as string)), length);
    return this.#pieces === undefined ? this.#write(data) : this.#inTurn([data], length);
  }

  #write(data: SendData): Promise<void> {
    const socket = this.#socketToSend();
    try {
      socket.send(data);
    } catch (error) {
      // The queue was full: the socket is reset, and nobody else would be told.
      if (error instanceof OSError && error.code === "ENOBUFS") this.#fail(error);
      throw error;
    }
    if (socket.writeReady) return Promise.resolve();
    const room = Promise.withResolvers<void>();
    this.#waiting.push(room);
    this.wake();
    return room.promise;
  }

  // After the write that goes piece by piece now. Each of its pieces may be refused, and then so are the rest.
  #inTurn(pieces: Iterable<SendData>, length: number): Promise<void> {
    const before = this.#pieces;
    const cap = this.#socketToSend().limits.maxBufferedBytes;
    if (before !== undefined && this.#piecesBytes + length > cap) {
      const detail = `${length} bytes behind ${this.#piecesBytes} that wait pass the cap of ${cap}`;
      const error = osError("ENOBUFS", { syscall: "send", detail });
      // What is missing must not look like the end of the stream.
      this.socket?.abort();
      this.#fail(error);
      throw error;
    }
    const mine = (async () => {
      if (before !== undefined) await before;
      for (const piece of pieces) await this.#write(piece);
    })();
    this.#pieces = mine;
    this.#piecesBytes += length;
    const over = (): void => {
      this.#piecesBytes -= length;
      if (this.#pieces === mine) this.#pieces = undefined;
    };
    mine.then(over, over);
    return mine;
  }

  /**
   * Sends FIN after everything written, and resolves when it is out, also where `close()` comes first. Reading goes on.
   * Later calls return the same promise.
   *
   * @throws {OSError} as {@link write}
   */
  end(): Promise<void> {
    if (this.#end !== undefined) return this.#end.promise;
    const end = Promise.withResolvers<void>();
    this.#end = end;
    const begin = (): void => {
      try {
        const socket = this.#socketToSend();
        // As in handleWrite().
        socket.send("");
        this.#finWanted = true;
        socket.flush();
        this.#tryEnd();
        if (this.#finWanted) this.#awaitEmpty(socket);
      } catch (error) {
        end.reject(error);
      }
    };
    if (this.#pieces === undefined) begin();
    else this.#pieces.then(begin, (error: unknown) => end.reject(error));
    return end.promise;
  }

  // In push mode a drained socket has writable() asked at once. But a pass that waits has asked before, and goes on waiting.
  #awaitEmpty(socket: Socket): void {
    const dispatch = socket.observer;
    if (dispatch === undefined) return;
    const watching: SocketObserver = {
      socketReady: () => {
        dispatch.socketReady();
        if (this.#finWanted && socket.bufferedAmount === 0) this.wake();
        if (!this.#finWanted && socket.observer === watching) socket.observe(dispatch);
      },
      socketChanged: () => dispatch.socketChanged(),
    };
    socket.observe(watching);
  }

  // FIN, once nothing is queued: sent earlier, nobody would tell when it is out.
  #tryEnd(): void {
    const { socket } = this;
    if (!this.#finWanted || !this.connected || socket?.state !== "open" || socket.bufferedAmount > 0) return;
    this.#finWanted = false;
    this.#finSent = true;
    this.shutdown(SHUT_WR);
    this.#end?.resolve();
    if (this.#ended) super.close();
  }

  #socketToSend(): Socket {
    if (this.#refusal !== undefined) throw this.#refusal.error;
    const { socket } = this;
    if (socket === undefined) throw osError("ENOTCONN", { syscall: "send" });
    return socket;
  }

  /** What is written to it goes through {@link write}; closing it is {@link end}, aborting it resets the connection. */
  get writableStream(): WritableStream<SendData> {
    this.#writable ??= writableView({
      write: (data) => this.write(data),
      close: () => this.end(),
      abort: () => this.abort(),
    });
    return this.#writable.stream;
  }

  /** Whether somebody waits for room, or for the FIN to go out. */
  override writable(): boolean {
    if (this.connecting || this.#waiting.length > 0) return true;
    return this.#finWanted && this.bufferedAmount === 0;
  }

  override handleWrite(): HookResult {
    try {
      // An empty send asks: it throws why the connection is gone.
      this.socket?.send("");
    } catch (error) {
      this.#failWrites(error);
      return;
    }
    for (const room of this.#waiting.splice(0)) room.resolve();
    this.#tryEnd();
  }

  #failWrites(error: unknown): void {
    this.#refusal ??= { error };
    for (const room of this.#waiting.splice(0)) room.reject(error);
    if (this.#finWanted) this.#end?.reject(error);
    this.#finWanted = false;
    this.#writable?.fail(error);
  }

  // --- the end -----------------------------------------------------------------------------------------------

  override handleConnect(): HookResult {}

  /** The peer's FIN ends the reading; a loss closes the channel. */
  override handleClose(lost?: OSError): HookResult {
    if (lost !== undefined) {
      this.#fail(lost);
      return;
    }
    this.#ended = true;
    this.#settleTaker(null);
    if (this.#finSent) super.close();
  }

  /** Whoever awaits gets the error: of the connect, or of a hook of a subclass. Closes the channel. */
  override handleError(error: unknown): HookResult {
    this.#fail(error);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.reject(error);
    this.#failWrites(error);
    super.close();
  }

  /** What was written is delivered; whoever waits to read or to write is told ECONNABORTED. */
  override close(): void {
    const { socket } = this;
    // A FIN follows what is queued anyway.
    const end = this.#finWanted ? this.#end : undefined;
    this.#finWanted = false;
    this.#giveUp();
    super.close();
    if (end === undefined) return;
    socket?.whenReleased((unsentBytes) => {
      if (unsentBytes === 0) end.resolve();
      else end.reject(osError("ECONNABORTED", { syscall: "send", detail: `${unsentBytes} bytes unsent` }));
    });
  }

  override abort(): void {
    this.#giveUp();
    super.abort();
  }

  #giveUp(): void {
    this.#left = [];
    const detail = "the channel was closed here";
    const error = osError("ECONNABORTED", { syscall: "recv", detail });
    if (!this.#isOver()) this.#failure = { error };
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.reject(error);
    this.#failWrites(error);
  }

  /** `close()`, and waits until the socket is released: for a bounded time (`limits`). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  override setSocket(socket: Socket, map?: ChannelMap): void {
    // The base class's constructor is here before there are any fields.
    if (#left in this && this.socket !== undefined) this.#renew();
    super.setSocket(socket, map);
  }

  #renew(): void {
    this.#giveUp();
    this.#consumer = undefined;
    this.#ended = false;
    this.#failure = undefined;
    this.#refusal = undefined;
    this.#pieces = undefined;
    this.#end = undefined;
    this.#finSent = false;
    this.#readable = undefined;
    this.#writable = undefined;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);

function busy(): OSError {
  return osError("EBUSY", { syscall: "recv", detail: "somebody else is reading this channel" });
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
    yield bytes.subarray(start, start + PIECE_BYTES);
  }
}
