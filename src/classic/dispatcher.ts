/**
 * asyncore's `dispatcher`, letter by letter: `pythonNames()` gives a class of the core Python's spelling, and the
 * classes of this folder are made by it. Each camelCase hook calls the snake_case one, and the snake_case default the
 * core's: who overrides `handle_read` is called, who does not gets `handleRead`'s default. No behaviour lives here.
 */
import type { Address } from "../base/address.ts";
import { AF_INET, SOCK_STREAM } from "../base/constants.ts";
import type { OSError } from "../base/errors.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import type { HookResult } from "../dispatcher/dispatch.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import { nameHook } from "../dispatcher/hook-names.ts";
import type { SocketOptions } from "../socket/create-socket.ts";
import type { Socket } from "../socket/socket.ts";

/** What Python spells in another way than TypeScript. What is spelled alike (`bind`, `send`, `readable` …) is inherited. */
export interface PythonNames {
  /** `Dispatcher.handleReadEvent()` */
  handle_read_event(): HookResult;
  /** `Dispatcher.handleWriteEvent()` */
  handle_write_event(): HookResult;
  /** `Dispatcher.handleConnectEvent()` */
  handle_connect_event(): HookResult;
  /** `Dispatcher.handleExptEvent()` */
  handle_expt_event(): HookResult;
  /** `Dispatcher.handleRead()` */
  handle_read(): HookResult;
  /** `Dispatcher.handleWrite()` */
  handle_write(): HookResult;
  /** `Dispatcher.handleExpt()` */
  handle_expt(): HookResult;
  /** `Dispatcher.handleConnect()` */
  handle_connect(): HookResult;
  /** `Dispatcher.handleClose()`; `reason` when the connection was lost, which Python does not tell. */
  handle_close(reason?: OSError): HookResult;
  /** `Dispatcher.handleAccept()` */
  handle_accept(): HookResult;
  /** `Dispatcher.handleAccepted()` */
  handle_accepted(sock: Socket, addr: Address): HookResult;
  /** `Dispatcher.handleError()`; Python has the error in `sys.exc_info()`, here it is the argument. */
  handle_error(error?: unknown): HookResult;
  /** `Dispatcher.createSocket()` */
  create_socket(family?: number, type?: number): void;
  /** `Dispatcher.setSocket()` */
  set_socket(sock: Socket, map?: ChannelMap | null): void;
  /** `Dispatcher.setReuseAddr()` */
  set_reuse_addr(): void;
  /** `Dispatcher.addChannel()` */
  add_channel(map?: ChannelMap | null): void;
  /** `Dispatcher.delChannel()` */
  del_channel(map?: ChannelMap | null): void;
  /** `Dispatcher.logInfo()`, unless `type` is one of `ignore_log_types`. */
  log_info(message: string, type?: string): void;
  /** Types of `log_info()` messages that are not written; on a class's prototype or an instance. Default: warnings. */
  ignore_log_types: ReadonlySet<string> | readonly string[];
  /** As in Python: false, and nothing but a program's own code looks at it. */
  debug: boolean;
  /** What `create_socket()` was given. */
  family_and_type: readonly [family: number, type: number] | undefined;
}

/** A class of the core with Python's names. */
export type Named<Base extends typeof Dispatcher> = Omit<Base, "prototype"> & {
  new (sock?: Socket | null, map?: ChannelMap | null): InstanceType<Base> & PythonNames;
  readonly prototype: InstanceType<Base> & PythonNames;
};

const WATCHED = [
  ["handleWrite", "handle_write"],
  ["handleWriteEvent", "handle_write_event"],
  ["handleExpt", "handle_expt"],
  ["handleExptEvent", "handle_expt_event"],
] as const;

/** Gives `Base` Python's names. */
export function pythonNames<Base extends typeof Dispatcher>(Base: Base): Named<Base> {
  const Core: typeof Dispatcher = Base;

  class Names extends Core implements PythonNames {
    // `ignore_log_types` is asked instead, which may be an instance's.
    static override ignoreLogTypes: ReadonlySet<string> = new Set();

    declare ignore_log_types: ReadonlySet<string> | readonly string[];
    declare debug: boolean;
    declare family_and_type: readonly [family: number, type: number] | undefined;

    constructor(sock?: Socket | null, map?: ChannelMap | null) {
      super(sock ?? undefined, map ?? undefined);
    }

    override handleReadEvent(): HookResult {
      return this.handle_read_event();
    }
    handle_read_event(): HookResult {
      return super.handleReadEvent();
    }
    override handleWriteEvent(): HookResult {
      return this.handle_write_event();
    }
    handle_write_event(): HookResult {
      return super.handleWriteEvent();
    }
    override handleConnectEvent(): HookResult {
      return this.handle_connect_event();
    }
    handle_connect_event(): HookResult {
      return super.handleConnectEvent();
    }
    override handleExptEvent(): HookResult {
      return this.handle_expt_event();
    }
    handle_expt_event(): HookResult {
      return super.handleExptEvent();
    }

    override handleRead(): HookResult {
      return this.handle_read();
    }
    handle_read(): HookResult {
      return super.handleRead();
    }
    override handleWrite(): HookResult {
      return this.handle_write();
    }
    handle_write(): HookResult {
      return super.handleWrite();
    }
    override handleExpt(): HookResult {
      return this.handle_expt();
    }
    handle_expt(): HookResult {
      return super.handleExpt();
    }
    override handleConnect(): HookResult {
      return this.handle_connect();
    }
    handle_connect(): HookResult {
      return super.handleConnect();
    }
    override handleClose(reason?: OSError): HookResult {
      return this.handle_close(reason);
    }
    handle_close(reason?: OSError): HookResult {
      return super.handleClose(reason);
    }
    override handleAccept(): HookResult {
      return this.handle_accept();
    }
    handle_accept(): HookResult {
      return super.handleAccept();
    }
    override handleAccepted(socket: Socket, address: Address): HookResult {
      return this.handle_accepted(socket, address);
    }
    handle_accepted(sock: Socket, addr: Address): HookResult {
      return super.handleAccepted(sock, addr);
    }
    override handleError(error: unknown): HookResult {
      return this.handle_error(error);
    }
    handle_error(error?: unknown): HookResult {
      return super.handleError(error);
    }

    override createSocket(family?: number, type?: number): void;
    override createSocket(options: SocketOptions): void;
    override createSocket(first?: number | SocketOptions, type?: number): void {
      // Python's has no options.
      if (typeof first === "object") super.createSocket(first);
      else this.create_socket(first, type);
    }
    create_socket(family: number = AF_INET, type: number = SOCK_STREAM): void {
      this.family_and_type = [family, type];
      super.createSocket(family, type);
    }
    override setSocket(socket: Socket, map?: ChannelMap): void {
      this.set_socket(socket, map);
    }
    set_socket(sock: Socket, map?: ChannelMap | null): void {
      super.setSocket(sock, map ?? undefined);
    }
    override setReuseAddr(): void {
      this.set_reuse_addr();
    }
    set_reuse_addr(): void {
      super.setReuseAddr();
    }
    override addChannel(map?: ChannelMap): void {
      this.add_channel(map);
    }
    add_channel(map?: ChannelMap | null): void {
      super.addChannel(map ?? undefined);
    }
    override delChannel(map?: ChannelMap): void {
      this.del_channel(map);
    }
    del_channel(map?: ChannelMap | null): void {
      super.delChannel(map ?? undefined);
    }
    override logInfo(message: string, type?: string): void {
      return this.log_info(message, type);
    }
    log_info(message: string, type: string = "info"): void {
      const ignored = new Set(this.ignore_log_types);
      if (!ignored.has(type)) super.logInfo(message, type);
    }
  }
  // Class attributes, as in Python: a subclass, its prototype or an instance may set them.
  Names.prototype.ignore_log_types = Dispatcher.ignoreLogTypes;
  Names.prototype.debug = false;
  Names.prototype.family_and_type = undefined;
  // asyncore does not have these, and its programs name fields so: one that assigns such a field has it.
  for (const name of ["opened", "closed"] as const) {
    const inherited = Object.getOwnPropertyDescriptor(Dispatcher.prototype, name);
    Object.defineProperty(Names.prototype, name, {
      ...inherited,
      set(value: unknown) {
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      },
    });
  }
  // Only the class that has a hook of its own is to pay for it.
  for (const [hook, name] of WATCHED) {
    nameHook(Names.prototype[hook], name, Names.prototype[name], Core.prototype[hook]);
  }
  return Names as unknown as Named<Base>;
}

const NamedDispatcher: Named<typeof Dispatcher> = pythonNames(Dispatcher);

/**
 * `Dispatcher` with Python's names.
 *
 * @example asyncore's echo server
 * ```ts
 * import * as asyncore from "asyncore/classic";
 *
 * class EchoHandler extends asyncore.dispatcher {
 *   override handle_read() {
 *     const data = this.recv(8192);
 *     if (data.length > 0) this.send(data);
 *   }
 *   override handle_close() {
 *     this.close();
 *   }
 * }
 *
 * class EchoServer extends asyncore.dispatcher {
 *   constructor(host: string, port: number) {
 *     super();
 *     this.create_socket();
 *     this.set_reuse_addr();
 *     this.bind([host, port]);
 *     this.listen(5);
 *   }
 *   override handle_accepted(sock: asyncore.Socket) {
 *     new EchoHandler(sock);
 *     this.close();
 *   }
 * }
 *
 * const server = new EchoServer("localhost", 0);
 * const client = new asyncore.dispatcher_with_send();
 * client.create_socket();
 * client.connect(server.getsockname());
 * client.send("hello");
 * client.handle_read = () => {
 *   console.log(client.recv(8192).toString());
 *   client.close();
 * };
 * await asyncore.loop();
 * ```
 */
export class dispatcher extends NamedDispatcher {
  // In Python `async_chat` and the others derive from `dispatcher`; here from the core's classes, as `dispatcher` does.
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== dispatcher) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Dispatcher && "handle_read" in value;
  }
}
