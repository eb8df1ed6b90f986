/**
 * Ping-pong: each connection sends one message, waits until all of it came back, sends the next. Every message
 * carries its connection and a serial number, so that a stale or strayed reply is a wrong one.
 */
import type { Socket } from "bun";

import { sparedDescriptors } from "../process-cpu.ts";
import type { ClientJob } from "../workload.ts";
import { connectAll } from "./connect.ts";
import { Load } from "./load.ts";

/** Descriptors left to the other servers' connections of the same generator. */
const RESERVED = 2000;

export interface Exchange {
  readonly message: Buffer;
  /** When the first of it went out. */
  begun: number;
  sent: number;
  received: number;
  serial: number;
}

export class EchoLoad extends Load<Exchange> {
  readonly bytesPerMessage: number;
  readonly notes: string[] = [];
  readonly #bystanders: number;
  #silent: readonly Socket[] = [];

  constructor(job: Pick<Extract<ClientJob, { kind: "echo" }>, "bytes" | "bystanders">) {
    super();
    this.bytesPerMessage = job.bytes;
    this.#bystanders = job.bystanders ?? 0;
  }

  override async open(connections: number, port: number): Promise<void> {
    const count = Math.min(this.#bystanders, sparedDescriptors() - RESERVED);
    if (count < this.#bystanders) {
      this.notes.push(`RLIMIT_NOFILE allows only ${count} idle connections of ${this.#bystanders}`);
    }
    this.#silent = await connectAll<undefined>(
      count,
      port,
      {
        data: () => this.fail("a connection that sent nothing got an answer"),
        close: () => this.fail("the server closed an idle connection"),
        error: (_wire, error) => this.fail(String(error)),
      },
      () => undefined,
    );
    await super.open(connections, port);
  }

  override close(): void {
    super.close();
    for (const wire of this.#silent) wire.terminate();
  }

  protected dataOf(index: number): Exchange {
    const message = Buffer.alloc(this.bytesPerMessage);
    for (let at = 0; at < message.length; at++) message[at] = (at * 31 + index * 7) & 0xff;
    return { message, begun: 0, sent: 0, received: 0, serial: 0 };
  }

  protected send(wire: Socket<Exchange>): void {
    const exchange = wire.data;
    const left = this.bytesPerMessage - exchange.sent;
    if (left === 0) return;
    if (exchange.sent === 0) exchange.begun = performance.now();
    const taken = wire.write(exchange.message, exchange.sent, left);
    if (taken < 0) this.fail("a connection is gone");
    else exchange.sent += taken;
  }

  protected received(wire: Socket<Exchange>, chunk: Buffer): void {
    const exchange = wire.data;
    const end = exchange.received + chunk.length;
    if (end > exchange.sent || chunk.compare(exchange.message, exchange.received, end) !== 0) {
      this.fail("wrong bytes came back");
      return;
    }
    this.bytes += chunk.length;
    exchange.received = end;
    if (end < this.bytesPerMessage) return;
    this.latency.record(performance.now() - exchange.begun);
    exchange.message.writeUInt32LE(++exchange.serial, 0);
    exchange.sent = 0;
    exchange.received = 0;
    if (this.running) this.send(wire);
    else this.rests();
  }
}
