/**
 * Ping-pong: each connection sends one message, waits until all of it came back, sends the next. Every message
 * carries its connection and a serial number, so that a stale or strayed reply is a wrong one.
 */
import type { Socket } from "bun";

import type { ClientJob } from "../workload.ts";
import { Load } from "./load.ts";

interface Exchange {
  readonly message: Buffer;
  sent: number;
  received: number;
  serial: number;
}

export class EchoLoad extends Load<Exchange> {
  readonly bytesPerMessage: number;

  constructor(job: Extract<ClientJob, { kind: "echo" }>) {
    super();
    this.bytesPerMessage = job.bytes;
  }

  protected dataOf(index: number): Exchange {
    const message = Buffer.alloc(this.bytesPerMessage);
    for (let at = 0; at < message.length; at++) message[at] = (at * 31 + index * 7) & 0xff;
    return { message, sent: 0, received: 0, serial: 0 };
  }

  protected send(wire: Socket<Exchange>): void {
    const exchange = wire.data;
    const left = this.bytesPerMessage - exchange.sent;
    if (left === 0) return;
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
    exchange.message.writeUInt32LE(++exchange.serial, 0);
    exchange.sent = 0;
    exchange.received = 0;
    if (this.running) this.send(wire);
    else this.rests();
  }
}
