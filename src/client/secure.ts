/** TLS on the connection that won the race, before its channel gets it. Called by `connect.ts`. */

import { osError } from "../base/errors.ts";
import { ipVersion } from "../base/ip-address.ts";
import type { Socket } from "../socket/socket.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import { IDLE } from "./race.ts";

/**
 * Begins TLS and resolves when the handshake is over. Aborts nothing: that is the caller's.
 *
 * @throws {TLSError|OSError} rejects with what ended the handshake, or with `signal`'s reason
 */
export function secure(socket: Socket, options: TlsOptions, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    if (socket.state === "connecting") return;
    if (socket.state === "open") resolve();
    else reject(socket.takeError() ?? osError("ECONNRESET", { syscall: "tls" }));
  };
  socket.observe({ socketReady: look, socketChanged: () => queueMicrotask(look) });
  const aborted = (): void => {
    reject(signal.reason as Error);
  };
  signal.addEventListener("abort", aborted, { once: true });
  try {
    socket.startTls(options);
  } catch (error) {
    reject(error);
  }
  return promise.finally(() => {
    socket.observe(IDLE);
    signal.removeEventListener("abort", aborted);
  });
}

// An options object is read once, its files included, so that a client that connects again must not make new ones.
const named = new WeakMap<TlsOptions, TlsOptions>();

/** `options` for a server known as `host`: the race connects to numbers, of which TLS could not take the name. */
export function forHost(options: TlsOptions, host: string): TlsOptions {
  if (options.serverName !== undefined || ipVersion(host) !== 0) return options;
  const known = named.get(options);
  if (known?.serverName === host) return known;
  const made = { ...options, serverName: host };
  named.set(options, made);
  return made;
}
