/**
 * The part of the contract that is the same for every kind of socket, and what not every kind has (TLS, urgent data,
 * datagrams, a listener that can be held): a kind overrides what it does have, the rest says that it is not there.
 */
import type { Address } from "../base/address.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { SOCK_STREAM } from "../base/constants.ts";
import { osError, type OSError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import type { Released, Socket, SocketObserver, SocketState, StreamLimits } from "./socket.ts";
import type { Preface } from "./preface.ts";
import type { ByteRates } from "./throttle.ts";
import type { TlsOptions, TlsSession } from "./tls-options.ts";

export abstract class BareSocket implements Socket {
  readonly family: number;
  origin: Address | undefined = undefined;
  #released: Released | undefined;

  constructor(family: number) {
    this.family = family;
  }

  get type(): number {
    return SOCK_STREAM;
  }
  get clock(): Clock {
    return systemClock;
  }

  whenReleased(callback: Released): void {
    if (this.state === "closed") {
      callback(this.unsentBytes, this.closeTimedOut);
      return;
    }
    const before = this.#released;
    this.#released =
      before === undefined
        ? callback
        : (unsent, timedOut) => {
            before(unsent, timedOut);
            callback(unsent, timedOut);
          };
  }
  /** For the kind: the descriptor is gone, or goes with the call that follows. */
  protected tellReleased(): void {
    const released = this.#released;
    if (released === undefined) return;
    this.#released = undefined;
    // Not now: this may be deep in a hook.
    queueMicrotask(() => released(this.unsentBytes, this.closeTimedOut));
  }
  /** Bytes that were accepted and did not get out. */
  protected abstract readonly unsentBytes: number;
  /** Whether the deadline of close() has ended the wait for these. */
  protected get closeTimedOut(): boolean {
    return false;
  }

  get tls(): TlsSession | undefined {
    return undefined;
  }
  get preface(): Preface | undefined {
    return undefined;
  }
  startTls(_options: TlsOptions): void {
    throw osError("EOPNOTSUPP", { syscall: "startTls", detail: "no TLS on this kind of socket" });
  }

  get urgentReady(): boolean {
    return false;
  }
  watchUrgent(): void {}
  recvUrgent(): Buffer | undefined {
    throw osError("EOPNOTSUPP", { syscall: "recv", detail: "no urgent data on this kind of socket" });
  }
  sendUrgent(_data: SendData): number {
    throw osError("EOPNOTSUPP", { syscall: "send", detail: "no urgent data on this kind of socket" });
  }

  sendto(_data: SendData, _address?: Address): number {
    throw osError("EOPNOTSUPP", { syscall: "sendto", detail: "a stream has no datagrams" });
  }
  recvfrom(): readonly [Buffer, Address] | undefined {
    throw osError("EOPNOTSUPP", { syscall: "recvfrom", detail: "a stream has no datagrams" });
  }

  get throttled(): boolean {
    return false;
  }
  throttle(_rates: ByteRates | undefined): void {
    throw osError("EOPNOTSUPP", { syscall: "throttle", detail: "no byte rates on this kind of socket" });
  }

  pauseAccepting(): void {
    throw osError("EINVAL", { syscall: "listen", detail: "not listening" });
  }
  resumeAccepting(): void {}
  filterAccepts(_filter: (address: Address) => boolean): void {
    throw osError("EINVAL", { syscall: "listen", detail: "not listening" });
  }

  abstract limits: StreamLimits;
  abstract readonly state: SocketState;
  abstract readonly bufferedAmount: number;
  abstract readonly bytesRead: number;
  abstract readonly bytesSent: number;
  abstract readonly readReady: boolean;
  abstract readonly writeReady: boolean;
  abstract readonly observer: SocketObserver | undefined;
  abstract observe(observer: SocketObserver | undefined): void;
  abstract bind(address: Address): void;
  abstract listen(backlog: number): void;
  abstract accept(): readonly [Socket, Address] | undefined;
  abstract connect(address: Address): void;
  abstract send(data: SendData): number;
  abstract recv(size?: number): Buffer | undefined;
  abstract flush(): void;
  abstract shutdown(how: number): void;
  abstract close(): void;
  abstract abort(): void;
  abstract cut(error: OSError): void;
  abstract takeError(): OSError | undefined;
  abstract getsockname(): Address;
  abstract getpeername(): Address;
  abstract getsockopt(level: number, name: number): number;
  abstract setsockopt(level: number, name: number, value: number): void;
  abstract fileno(): number;
}
