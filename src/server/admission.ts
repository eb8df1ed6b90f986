/**
 * Who is let in: lists of networks, how many connections there may be at all and from one address, and how many may come
 * in a second. Pure: whoever accepts asks before and after, and tells when a connection is gone. No timer; memory is per
 * live connection and per address that has one.
 *
 *     waitMs() ── 0 ──► accept() ──► admit(address) ──► refused: abort() the socket
 *        │                              │    └──────► ticket, and perhaps the ticket of a connection to abort() for it
 *        └ pause accepting until then,  │
 *          or until a release           └ behind a proxy: admit(undefined), and identify(ticket, address) once known
 */
import type { Address } from "../base/address.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { ArgumentRangeError } from "../base/errors.ts";
import { isMapped } from "../base/ip-address.ts";
import { CidrList, maskTo, readHost } from "./cidr.ts";
import { TokenBucket } from "../base/token-bucket.ts";
import { Place, RecencyList, unlink } from "./recency.ts";
import { newServerStats, type RefuseReason, type ServerStats } from "./stats.ts";

/** Options of {@link Admission}. Nothing is limited that is not named. */
export interface AdmissionOptions {
  /** Most connections at a time. Default: any number. */
  readonly maxConnections?: number | undefined;
  /**
   * When there are that many: `pause` leaves further ones in the kernel until one is gone, `refuse` resets them, `evict`
   * closes the connection that has been idle the longest, and refuses where none is idle. Default `pause`.
   */
  readonly whenFull?: "pause" | "refuse" | "evict" | undefined;
  /** Most connections at a time from one address. Default: any number. */
  readonly maxPerAddress?: number | undefined;
  /** When an address has that many; `evict` closes one of its own. Default `refuse`. */
  readonly whenAddressFull?: "refuse" | "evict" | undefined;
  /** What of an IPv4 address counts as one address. Default 32 bits, all of it. */
  readonly ipv4PrefixBits?: number | undefined;
  /** What of an IPv6 address counts as one. Default 64 bits, for whoever has one address there has 2^64. */
  readonly ipv6PrefixBits?: number | undefined;
  /** Most connections a second, over time. Default: any number. */
  readonly acceptsPerSecond?: number | undefined;
  /** Most of them at once. Default: those of a second. */
  readonly acceptBurst?: number | undefined;
  /** When more come: `pause` leaves them in the kernel until it is their turn, `refuse` resets them. Default `pause`. */
  readonly whenTooFast?: "pause" | "refuse" | undefined;
  /** For how long a connection must not have been active to be evicted. Default 1 s. */
  readonly evictIdleMs?: number | undefined;
  /** Who may connect. Default: everybody. */
  readonly allow?: CidrList | Iterable<string> | undefined;
  /** Who may not, also if allowed. Default: nobody. */
  readonly deny?: CidrList | Iterable<string> | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** What is counted into. Default: an object of its own. */
  readonly stats?: ServerStats | undefined;
}

/** A connection that was let in. `Holder` is whatever its owner keeps with it. */
export class AdmissionTicket<Holder = unknown> {
  /** For the owner: what to close when this ticket is evicted. */
  holder: Holder | undefined = undefined;
  /** When it was last said to be active, or let in. */
  activeAt: number;
  /** For {@link Admission}. */
  readonly place: Place<AdmissionTicket<Holder>> = new Place(this);
  /** For {@link Admission}: among those of its address. */
  readonly placeOfAddress: Place<AdmissionTicket<Holder>> = new Place(this);
  /** For {@link Admission}. */
  key: Key | undefined = undefined;
  /** Whether it counts; false once it was released or evicted. */
  live = true;

  constructor(now: number) {
    this.activeAt = now;
  }
}

/** What {@link Admission.admit} decides. */
export type Decision<Holder = unknown> =
  | { readonly refused: RefuseReason }
  | {
      readonly refused: undefined;
      readonly ticket: AdmissionTicket<Holder>;
      /** To be closed at once, and no longer counted: it makes room for this one. */
      readonly evicted: AdmissionTicket<Holder> | undefined;
    };

/** What counts as one address: a number for IPv4, text for the others. */
type Key = number | string;

/** The connections of one address. */
interface Neighbors<Holder> {
  count: number;
  readonly order: RecencyList<AdmissionTicket<Holder>>;
}

const words = new Uint32Array(4);

export class Admission<Holder = unknown> {
  readonly stats: ServerStats;
  readonly #clock: Clock;
  readonly #maxConnections: number;
  readonly #whenFull: "pause" | "refuse" | "evict";
  readonly #maxPerAddress: number;
  readonly #evictsNeighbors: boolean;
  readonly #ipv4PrefixBits: number;
  readonly #ipv6PrefixBits: number;
  readonly #bucket: TokenBucket | undefined;
  readonly #pausesWhenTooFast: boolean;
  readonly #evictIdleMs: number;
  readonly #allow: CidrList | undefined;
  readonly #deny: CidrList | undefined;
  readonly #order = new RecencyList<AdmissionTicket<Holder>>();
  readonly #addresses = new Map<Key, Neighbors<Holder>>();
  #active = 0;
  #paused = false;

  /** @throws {ArgumentRangeError|ArgumentTypeError} an option out of range, or a list with a bad entry */
  constructor(options: AdmissionOptions = {}) {
    this.stats = options.stats ?? newServerStats();
    this.#clock = options.clock ?? systemClock;
    this.#maxConnections = atLeastOne(options.maxConnections ?? Infinity, "maxConnections");
    this.#whenFull = oneOf(["pause", "refuse", "evict"], options.whenFull, "whenFull");
    this.#maxPerAddress = atLeastOne(options.maxPerAddress ?? Infinity, "maxPerAddress");
    this.#evictsNeighbors =
      oneOf(["refuse", "evict"], options.whenAddressFull, "whenAddressFull") === "evict";
    this.#ipv4PrefixBits = prefix(options.ipv4PrefixBits ?? 32, 32, "ipv4PrefixBits");
    this.#ipv6PrefixBits = prefix(options.ipv6PrefixBits ?? 64, 128, "ipv6PrefixBits");
    const { acceptsPerSecond, acceptBurst } = options;
    if (acceptsPerSecond !== undefined) {
      this.#bucket = new TokenBucket(acceptsPerSecond, acceptBurst, this.#clock);
    } else if (acceptBurst !== undefined) {
      throw new ArgumentRangeError("acceptBurst: only together with acceptsPerSecond");
    }
    this.#pausesWhenTooFast = oneOf(["pause", "refuse"], options.whenTooFast, "whenTooFast") === "pause";
    const { evictIdleMs = 1000 } = options;
    if (typeof evictIdleMs !== "number" || !(evictIdleMs >= 0)) {
      throw new ArgumentRangeError(`evictIdleMs: a number of at least 0, not ${String(evictIdleMs)}`);
    }
    this.#evictIdleMs = evictIdleMs;
    this.#allow = options.allow === undefined ? undefined : CidrList.of(options.allow);
    this.#deny = options.deny === undefined ? undefined : CidrList.of(options.deny);
  }

  /** Connections that are let in and not released. */
  get active(): number {
    return this.#active;
  }

  /** Addresses that have a connection. */
  get addresses(): number {
    return this.#addresses.size;
  }

  /**
   * Whether to accept: 0 yes; else how many milliseconds to leave connections in the kernel, Infinity until the next
   * {@link released}. To be asked before each `accept()`.
   */
  waitMs(now: number = this.#clock.now()): number {
    const full = this.#whenFull === "pause" && this.#active >= this.#maxConnections;
    const tooFast = this.#pausesWhenTooFast && this.#bucket !== undefined ? this.#bucket.waitMs(1, now) : 0;
    const wait = full ? Infinity : tooFast;
    if (wait > 0 && !this.#paused) this.stats.pauses[full ? "connections" : "rate"]++;
    this.#paused = wait > 0;
    return wait;
  }

  /**
   * Decides about a connection that was accepted. Over a limit that pauses it is refused: whoever asked {@link waitMs}
   * does not come here.
   *
   * @param address the peer's; undefined when it is a proxy's and the client's will be told to {@link identify}
   */
  admit(address: Address | undefined, now: number = this.#clock.now()): Decision<Holder> {
    if (address !== undefined && !this.#isAllowed(address)) return this.#refuse("denied");
    const key = address === undefined ? undefined : this.#keyOf(address);
    let evicted: AdmissionTicket<Holder> | undefined;
    let reason: "perAddress" | "connections" = "perAddress";
    if (this.#isAddressFull(key)) {
      evicted = this.#evictable(key, now);
      if (evicted === undefined) return this.#refuse("perAddress");
    } else if (this.#active >= this.#maxConnections) {
      reason = "connections";
      if (this.#whenFull === "evict") evicted = idlest(this.#order, now - this.#evictIdleMs);
      if (evicted === undefined) return this.#refuse("connections");
    }
    // Last, so that connections that are refused anyway use up nobody's turn.
    if (this.#bucket?.take(1, now) === false) return this.#refuse("rate");
    if (evicted !== undefined) this.#evict(evicted, reason);
    const ticket = new AdmissionTicket<Holder>(now);
    this.#active++;
    this.stats.active++;
    this.stats.accepted++;
    if (this.#whenFull === "evict") this.#order.touch(ticket.place);
    this.#enter(ticket, key);
    return { refused: undefined, ticket, evicted };
  }

  /**
   * Decides once more, about a connection let in without an address that has turned out to be the connection of
   * `address`. When it is refused, the ticket has been released.
   */
  identify(
    ticket: AdmissionTicket<Holder>,
    address: Address,
    now: number = this.#clock.now(),
  ): Decision<Holder> {
    // Evicted meanwhile, and counted then.
    if (!ticket.live) return { refused: "connections" };
    const key = this.#keyOf(address);
    let evicted: AdmissionTicket<Holder> | undefined;
    let refused: RefuseReason | undefined = this.#isAllowed(address) ? undefined : "denied";
    if (refused === undefined && this.#isAddressFull(key)) {
      evicted = this.#evictable(key, now);
      if (evicted === undefined) refused = "perAddress";
    }
    if (refused !== undefined) {
      this.released(ticket);
      return this.#refuse(refused);
    }
    if (evicted !== undefined) this.#evict(evicted, "perAddress");
    this.#leave(ticket);
    this.#enter(ticket, key);
    // It has just said who it is.
    this.touched(ticket, now);
    return { refused: undefined, ticket, evicted };
  }

  /** Whether the lists let `address` in; counted as {@link admit} does when not. For who can ask before it has accepted. */
  lets(address: Address): boolean {
    const allowed = this.#isAllowed(address);
    if (!allowed) this.stats.refused.denied++;
    return allowed;
  }

  /** The connection of `ticket` has moved something, and is the last to be evicted. Coarse is good enough. */
  touched(ticket: AdmissionTicket<Holder>, now: number = this.#clock.now()): void {
    if (!ticket.live) return;
    ticket.activeAt = now;
    if (this.#whenFull === "evict") this.#order.touch(ticket.place);
    if (!this.#evictsNeighbors || ticket.key === undefined) return;
    this.#addresses.get(ticket.key)?.order.touch(ticket.placeOfAddress);
  }

  /** The connection of `ticket` is gone. May be called again. */
  released(ticket: AdmissionTicket<Holder>): void {
    if (!ticket.live) return;
    ticket.live = false;
    this.#active--;
    this.stats.active--;
    unlink(ticket.place);
    this.#leave(ticket);
  }

  #refuse(reason: RefuseReason): Decision<Holder> {
    this.stats.refused[reason]++;
    return { refused: reason };
  }

  #evict(ticket: AdmissionTicket<Holder>, reason: "connections" | "perAddress"): void {
    this.stats.evicted[reason]++;
    this.released(ticket);
  }

  #isAllowed(address: Address): boolean {
    if (this.#deny?.has(address) === true) return false;
    return this.#allow === undefined || this.#allow.has(address);
  }

  // --- the table of addresses ----------------------------------------------------------------------------------

  // Peers on unix sockets have no address to tell them apart by.
  #keyOf(address: Address): Key | undefined {
    if (this.#maxPerAddress === Infinity || typeof address === "string") return undefined;
    const [host] = address;
    if (!readHost(host, words)) return host;
    if (isMapped(words)) {
      maskTo(words, 96 + this.#ipv4PrefixBits);
      return words[3] ?? 0;
    }
    maskTo(words, this.#ipv6PrefixBits);
    return words.join(":");
  }

  #isAddressFull(key: Key | undefined): boolean {
    if (key === undefined) return false;
    return (this.#addresses.get(key)?.count ?? 0) >= this.#maxPerAddress;
  }

  #evictable(key: Key | undefined, now: number): AdmissionTicket<Holder> | undefined {
    if (!this.#evictsNeighbors || key === undefined) return undefined;
    const neighbors = this.#addresses.get(key);
    return neighbors === undefined ? undefined : idlest(neighbors.order, now - this.#evictIdleMs);
  }

  #enter(ticket: AdmissionTicket<Holder>, key: Key | undefined): void {
    ticket.key = key;
    if (key === undefined) return;
    let neighbors = this.#addresses.get(key);
    if (neighbors === undefined) {
      neighbors = { count: 0, order: new RecencyList() };
      this.#addresses.set(key, neighbors);
    }
    neighbors.count++;
    if (this.#evictsNeighbors) neighbors.order.touch(ticket.placeOfAddress);
  }

  #leave(ticket: AdmissionTicket<Holder>): void {
    const { key } = ticket;
    ticket.key = undefined;
    unlink(ticket.placeOfAddress);
    const neighbors = key === undefined ? undefined : this.#addresses.get(key);
    if (key !== undefined && neighbors !== undefined && --neighbors.count === 0) this.#addresses.delete(key);
  }
}

function idlest<Holder>(
  order: RecencyList<AdmissionTicket<Holder>>,
  before: number,
): AdmissionTicket<Holder> | undefined {
  const { oldest } = order;
  return oldest !== undefined && oldest.activeAt <= before ? oldest : undefined;
}

function atLeastOne(value: number, name: string): number {
  if (value === Infinity || (Number.isInteger(value) && value >= 1)) return value;
  throw new ArgumentRangeError(`${name}: an integer of at least 1, or Infinity, not ${String(value)}`);
}

function prefix(bits: number, most: number, name: string): number {
  if (Number.isInteger(bits) && bits >= 1 && bits <= most) return bits;
  throw new ArgumentRangeError(`${name}: an integer in 1..${most}, not ${String(bits)}`);
}

/** The first is the default. */
function oneOf<const Word extends string>(
  choices: readonly [Word, ...Word[]],
  word: Word | undefined,
  name: string,
): Word {
  if (word === undefined) return choices[0];
  if (choices.includes(word)) return word;
  throw new ArgumentRangeError(`${name}: ${choices.join(", ")}, not ${JSON.stringify(word)}`);
}
