/** The five behaviours of `peers/peer.ts` on a memory socket: the receiver of an in-process transfer. */
import { SHUT_WR, type Socket, type SocketObserver } from "asyncore";
import { linkOf, type VirtualClock } from "asyncore/testing";

import type { Behaviour } from "./peers.ts";
import { type Report, StreamCheck } from "./stream.ts";

const SLOW_WAITS = 40;

export class MemoryPeer implements SocketObserver {
  /** What was received, once the transfer has ended. */
  report: Report | undefined;
  readonly #socket: Socket;
  readonly #clock: VirtualClock;
  readonly #behaviour: Behaviour;
  readonly #check: StreamCheck = new StreamCheck();
  #begun = false;
  #waits = 0;
  #waiting = false;

  constructor(socket: Socket, clock: VirtualClock, behaviour: Behaviour) {
    this.#socket = socket;
    this.#clock = clock;
    this.#behaviour = behaviour;
    socket.observe(this);
    this.socketReady();
  }

  /** A stalled peer goes on. */
  resume(): void {
    linkOf(this.#socket).unstall(this.#socket);
  }

  socketChanged(): void {}
  socketReady(): void {
    if (this.#socket.state === "open" && !this.#begun) this.#begin();
    if (!this.#waiting && this.report === undefined) this.#read();
  }

  #begin(): void {
    this.#begun = true;
    if (this.#behaviour === "half-closing") {
      this.#socket.send("request");
      this.#socket.shutdown(SHUT_WR);
    }
    if (this.#behaviour === "stalled") linkOf(this.#socket).stall(this.#socket);
    if (this.#behaviour === "chatty") this.#chat();
  }

  #chat(): void {
    if (this.report !== undefined) return;
    this.#socket.send("x");
    this.#clock.setTimer(() => this.#chat(), 1);
  }

  #read(): void {
    const slow = this.#behaviour === "slow" || this.#behaviour === "chatty";
    try {
      while (this.#socket.readReady) {
        const pause = slow && this.#waits < SLOW_WAITS;
        const chunk = this.#socket.recv(pause ? 1024 : undefined);
        if (chunk === undefined) return;
        if (chunk.length === 0) {
          this.#end("fin");
          return;
        }
        this.#check.update(chunk);
        if (!pause) continue;
        this.#waits++;
        this.#waiting = true;
        this.#clock.setTimer(() => {
          this.#waiting = false;
          this.socketReady();
        }, 1);
        return;
      }
    } catch {
      this.#end("reset");
    }
  }

  #end(end: string): void {
    this.report = this.#check.report(end);
    this.#socket.close();
  }
}
