/** What `connect()` is asked for, and the checks that keep it sensible. Nothing here does I/O. */

import { type Address, checkAddress } from "../base/address.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../base/constants.ts";
import { ArgumentRangeError, ArgumentTypeError, osError } from "../base/errors.ts";
import { ipVersion } from "../base/ip-address.ts";
import type { SendData } from "../bytes/send-data.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import { createSocket, type SocketOptions } from "../socket/create-socket.ts";
import type { Socket } from "../socket/socket.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import type { Delays } from "./happy-eyeballs.ts";
import { type Lookup, systemLookup } from "./resolve.ts";
import type { StreamChannel } from "./stream-channel.ts";

/** Where to connect to: an {@link Address} (a string is a unix path), or the same with names. */
export type ConnectTarget =
  | Address
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** A class of channels: a dispatcher whose constructor takes what `Dispatcher`'s takes. */
export type ChannelClass<C extends Dispatcher> = new (socket?: Socket, map?: ChannelMap) => C;

/** Options of `connect()` that a client which connects again and again has too. */
export interface DialOptions {
  /** Where the channel is registered. Default: `socketMap`, or the map a given channel was made for. */
  readonly map?: ChannelMap;
  /**
   * Longest time until the connection stands, look-up and TLS handshake included. Default: `limits.connectTimeoutMs` of
   * the channel's class, which is 60 s.
   */
  readonly deadlineMs?: number;
  /** Head start of an attempt before the next address is tried too. At least 100; Infinity: until it fails. Default 250. */
  readonly attemptDelayMs?: number;
  /** How long an answer waits for that of the first family. Default 50. */
  readonly resolutionDelayMs?: number;
  /** The families to ask for, the preferred one first. Default `[6, 4]`. */
  readonly families?: readonly (4 | 6)[];
  /** Default: the system's resolver. */
  readonly lookup?: Lookup;
  /** Speak TLS; the server's name is the host unless `serverName` says otherwise. `true`: with the default options. */
  readonly tls?: TlsOptions | true;
  /** Sent first, before the TLS handshake: the header with which a proxy names its client (PROXY protocol). */
  readonly proxyHeader?: SendData;
  /** Numeric address to connect from. Only addresses of its family are tried. */
  readonly localAddress?: string;
  /** The time the delays and the deadline run on. Default: the machine's. */
  readonly clock?: Clock;
  /** Makes the sockets, for networks of one's own. Default: {@link createSocket}. */
  readonly createSocket?: (options: SocketOptions) => Socket;
}

/** Options of `connect()`. */
export interface ConnectOptions<C extends Dispatcher = StreamChannel> extends DialOptions {
  /** The channel: a class to make it of, or one that never had a socket. Default: `StreamChannel`. */
  readonly channel?: C | ChannelClass<C>;
  /** Gives the connect up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A checked target. */
export interface Where {
  /** Host or path, as errors tell it. */
  readonly address: string;
  /** Undefined for unix. */
  readonly port: number | undefined;
  /** The one family where the address is numeric or a path; undefined for a name. */
  readonly family: number | undefined;
}

/** Checked options, with the defaults in. */
export interface Plan extends Delays {
  readonly clock: Clock;
  /** The families to try, the preferred one first. */
  readonly families: readonly number[];
  readonly deadlineMs: number | undefined;
  readonly lookup: Lookup;
  readonly tls: TlsOptions | undefined;
  readonly proxyHeader: SendData | undefined;
  readonly localAddress: string | undefined;
  readonly map: ChannelMap | undefined;
  readonly createSocket: (options: SocketOptions) => Socket;
}

/** RFC 8305 §5. */
const LEAST_ATTEMPT_DELAY_MS = 100;

/**
 * @throws {ArgumentTypeError|ArgumentRangeError} no target, a malformed one
 * @throws {OSError} ENAMETOOLONG, EINVAL: a unix path that cannot be one
 */
export function checkTarget(target: ConnectTarget): Where {
  const address = addressOf(target);
  if (typeof address === "string") {
    checkAddress(AF_UNIX, address, "connect");
    return { address, port: undefined, family: AF_UNIX };
  }
  const family = ipVersion(address[0]) === 6 ? AF_INET6 : AF_INET;
  const checked = checkAddress(family, address, "connect");
  const literal = checked.kind === "inet" && checked.literal;
  return { address: address[0], port: address[1], family: literal ? family : undefined };
}

function addressOf(target: ConnectTarget): Address {
  if (typeof target === "string" || Array.isArray(target)) return target as Address;
  if (typeof target === "object" && target !== null) {
    if ("path" in target) return target.path;
    if ("host" in target) return [target.host, target.port];
  }
  throw new ArgumentTypeError("connect: the target is [host, port], { host, port }, { path } or a unix path");
}

/** @throws {ArgumentTypeError|ArgumentRangeError|OSError} an option that makes no sense, alone or with the target */
export function checkOptions(where: Where, options: DialOptions): Plan {
  const { attemptDelayMs = 250, resolutionDelayMs = 50, tls, localAddress } = options;
  atLeast("attemptDelayMs", attemptDelayMs, LEAST_ATTEMPT_DELAY_MS);
  atLeast("resolutionDelayMs", resolutionDelayMs, 0);
  if (options.deadlineMs !== undefined) atLeast("deadlineMs", options.deadlineMs, 0);
  if (tls !== undefined && tls !== true && (typeof tls !== "object" || tls === null)) {
    throw new ArgumentTypeError("connect: tls is an object of options, or true");
  }
  return {
    attemptDelayMs,
    resolutionDelayMs,
    clock: options.clock ?? systemClock,
    families: familiesOf(where, options),
    deadlineMs: options.deadlineMs,
    lookup: options.lookup ?? systemLookup,
    tls: tls === true ? DEFAULT_TLS : tls,
    proxyHeader: options.proxyHeader,
    localAddress,
    map: options.map,
    createSocket: options.createSocket ?? createSocket,
  };
}

const DEFAULT_TLS: TlsOptions = {};

function familiesOf(where: Where, options: DialOptions): readonly number[] {
  const { families = [6, 4], localAddress } = options;
  if (!Array.isArray(families) || families.length === 0 || !families.every((f) => f === 4 || f === 6)) {
    throw new ArgumentTypeError("connect: families is a list of 4 and 6");
  }
  let wanted: readonly number[] = [...new Set(families.map((f) => (f === 6 ? AF_INET6 : AF_INET)))];
  if (localAddress !== undefined) {
    const version = ipVersion(localAddress);
    if (version === 0 || where.family === AF_UNIX) {
      throw new ArgumentTypeError(
        `connect: localAddress is a numeric address, and not for unix sockets: ${JSON.stringify(localAddress)}`,
      );
    }
    const family = version === 6 ? AF_INET6 : AF_INET;
    wanted = wanted.filter((other) => other === family);
  }
  if (where.family === AF_UNIX) return [AF_UNIX];
  if (where.family !== undefined) wanted = wanted.filter((other) => other === where.family);
  if (wanted.length === 0) {
    const detail = "target, localAddress and families leave no address family";
    throw osError("EAFNOSUPPORT", { syscall: "connect", address: where.address, detail });
  }
  return wanted;
}

/** @throws {ArgumentRangeError} not a number of at least `least` */
export function atLeast(name: string, value: unknown, least: number): void {
  if (typeof value === "number" && value >= least) return;
  throw new ArgumentRangeError(`${name}: a number of at least ${least}, not ${String(value)}`);
}

/** The channel to connect. @throws {OSError} EISCONN @throws {ArgumentTypeError} neither a channel nor a class */
export function channelOf<C extends Dispatcher>(channel: C | ChannelClass<C>, map?: ChannelMap): C {
  if (channel instanceof Dispatcher) {
    if (channel.socket === undefined && !channel.connecting) return channel;
    const code = channel.connecting ? "EALREADY" : "EISCONN";
    throw osError(code, { syscall: "connect", detail: "give a channel that never had a socket" });
  }
  checkClass(channel);
  return new channel(undefined, map);
}

/** @throws {ArgumentTypeError} no class of channels */
export function checkClass(channel: unknown): void {
  if (typeof channel !== "function" || !(channel === Dispatcher || channel.prototype instanceof Dispatcher)) {
    throw new ArgumentTypeError("connect: channel is a Dispatcher, or a class of them");
  }
}
