/** Our side of a transfer: channels that send the stream and close. */
import {
  type Address,
  type ChannelMap,
  Dispatcher,
  type Socket,
  socketMap,
  type SocketOptions,
  type StreamLimits,
  streamLimits,
} from "asyncore";

import { streamBytes } from "./stream.ts";

/**
 * `at once`: one `send()`, then `close()`. `in pieces`: `handleWrite()` sends the next one for as long as there are
 * any. `before it connects`: as `at once`, right after `connect()`.
 */
export type Way = "at once" | "in pieces" | "before it connects";

/** Sends `size` bytes of the stream, then closes. What the peer says is read and thrown away. */
export class Sender extends Dispatcher {
  // A 64 MiB transfer at once is more than the default cap.
  static override limits: StreamLimits = streamLimits({ maxBufferedBytes: 80 * 1024 * 1024 });

  readonly #size: number;
  readonly #way: Way;
  #sent = 0;
  #pieces = 0;
  /** What went wrong, where something did. */
  failure: unknown;

  constructor(size: number, way: Way, map: ChannelMap = socketMap) {
    super(undefined, map);
    this.#size = size;
    this.#way = way;
  }

  /** The connection stands: for the accepted ones, where `handleConnect` is not called. */
  begin(): void {
    if (this.#way === "in pieces") return;
    this.send(streamBytes(this.#size));
    this.#sent = this.#size;
    this.close();
  }

  /** Connects; the socket has been made. */
  start(to: Address): void {
    this.connect(to);
    if (this.#way === "before it connects") this.begin();
  }
  override handleConnect(): void {
    this.begin();
  }
  override writable(): boolean {
    // As with select(2), poll mode shows a connect's end only to a channel that asks for writing.
    return this.connecting || (this.#way === "in pieces" && this.#sent < this.#size);
  }
  // Pieces of 1 B to 96 KiB: some are copied together, some go out as they are.
  override handleWrite(): void {
    const length = Math.min(1 + ((this.#pieces++ * 30_011) % 98_304), this.#size - this.#sent);
    this.send(streamBytes(this.#size).subarray(this.#sent, this.#sent + length));
    this.#sent += length;
    if (this.#sent === this.#size) this.close();
  }
  override handleRead(): void {
    this.recv();
  }
  // The peer's FIN; ours follows when everything is sent.
  override handleClose(): void {}
  override handleError(error: unknown): void {
    this.failure = error;
    this.abort();
  }
}

/** Accepts one connection for `sender` and stops listening. */
export class SenderServer extends Dispatcher {
  readonly #sender: Sender;

  /** @param on an idle socket, or what kind to make */
  constructor(sender: Sender, on: SocketOptions | Socket, at: Address, map: ChannelMap = socketMap) {
    super(undefined, map);
    this.#sender = sender;
    if ("state" in on) this.setSocket(on);
    else this.createSocket(on);
    this.bind(at);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    this.#sender.setSocket(socket);
    this.#sender.begin();
    this.close();
  }
}
