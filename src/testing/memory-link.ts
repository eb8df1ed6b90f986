/**
 * A connection in memory: two {@link Pipe}s and what FIN, RST and close(2) at one end mean at the other, as TCP and
 * Bun have it (measured: data before a reset is delivered, paused or not; after both FINs the end is told as
 * closed; a write that meets a reset before its event does makes the reset look like a clean end).
 */
import type { Clock, TimerHandle } from "../base/clock.ts";
import { osError } from "../base/errors.ts";
import type { MemorySocket, MemoryWire } from "../socket/memory.ts";
import type { Socket } from "../socket/socket.ts";
import type { Faults, LinkOptions } from "./faults.ts";
import { Pipe } from "./memory-pipe.ts";
import type { Random } from "./random.ts";

class LinkEnd implements MemoryWire {
  readonly link: MemoryLink;
  readonly #clock: Clock;
  /** Undefined once it has closed, or was told that the connection is gone. */
  #socket: MemorySocket | undefined;
  #peer!: LinkEnd;
  #out!: Pipe;
  #in!: Pipe;
  #finSent = false;
  #finSeen = false;
  #closedTimer: TimerHandle;
  #resetAt: number | undefined;
  #writeMetReset = false;

  constructor(link: MemoryLink, clock: Clock, socket: MemorySocket) {
    this.link = link;
    this.#clock = clock;
    this.#socket = socket;
  }

  join(peer: LinkEnd, random: Random, options: LinkOptions): void {
    this.#peer = peer;
    this.#out = new Pipe(this.#clock, random, options, {
      received: (chunk) => peer.#socket?.linkReceived(chunk),
      ended: () => peer.#finCame(),
      drained: () => this.#socket?.linkDrained(),
      bounced: () => peer.#reset(),
      broke: () => this.link.reset(),
    });
    peer.#in = this.#out;
  }

  set faults(faults: Faults) {
    this.#out.faults = faults;
  }
  get live(): boolean {
    return this.#socket !== undefined;
  }

  // --- what the socket does -----------------------------------------------------------------------------------

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#socket === undefined || this.#finSent) return -1;
    if (this.#resetAt !== undefined && this.#resetAt <= this.#clock.now()) {
      this.#writeMetReset = true;
      return -1;
    }
    return this.#out.write(bytes, offset, length);
  }

  shutdown(): void {
    if (this.#socket === undefined || this.#finSent) return;
    this.#finSent = true;
    this.#out.finish();
    if (this.#finSeen) this.#tellClosedSoon();
  }

  pause(): void {
    this.#in.paused = true;
    this.#out.spuriousDrain();
  }
  resume(): void {
    this.#in.paused = false;
  }

  close(): void {
    if (this.#in.unread) {
      this.terminate();
      return;
    }
    this.#release();
    this.#out.finish();
    this.#in.abandon();
  }

  terminate(): void {
    if (this.#socket === undefined) return;
    this.#reset();
  }

  // --- what happens to it -------------------------------------------------------------------------------------

  /** Sends FIN in the socket's place: the socket does not know. */
  finish(): void {
    this.#out.finish();
  }
  /** The socket's program stops taking, or goes on. */
  set stalled(stalled: boolean) {
    this.#in.stalled = stalled;
  }

  /** RST comes in, after what is under way to this end. */
  meetReset(): void {
    if (this.#socket === undefined || this.#resetAt !== undefined) return;
    const at = this.#in.cut();
    this.#resetAt = at;
    this.#clock.clearTimer(this.#closedTimer);
    this.#closedTimer = this.#clock.setTimer(() => this.#tellReset(), at - this.#clock.now());
  }

  // Sends RST and is gone. What the peer still writes is taken by its kernel, and vanishes.
  #reset(): void {
    this.#release();
    this.#in.stop();
    if (this.#peer.#socket === undefined) this.#out.stop();
    else this.#peer.meetReset();
  }

  #finCame(): void {
    this.#finSeen = true;
    if (this.#finSent) this.#tellClosed();
    else this.#socket?.linkEnded();
  }

  #tellClosedSoon(): void {
    if (this.#resetAt !== undefined) return;
    this.#closedTimer = this.#clock.setTimer(() => this.#tellClosed(), 0);
  }

  #tellClosed(): void {
    const socket = this.#socket;
    this.#release();
    this.#in.abandon();
    socket?.linkClosed(undefined);
  }

  #tellReset(): void {
    const bytes = this.#in.takeAll();
    if (bytes.length > 0) this.#socket?.linkReceived(bytes);
    if (this.#writeMetReset) this.#socket?.linkEnded();
    // Either call may have closed it.
    const socket = this.#socket;
    this.#release();
    const code = this.#finSeen ? "EPIPE" : "ECONNRESET";
    socket?.linkClosed(this.#writeMetReset ? undefined : osError(code, { syscall: "recv" }));
  }

  #release(): void {
    this.#socket = undefined;
    this.#clock.clearTimer(this.#closedTimer);
    this.#closedTimer = undefined;
    this.#out.stopDrains();
  }
}

/** A connection between two memory sockets, for tests that meddle with it; see {@link linkOf}. */
export class MemoryLink {
  readonly #a: LinkEnd;
  readonly #b: LinkEnd;

  /** For the network: connects two sockets; the wires are given to them by `opened`. */
  constructor(clock: Clock, random: Random, options: LinkOptions, a: MemorySocket, b: MemorySocket) {
    this.#a = new LinkEnd(this, clock, a);
    this.#b = new LinkEnd(this, clock, b);
    this.#a.join(this.#b, random, options);
    this.#b.join(this.#a, random, options);
    ends.set(a, this.#a);
    ends.set(b, this.#b);
  }

  /** For the network. */
  get wires(): readonly [MemoryWire, MemoryWire] {
    return [this.#a, this.#b];
  }

  /** Whether an end is still held by its socket. */
  get live(): boolean {
    return this.#a.live || this.#b.live;
  }

  /** Both ends see RST, as when a box between them gives the connection up. */
  reset(): void {
    this.#a.meetReset();
    this.#b.meetReset();
  }

  /** The peer of `sender` sees FIN after what was written so far; `sender` is not asked. */
  end(sender: Socket): void {
    endOf(sender).finish();
  }

  /** From now on `receiver` takes nothing from its kernel: its program hangs. */
  stall(receiver: Socket): void {
    endOf(receiver).stalled = true;
  }

  /** The program goes on. */
  unstall(receiver: Socket): void {
    endOf(receiver).stalled = false;
  }

  /** Replaces the faults of what `sender` sends. */
  setFaults(sender: Socket, faults: Faults): void {
    endOf(sender).faults = faults;
  }
}

const ends = new WeakMap<Socket, LinkEnd>();

function endOf(socket: Socket): LinkEnd {
  const end = ends.get(socket);
  if (end === undefined) throw osError("ENOTCONN", { syscall: "linkOf", detail: "no memory connection" });
  return end;
}

/** The connection that `socket` has or had. @throws {OSError} ENOTCONN it never had one, or is no memory socket */
export function linkOf(socket: Socket): MemoryLink {
  return endOf(socket).link;
}
