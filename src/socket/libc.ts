/**
 * The few C library calls Bun has no API for: a socket that exists before it is connected or listening, socket
 * options, and the exact error of a connect. Loaded on first use and only on Linux; where it cannot be had
 * {@link libc} is undefined and `plain-endpoint.ts` does what Bun alone can do.
 *
 * Memory rule of bun:ffi (a broken rule is a crash): every buffer given to C stands over an explicit ArrayBuffer
 * and is held by a field, and the typed array itself is passed, never a cached pointer.
 */
import { dlopen, FFIType, type Pointer, ptr as addressOf, read } from "bun:ffi";

import { type Address, addressDetails, type Target } from "../base/address.ts";
import { AF_INET6, AF_UNIX, SO_ERROR, SOL_SOCKET } from "../base/constants.ts";
import { codeOf, osError } from "../base/errors.ts";

const { i32, u32, ptr } = FFIType;
/** What is loaded. */
const SYMBOLS = {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, ptr, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, ptr, u32], returns: i32 },
  getsockname: { args: [i32, ptr, ptr], returns: i32 },
  getpeername: { args: [i32, ptr, ptr], returns: i32 },
  getsockopt: { args: [i32, i32, i32, ptr, ptr], returns: i32 },
  setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
  poll: { args: [ptr, FFIType.u64, i32], returns: i32 },
  recv: { args: [i32, ptr, FFIType.u64, i32], returns: FFIType.i64_fast },
  send: { args: [i32, ptr, FFIType.u64, i32], returns: FFIType.i64_fast },
  close: { args: [i32], returns: i32 },
  inet_pton: { args: [i32, ptr, ptr], returns: i32 },
  inet_ntop: { args: [i32, ptr, ptr, u32], returns: ptr },
  if_nametoindex: { args: [ptr], returns: u32 },
  getaddrinfo: { args: [ptr, ptr, ptr, ptr], returns: i32 },
  freeaddrinfo: { args: [ptr], returns: FFIType.void },
  __errno_location: { args: [], returns: ptr },
} as const;

const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const F_SETOWN = 8;
const POLLPRI = 2;
const MSG_OOB = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EINPROGRESS = 115;
const SOCKADDR_BYTES = 128;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_MEMINFO = 55;
/** Of the numbers of SO_MEMINFO, <linux/sock_diag.h>, the last one: what was dropped. */
const SK_MEMINFO_DROPS = 8;
// <netdb.h> of glibc and musl: the EAI_ numbers a look-up for bind() can end with.
const EAI: Readonly<Record<number, string>> = {
  [-2]: "ENOTFOUND",
  [-3]: "EAI_AGAIN",
  [-4]: "EAI_FAIL",
  [-5]: "EAI_NODATA",
  [-6]: "EAI_FAMILY",
  [-9]: "EAI_ADDRFAMILY",
  [-10]: "EAI_MEMORY",
};

type Symbols = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

const cells = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(bytes));
const cString = (text: string): Uint8Array<ArrayBuffer> => {
  const bytes = cells(Buffer.byteLength(text) + 1);
  bytes.set(Buffer.from(text));
  return bytes;
};

/** A socket address as the kernel reads it. */
export interface SockAddr {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;
}

/** An IPv4 address as text, made anew only when it is another one than before. */
class Host4 {
  #bits = 0;
  #text = "0.0.0.0";
  of(bits: number): string {
    if (bits !== this.#bits) {
      this.#bits = bits;
      this.#text = `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
    }
    return this.#text;
  }
}

export class Libc {
  readonly #c: Symbols;
  readonly #name: Uint8Array<ArrayBuffer> = cells(SOCKADDR_BYTES);
  readonly #nameView: DataView = new DataView(this.#name.buffer);
  readonly #text: Uint8Array<ArrayBuffer> = cells(64);
  readonly #peerHost = new Host4();
  readonly #ownHost = new Host4();
  readonly #int: Int32Array<ArrayBuffer> = new Int32Array(new ArrayBuffer(4));
  readonly #length: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(4));
  #polled: Int32Array<ArrayBuffer> = new Int32Array(new ArrayBuffer(64));
  readonly #pointer: BigUint64Array<ArrayBuffer> = new BigUint64Array(new ArrayBuffer(8));
  readonly #memInfo: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(4 * (SK_MEMINFO_DROPS + 1)));
  /** A program of one instruction for the kernel's packet filter, struct sock_filter: return (6), 0 bytes. */
  readonly #takeNothing: Uint16Array<ArrayBuffer> = new Uint16Array(new ArrayBuffer(8));
  /** struct sock_fprog: how many instructions, and where. */
  readonly #program: BigUint64Array<ArrayBuffer> = new BigUint64Array(new ArrayBuffer(16));

  private constructor(symbols: unknown) {
    this.#c = symbols as Symbols;
  }

  /** @throws when the platform has no such file or the file no such functions */
  static open(file: string): Libc {
    return new Libc(dlopen(file, SYMBOLS).symbols);
  }

  // Must be read before anything is awaited: the next call of this thread overwrites it.
  #errno(): number {
    return read.i32(this.#c.__errno_location() as Pointer, 0);
  }

  #fail(syscall: string, address?: Address): never {
    const code = codeOf(this.#errno());
    throw osError(code, { syscall, ...(address === undefined ? {} : addressDetails(address)) });
  }

  /** socket(2), non-blocking and close-on-exec. @throws {OSError} EMFILE, EAFNOSUPPORT, EPROTONOSUPPORT … */
  socket(family: number, type: number): number {
    const fd = this.#c.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? this.#fail("socket") : fd;
  }

  /** bind(2). @throws {OSError} EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL, ENOENT … */
  bind(fd: number, to: SockAddr, address: Address): void {
    if (this.#c.bind(fd, to.bytes, to.length) < 0) this.#fail("bind", address);
  }

  /** listen(2). @throws {OSError} EADDRINUSE … */
  listen(fd: number, backlog: number): void {
    if (this.#c.listen(fd, backlog) < 0) this.#fail("listen");
  }

  /** connect(2): undefined when it is done or under way, else the code it failed with. */
  connect(fd: number, to: SockAddr): string | undefined {
    if (this.#c.connect(fd, to.bytes, to.length) === 0) return undefined;
    const errno = this.#errno();
    return errno === EINPROGRESS ? undefined : codeOf(errno);
  }

  /** getsockname(2). */
  getsockname(fd: number): Address {
    this.#length[0] = SOCKADDR_BYTES;
    if (this.#c.getsockname(fd, this.#name, this.#length) < 0) this.#fail("getsockname");
    return this.#decode(this.#ownHost);
  }

  /** getpeername(2): undefined while there is no peer. */
  getpeername(fd: number): Address | undefined {
    this.#length[0] = SOCKADDR_BYTES;
    return this.#c.getpeername(fd, this.#name, this.#length) < 0 ? undefined : this.#decode(this.#peerHost);
  }

  /** getsockopt(2) for options that are an int. */
  getsockopt(fd: number, level: number, name: number): number {
    this.#length[0] = 4;
    if (this.#c.getsockopt(fd, level, name, this.#int, this.#length) < 0) this.#fail("getsockopt");
    return this.#int[0] as number;
  }

  /** setsockopt(2) for options that are an int. */
  setsockopt(fd: number, level: number, name: number, value: number): void {
    this.#int[0] = value;
    if (this.#c.setsockopt(fd, level, name, this.#int, 4) < 0) this.#fail("setsockopt");
  }

  /** The socket's pending error, which reading clears. */
  takeError(fd: number): number {
    return this.getsockopt(fd, SOL_SOCKET, SO_ERROR);
  }

  /** A second descriptor for the same socket, close-on-exec. @throws {OSError} EMFILE, EBADF */
  duplicate(fd: number): number {
    const copy = this.#c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? this.#fail("dup") : copy;
  }

  /** Has the kernel send this process SIGURG when urgent data comes on `fd`. */
  ownSignals(fd: number): void {
    if (this.#c.fcntl(fd, F_SETOWN, process.pid) < 0) this.#fail("fcntl");
  }

  /** The indexes of those `fds` that have urgent data. One poll(2) for all, about 0.14 µs for each. */
  urgent(fds: readonly number[]): number[] {
    // struct pollfd: fd (int), events (short), revents (short).
    if (this.#polled.length < fds.length * 2) this.#polled = new Int32Array(new ArrayBuffer(fds.length * 16));
    const polled = this.#polled;
    fds.forEach((fd, i) => {
      polled[2 * i] = fd;
      polled[2 * i + 1] = POLLPRI;
    });
    if (this.#c.poll(polled, fds.length, 0) <= 0) return [];
    return fds.map((_fd, i) => i).filter((i) => (((polled[2 * i + 1] ?? 0) >>> 16) & POLLPRI) !== 0);
  }

  /** Takes the urgent byte; undefined when there is none (EINVAL, EAGAIN). @throws {OSError} ECONNRESET … */
  recvUrgent(fd: number): Buffer | undefined {
    if (Number(this.#c.recv(fd, this.#text, 1, MSG_OOB | MSG_DONTWAIT)) === 1)
      return Buffer.of(this.#text[0] ?? 0);
    const code = codeOf(this.#errno());
    if (code === "EINVAL" || code === "EAGAIN" || code === "EWOULDBLOCK") return undefined;
    throw osError(code, { syscall: "recv" });
  }

  /** Sends `bytes`, the last of them urgent. @returns how many went out @throws {OSError} EAGAIN, EPIPE … */
  sendUrgent(fd: number, bytes: Uint8Array): number {
    const own = cells(bytes.length);
    own.set(bytes);
    const sent = Number(this.#c.send(fd, own, own.length, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL));
    return sent < 0 ? this.#fail("send") : sent;
  }

  /**
   * Has the kernel drop what comes to a datagram socket, or take it again, by a packet filter that lets nothing pass
   * (socket(7), SO_ATTACH_FILTER). @returns whether it does, which a machine short of memory may refuse
   */
  refuseDatagrams(fd: number, refuse: boolean): boolean {
    if (!refuse) return this.#c.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, this.#int, 4) === 0;
    this.#takeNothing[0] = 6;
    this.#program[0] = 1n;
    this.#program[1] = BigInt(addressOf(this.#takeNothing));
    return this.#c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, this.#program, 16) === 0;
  }

  /** How many datagrams the kernel has dropped on `fd`: no room in its buffer, broken, or refused. */
  droppedDatagrams(fd: number): number {
    const { byteLength } = this.#memInfo;
    this.#length[0] = byteLength;
    const failed = this.#c.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, this.#memInfo, this.#length) < 0;
    // A kernel before 4.12 does not tell.
    return failed || this.#length[0] < byteLength ? 0 : (this.#memInfo[SK_MEMINFO_DROPS] ?? 0);
  }

  /** close(2). Only for descriptors that Bun does not own. */
  close(fd: number): void {
    this.#c.close(fd);
  }

  /**
   * Makes the kernel's form of an address. A host that is a name is looked up, which blocks as Python's bind()
   * does; connect() resolves before it comes here.
   *
   * @throws {OSError} ENOTFOUND, EAI_AGAIN …; EINVAL for a scope that names no interface
   */
  sockaddr(family: number, target: Target): SockAddr {
    if (target.kind === "unix") {
      const path = Buffer.from(target.path);
      const bytes = cells(2 + path.length + 1);
      new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
      bytes.set(path, 2);
      // An abstract name is as long as it is written; a path carries its NUL.
      return { bytes, length: target.path.startsWith("\0") ? 2 + path.length : bytes.length };
    }
    const size = family === AF_INET6 ? 28 : 16;
    const bytes = cells(size);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, family, true);
    const host = target.host;
    if (host !== "" && !target.literal) {
      this.#lookUp(family, host, bytes, target.port);
    } else if (host !== "") {
      const [literal = "", scope] = host.split("%");
      const into = cells(16);
      if (this.#c.inet_pton(family, cString(literal), into) !== 1) {
        throw osError("EAFNOSUPPORT", { syscall: "inet_pton", address: host });
      }
      bytes.set(into.subarray(0, family === AF_INET6 ? 16 : 4), family === AF_INET6 ? 8 : 4);
      if (scope !== undefined) view.setUint32(24, this.#scope(scope, host), true);
    }
    view.setUint16(2, target.port, false);
    return { bytes, length: size };
  }

  #scope(scope: string, host: string): number {
    const numeric = /^\d+$/.test(scope);
    const index = numeric ? Number(scope) : this.#c.if_nametoindex(cString(scope));
    if (index === 0 || index > 0xffff_ffff) {
      throw osError("EINVAL", { syscall: "if_nametoindex", address: host, detail: `no interface ${scope}` });
    }
    return index;
  }

  // getaddrinfo(3); struct addrinfo: flags, family, socktype, protocol (4 × int), addrlen, addr*, canonname*, next*.
  #lookUp(family: number, host: string, into: Uint8Array, port: number): void {
    const hints = new Int32Array(new ArrayBuffer(48));
    hints[1] = family;
    hints[2] = 1;
    const result = this.#c.getaddrinfo(cString(host), null, hints, this.#pointer);
    if (result !== 0) {
      throw osError(EAI[result] ?? "EAI_FAIL", { syscall: "getaddrinfo", address: host, port });
    }
    const list = Number(this.#pointer[0]) as Pointer;
    const length = Math.min(read.u32(list, 16), into.length);
    const from = read.ptr(list, 24) as Pointer;
    for (let i = 0; i < length; i++) into[i] = read.u8(from, i);
    this.#c.freeaddrinfo(list);
  }

  #decode(hosts: Host4): Address {
    const length = this.#length[0] as number;
    const family = this.#nameView.getUint16(0, true);
    if (family === AF_UNIX) {
      const path = Buffer.from(this.#name.subarray(2, Math.max(2, length)));
      // A path ends at its NUL; an abstract name begins with one and ends with the address; unnamed is empty.
      const end = path[0] === 0 ? -1 : path.indexOf(0);
      return (end < 0 ? path : path.subarray(0, end)).toString();
    }
    const port = this.#nameView.getUint16(2, false);
    if (family !== AF_INET6) return [hosts.of(this.#nameView.getUint32(4, false)), port];
    const text = this.#text;
    this.#c.inet_ntop(family, this.#name.subarray(8), text, text.length);
    const host = Buffer.from(text.subarray(0, text.indexOf(0))).toString("latin1");
    const scope = this.#nameView.getUint32(24, true);
    return [scope === 0 ? host : `${host}%${scope}`, port];
  }
}

let loaded: Libc | null | undefined;

/**
 * The C library, or undefined where it cannot be had: other platforms than Linux, a Bun without `bun:ffi`, or
 * `ASYNCORE_FFI=0` in the environment. The first call loads it (about 0.4 ms).
 */
export function libc(): Libc | undefined {
  loaded ??= load();
  return loaded ?? undefined;
}

function load(): Libc | null {
  if (process.platform !== "linux" || process.env["ASYNCORE_FFI"] === "0") return null;
  return firstLibrary((file) => Libc.open(file));
}

/** What `open` makes of the platform's C library, null where none of those known loads. */
export function firstLibrary<T>(open: (file: string) => T): T | null {
  const musl = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  for (const file of ["libc.so.6", musl]) {
    try {
      return open(file);
    } catch {
      // Not this C library: try the next. Where none loads, the caller goes on without and says so (ENOSYS).
    }
  }
  return null;
}
