/**
 * A connected stream socket without a kernel, for the micro benches: `receive()` is what Bun's data callback would
 * do, and every write is taken whole at once. Everything above the wire is the library's own code.
 */
import type { Address } from "../../src/base/address.ts";
import { AF_INET } from "../../src/base/constants.ts";
import type { Socket } from "../../src/socket/socket.ts";
import { StreamSocket } from "../../src/socket/stream-socket.ts";

export class StandInSocket extends StreamSocket {
  /** Writes that reached the wire. */
  writes = 0;

  constructor() {
    super(AF_INET, "open");
  }

  receive(chunk: Buffer): void {
    this.wireReceived(chunk);
  }

  protected wireWrite(_bytes: Uint8Array, _offset: number, length: number): number {
    this.writes++;
    return length;
  }
  protected wireShutdown(): void {}
  protected wirePause(): void {}
  protected wireResume(): void {}
  protected wireClose(): void {}
  protected wireTerminate(): void {}

  bind(): void {}
  listen(): void {}
  accept(): readonly [Socket, Address] | undefined {
    return undefined;
  }
  connect(): void {}
  getsockname(): Address {
    return ["127.0.0.1", 1];
  }
  getpeername(): Address {
    return ["127.0.0.1", 2];
  }
  getsockopt(): number {
    return 0;
  }
  setsockopt(): void {}
  fileno(): number {
    return -1;
  }
}
