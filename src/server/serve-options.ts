/** What `serve()` takes: where to listen, with what limits, and who may come. */
import { constants } from "node:os";

import { formatAddress, type Address } from "../base/address.ts";
import { systemClock } from "../base/clock.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../base/constants.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../base/errors.ts";
import { ipVersion } from "../base/ip-address.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { Dispatcher } from "../dispatcher/dispatcher.ts";
import { defaultLimits } from "../socket/limits.ts";
import type { Socket, StreamLimits } from "../socket/socket.ts";
import { type ByteRates, Throttle } from "../socket/throttle.ts";
import type { TlsOptions } from "../socket/tls-options.ts";
import type { AdmissionOptions } from "./admission.ts";
import { type ProxyPolicy, proxyPolicy, type ProxyPolicyOptions } from "./proxy-reader.ts";
import { type ThroughputLimits, throughputLimits } from "./throughput.ts";

/** A class of channels: one is made for each connection. */
export interface Handler<Channel extends Dispatcher = Dispatcher> {
  new (socket: Socket, map?: ChannelMap): Channel;
  /** See `Dispatcher.limits`. */
  readonly limits?: StreamLimits;
}

/** Options of {@link serve}. */
export interface ServeOptions extends Omit<AdmissionOptions, "clock" | "stats"> {
  /** An address of this machine: `0.0.0.0` and `::` are all of them. Default `127.0.0.1`: nobody else. */
  readonly hostname?: string | undefined;
  /** Default 0: any free one. */
  readonly port?: number | undefined;
  /** A unix socket's path, in place of `hostname` and `port`. */
  readonly unix?: string | undefined;
  /** A listening descriptor this process was given (`inheritedListeners()`, or a parent's), in place of all these. */
  readonly fd?: number | undefined;
  /** Connections that wait to be accepted. Default 512. */
  readonly backlog?: number | undefined;
  /** Several processes listen on the same port, and the kernel shares connections out. Default false. */
  readonly reusePort?: boolean | undefined;
  /** `::` takes no IPv4 connections. Default false. */
  readonly ipv6Only?: boolean | undefined;
  /** TLS from the first byte (after the PROXY header, where there is one). */
  readonly tls?: TlsOptions | undefined;
  /** Bounds and timeouts of each connection, in place of those of the handler's class. */
  readonly limits?: Partial<StreamLimits> | undefined;
  /** Byte rates of each connection. Default: none. */
  readonly throttle?: ByteRates | undefined;
  /** The slowest a peer may be while it owes something. Default: any speed. */
  readonly minThroughput?: Partial<ThroughputLimits> | undefined;
  /** Most bytes that may be queued in the whole process. Default: no bound. One server in a process may name it. */
  readonly maxQueuedBytes?: number | undefined;
  /** Over that: `evict` resets the connection with the longest queue, `refuse` the one that sends. Default `evict`. */
  readonly whenQueuesFull?: "evict" | "refuse" | undefined;
  /** Connections come through a proxy that says whose they are. */
  readonly proxyProtocol?: ProxyPolicyOptions | undefined;
  /** Signals that drain the server and then end the process; `true`: SIGTERM and SIGINT. Default: none. */
  readonly drainOn?: boolean | readonly NodeJS.Signals[] | undefined;
  /** How long such a drain, and that of `await using`, may take. Default 30 s. */
  readonly drainTimeoutMs?: number | undefined;
  /** Where the channels are registered. Default: `socketMap`. */
  readonly map?: ChannelMap | undefined;
}

/** Where to listen. */
export type Place =
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "address"; readonly family: number; readonly address: Address };

/** Options that have been checked. */
export interface ServePlan {
  readonly options: ServeOptions;
  readonly place: Place;
  readonly proxy: ProxyPolicy | undefined;
  readonly throughput: ThroughputLimits | undefined;
  readonly signals: readonly NodeJS.Signals[];
  readonly drainTimeoutMs: number;
}

const UNCATCHABLE: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);
// The type checker sees to it that this is every option there is.
const KNOWN: Readonly<Record<keyof ServeOptions, true>> = {
  hostname: true,
  port: true,
  unix: true,
  fd: true,
  backlog: true,
  reusePort: true,
  ipv6Only: true,
  tls: true,
  limits: true,
  throttle: true,
  minThroughput: true,
  maxQueuedBytes: true,
  whenQueuesFull: true,
  proxyProtocol: true,
  drainOn: true,
  drainTimeoutMs: true,
  map: true,
  maxConnections: true,
  whenFull: true,
  maxPerAddress: true,
  whenAddressFull: true,
  ipv4PrefixBits: true,
  ipv6PrefixBits: true,
  acceptsPerSecond: true,
  acceptBurst: true,
  whenTooFast: true,
  evictIdleMs: true,
  allow: true,
  deny: true,
};

/** @throws {ArgumentTypeError} not a class of channels */
export function checkHandler(handler: unknown): void {
  const { prototype } = (handler ?? {}) as { prototype?: unknown };
  // By name: under `bun --hot` the class may be of another evaluation of this library.
  const isDispatcher =
    typeof (prototype as { handleReadEvent?: unknown } | undefined)?.handleReadEvent === "function";
  if (typeof handler !== "function" || !isDispatcher) {
    throw new ArgumentTypeError(
      `serve: the handler is a class that extends Dispatcher, not ${String(handler)}`,
    );
  }
}

function checkNames(options: ServeOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentTypeError(`serve: options are an object, not ${String(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN, name)) throw new ArgumentTypeError(`serve: no option ${name}`);
  }
  for (const name of Object.keys(options.limits ?? {})) {
    if (!Object.hasOwn(defaultLimits, name)) throw new ArgumentTypeError(`serve: no limit ${name}`);
  }
}

/** Checks what is not checked by whoever uses it. @throws {ArgumentTypeError|ArgumentRangeError} says which option */
export function servePlan(options: ServeOptions): ServePlan {
  checkNames(options);
  const { drainTimeoutMs = 30_000, drainOn = false, minThroughput, proxyProtocol } = options;
  if (typeof drainTimeoutMs !== "number" || !(drainTimeoutMs >= 0)) {
    throw new ArgumentRangeError(`drainTimeoutMs: a number of at least 0, not ${String(drainTimeoutMs)}`);
  }
  const { whenQueuesFull, maxQueuedBytes = 0 } = options;
  if (typeof maxQueuedBytes !== "number" || !(maxQueuedBytes >= 0)) {
    throw new ArgumentRangeError(
      `maxQueuedBytes: a budget of at least 0 bytes, not ${String(maxQueuedBytes)}`,
    );
  }
  if (whenQueuesFull !== undefined && whenQueuesFull !== "evict" && whenQueuesFull !== "refuse") {
    throw new ArgumentRangeError(`whenQueuesFull: evict or refuse, not ${String(whenQueuesFull)}`);
  }
  const usual: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT"];
  for (const signal of typeof drainOn === "boolean" ? [] : drainOn) {
    if (Object.hasOwn(constants.signals, signal) && !UNCATCHABLE.has(signal)) continue;
    throw new ArgumentRangeError(`drainOn: signals that can be caught, not ${signal}`);
  }
  // Says what is wrong with them now, and not to each connection.
  if (options.throttle !== undefined) {
    new Throttle(
      options.throttle,
      systemClock,
      () => undefined,
      () => undefined,
    );
  }
  return {
    options,
    place: placeOf(options),
    proxy: proxyProtocol === undefined ? undefined : proxyPolicy(proxyProtocol),
    throughput: minThroughput === undefined ? undefined : throughputLimits(minThroughput),
    signals: typeof drainOn === "boolean" ? (drainOn ? usual : []) : drainOn,
    drainTimeoutMs,
  };
}

/** The place in words, for telling servers of one program apart. */
export function nameOfPlace(place: Place): string {
  return place.kind === "fd" ? `fd ${place.fd}` : formatAddress(place.address);
}

function placeOf(options: ServeOptions): Place {
  const { hostname, port, unix, fd } = options;
  const ways = [hostname ?? port, unix, fd].filter((way) => way !== undefined).length;
  if (ways > 1) throw new ArgumentTypeError("serve: one of hostname and port, unix, or fd");
  if (fd !== undefined) {
    if (!Number.isInteger(fd) || fd < 0) {
      throw new ArgumentRangeError(`serve: fd is a descriptor, not ${String(fd)}`);
    }
    return { kind: "fd", fd };
  }
  if (unix !== undefined) return { kind: "address", family: AF_UNIX, address: unix };
  const host = hostname ?? "127.0.0.1";
  const family = ipVersion(host.replace(/%.*$/, "")) === 6 ? AF_INET6 : AF_INET;
  return { kind: "address", family, address: [host, port ?? 0] };
}
