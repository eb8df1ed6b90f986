/**
 * What the counterparts of CPython's own tests share: families and kinds of loop, channels that write down every hook
 * that nobody expected, and passes until something has happened.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";

import { type Address, AF_INET, AF_INET6, AF_UNIX, ChannelMap } from "asyncore";
import * as asyncore from "asyncore/classic";

import { TooLate, within } from "../support/until.ts";

export const families = ["tcp4", "tcp6", "unix"] as const;
export type Family = (typeof families)[number];

/** Why tests of a family are skipped here; undefined where it is there. */
export function lacking(family: Family): string | undefined {
  if (family !== "tcp6") return undefined;
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return addresses.some(({ address }) => address === "::1") ? undefined : "this machine has no ::1";
}

/** What one test runs in: a family, a kind of loop, a map of its own. */
export class Setting implements Disposable {
  readonly family: Family;
  readonly use_poll: boolean;
  readonly map: ChannelMap = new ChannelMap();
  /** Hooks that ran and should not have. */
  readonly unexpected: string[] = [];
  #folder: string | undefined;
  #paths = 0;

  constructor(family: Family, use_poll: boolean) {
    this.family = family;
    this.use_poll = use_poll;
  }

  get af(): number {
    return { tcp4: AF_INET, tcp6: AF_INET6, unix: AF_UNIX }[this.family];
  }

  /** An address to bind to: a free port, or a path where nothing is. */
  free(): Address {
    if (this.family !== "unix") return [this.family === "tcp4" ? "127.0.0.1" : "::1", 0];
    this.#folder ??= mkdtempSync(join(tmpdir(), "asyncore-cpython-"));
    return join(this.#folder, `s${++this.#paths}`);
  }

  /** One pass. */
  async pass(timeout: number = 0.05): Promise<void> {
    await asyncore.loop({ timeout, use_poll: this.use_poll, map: this.map, count: 1 });
  }

  /** Passes until `condition` holds. @throws {TooLate} */
  async passes(condition: () => boolean, what: string, deadlineMs: number = 10_000): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!condition()) {
      if (performance.now() > end) {
        throw new TooLate(
          `${what} did not come true; unexpected: ${this.unexpected.join(", ") || "nothing"}`,
        );
      }
      // An empty map ends a pass at once, and the event loop must turn all the same.
      if (this.map.size === 0) await new Promise((resolve) => setImmediate(resolve));
      await this.pass();
    }
  }

  /** `loop()` until the map is empty. @throws {TooLate} */
  async loop(): Promise<void> {
    await within(asyncore.loop({ timeout: 5, use_poll: this.use_poll, map: this.map }), "the end of loop()");
  }

  [Symbol.dispose](): void {
    asyncore.close_all(this.map, true);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Expects no hook but reads and writes, which it leaves to asyncore's defaults. */
export class Quiet extends asyncore.dispatcher {
  flag = false;
  readonly setting: Setting;

  constructor(setting: Setting, sock?: asyncore.Socket) {
    super(sock, setting.map);
    this.setting = setting;
  }
  override handle_accept(): asyncore.HookResult {
    this.unexpected("handle_accept");
  }
  override handle_accepted(_sock: asyncore.Socket, _addr: Address): void {
    this.unexpected("handle_accepted");
  }
  override handle_connect(): void {
    this.unexpected("handle_connect");
  }
  override handle_expt(): void {
    this.unexpected("handle_expt");
  }
  override handle_close(): void {
    this.unexpected("handle_close");
    this.close();
  }
  override handle_error(error: unknown): void {
    this.unexpected(`handle_error ${String(error)}`);
    this.close();
  }
  protected unexpected(hook: string): void {
    this.setting.unexpected.push(`${this.constructor.name}.${hook}`);
  }
}

/** Listens on a free address. */
export class Listener extends Quiet {
  constructor(setting: Setting) {
    super(setting);
    this.create_socket(setting.af);
    this.set_reuse_addr();
    this.bind(setting.free());
    this.listen(5);
  }
  get address(): Address {
    return this.getsockname();
  }
}

/** Listens, and gives each connection to a handler. */
export class Server extends Listener {
  readonly handlers: asyncore.dispatcher[] = [];
  readonly #make: (sock: asyncore.Socket) => asyncore.dispatcher;

  constructor(setting: Setting, make?: (sock: asyncore.Socket) => asyncore.dispatcher) {
    super(setting);
    this.#make = make ?? ((sock) => new Quiet(setting, sock));
  }
  override handle_accept(): asyncore.HookResult {
    return asyncore.dispatcher.prototype.handle_accept.call(this);
  }
  override handle_accepted(sock: asyncore.Socket, _addr: Address): void {
    this.handlers.push(this.#make(sock));
  }
}

/** Connects. */
export class Client extends Quiet {
  constructor(setting: Setting, address: Address) {
    super(setting);
    this.create_socket(setting.af);
    this.connect(address);
  }
  override handle_connect(): void {}
}
