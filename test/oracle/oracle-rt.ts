/**
 * The oracle's runtime, our side: the same as `oracle_rt.py`, for `asyncore/classic`. What it does is said there;
 * names are Python's so that the two read alike. `run.ts` is its main program.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { OSError } from "asyncore";
import * as asyncore from "asyncore/classic";

import type { PeerProcess } from "./peer-process.ts";
import type { Answer, Command, PeerAddress } from "./protocol.ts";

const QUIET_MS = 15;
const DEADLINE_MS = 2000;

export { close_all, loop, poll, simple_producer } from "asyncore/classic";

/** What scenarios throw. */
export class Boom extends Error {
  override name = "Boom";
}

export type Hook = string;
// oxlint-disable-next-line typescript/no-explicit-any -- a hook of any kind of channel
export type Act = (c: any) => unknown;
export type Term = string | number | null;
export type Scenario = (t: Test) => Promise<void>;

export function boom(_c: unknown): never {
  throw new Boom("boom");
}
export function exit_now(_c: unknown): never {
  throw new asyncore.ExitNow("exit");
}
export function close_it(c: { close(): void }): void {
  c.close();
}

/** A producer of these pieces. */
export class Pieces {
  readonly pieces: string[];
  constructor(pieces: string[]) {
    this.pieces = pieces;
  }
  more(): string {
    return this.pieces.shift() ?? "";
  }
}

/** A producer that raises after `good` pieces. */
export class Failing {
  good: number;
  constructor(good: number = 0) {
    this.good = good;
  }
  more(): string {
    if (this.good === 0) throw new Boom("producer");
    this.good -= 1;
    return "good";
  }
}

type Hooks<C> = {
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
type AnyHooks = Record<string, unknown>;

interface Kinds {
  dispatcher: Logged;
  send: LoggedSend;
  chat: LoggedChat;
  bare: Bare;
}
type Kind = keyof Kinds;
type Made<K extends Kind> = { readonly kind?: K; readonly name?: string; readonly peer?: string } & Hooks<
  Kinds[K]
>;
type Served<K extends Kind> = {
  readonly kind?: K;
  readonly name?: string;
  readonly backlog?: number;
  readonly child?: Hooks<Kinds[K]>;
} & Hooks<Logged>;
interface Channel extends asyncore.dispatcher {
  readonly name: string;
}

/** One run of one scenario. */
export class Test {
  readonly family: string;
  readonly use_poll: boolean;
  readonly map: asyncore.ChannelMap = new asyncore.ChannelMap();
  events: [text: string, data: Buffer | null][] = [];
  steps = 0;
  readonly #peer: PeerProcess;
  readonly #directory: string;
  #paths = 0;

  constructor(peer: PeerProcess, family: string, use_poll: boolean, directory: string) {
    this.#peer = peer;
    this.family = family;
    this.use_poll = use_poll;
    this.#directory = directory;
  }

  // --- the log

  log(text: string): void {
    this.steps++;
    this.events.push([text, null]);
  }

  /** A read; joined with the one before when nothing else happened between. */
  received(name: string, data: Buffer): void {
    this.steps++;
    const head = `${name} recv`;
    const { events } = this;
    if (events.at(-1)?.[0] === `${name} handle_read` && events.at(-2)?.[0] === head) events.pop();
    const last = events.at(-1);
    if (last?.[0] === head && last[1] !== null) last[1] = Buffer.concat([last[1], data]);
    else events.push([head, Buffer.from(data)]);
  }

  lines(): string[] {
    const out: [line: string, count: number][] = [];
    for (const [text, data] of this.events) {
      const line = data === null ? text : `${text} ${show(data)}`;
      const last = out.at(-1);
      if (last?.[0] === line) last[1]++;
      else out.push([line, 1]);
    }
    return out.map(([line, count]) => (count === 1 ? line : `${line} xn`));
  }

  state(c: asyncore.dispatcher | undefined): void {
    if (c === undefined) throw new Error("no such channel");
    const flags: string[] = (["connected", "accepting", "connecting"] as const).filter((word) => c[word]);
    if ([...this.map.values()].includes(c)) flags.push("mapped");
    this.log(`${(c as Channel).name} is ${flags.join(" ") || "nothing"}`);
  }

  /** Logs what a call returns or raises. */
  attempt(what: string, call: () => unknown): void {
    try {
      const result = call();
      this.log(`${what} returned ${plain(result)}`);
    } catch (error) {
      this.log(`${what} raised ${nameOf(error)}`);
    }
  }

  // --- passes

  async loop(count: number = 1, timeout: number = 0.01): Promise<void> {
    await asyncore.loop(timeout, this.use_poll, this.map, count);
  }

  /** Passes until nothing happens any more. */
  async quiet(): Promise<void> {
    const start = performance.now();
    let last = start;
    let { steps } = this;
    let passes = 0;
    while (true) {
      const now = performance.now();
      if (this.steps !== steps) [steps, last, passes] = [this.steps, now, 0];
      if ((now - last >= QUIET_MS && passes >= 3) || now - start > DEADLINE_MS) return;
      if (this.map.size > 0) await this.loop(1, 0.005);
      else await Bun.sleep(5);
      passes++;
    }
  }

  async until(condition: () => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!condition() && performance.now() < end) {
      if (this.map.size > 0) await this.loop();
      else await Bun.sleep(2);
    }
    if (!condition()) this.log("never came true");
  }

  async caught(passes: () => Promise<void>): Promise<void> {
    try {
      await passes();
    } catch (error) {
      this.log(`the loop raised ${nameOf(error)}`);
    }
  }
  /** Time without a pass, for what does not come with the peer's answer. */
  async rest(): Promise<void> {
    await Bun.sleep(20);
  }
  async try_loop(count: number = 1): Promise<void> {
    await this.caught(() => this.loop(count));
  }
  async try_quiet(): Promise<void> {
    await this.caught(() => this.quiet());
  }
  async loop_to_the_end(): Promise<void> {
    await asyncore.loop(0.01, this.use_poll, this.map);
  }
  async loop_other(map: asyncore.ChannelMap): Promise<void> {
    await asyncore.loop(0.01, this.use_poll, map, 3);
  }
  async poll_once(): Promise<void> {
    await (this.use_poll ? asyncore.poll2(0.01, this.map) : asyncore.poll(0.01, this.map));
  }

  async timed(timeout: number, count: number): Promise<void> {
    const start = performance.now();
    await this.loop(count, timeout);
    const waited = performance.now() - start >= timeout * 1000 * count * 0.8;
    this.log(waited ? "waited" : "came back at once");
  }

  answer_with(c: { readonly name: string }, what: string, answer: boolean): boolean {
    this.log(`${c.name} ${what}`);
    return answer;
  }

  forward(one: Logged, other: Logged | undefined): void {
    const data = one.take();
    if (data.length > 0) other?.send(data);
  }

  show(data: unknown): string {
    return show(Buffer.from(data as Buffer));
  }

  exists(path: asyncore.Address): boolean {
    return existsSync(String(path));
  }

  same(one: unknown, other: unknown): boolean {
    return Bun.deepEquals(one, other);
  }

  prefix(text: string, end: string): void {
    const found = asyncore.find_prefix_at_end(Buffer.from(text), Buffer.from(end));
    this.log(`${JSON.stringify(text)} ${JSON.stringify(end)} ${found}`);
  }

  // --- the peer

  tell(op: Command["op"], id: string = "", more: object = {}): void {
    this.#peer.tell({ op, id, ...more } as Command);
  }
  answer(): Promise<Answer> {
    return this.#peer.answer();
  }
  answered(): boolean {
    return this.#peer.answers.length > 0;
  }

  async peer(op: Command["op"], id: string = "p", more: object = {}): Promise<Answer> {
    this.tell(op, id, more);
    const answer = await this.answer();
    if (answer.ok === false) this.log(`${id} ${op} failed`);
    return answer;
  }

  /** A step that may fail: how long a closed connection takes more is not asyncore's business. */
  async tries(op: Command["op"], id: string = "p", more: object = {}): Promise<void> {
    this.tell(op, id, more);
    await this.answer();
  }

  /** The peer reads `count` bytes, or to the end, while passes go on. */
  async peer_reads(count?: number, id: string = "p"): Promise<void> {
    if (count === undefined) this.tell("eof", id);
    else this.tell("recv", id, { count });
    await this.until(() => this.answered());
    const answer = await this.answer();
    const got = show(Buffer.from(answer.data ?? "", "latin1"));
    this.log(`peer ${id} got ${got} ${answer.end}`.trim());
  }

  async sends(data: string, id: string = "p"): Promise<void> {
    await this.peer("send", id, { data });
    await this.quiet();
  }
  async ends(how: Command["op"], id: string = "p"): Promise<void> {
    await this.peer(how, id);
    await this.quiet();
  }

  // --- channels

  get af(): number {
    if (this.family === "unix") return asyncore.AF_UNIX;
    return this.family === "tcp4" ? asyncore.AF_INET : asyncore.AF_INET6;
  }

  /** An address to bind to. */
  free(): PeerAddress {
    if (this.family === "unix") return join(this.#directory, `s${++this.#paths}`);
    return [this.family === "tcp4" ? "127.0.0.1" : "::1", 0];
  }

  /** The address a listening channel has got. */
  where(c: asyncore.dispatcher): asyncore.Address {
    return c.getsockname();
  }

  async peer_listens(op: Command["op"] = "listen", id: string = "l"): Promise<asyncore.Address> {
    const { address } = await this.peer(op, id, { address: this.free() });
    return address as asyncore.Address;
  }

  channels(): Logged[] {
    return [...this.map.values()] as unknown as Logged[];
  }
  async other_map(): Promise<asyncore.ChannelMap> {
    const map = new asyncore.ChannelMap();
    await asyncore.poll(0, map);
    return map;
  }
  /** Puts a channel that was taken out into a map. */
  revive(c: asyncore.dispatcher, map: asyncore.ChannelMap): void {
    c.add_channel(map);
  }
  nothing(): Logged {
    return new Logged(this, "c", {});
  }

  /** A channel with a socket that is not connected. */
  channel<K extends Kind = "dispatcher">(made: Made<K> = {}): Kinds[K] {
    const { kind, name, peer: _peer, ...hooks } = made;
    const c = make(this, kind ?? "dispatcher", name ?? "c", hooks) as unknown as Kinds[K];
    c.create_socket(this.af, asyncore.SOCK_STREAM);
    return c;
  }

  client<K extends Kind = "dispatcher">(address: asyncore.Address, made: Made<K> = {}): Kinds[K] {
    const c = this.channel(made);
    c.connect(address);
    return c;
  }

  /** A client whose connect() may raise. */
  client_quietly(address: asyncore.Address): Logged {
    const c = this.channel();
    this.attempt("connect", () => c.connect(address));
    return c;
  }

  /** A client whose connection the peer has accepted. */
  async connected<K extends Kind = "dispatcher">(made: Made<K> = {}): Promise<Kinds[K]> {
    const peer = made.peer ?? "p";
    const listener = `l-${peer}`;
    const c = this.client(await this.peer_listens("listen", listener), made);
    await this.peer("accept", peer, { listener });
    await this.quiet();
    return c;
  }

  /** A listener; `child` are the hooks of what it accepts. */
  server<K extends Kind = "dispatcher">(made: Served<K> = {}): Logged {
    const { kind, name, backlog, child, ...hooks } = made;
    const s = new Logged(this, name ?? "s", hooks);
    s.child_kind = kind ?? "dispatcher";
    s.child_hooks = child ?? {};
    s.create_socket(this.af, asyncore.SOCK_STREAM);
    s.bind(this.free());
    s.listen(backlog ?? 5);
    return s;
  }

  bare_server(): Bare {
    const s = new Bare(this, "s");
    s.create_socket(this.af, asyncore.SOCK_STREAM);
    s.bind(this.free());
    s.listen(5);
    return s;
  }

  /** Ends a listener whatever its hooks are, and what it has accepted. */
  hangs_up(s: Logged): void {
    s.clear_hooks();
    s.close();
    for (const child of s.children) child.close();
  }

  /** The peer reads to the end, which may be a reset: which of the two is timing. */
  async peer_ends(id: string = "p"): Promise<void> {
    this.tell("eof", id);
    await this.until(() => this.answered());
    const { end } = await this.answer();
    this.log(end === "eof" || end === "reset" ? `peer ${id} is at the end` : `peer ${id} waits`);
  }

  /** The peer connects to a listener. */
  async comes(s: asyncore.dispatcher, peer: string = "p"): Promise<void> {
    await this.peer("connect", peer, { address: this.where(s) });
    await this.quiet();
  }

  /** What a listener has accepted from the peer; the listener is closed. */
  async accepted<K extends Kind = "dispatcher">(made: Made<K> = {}): Promise<Kinds[K]> {
    const { kind, name: _name, peer: _peer, ...hooks } = made;
    const s = this.server({ kind: kind ?? "dispatcher", child: hooks as AnyHooks });
    await this.comes(s);
    s.close();
    return s.children[0] as unknown as Kinds[K];
  }
}

function show(data: Buffer): string {
  if (data.length > 60) return `<${data.length} bytes ${Bun.hash.crc32(data).toString(16).padStart(8, "0")}>`;
  return JSON.stringify(data.toString("latin1"));
}

function plain(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (value instanceof Uint8Array) return show(Buffer.from(value));
  return typeof value === "object" ? "something" : `${value as string | number | boolean}`;
}

// What Python calls the errors that have no number.
const PYTHON_NAMES: Readonly<Record<string, string>> = {
  ArgumentRangeError: "ValueError",
  ArgumentTypeError: "TypeError",
};

/** An error by its errno or its class, as in the Python program. */
export function nameOf(error: unknown): string {
  if (error instanceof OSError) return error.code;
  if (!(error instanceof Error)) return "something";
  return PYTHON_NAMES[error.constructor.name] ?? error.constructor.name;
}

const logInfo = (t: Test, name: string, message: string, type: string): void =>
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
  readonly t: Test;
  readonly name: string;
  hooks: AnyHooks;
}

export class Logged extends asyncore.dispatcher implements LoggedAny {
  readonly t: Test;
  readonly name: string;
  hooks: AnyHooks;
  wants_read = true;
  wants_write = false;
  children: Logged[] = [];
  child_kind: Kind = "dispatcher";
  child_hooks: object = {};
  sock: asyncore.Socket | undefined;

  constructor(t: Test, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.map);
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
  stop_writing(): void {
    this.wants_write = false;
  }
  urgent(): void {
    this.t.attempt(`${this.name} urgent`, () => this.recv(1, asyncore.MSG_OOB));
  }
  send_urgent(data: string): void {
    this.send(data, asyncore.MSG_OOB);
  }
  adopt(sock: asyncore.Socket | undefined): Logged {
    const name = `${this.name}${this.children.length + 1}`;
    const child = make(this.t, this.child_kind, name, this.child_hooks, sock) as unknown as Logged;
    this.children.push(child);
    return child;
  }
}

/** `dispatcher_with_send`: its writable() and handle_write() are what is tested. */
export class LoggedSend extends asyncore.dispatcher_with_send implements LoggedAny {
  readonly t: Test;
  readonly name: string;
  hooks: AnyHooks;

  constructor(t: Test, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.map);
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
  readonly t: Test;
  readonly name: string;
  hooks: AnyHooks;
  parts: Buffer[] = [];

  constructor(t: Test, name: string, hooks: object, sock?: asyncore.Socket) {
    super(sock, t.map);
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
  override handle_error(error: unknown): void {
    failed(this, error);
  }
  override log_info(message: string, type: string = "info"): void {
    logInfo(this.t, this.name, message, type);
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
  readonly t: Test;
  readonly name: string;

  constructor(t: Test, name: string, _hooks: object = {}, sock?: asyncore.Socket) {
    super(sock, t.map);
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

const KINDS = { dispatcher: Logged, send: LoggedSend, chat: LoggedChat, bare: Bare };

function make(t: Test, kind: Kind, name: string, hooks: object, sock?: asyncore.Socket): asyncore.dispatcher {
  return new KINDS[kind](t, name, hooks, sock);
}
