/**
 * The oracle's runtime, our side: the same as `oracle_rt.py`, for `asyncore/classic`. What it does is said there;
 * names are Python's so that the two read alike. `run.ts` is its main program.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as asyncore from "asyncore/classic";

import { isNonBlocking, makePipe } from "../dispatcher/file-kit.ts";
import {
  type AnyHooks,
  Bare,
  type Hooks,
  type Kind,
  type Kinds,
  Logged,
  LoggedFile,
  type Made,
  make,
  type Scene,
  type Served,
} from "./channels.ts";
import type { PeerProcess } from "./peer-process.ts";
import type { Answer, Command, PeerAddress } from "./protocol.ts";
import { nameOf, plain, show } from "./words.ts";

const QUIET_MS = 10;
const DEADLINE_MS = 10_000;

export {
  close_all,
  file_wrapper,
  loop,
  poll,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  read,
  readwrite,
  simple_producer,
  SO_ERROR,
  SO_RCVBUF,
  SOL_SOCKET,
  write,
} from "asyncore/classic";
export { Logged, LoggedFile, type Term } from "./channels.ts";
export { boom, Boom, close_it, exit_now, fail, Failing, Pieces } from "./words.ts";

export type Hook = string;
// oxlint-disable-next-line typescript/no-explicit-any -- a hook of any kind of channel
export type Act = (c: any) => unknown;
export type Scenario = (t: Test) => Promise<void>;

type Filed = { readonly name?: string; readonly peer?: string } & Hooks<LoggedFile>;
interface Taker {
  take(): Buffer;
  send(data: Buffer): number;
}
interface Channel extends asyncore.dispatcher {
  readonly name: string;
}

/** One run of one scenario. */
export class Test implements Scene {
  readonly family: string;
  readonly use_poll: boolean;
  map: asyncore.ChannelMap = new asyncore.ChannelMap();
  given: asyncore.ChannelMap | null = this.map;
  readonly fds: number[] = [];
  /** Steps that the peer has not answered. */
  asked = 0;
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

  // --- the map

  /** From now on nobody is told of a map. */
  default_map(): void {
    this.map = asyncore.socket_map;
    this.given = null;
  }
  /** From now on everybody is given a map with which nothing has been done yet: it is in push mode. */
  fresh_map(): void {
    this.map = this.given = new asyncore.ChannelMap();
  }
  /** How many channels the default map has. */
  count(): void {
    this.log(`socket_map has ${asyncore.socket_map.size}`);
  }
  in_default(c: asyncore.dispatcher | undefined): void {
    if (c === undefined) throw new Error("no such channel");
    const found = [...asyncore.socket_map.values()].includes(c);
    this.log(`${(c as Channel).name} is ${found ? "" : "not "}in socket_map`);
  }

  // --- passes

  async loop(count: number = 1, timeout: number = 0.01): Promise<void> {
    await asyncore.loop(timeout, this.use_poll, this.given, count);
  }
  async loop_with_defaults(): Promise<void> {
    await this.caught(() => asyncore.loop());
  }
  async poll_with_defaults(): Promise<void> {
    await this.caught(() => asyncore.poll());
  }
  /** No timeout: each pass waits as long as it takes. */
  async loop_for_ever(): Promise<void> {
    await asyncore.loop({ timeout: null, use_poll: this.use_poll, map: this.given });
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
      if ((now - last >= QUIET_MS && passes >= 2) || now - start > DEADLINE_MS) return;
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
  /** What the kernel has for a channel is there; ours sees it in a turn of its event loop. */
  async seen(c: asyncore.dispatcher): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (c.socket?.readReady !== true && performance.now() < end) await Bun.sleep(1);
    if (c.socket?.readReady !== true) this.log("never came true");
  }
  becomes_connected(c: asyncore.dispatcher): void {
    c.connected = true;
    c.connecting = false;
  }
  async try_loop(count: number = 1): Promise<void> {
    await this.caught(() => this.loop(count));
  }
  async try_quiet(): Promise<void> {
    await this.caught(() => this.quiet());
  }
  async loop_to_the_end(): Promise<void> {
    await asyncore.loop(0.01, this.use_poll, this.given);
  }
  async loop_other(map: asyncore.ChannelMap): Promise<void> {
    await asyncore.loop(0.01, this.use_poll, map, 3);
  }
  async poll_once(): Promise<void> {
    await (this.use_poll ? asyncore.poll2(0.01, this.given) : asyncore.poll(0.01, this.given));
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

  forward(one: Taker, other: Taker | undefined): void {
    const data = one.take();
    if (data.length > 0) other?.send(data);
  }

  /** Sends until there is no room: what the kernel does not take is kept, up to a mark. Says how much. */
  fill(c: asyncore.dispatcher): number {
    let sent = 0;
    while (c.socket?.writeReady === true) sent += c.send(Buffer.alloc(65_536));
    return sent;
  }
  /** The peer reads it all; the channel is closed when it has nothing more to write. */
  async drains(c: asyncore.dispatcher, sent: number): Promise<void> {
    this.tell("drain", "p");
    await this.until(() => !c.writable());
    c.close();
    await this.until(() => this.answered());
    const { count, end } = await this.answer();
    this.log(`peer p got ${count === sent ? "all of it" : "something else"} ${end}`);
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
    this.asked++;
    this.#peer.tell({ op, id, ...more } as Command);
  }
  async answer(): Promise<Answer> {
    const answer = await this.#peer.answer();
    this.asked--;
    return answer;
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

  /** The peer takes the urgent byte, while passes go on. */
  async peer_takes_urgent(id: string = "p"): Promise<void> {
    this.tell("urgent", id);
    await this.until(() => this.answered());
    const { data = "", end = "" } = await this.answer();
    this.log(`peer ${id} got urgent ${show(Buffer.from(data, "latin1"))} ${end}`);
  }
  /** The peer reads to where the urgent byte was, while passes go on. */
  async peer_reads_to_mark(id: string = "p"): Promise<void> {
    this.tell("mark", id);
    await this.until(() => this.answered());
    const { data = "", end = "" } = await this.answer();
    this.log(`peer ${id} got ${show(Buffer.from(data, "latin1"))} to the mark ${end}`);
  }

  async sends(data: string, id: string = "p"): Promise<void> {
    await this.peer("send", id, { data });
    await this.quiet();
  }
  /** One pass, which waits for what the peer sends. */
  async sends_to_a_pass(data: string, id: string = "p"): Promise<void> {
    await this.peer("send", id, { data });
    await this.loop(1, DEADLINE_MS / 1000);
  }
  /** The kernel takes what is written to a terminal to the other end when it has time. */
  async types(data: string, id: string = "p"): Promise<void> {
    const { steps } = this;
    await this.peer("send", id, { data });
    await this.until(() => this.steps > steps);
    await this.quiet();
  }
  async ends(how: Command["op"], id: string = "p"): Promise<void> {
    await this.peer(how, id);
    await this.quiet();
  }

  // --- files

  path(): string {
    return join(this.#directory, `f${++this.#paths}`);
  }
  async fifo(): Promise<string> {
    const path = this.path();
    await this.peer("fifo", "f", { path });
    return path;
  }
  /** The path of a terminal whose master is the peer's. */
  async pty(id: string = "p"): Promise<string> {
    return String((await this.peer("pty", id)).address);
  }
  regular(content: string = ""): string {
    const path = this.path();
    writeFileSync(path, content);
    return path;
  }
  content(path: string): void {
    this.log(`the file has ${JSON.stringify(readFileSync(path, "latin1"))}`);
  }
  /** A descriptor of ours, which is closed at the end at the latest. */
  opens(path: string, mode: "r" | "w" | "rw"): number {
    const flags = { r: constants.O_RDONLY, w: constants.O_WRONLY, rw: constants.O_RDWR }[mode];
    const fd = openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
    this.fds.push(fd);
    return fd;
  }
  /** Both ends of a pipe. */
  pipe(): [read: number, write: number] {
    const ends = makePipe();
    this.fds.push(ends.read, ends.write);
    return [ends.read, ends.write];
  }
  closes(fd: number): void {
    closeSync(fd);
    this.fds.splice(this.fds.indexOf(fd), 1);
  }
  is_open(fd: number): void {
    try {
      fstatSync(fd);
    } catch {
      this.log("closed");
      return;
    }
    this.log("open");
  }
  is_blocking(fd: number): void {
    this.log(isNonBlocking(fd) ? "not blocking" : "blocking");
  }
  /** An object that has the descriptor. */
  with_fileno(fd: number): { fileno(): number } {
    return { fileno: () => fd };
  }
  /** A file_dispatcher over a descriptor, or what has one. */
  file(fd: asyncore.FileLike, hooks: Filed = {}): LoggedFile {
    const { name, peer: _peer, ...own } = hooks;
    return new LoggedFile(this, name ?? "f", own, fd);
  }
  /** A file_dispatcher that reads what the peer writes into a FIFO. */
  async reader(hooks: Filed = {}): Promise<LoggedFile> {
    const path = await this.fifo();
    const fd = this.opens(path, "r");
    const f = this.file(fd, hooks);
    this.closes(fd);
    await this.peer("open", hooks.peer ?? "p", { path, mode: "w" });
    return f;
  }
  /** A file_dispatcher that writes into a FIFO what the peer reads. */
  async writer(hooks: Filed = {}): Promise<LoggedFile> {
    const path = await this.fifo();
    await this.peer("open", hooks.peer ?? "p", { path, mode: "r" });
    const fd = this.opens(path, "w");
    const f = this.file(fd, hooks);
    this.closes(fd);
    return f;
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
  where(c: asyncore.dispatcher | undefined): asyncore.Address {
    if (c === undefined) throw new Error("no such channel");
    return c.getsockname();
  }

  /** The address of a channel's peer. */
  peer_of(c: asyncore.dispatcher): asyncore.Address {
    return c.getpeername();
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
  close_each(channels: Logged[]): void {
    for (const c of channels) c.close();
  }
  /** A channel of what accept() gave. */
  adopt_pair(s: Logged, pair: [asyncore.Socket, asyncore.Address] | null): void {
    s.adopt(pair?.[0]);
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
