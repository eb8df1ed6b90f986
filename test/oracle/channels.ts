/**
 * The channels of the oracle's scenarios, our side: every hook is logged; then the scenario's own, by name, else what
 * is written here. The same as the classes of `oracle_rt.py`; names are Python's so that the two read alike.
 */
import * as asyncore from "asyncore/classic";

import { nameOf, show } from "./words.ts";

/** What channels need of the scenario's run, which is a `Test` of `oracle-rt.ts`. */
export interface Scene {
  readonly family: string;
  /** What a channel is given as its map: null for the default. */
  readonly given: asyncore.ChannelMap | null;
  steps: number;
  log(text: string): void;
  received(name: string, data: Buffer): void;
  attempt(what: string, call: () => unknown): void;
}

export type Term = string | Uint8Array | number | null;

/** Hooks of a scenario's own. */
export type Hooks<C> = {
  readonly [
    hook in
      | "handle_connect"
      | "handle_read"
      | "handle_write"
      | "handle_close"
      | "handle_error"
      | "handle_expt"
      | "handle_accept"
      | "handle_accepted"
      | "close"
      | "found"
  ]?: (c: C) => unknown;
} & {
  readonly readable?: (c: C) => boolean;
  readonly writable?: (c: C) => boolean;
  readonly collect?: (c: C, data: Buffer) => unknown;
  readonly terminator?: Term;
  readonly quietly?: boolean;
};
/** Hooks by name, of whatever kind. */
export type AnyHooks = Record<string, unknown>;

/** The kinds of channel that have a socket. */
export interface Kinds {
  dispatcher: Logged;
  send: LoggedSend;
  chat: LoggedChat;
  bare: Bare;
  plain: Plain;
}
export type Kind = keyof Kinds;
/** What a channel is made of. */
export type Made<K extends Kind> = {
  readonly kind?: K;
  readonly name?: string;
  readonly peer?: string;
} & Hooks<Kinds[K]>;
/** What a listener is made of; `child`: what it accepts. */
export type Served<K extends Kind> = {
  readonly kind?: K;
  readonly name?: string;
  readonly backlog?: number;
  readonly child?: Hooks<Kinds[K]>;
} & Hooks<Logged>;
const logInfo = (t: Scene, name: string, message: string, type: string): void =>
  t.log(`${name} log_info ${type}: ${(message.split("<")[0] ?? "").trim()}`);

type Own = ((c: unknown, data?: Buffer) => unknown) | undefined;

function say(c: LoggedAny, hook: string, other?: () => unknown): void {
  if (c.hooks["quietly"] === true) c.t.steps++;
  else c.t.log(`${c.name} ${hook}`);
  const own = c.hooks[hook] as Own;
  if (own !== undefined) own(c);
  else other?.();
}

function take(c: LoggedAny, size: number): Buffer {
  const data = c.recv(size);
  if (data.length > 0) c.t.received(c.name, data);
  return data;
}

function failed(c: LoggedAny, error: unknown): void {
  c.t.log(`${c.name} handle_error ${nameOf(error)}`);
  const own = c.hooks["handle_error"] as Own;
  if (own === undefined) c.close();
  else own(c);
}

interface LoggedAny extends asyncore.dispatcher {
  readonly t: Scene;
  readonly name: string;
  hooks: AnyHooks;
}

export class Logged extends asyncore.dispatcher implements LoggedAny {
  readonly t: Scene;
  readonly name: string;
  hooks: AnyHooks;
  wants_read = true;
  wants_write = false;
  children: Logged[] = [];
  child_kind: Kind = "dispatcher";
  child_hooks: object = {};
  sock: asyncore.Socket | undefined;

  constructor(t: Scene, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.given);
    this.t = t;
    this.name = name;
    this.hooks = hooks as AnyHooks;
  }

  override readable(): boolean {
    const own = this.hooks["readable"] as Own;
    return own === undefined ? this.wants_read : own(this) === true;
  }
  override writable(): boolean {
    const own = this.hooks["writable"] as Own;
    return own === undefined ? this.wants_write || !this.connected : own(this) === true;
  }
  override handle_connect(): void {
    say(this, "handle_connect");
  }
  override handle_read(): void {
    say(this, "handle_read", () => this.take());
  }
  override handle_write(): void {
    // Python's connect() of a unix socket calls handle_connect inside; ours does with the write event that follows.
    if (this.wants_write || this.t.family !== "unix") say(this, "handle_write");
  }
  override handle_close(): void {
    say(this, "handle_close", () => this.close());
  }
  override handle_expt(): void {
    say(this, "handle_expt");
  }
  override handle_accept(): void {
    say(this, "handle_accept", () => super.handle_accept());
  }
  override handle_accepted(sock: asyncore.Socket): void {
    this.sock = sock;
    say(this, "handle_accepted", () => this.adopt(sock));
  }
  override handle_error(error: unknown): void {
    failed(this, error);
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
  override close(): void {
    (this.hooks["close"] as Own)?.(this);
    super.close();
  }

  take(size: number = 65_536): Buffer {
    return take(this, size);
  }
  echo(): void {
    const data = this.take();
    if (data.length > 0) this.send(data);
  }
  clear_hooks(): void {
    this.hooks = {};
  }
  stop_reading(): void {
    this.wants_read = false;
  }
  start_reading(): void {
    this.wants_read = true;
  }
  start_writing(): void {
    this.wants_write = true;
  }
  stop_writing(): void {
    this.wants_write = false;
  }
  urgent(): void {
    this.t.attempt(`${this.name} urgent`, () => this.recv(1, asyncore.MSG_OOB));
  }
  send_urgent(data: string): number {
    return this.send(data, asyncore.MSG_OOB);
  }
  adopt(sock: asyncore.Socket | undefined): Logged {
    const name = `${this.name}${this.children.length + 1}`;
    const child = make(this.t, this.child_kind, name, this.child_hooks, sock) as unknown as Logged;
    this.children.push(child);
    return child;
  }
}

/** `file_dispatcher`. */
export class LoggedFile extends asyncore.file_dispatcher implements LoggedAny {
  readonly t: Scene;
  readonly name: string;
  hooks: AnyHooks;
  wants_read = true;
  wants_write = false;

  constructor(t: Scene, name: string, hooks: object, fd: asyncore.FileLike) {
    super(fd, t.given);
    this.t = t;
    this.name = name;
    this.hooks = hooks as AnyHooks;
  }

  override readable(): boolean {
    const own = this.hooks["readable"] as Own;
    return own === undefined ? this.wants_read : own(this) === true;
  }
  override writable(): boolean {
    return this.wants_write;
  }
  override handle_connect(): void {
    say(this, "handle_connect");
  }
  override handle_read(): void {
    say(this, "handle_read", () => this.take());
  }
  override handle_write(): void {
    say(this, "handle_write");
  }
  override handle_close(): void {
    say(this, "handle_close", () => this.close());
  }
  override handle_expt(): void {
    say(this, "handle_expt");
  }
  override handle_error(error: unknown): void {
    failed(this, error);
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
  override close(): void {
    (this.hooks["close"] as Own)?.(this);
    super.close();
  }
  take(size: number = 65_536): Buffer {
    return take(this, size);
  }
  stop_reading(): void {
    this.wants_read = false;
  }
  stop_writing(): void {
    this.wants_write = false;
  }
  clear_hooks(): void {
    this.hooks = {};
  }
}

/** `dispatcher_with_send`: its writable() and handle_write() are what is tested. */
export class LoggedSend extends asyncore.dispatcher_with_send implements LoggedAny {
  readonly t: Scene;
  readonly name: string;
  hooks: AnyHooks;

  constructor(t: Scene, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.given);
    this.t = t;
    this.name = name;
    this.hooks = hooks as AnyHooks;
  }

  override handle_connect(): void {
    say(this, "handle_connect");
  }
  override handle_read(): void {
    say(this, "handle_read", () => this.take());
  }
  override handle_close(): void {
    say(this, "handle_close", () => this.close());
  }
  override handle_expt(): void {
    say(this, "handle_expt");
  }
  override handle_error(error: unknown): void {
    failed(this, error);
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
  take(size: number = 65_536): Buffer {
    return take(this, size);
  }
  echo(): void {
    const data = this.take();
    if (data.length > 0) this.send(data);
  }
}

/** `async_chat`: collected data is joined until the terminator. */
export class LoggedChat extends asyncore.async_chat implements LoggedAny {
  readonly t: Scene;
  readonly name: string;
  hooks: AnyHooks;
  parts: Buffer[] = [];

  constructor(t: Scene, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.given);
    this.t = t;
    this.name = name;
    this.hooks = hooks as AnyHooks;
    this.set_terminator("terminator" in this.hooks ? (this.hooks["terminator"] as Term) : "\n");
  }

  override collect_incoming_data(data: Buffer): void {
    (this.hooks["collect"] as Own)?.(this, data);
    this.parts.push(Buffer.from(data));
    this.t.steps++;
  }
  override found_terminator(): void {
    this.t.log(`${this.name} found after ${show(this.collected())}`);
    (this.hooks["found"] as Own)?.(this);
  }
  override handle_connect(): void {
    say(this, "handle_connect");
  }
  override handle_close(): void {
    say(this, "handle_close", () => super.handle_close());
  }
  override handle_expt(): void {
    say(this, "handle_expt");
  }
  override handle_error(error: unknown): void {
    failed(this, error);
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
  clear_hooks(): void {
    this.hooks = {};
  }
  alternate(one: Term, other: Term): void {
    const now = this.get_terminator();
    this.set_terminator(now === one ? other : one);
  }
  collected(): Buffer {
    return Buffer.concat(this.parts.splice(0));
  }
}

/** No hook of its own but what asyncore prints. */
export class Bare extends asyncore.dispatcher {
  readonly t: Scene;
  readonly name: string;

  constructor(t: Scene, name: string, _hooks: object = {}, sock?: asyncore.Socket) {
    super(sock, t.given);
    this.t = t;
    this.name = name;
    this.ignore_log_types = [];
  }
  override writable(): boolean {
    return !this.connected;
  }
  override handle_write(): void {
    // As in Logged.
    if (this.t.family !== "unix") void super.handle_write();
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
}

/** As Bare, with the default writable() and handle_write(). */
export class Plain extends asyncore.dispatcher {
  readonly t: Scene;
  readonly name: string;

  constructor(t: Scene, name: string, _hooks: object = {}, sock?: asyncore.Socket) {
    super(sock, t.given);
    this.t = t;
    this.name = name;
    this.ignore_log_types = [];
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
  }
}

const KINDS = { dispatcher: Logged, send: LoggedSend, chat: LoggedChat, bare: Bare, plain: Plain };

/** A channel of a kind, over a socket if one is given. */
export function make(
  t: Scene,
  kind: Kind,
  name: string,
  hooks: object,
  sock?: asyncore.Socket,
): asyncore.dispatcher {
  return new KINDS[kind](t, name, hooks, sock);
}
