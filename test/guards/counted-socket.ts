/**
 * The stand-in socket of the micro benches, with a kernel that can be full, and with counts of what reaches the wire.
 * The guards count with it and time nothing: a figure here is the same on every machine and at every load.
 */
import { StandInSocket } from "../../bench/micro/stand-in-socket.ts";

const text = new TextDecoder("latin1");

export class CountedSocket extends StandInSocket {
  /** What was written, in order. */
  readonly written: string[] = [];
  /** How often it was asked to flush. */
  flushes = 0;
  /** The kernel is full: writes take nothing, until {@link drain}. */
  full = false;

  protected override wireWrite(bytes: Uint8Array, offset: number, length: number): number {
    super.wireWrite(bytes, offset, length);
    if (this.full) return 0;
    this.written.push(text.decode(bytes.subarray(offset, offset + length)));
    return length;
  }

  override flush(): void {
    this.flushes++;
    super.flush();
  }

  /** There is room again, as Bun's drain says. */
  drain(): void {
    this.full = false;
    this.wireDrained();
  }

  /** How many writes there were since the last call. */
  takeWrites(): number {
    const { writes } = this;
    this.writes = 0;
    return writes;
  }

  /** How many flushes there were since the last call. */
  takeFlushes(): number {
    const { flushes } = this;
    this.flushes = 0;
    return flushes;
  }
}
