/** A connection of a server that has its handler: what the server keeps beside the channel. */
import { osError } from "../base/errors.ts";
import type { Dispatcher } from "../dispatcher/dispatcher.ts";
import type { Socket } from "../socket/socket.ts";
import type { AdmissionTicket } from "./admission.ts";
import type { ServerStats } from "./stats.ts";
import { type ThroughputLimits, ThroughputMeter } from "./throughput.ts";

/** What can be made to make room. */
export interface Evictable {
  evict(): void;
}

export class Connection<Channel extends Dispatcher = Dispatcher> {
  /** Another one after new code was loaded. */
  channel: Channel;
  readonly socket: Socket;
  readonly ticket: AdmissionTicket<Evictable>;
  readonly #stats: ServerStats;
  readonly #meter: ThroughputMeter | undefined;
  #moved = 0;

  constructor(
    channel: Channel,
    socket: Socket,
    ticket: AdmissionTicket<Evictable>,
    throughput: ThroughputLimits | undefined,
    stats: ServerStats,
  ) {
    this.channel = channel;
    this.socket = socket;
    this.ticket = ticket;
    this.#stats = stats;
    this.#meter = throughput === undefined ? undefined : new ThroughputMeter(throughput);
  }

  /** Whether bytes have moved since the last look. A peer that is slower than it may be is reset. */
  look(now: number): boolean {
    const { socket } = this;
    const { bytesRead, bytesSent, bufferedAmount } = socket;
    const slow = this.#meter?.sample(now, {
      bytesReceived: bytesRead,
      bytesDrained: bytesSent - bufferedAmount,
      queued: socket.throttled ? 0 : bufferedAmount,
      // Not while it closes, and not while we do not let the peer send.
      requestOpen: socket.state === "open" && !socket.throttled && this.channel.requestOpen,
    });
    if (slow !== undefined) {
      this.#stats.timeouts[slow === "receive" ? "slowReceive" : "slowSend"]++;
      socket.cut(
        osError("ETIMEDOUT", {
          syscall: slow === "receive" ? "recv" : "send",
          detail: "the peer is too slow",
        }),
      );
      return false;
    }
    const moved = bytesRead + bytesSent - bufferedAmount;
    const active = moved !== this.#moved;
    this.#moved = moved;
    return active;
  }

  /** Resets it to make room for another. */
  evict(): void {
    this.socket.cut(osError("ECONNABORTED", { syscall: "recv", detail: "closed to make room for another" }));
  }
}
