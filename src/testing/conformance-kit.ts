/**
 * What the conformance cases are written with: a {@link Probe} that observes one socket and notes what breaks the
 * contract at any time, and a {@link Rig} that makes probes for a case and cleans up after it.
 */
import assert from "node:assert/strict";

import { OSError } from "../base/errors.ts";
import type { SendData } from "../bytes/send-data.ts";
import type { Socket, SocketObserver } from "../socket/socket.ts";
import { Random } from "./random.ts";
import type { SocketKind } from "./socket-kind.ts";

/** Reads what comes, unless told not to; every call goes through it, so that it can tell who is calling whom. */
export class Probe implements SocketObserver {
  readonly socket: Socket;
  /** False: bytes are left with the socket. */
  reading = true;
  eof = false;
  error: OSError | undefined;
  /** How often the socket told something. */
  told = 0;
  /** Broken sentences of the contract. */
  readonly violations: string[] = [];
  readonly #chunks: Buffer[] = [];
  #calling = 0;
  #gone = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  observe(): this {
    this.call(() => this.socket.observe(this));
    this.#read();
    return this;
  }

  socketReady(): void {
    if (this.#calling > 0) this.violations.push("socketReady() was called from inside a call of the owner's");
    this.#notice();
    // A real owner looks at once, and may call the socket from here.
    if (this.#calling === 0) this.#read();
  }

  socketChanged(): void {
    this.#notice();
    queueMicrotask(() => this.#read());
  }

  #notice(): void {
    this.told++;
    if (this.#gone) this.violations.push("the observer was told something after close() or abort()");
  }

  /** Takes everything there is now, if it is to be read at all. */
  #read(): void {
    while (this.reading && !this.#gone && this.socket.readReady) if (!this.take()) break;
  }

  /** One recv(). @returns whether there was something */
  take(size?: number): boolean {
    let chunk: Buffer | undefined;
    try {
      chunk = this.call(() => this.socket.recv(size));
    } catch (error) {
      assert.ok(error instanceof OSError, String(error));
      if (this.error !== undefined) this.violations.push("an error was told twice");
      this.error ??= error;
      return true;
    }
    if (chunk === undefined) return false;
    if (chunk.length === 0) {
      if (this.eof) this.violations.push("the end of the stream was told twice");
      this.eof = true;
    } else {
      if (this.eof) this.violations.push("bytes came after the end of the stream");
      this.#chunks.push(chunk);
    }
    return true;
  }

  /** Goes on reading. */
  read(): void {
    this.reading = true;
    this.#read();
  }

  /** What was received. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  get text(): string {
    return this.bytes.toString();
  }
  get count(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  get over(): boolean {
    return this.eof || this.error !== undefined;
  }

  /** Calls something of the socket's owner. */
  call<T>(operation: () => T): T {
    this.#calling++;
    try {
      return operation();
    } finally {
      this.#calling--;
    }
  }

  send(data: SendData): number {
    return this.call(() => this.socket.send(data));
  }
  flush(): void {
    this.call(() => this.socket.flush());
  }
  shutdown(how: number): void {
    this.call(() => this.socket.shutdown(how));
  }
  close(): void {
    this.#gone = true;
    this.call(() => this.socket.close());
  }
  abort(): void {
    this.#gone = true;
    this.call(() => this.socket.abort());
  }
}

/** What one case works with. */
export class Rig {
  readonly kind: SocketKind;
  readonly random: Random = new Random(20_260_101);
  readonly #probes: Probe[] = [];
  readonly #disposals: (() => void | Promise<void>)[] = [];

  constructor(kind: SocketKind) {
    this.kind = kind;
  }

  /** Two connected sockets, both observed and read. */
  async pair(): Promise<{ client: Probe; server: Probe }> {
    const { client, server } = await this.barePair();
    return { client: client.observe(), server: server.observe() };
  }

  /** Two connected sockets that nobody observes. */
  async barePair(): Promise<{ client: Probe; server: Probe }> {
    const pair = await this.kind.pair();
    this.#disposals.push(() => pair.dispose());
    return { client: this.probe(pair.client), server: this.probe(pair.server) };
  }

  probe(socket: Socket): Probe {
    const probe = new Probe(socket);
    this.#probes.push(probe);
    return probe;
  }

  create(): Probe {
    return this.probe(this.kind.create());
  }

  /** A listener, observed, that accepts nothing by itself. */
  listener(backlog = 8): Probe {
    const probe = this.create();
    probe.reading = false;
    probe.socket.bind(this.kind.address());
    probe.socket.listen(backlog);
    return probe.observe();
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return this.kind.until(condition, what);
  }
  settle(): Promise<void> {
    return this.kind.settle();
  }

  /** More than all buffers on the way hold. */
  get bulkBytes(): number {
    return this.kind.bulkBytes ?? 4 * 1024 * 1024;
  }
  bulk(): Buffer {
    return this.random.bytes(this.bulkBytes);
  }

  /** Sends until neither kernel takes more and `queued` bytes wait in the socket. @returns all that was sent */
  async fill(sender: Probe): Promise<Buffer> {
    const piece = this.random.bytes(Math.ceil(this.bulkBytes / 8));
    let pieces = 0;
    for (let steady = 0, before = -1; steady < 3;) {
      const { bufferedAmount } = sender.socket;
      if (bufferedAmount < piece.length) {
        sender.send(piece);
        sender.flush();
        pieces++;
        assert.ok(pieces < 1000, "nothing stops the sender of a peer that does not read");
      }
      steady = bufferedAmount > 0 && bufferedAmount === before ? steady + 1 : 0;
      before = sender.socket.bufferedAmount;
      await this.settle();
    }
    return Buffer.concat(Array.from({ length: pieces }, () => piece));
  }

  /** For the end of a case, also of one that failed. */
  async dispose(): Promise<void> {
    for (const probe of this.#probes) probe.abort();
    for (const dispose of this.#disposals) await dispose();
  }

  /** @throws {AssertionError} what the probes noted */
  verify(): void {
    for (const { violations } of this.#probes) assert.deepEqual(violations, []);
  }
}

/** Checks that `operation` throws an OSError with one of `codes`. */
export function throwsCode(operation: () => unknown, ...codes: string[]): OSError {
  let thrown: unknown;
  try {
    operation();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof OSError, `throws an OSError ${codes.join(" or ")}, not ${String(thrown)}`);
  assert.ok(codes.includes(thrown.code), `throws ${codes.join(" or ")}, not ${thrown.message}`);
  return thrown;
}

/** Checks two byte strings without printing megabytes. */
export function sameBytes(actual: Buffer, expected: Uint8Array, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  assert.ok(actual.equals(expected), `${what}: the bytes differ`);
}

/** One case as the suite's files write it. */
export interface Case {
  readonly name: string;
  /** Why `kind` cannot run it, or undefined. */
  readonly skip?: (kind: SocketKind) => string | undefined;
  run(rig: Rig): void | Promise<void>;
}

/** The reason of cases that need RST. */
export function needsResets(kind: SocketKind): string | undefined {
  return kind.resets === false ? "this kind has no RST: an abort looks like a close" : undefined;
}
/** The reason of cases that need virtual time. */
export function needsAdvance(kind: SocketKind): string | undefined {
  return kind.advance === undefined ? "needs virtual time" : undefined;
}
