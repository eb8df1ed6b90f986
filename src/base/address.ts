/**
 * Socket addresses as asyncore programs write them, and the one place that says whether one is well formed.
 * Called by bind and connect before anything reaches the kernel; does no name look-up.
 */

import { AF_INET, AF_INET6, AF_UNIX } from "./constants.ts";
import { ArgumentRangeError, ArgumentTypeError, osError } from "./errors.ts";
import { ipVersion } from "./ip-address.ts";

/** `[host, port]` for TCP and UDP; a string for unix: a path, or an abstract name that begins with NUL; `""` unnamed. */
export type Address = readonly [host: string, port: number] | string;

/** What {@link checkAddress} made of an address. */
export type Target =
  | { readonly kind: "unix"; readonly path: string }
  | {
      readonly kind: "inet";
      readonly host: string;
      readonly port: number;
      /** Whether `host` is a numeric address, so that no look-up is needed. */
      readonly literal: boolean;
    };

/** What an address is for. */
export type AddressUse = "bind" | "connect" | "sendto";

/** Longest unix path or abstract name in bytes: `sun_path` less its NUL, unix(7). */
export const MAX_UNIX_PATH_BYTES = 107;

/** Whether `a` and `b` name the same endpoint. */
export function sameAddress(a: Address, b: Address): boolean {
  return typeof a === "string" || typeof b === "string" ? a === b : a[0] === b[0] && a[1] === b[1];
}

/** `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@abstract`. */
export function formatAddress(address: Address): string {
  if (typeof address === "string") return `unix:${address.replace("\0", "@")}`;
  const [host, port] = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `address` as an error tells it. */
export function addressDetails(address: Address): { readonly address: string; readonly port?: number } {
  return typeof address === "string" ? { address } : { address: address[0], port: address[1] };
}

/**
 * Checks that `address` fits `family` and takes it apart.
 *
 * For `bind` an empty host means every interface, as in Python; for the others there is no such thing.
 *
 * @throws {ArgumentTypeError} not an address, or of another family's shape, or host missing
 * @throws {ArgumentRangeError} port not an integer in 0..65535 (for `bind`) or 1..65535
 * @throws {OSError} ENAMETOOLONG unix path over 107 bytes; EINVAL NUL inside; EAFNOSUPPORT numeric host of the other family
 */
export function checkAddress(family: number, address: Address, use: AddressUse): Target {
  return family === AF_UNIX ? checkUnix(address, use) : checkInet(family, address, use);
}

function checkUnix(address: unknown, use: string): Target {
  if (typeof address !== "string") {
    throw new ArgumentTypeError(`${use}: an AF_UNIX address is a string, not ${show(address)}`);
  }
  if (address === "") throw new ArgumentTypeError(`${use}: the unix path is empty`);
  const bytes = Buffer.byteLength(address);
  if (bytes > MAX_UNIX_PATH_BYTES) {
    const detail = `unix path of ${bytes} bytes, the limit is ${MAX_UNIX_PATH_BYTES}`;
    throw osError("ENAMETOOLONG", { syscall: use, address, detail });
  }
  if (address.includes("\0", 1)) {
    throw osError("EINVAL", { syscall: use, address, detail: "NUL inside a unix path" });
  }
  return { kind: "unix", path: address };
}

function checkInet(family: number, address: unknown, use: AddressUse): Target {
  if (!Array.isArray(address) || address.length !== 2) {
    throw new ArgumentTypeError(`${use}: an internet address is [host, port], not ${show(address)}`);
  }
  const [host, port] = address as unknown[];
  if (typeof host !== "string")
    throw new ArgumentTypeError(`${use}: the host is a string, not ${show(host)}`);
  if (host === "" && use !== "bind") throw new ArgumentTypeError(`${use}: the host is missing`);
  if (host.includes("\0")) throw new ArgumentTypeError(`${use}: NUL inside the host`);
  if (typeof port !== "number")
    throw new ArgumentTypeError(`${use}: the port is a number, not ${show(port)}`);
  const lowest = use === "bind" ? 0 : 1;
  if (!Number.isInteger(port) || port < lowest || port > 65_535) {
    throw new ArgumentRangeError(`${use}: the port is an integer in ${lowest}..65535, not ${port}`);
  }
  const version = ipVersion(host);
  if ((version === 4 && family !== AF_INET) || (version === 6 && family !== AF_INET6)) {
    throw osError("EAFNOSUPPORT", { syscall: use, address: host, port });
  }
  return { kind: "inet", host, port, literal: version !== 0 };
}

function show(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "string" ? JSON.stringify(value) : typeof value;
}
