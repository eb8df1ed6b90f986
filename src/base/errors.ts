/**
 * The one error tree. Everything that goes wrong below a dispatcher becomes an {@link OSError} here, whatever
 * shape Bun, libc or the resolver gave it, so that nobody above `socket/` has to know those shapes.
 * Called by every file that throws; must never throw by itself while it builds an error.
 */

/** What is known about a failure besides its code. */
export interface OSErrorDetails {
  /** The operation that failed: `connect`, `bind`, `send` … */
  readonly syscall?: string;
  /** Host or unix path the operation was about. */
  readonly address?: string;
  /** TCP or UDP port the operation was about. */
  readonly port?: number;
  /** The error this one was made from. */
  readonly cause?: unknown;
  /** Says more than the platform's text for the code does. */
  readonly detail?: string;
}

// The resolver's failures are not errno values on any platform; libuv's numbers are the only common ones.
const RESOLVER_ERRNO: Readonly<Record<string, number>> = {
  EAI_ADDRFAMILY: 3000,
  EAI_AGAIN: 3001,
  EAI_FAIL: 3004,
  EAI_FAMILY: 3005,
  EAI_MEMORY: 3006,
  EAI_NODATA: 3007,
  ENOTFOUND: 3008,
};
// What libuv's table, which has the rest, has no sentence for.
const TEXT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    EINPROGRESS: "operation now in progress",
    ENETRESET: "connection dropped on network reset",
    ESTALE: "stale file handle",
    EAI_ADDRFAMILY: "address family not supported for this name",
    EAI_AGAIN: "temporary failure in name resolution",
    EAI_FAIL: "permanent failure in name resolution",
    EAI_FAMILY: "address family not supported by the resolver",
    EAI_MEMORY: "resolver is out of memory",
    EAI_NODATA: "name has no address of this family",
    ENOTFOUND: "name or service not known",
  }),
);

interface Tables {
  readonly errnoByCode: ReadonlyMap<string, number>;
  readonly codeByErrno: ReadonlyMap<number, string>;
  readonly textByErrno: ReadonlyMap<number, readonly [string, string]>;
}
let tables: Tables | undefined;

// Made for the first error: a program that meets none has neither their memory nor the loading of two modules.
function platform(): Tables {
  return (tables ??= makeTables());
}

function makeTables(): Tables {
  const textByErrno = process.getBuiltinModule("node:util").getSystemErrorMap();
  const errnoByCode = new Map<string, number>(Object.entries(RESOLVER_ERRNO));
  const { errno: numbers } = process.getBuiltinModule("node:os").constants;
  for (const [code, errno] of Object.entries(numbers)) errnoByCode.set(code, errno);
  // node's table lacks codes that sockets meet (EHOSTDOWN, ESHUTDOWN …); libuv's lacks others. Beyond 1000 are libuv's own.
  for (const [errno, [code]] of textByErrno) {
    if (errno > -1000 && !errnoByCode.has(code)) errnoByCode.set(code, -errno);
  }
  const codeByErrno = new Map<number, string>();
  // EAGAIN and EWOULDBLOCK share a number on the platforms Bun has; the first name listed is the usual one.
  for (const [code, errno] of errnoByCode) if (!codeByErrno.has(errno)) codeByErrno.set(errno, code);
  return { errnoByCode, codeByErrno, textByErrno };
}

/** The platform's number for an error code (`"ECONNRESET"`), 0 where the platform has none. */
export function errnoOf(code: string): number {
  return platform().errnoByCode.get(code) ?? 0;
}

/** The code for one of this platform's error numbers, `"EUNKNOWN"` where there is none. Takes either sign. */
export function codeOf(errno: number): string {
  return platform().codeByErrno.get(Math.abs(errno)) ?? "EUNKNOWN";
}

/** The platform's sentence for an error code, as `strerror(3)` has it. */
export function strerror(code: string): string {
  return TEXT.get(code) ?? platform().textByErrno.get(-errnoOf(code))?.[1] ?? "unknown error";
}

function describe(code: string, details: OSErrorDetails): string {
  const { syscall, address, port, detail } = details;
  let where = syscall ?? "";
  if (address !== undefined && address !== "") {
    const host = port !== undefined && address.includes(":") ? `[${address}]` : address;
    where += `${where === "" ? "" : " "}${host.replace("\0", "@")}${port === undefined ? "" : `:${port}`}`;
  }
  return `${where === "" ? "" : `${where}: `}${code} ${detail ?? strerror(code)}`;
}

/**
 * A failed operation of the operating system. `errno` is always positive and this platform's; the message reads
 * `connect 127.0.0.1:1: ECONNREFUSED connection refused`. Make one with {@link osError}, which chooses the
 * subclass; the subclasses are those of Python's PEP 3151.
 */
export class OSError extends Error {
  override name = "OSError";
  /** Symbolic code: `ECONNRESET`, `EADDRINUSE`, `ENOTFOUND` … */
  readonly code: string;
  /** The platform's positive number for `code`; libuv's (3000 …) for the resolver's codes. */
  readonly errno: number;
  readonly syscall: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;

  constructor(code: string, details: OSErrorDetails = {}) {
    super(describe(code, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.errno = errnoOf(code);
    this.syscall = details.syscall;
    this.address = details.address;
    this.port = details.port;
  }
}

/** EAGAIN, EALREADY, EINPROGRESS, EWOULDBLOCK. */
export class BlockingIOError extends OSError {
  override name = "BlockingIOError";
}
/** Base of the errors of a connection that is gone. */
export class ConnectionError extends OSError {
  override name = "ConnectionError";
}
/** EPIPE, ESHUTDOWN: sending where nobody can receive. */
export class BrokenPipeError extends ConnectionError {
  override name = "BrokenPipeError";
}
/** ECONNABORTED. */
export class ConnectionAbortedError extends ConnectionError {
  override name = "ConnectionAbortedError";
}
/** ECONNREFUSED. */
export class ConnectionRefusedError extends ConnectionError {
  override name = "ConnectionRefusedError";
}
/** ECONNRESET. */
export class ConnectionResetError extends ConnectionError {
  override name = "ConnectionResetError";
}
/** EEXIST. */
export class FileExistsError extends OSError {
  override name = "FileExistsError";
}
/** ENOENT. */
export class FileNotFoundError extends OSError {
  override name = "FileNotFoundError";
}
/** EINTR. */
export class InterruptedError extends OSError {
  override name = "InterruptedError";
}
/** EACCES, EPERM. */
export class PermissionError extends OSError {
  override name = "PermissionError";
}
/** ETIMEDOUT. */
export class TimeoutError extends OSError {
  override name = "TimeoutError";
}
/** A name that could not be resolved (Python's `socket.gaierror`): `ENOTFOUND`, `EAI_AGAIN` … */
export class ResolveError extends OSError {
  override name = "ResolveError";
}

/** In which part of a TLS connection something went wrong. */
export type TLSPhase = "options" | "handshake" | "established";

/**
 * A failure of TLS (Python's `ssl.SSLError`). `code` is `EPROTO`, or the errno of the connection that was lost in the
 * handshake; `reason` is OpenSSL's or node's word for it.
 */
export class TLSError extends OSError {
  override name = "TLSError";
  /** `CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID`, `WRONG_VERSION_NUMBER`, `HANDSHAKE_TIMEOUT` … */
  readonly reason: string;
  readonly phase: TLSPhase;

  constructor(reason: string, phase: TLSPhase, details: OSErrorDetails = {}, code = "EPROTO") {
    super(code, { syscall: "tls", detail: `${phase}: ${reason}`, ...details });
    this.reason = reason;
    this.phase = phase;
  }
}

const CLASS_BY_CODE: ReadonlyMap<string, typeof OSError> = new Map(
  Object.entries({
    EAGAIN: BlockingIOError,
    EALREADY: BlockingIOError,
    EINPROGRESS: BlockingIOError,
    EWOULDBLOCK: BlockingIOError,
    EPIPE: BrokenPipeError,
    ESHUTDOWN: BrokenPipeError,
    ECONNABORTED: ConnectionAbortedError,
    ECONNREFUSED: ConnectionRefusedError,
    ECONNRESET: ConnectionResetError,
    EEXIST: FileExistsError,
    ENOENT: FileNotFoundError,
    EINTR: InterruptedError,
    EACCES: PermissionError,
    EPERM: PermissionError,
    ETIMEDOUT: TimeoutError,
  }),
);

/** Makes the {@link OSError} of the right class for `code`. */
export function osError(code: string, details: OSErrorDetails = {}): OSError {
  const Kind = Object.hasOwn(RESOLVER_ERRNO, code) ? ResolveError : (CLASS_BY_CODE.get(code) ?? OSError);
  return new Kind(code, details);
}

/**
 * Turns whatever Bun, node's resolver or a user threw into an {@link OSError}. An OSError passes through. A code
 * that the platform knows is kept (the sign of `errno` is not trusted); a number without a code is looked up;
 * anything else becomes `fallbackCode`, with the original as `cause`.
 */
export function toOSError(error: unknown, details: OSErrorDetails = {}, fallbackCode = "EIO"): OSError {
  if (error instanceof OSError) return error;
  return osError(knownCode(error) ?? fallbackCode, { ...details, cause: error });
}

function knownCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  try {
    const { code, errno } = error as { code?: unknown; errno?: unknown };
    if (typeof code === "string") {
      // The number beside a code that is unknown here may be the resolver's, whose 4 is not EINTR.
      const bare = code.replace(/^DNS_/, "");
      return platform().errnoByCode.has(bare) ? bare : undefined;
    }
    return typeof errno === "number" ? platform().codeByErrno.get(Math.abs(errno)) : undefined;
  } catch {
    // A getter of the thrown value's.
    return undefined;
  }
}

/** Codes that mean "this connection is over" (asyncore's `_DISCONNECTED`). */
export const DISCONNECTED: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ENOTCONN",
  "ESHUTDOWN",
  "ECONNABORTED",
  "EPIPE",
  "EBADF",
]);

/**
 * Leaves the loop: thrown by a hook, it comes out of `loop()` (asyncore's `ExitNow`). No channel is closed.
 * In push mode there is no loop to leave, so it surfaces as an uncaught exception.
 */
export class ExitNow extends Error {
  override name = "ExitNow";
}

/** A value of the wrong type: `code` is `ERR_INVALID_ARG_TYPE`. */
export class ArgumentTypeError extends TypeError {
  readonly code = "ERR_INVALID_ARG_TYPE";
}

/** A value of the right type outside its range: `code` is `ERR_OUT_OF_RANGE`. */
export class ArgumentRangeError extends RangeError {
  readonly code = "ERR_OUT_OF_RANGE";
}
