/**
 * A connection: requests in, replies out. Everything a chunk asks for is answered in the turn that brought it, and goes
 * out in one write. A peer that asks for more than it reads is held back: when its replies have filled the queue up to
 * the high water mark, nothing more is run or read until they have drained.
 */
import { type ChannelMap, Dispatcher, formatAddress, type SendData, type Socket } from "asyncore";

import type { Client } from "./client.ts";
import { CommandError } from "./command-error.ts";
import { commands } from "./commands/index.ts";
import type { Keyspace } from "./keyspace.ts";
import type { RequestParser } from "./request-parser.ts";
import type { Service } from "./service.ts";

export class Session extends Dispatcher implements Client {
  // What every request looks at comes first, so that it lies together.
  readonly host: Service;
  readonly keys: Keyspace;
  protocol = 2;
  /** Holds what is unfinished, or waits until replies have drained; undefined when there is nothing. */
  #unfinished: RequestParser | undefined;
  /** Requests wait until replies have drained. */
  #held = false;
  /** The last reply is written. */
  #over = false;
  /** Closed. */
  #gone = false;
  readonly id: number;
  name = "";
  libraryName = "";
  libraryVersion = "";
  readonly #began = performance.now();

  constructor(socket: Socket, map: ChannelMap | undefined, service: Service) {
    super(socket, map);
    this.host = service;
    this.keys = service.keys;
    this.id = service.add(this);
  }

  override readable(): boolean {
    return !this.#held;
  }
  override handleRead(): void {
    const chunk = this.recv();
    if (chunk.length === 0) return;
    const requests = this.#unfinished ?? this.host.lendParser();
    if (!requests.push(chunk)) throw new Error(`a request of over ${this.host.limits.maxRequestBytes} bytes`);
    this.#answer(requests);
  }

  override writable(): boolean {
    return this.#held;
  }
  override handleWrite(): void {
    this.#held = false;
    if (this.#unfinished !== undefined) this.#answer(this.#unfinished);
  }

  // A connection may be lost while replies are written to it.
  override send(data: SendData): number {
    return this.#gone ? 0 : super.send(data);
  }

  override handleClose(): void {
    this.close();
  }
  override close(): void {
    this.#leave();
    super.close();
  }
  override abort(): void {
    this.#leave();
    super.abort();
  }
  #leave(): void {
    this.#gone = true;
    this.#over = true;
    this.host.clients.delete(this);
  }

  quit(): void {
    this.#over = true;
  }

  describe(): string {
    const { id, name, libraryName, libraryVersion, protocol } = this;
    const age = Math.floor((performance.now() - this.#began) / 1000);
    const address = this.addr === undefined ? "" : formatAddress(this.addr);
    const library = `lib-name=${libraryName} lib-ver=${libraryVersion}`;
    return (
      `id=${id} addr=${address} fd=${this.fileno()} name=${name} age=${age} flags=N db=0 ` +
      `qbuf=${this.#unfinished?.pending ?? 0} omem=${this.bufferedAmount} user=default ${library} resp=${protocol}`
    );
  }

  #answer(requests: RequestParser): void {
    const { host } = this;
    const { replies } = host;
    replies.begin(this, this.protocol);
    while (requests.next()) {
      host.processed++;
      try {
        commands.run(requests, replies, this);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        replies.error(error.message);
      }
      if (this.#over) break;
      // Nobody but a reply that went out on the way can have filled the queue.
      if (replies.spilled && this.#isFull()) {
        this.#held = true;
        break;
      }
    }
    const { fault } = requests;
    if (fault !== undefined && !this.#over) {
      replies.error(`ERR Protocol error: ${fault}`);
      this.#over = true;
    }
    replies.flush();
    if (this.#over) {
      this.close();
      return;
    }
    this.#held ||= this.#isFull();
    if (!this.#held) requests.keep();
    if (this.#held || requests.pending > 0) this.#unfinished = requests;
    else {
      this.#unfinished = undefined;
      host.takeParser(requests);
    }
  }

  /** Whether the peer has so much left to read that it has to wait with more. */
  #isFull(): boolean {
    return this.bufferedAmount >= (this.socket as Socket).limits.highWaterBytes;
  }
}
