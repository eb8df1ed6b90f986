/**
 * An endpoint without the C library: only what `Bun.listen` and `Bun.connect` can do. `bind()` listens at once, so
 * that a busy address is told there and port 0 has a number; until `listen()` is called, whoever connects is reset.
 * What is missing here: socket options, the backlog, pausing a listener, giving up a connect before it ends.
 */
import { type Address, addressDetails, type Target } from "../base/address.ts";
import { AF_INET6, SO_REUSEADDR, SOL_SOCKET } from "../base/constants.ts";
import { osError, toOSError, type OSError } from "../base/errors.ts";
import { handling } from "./bun-handlers.ts";
import type { BunOwner, Endpoint, Wire, WireListener } from "./endpoint.ts";
import { existsSync, renameSync } from "node:fs";
import type { BunTlsOptions, SniAnswer, SniWaiter } from "./tls-context.ts";
import { replaceStaleSocket, UnixPath } from "./unix-path.ts";

interface ListenOptions {
  readonly unix?: string;
  readonly hostname?: string;
  readonly port?: number;
}
type Listen = (options: object) => WireListener & { readonly port: number | undefined };
type Connect = (options: object) => Promise<unknown>;

const listenWithBun = (options: object): ReturnType<Listen> => (Bun.listen as unknown as Listen)(options);
const connectWithBun = (options: object): Promise<unknown> => (Bun.connect as unknown as Connect)(options);

export class PlainEndpoint implements Endpoint, BunOwner {
  readonly fd: number = -1;
  readonly canPause = false;
  tls: BunTlsOptions | undefined = undefined;
  readonly #family: number;
  #name: Address;
  #listener: ReturnType<Listen> | undefined;
  #owner: BunOwner | undefined;
  #path: UnixPath | undefined;

  constructor(family: number) {
    this.#family = family;
    this.#name = family === AF_INET6 ? ["::", 0] : ["0.0.0.0", 0];
  }

  bind(address: Address, target: Target): void {
    if (this.#listener !== undefined) throw osError("EINVAL", { syscall: "bind", detail: "already bound" });
    const anyHost = this.#family === AF_INET6 ? "::" : "0.0.0.0";
    const where: ListenOptions =
      target.kind === "unix"
        ? { unix: target.path }
        : { hostname: target.host === "" ? anyHost : target.host, port: target.port };
    let port: number;
    try {
      port = this.#open(where);
    } catch (error) {
      const failure = toOSError(error, { syscall: "bind", ...addressDetails(address) }, "EADDRNOTAVAIL");
      if (target.kind !== "unix" || failure.code !== "EADDRINUSE") throw failure;
      if (!replaceStaleSocket(target.path, () => isRefused(target.path))) throw failure;
      port = this.#open(where);
    }
    if (target.kind === "unix") this.#path = UnixPath.made(target.path);
    this.#name = target.kind === "unix" ? target.path : [target.host === "" ? anyHost : target.host, port];
  }

  // Returns the port; a unix socket has none.
  #open(where: ListenOptions): number {
    const listener = listenWithBun({ ...where, data: this, allowHalfOpen: true, ...handling(this.tls) });
    this.#listener = listener;
    return listener.port ?? 0;
  }

  getsockname(): Address {
    return this.#name;
  }
  getsockopt(level: number, name: number): number {
    if (level === SOL_SOCKET && name === SO_REUSEADDR) return 1;
    return unsupported("getsockopt");
  }
  setsockopt(level: number, name: number, value: number): void {
    // Bun always sets it on listeners.
    if (level === SOL_SOCKET && name === SO_REUSEADDR && value !== 0) return;
    unsupported("setsockopt");
  }

  listen(_backlog: number, owner: BunOwner): void {
    if (this.#listener === undefined) {
      if (typeof this.#name === "string") throw osError("EINVAL", { syscall: "listen" });
      const [hostname] = this.#name;
      this.#name = [hostname, this.#open({ hostname, port: 0 })];
    }
    this.#owner = owner;
  }
  stopAccepting(): void {
    throw osError("ENOSYS", { syscall: "listen", detail: "pausing a listener needs the C library" });
  }
  startAccepting(): void {
    throw osError("ENOSYS", { syscall: "listen", detail: "pausing a listener needs the C library" });
  }

  check(_target: Target): void {}

  connect(address: Address, target: Target, owner: BunOwner, failed: (error: OSError) => void): void {
    const bound = this.#listener !== undefined && typeof this.#name !== "string" ? this.#name : undefined;
    this.close();
    const where =
      target.kind === "unix"
        ? { unix: target.path }
        : {
            hostname: target.host,
            port: target.port,
            ...(bound === undefined ? {} : { localAddress: bound[0], localPort: bound[1] }),
          };
    // Bun reports some failures from inside connect(); the owner must not hear of them before we have returned.
    queueMicrotask(() => {
      connectWithBun({ ...where, data: owner, allowHalfOpen: true, ...handling(this.tls) }).catch(
        (error: unknown) => failed(toOSError(error, { syscall: "connect", ...addressDetails(address) })),
      );
    });
  }
  isConnected(_wire: Wire): boolean {
    // `open` comes only when the connection stands.
    return true;
  }

  close(): void {
    // Bun's stop() unlinks whatever has the path by then: a successor's file is put aside meanwhile.
    const path = typeof this.#name === "string" && this.#listener !== undefined ? this.#name : undefined;
    const aside = path === undefined || this.#path?.isThere() !== false ? undefined : setAside(path);
    this.#listener?.stop();
    if (aside !== undefined && path !== undefined) renameSync(aside, path);
    this.#listener = undefined;
    this.#owner = undefined;
  }

  bunOpened(wire: Wire): void {
    if (this.#owner === undefined) wire.terminate();
    else this.#owner.bunOpened(wire);
  }
  bunServerName(name: string, waiter: SniWaiter): SniAnswer {
    return this.#owner?.bunServerName?.(name, waiter);
  }
  bunReceived(): void {}
  bunDrained(): void {}
  bunEnded(): void {}
  bunClosed(): void {}
}

function unsupported(syscall: string): never {
  throw osError("ENOSYS", { syscall, detail: "socket options need the C library" });
}

// Bun tells a refused unix connect from inside the call; one that is not refused is a live server, and is dropped.
function isRefused(path: string): boolean {
  let refused = false;
  connectWithBun({
    unix: path,
    socket: {
      data: () => undefined,
      open: (wire: { terminate(): void }) => wire.terminate(),
      connectError: (_wire: unknown, error: { code?: string }) => {
        refused = error.code === "ECONNREFUSED";
      },
    },
  }).catch(() => {
    // connectError has told it already.
  });
  return refused;
}

function setAside(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  return aside;
}
