/**
 * The PROXY protocol, versions 1 and 2: a parser that takes a header apart as it comes in, and an encoder. Pure memory;
 * `proxy-reader.ts` reads sockets with it. The parser must never take a byte behind the header: what follows belongs to
 * the connection's own protocol. Source: HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
 *
 *     1:  "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n"     at most 107 bytes
 *     2:  [ signature 12 ][ version, command ][ family, transport ][ length 2 ][ addresses ][ TLVs ]
 */
import type { Address } from "../base/address.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../base/errors.ts";
import { crc32c } from "./crc32c.ts";
import { formatIp, isMapped, readIp } from "../base/ip-address.ts";
import {
  DEFAULT_MAX_HEADER_BYTES,
  MAX_V1_BYTES,
  type ProxyDetails,
  type ProxyFault,
  type ProxyHeader,
  ProxyProtocolError,
} from "./proxy-header.ts";
import { CRC32C, encodeTlv, encodeTlvs, isClientVerified, readTlvs } from "./proxy-tlv.ts";

const V1_SIGNATURE = Buffer.from("PROXY ");
const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** `PROXY UNKNOWN\r\n`. */
const SHORTEST_V1_BYTES = 15;
/** What comes before the addresses of version 2. */
const V2_FIXED_BYTES = 16;
const LONGEST_V2_BYTES = V2_FIXED_BYTES + 0xffff;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;

const LOCAL = 0;
const UNSPEC = 0;
const INET = 1;
const INET6 = 2;
const UNIX = 3;
const STREAM = 1;
const DATAGRAM = 2;

/** Bytes of the addresses of a family. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const UNIX_PATH_BYTES = 108;

const words = new Uint32Array(4);
const otherWords = new Uint32Array(4);

/** Options of {@link ProxyHeaderParser}. */
export interface ProxyParserOptions {
  /** Longest header of version 2 to read, 16 to 65,551 bytes. Default 4096. */
  readonly maxHeaderBytes?: number | undefined;
  /** Who sends it, for the errors. */
  readonly peer?: Address | undefined;
}

/**
 * Reads one header, in any pieces.
 *
 * @example A header and what follows it
 * ```ts
 * import { ProxyHeaderParser } from "asyncore/server";
 *
 * const parser = new ProxyHeaderParser();
 * const bytes = Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\nGET / HTTP/1.1\r\n");
 * const taken = parser.push(bytes);
 * if (String(parser.header?.source) !== "192.0.2.1,56324") throw new Error("not the client");
 * if (!bytes.subarray(taken).toString().startsWith("GET")) throw new Error("too much taken");
 * ```
 */
export class ProxyHeaderParser {
  readonly #maxBytes: number;
  readonly #peer: Address | undefined;
  #bytes: Buffer = Buffer.allocUnsafe(MAX_V1_BYTES);
  #received = 0;
  #version: 0 | 1 | 2 = 0;
  /** Of the whole header, version 2, once its length is known. */
  #total = V2_FIXED_BYTES;
  #spaces = 0;
  #header: ProxyHeader | undefined;
  #error: ProxyProtocolError | undefined;

  /** @throws {ArgumentRangeError} `maxHeaderBytes` out of range */
  constructor(options: ProxyParserOptions = {}) {
    const { maxHeaderBytes = DEFAULT_MAX_HEADER_BYTES } = options;
    if (
      !Number.isInteger(maxHeaderBytes) ||
      maxHeaderBytes < V2_FIXED_BYTES ||
      maxHeaderBytes > LONGEST_V2_BYTES
    ) {
      throw new ArgumentRangeError(
        `maxHeaderBytes: an integer in ${V2_FIXED_BYTES}..${LONGEST_V2_BYTES}, not ${String(maxHeaderBytes)}`,
      );
    }
    this.#maxBytes = maxHeaderBytes;
    this.#peer = options.peer;
  }

  /** The header, once it is complete. */
  get header(): ProxyHeader | undefined {
    return this.#header;
  }

  /** How many bytes can be read from the stream and all be the header's; 0 when it is complete or wrong. */
  get wanted(): number {
    if (this.#header !== undefined || this.#error !== undefined) return 0;
    const received = this.#received;
    if (this.#version === 2) return this.#total - received;
    if (this.#version === 0) return SHORTEST_V1_BYTES - received;
    if (received < SHORTEST_V1_BYTES) return SHORTEST_V1_BYTES - received;
    if (this.#bytes[received - 1] === CR) return 1;
    // CR LF, and for each field that is still to come a space and a character at least.
    const missing = this.#isUnknown() ? 0 : Math.max(0, 5 - this.#spaces);
    return Math.min(2 * missing + 2, MAX_V1_BYTES - received);
  }

  /**
   * Takes what belongs to the header from the front of `bytes`.
   *
   * @returns how many bytes that were; less than all of them only when the header is complete
   * @throws {ProxyProtocolError} from the first byte on that cannot belong to a header
   */
  push(bytes: Uint8Array): number {
    if (this.#error !== undefined) throw this.#error;
    let taken = 0;
    for (;;) {
      const count = Math.min(this.wanted, bytes.length - taken);
      if (count === 0) return taken;
      this.#take(bytes.subarray(taken, taken + count));
      taken += count;
    }
  }

  /** The error of a stream that ends, or stalls, before the header is complete. */
  incomplete(fault: "CLOSED" | "TIMEOUT", cause?: unknown): ProxyProtocolError {
    const count = this.#received;
    const what = fault === "TIMEOUT" ? "too late" : "the connection ended";
    const after = count === 0 ? "before any byte" : `after ${count} bytes of the header`;
    const said = fault === "CLOSED" && count > 0 ? "TRUNCATED" : fault;
    return new ProxyProtocolError(said, `${what} ${after}`, this.#peer, cause);
  }

  #take(bytes: Uint8Array): void {
    const before = this.#received;
    this.#bytes.set(bytes, before);
    this.#received += bytes.length;
    if (this.#version === 0) this.#recognize(before);
    if (this.#version === 1) this.#takeV1(before);
    else if (this.#version === 2) this.#takeV2();
  }

  #recognize(from: number): void {
    const signature = this.#bytes[0] === CR ? V2_SIGNATURE : V1_SIGNATURE;
    const end = Math.min(this.#received, signature.length);
    for (let i = from; i < end; i++) {
      if (this.#bytes[i] === signature[i]) continue;
      const shown = JSON.stringify(this.#bytes.toString("latin1", 0, Math.min(this.#received, 12)));
      this.#fail("MISSING", `the stream begins with ${shown}, which is no PROXY header`);
    }
    if (end === signature.length) this.#version = signature === V2_SIGNATURE ? 2 : 1;
  }

  // --- version 1 ---------------------------------------------------------------------------------------------

  #isUnknown(): boolean {
    return this.#bytes[6] === 0x55;
  }

  #takeV1(from: number): void {
    const bytes = this.#bytes;
    const end = this.#received;
    for (let i = Math.max(from, 1); i < end; i++) {
      const byte = bytes[i];
      if (byte === SPACE) this.#spaces++;
      const afterCr = bytes[i - 1] === CR;
      if (afterCr !== (byte === LF)) {
        this.#fail("LINE", afterCr ? "CR without LF" : "LF without CR");
      }
      if (!afterCr) continue;
      // A line that is good ends with the last byte of its piece, for `wanted` is never more than the least there can
      // still be. So what may have been taken from behind is behind a line that is thrown out here.
      this.#header = this.#readLine(bytes.toString("latin1", 0, i - 1));
      return;
    }
    if (end === MAX_V1_BYTES) this.#fail("TOO_LONG", `no CR LF in the first ${MAX_V1_BYTES} bytes`);
  }

  #readLine(line: string): ProxyHeader {
    const [, protocol = "", ...fields] = line.split(" ");
    if (protocol === "UNKNOWN") return withoutAddresses(1, "proxy");
    if (protocol !== "TCP4" && protocol !== "TCP6") {
      this.#fail("FAMILY", `${JSON.stringify(protocol)} instead of TCP4, TCP6 or UNKNOWN`);
    }
    if (fields.length !== 4) {
      this.#fail("LINE", `${fields.length} fields behind ${protocol} instead of two addresses and two ports`);
    }
    const [from = "", to = "", fromPort = "", toPort = ""] = fields;
    const version = protocol === "TCP4" ? 4 : 6;
    const source: Address = [this.#host(from, version), this.#port(fromPort)];
    const destination: Address = [this.#host(to, version), this.#port(toPort)];
    return {
      version: 1,
      command: "proxy",
      transport: "stream",
      source,
      destination,
      checksum: false,
      clientVerified: false,
    };
  }

  #host(text: string, version: 4 | 6): string {
    if (readIp(text, words) !== version) {
      this.#fail("ADDRESS", `${JSON.stringify(text)} is no address of IPv${version}`);
    }
    return formatIp(words, version);
  }

  #port(text: string): number {
    const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Infinity;
    if (port > 0xffff) this.#fail("PORT", `${JSON.stringify(text)} is no port`);
    return port;
  }

  // --- version 2 ---------------------------------------------------------------------------------------------

  #takeV2(): void {
    const received = this.#received;
    const bytes = this.#bytes;
    if (received > 12 && received <= V2_FIXED_BYTES) {
      const version = bytes.readUInt8(12) >>> 4;
      if (version !== 2) this.#fail("VERSION", `version ${version} behind the signature of version 2`);
      if (this.#command > 1) this.#fail("COMMAND", `command ${this.#command}`);
      if (received > 13 && this.#command !== LOCAL && (this.#family > UNIX || this.#transport > DATAGRAM)) {
        this.#fail("FAMILY", `family ${this.#family}, transport ${this.#transport}`);
      }
      if (received < V2_FIXED_BYTES) return;
      this.#makeRoom();
    }
    if (received < this.#total) return;
    this.#header = this.#readV2();
  }

  get #command(): number {
    return this.#bytes.readUInt8(12) & 15;
  }
  get #family(): number {
    return this.#bytes.readUInt8(13) >>> 4;
  }
  get #transport(): number {
    return this.#bytes.readUInt8(13) & 15;
  }
  /** Whether there are addresses, and TLVs behind them. */
  get #hasAddresses(): boolean {
    return this.#command !== LOCAL && this.#family !== UNSPEC && this.#transport !== UNSPEC;
  }

  // The fixed part is there. Memory for the rest is taken only now that its length is known to be in bounds.
  #makeRoom(): void {
    const length = this.#bytes.readUInt16BE(14);
    this.#total = V2_FIXED_BYTES + length;
    if (this.#total > this.#maxBytes) {
      this.#fail("TOO_LONG", `a header of ${this.#total} bytes, at most ${this.#maxBytes} are read`);
    }
    const least = this.#hasAddresses ? (ADDRESS_BYTES[this.#family] ?? 0) : 0;
    if (length < least) this.#fail("ADDRESS", `${length} bytes cannot hold two addresses of ${least} bytes`);
    const whole = Buffer.allocUnsafe(this.#total);
    whole.set(this.#bytes.subarray(0, V2_FIXED_BYTES));
    this.#bytes = whole;
  }

  #readV2(): ProxyHeader {
    const bytes = this.#bytes;
    // The protocol has it that the block of LOCAL and UNSPEC headers is skipped, whatever is in it.
    if (!this.#hasAddresses) return withoutAddresses(2, this.#command === LOCAL ? "local" : "proxy");
    const family = this.#family;
    const [source, destination] = readAddresses(bytes, family);
    const tlvsAt = V2_FIXED_BYTES + (ADDRESS_BYTES[family] ?? 0);
    const { checksumAt, ...details } = readTlvs(bytes, tlvsAt, (detail) => this.#fail("TLV", detail));
    if (checksumAt >= 0) this.#verify(checksumAt);
    return {
      version: 2,
      command: "proxy",
      transport: this.#transport === STREAM ? "stream" : "datagram",
      source,
      destination,
      ...details,
      checksum: checksumAt >= 0,
      clientVerified: isClientVerified(details.ssl),
    };
  }

  #verify(checksumAt: number): void {
    const bytes = this.#bytes;
    const said = bytes.readUInt32BE(checksumAt);
    bytes.writeUInt32BE(0, checksumAt);
    const found = crc32c(bytes);
    if (said !== found) {
      this.#fail("CHECKSUM", `0x${said.toString(16)} in the header, 0x${found.toString(16)} over it`);
    }
  }

  #fail(fault: ProxyFault, detail: string): never {
    this.#error = new ProxyProtocolError(fault, detail, this.#peer);
    throw this.#error;
  }
}

function withoutAddresses(version: 1 | 2, command: "proxy" | "local"): ProxyHeader {
  return {
    version,
    command,
    transport: undefined,
    source: undefined,
    destination: undefined,
    checksum: false,
    clientVerified: false,
  };
}

function readAddresses(bytes: Buffer, family: number): [source: Address, destination: Address] {
  const at = V2_FIXED_BYTES;
  if (family === UNIX) return [readPath(bytes, at), readPath(bytes, at + UNIX_PATH_BYTES)];
  const width = family === INET ? 4 : 16;
  const ports = at + 2 * width;
  return [
    [readHost(bytes, at, family), bytes.readUInt16BE(ports)],
    [readHost(bytes, at + width, family), bytes.readUInt16BE(ports + 2)],
  ];
}

function readHost(bytes: Buffer, at: number, family: number): string {
  if (family === INET) {
    words[3] = bytes.readUInt32BE(at);
    return formatIp(words, 4);
  }
  for (let word = 0; word < 4; word++) words[word] = bytes.readUInt32BE(at + 4 * word);
  return formatIp(words, 6);
}

// Filled up with NULs. An abstract name begins with one; how long it was nobody can tell.
function readPath(bytes: Buffer, at: number): string {
  const field = bytes.subarray(at, at + UNIX_PATH_BYTES);
  let end = field.length;
  if (field[0] === 0) while (end > 0 && field[end - 1] === 0) end--;
  else if (field.includes(0)) end = field.indexOf(0);
  return field.toString("utf8", 0, end);
}

// --- writing ---------------------------------------------------------------------------------------------------

/** What {@link encodeProxyHeader} takes; a {@link ProxyHeader} that was read is one. */
export interface ProxyHeaderInit extends ProxyDetails {
  /** Default 2. */
  readonly version?: 1 | 2 | undefined;
  /** Default `proxy`. */
  readonly command?: "proxy" | "local" | undefined;
  /** Default `stream`. */
  readonly transport?: "stream" | "datagram" | undefined;
  /** The client's address. */
  readonly source?: Address | undefined;
  /** The address the client connected to. */
  readonly destination?: Address | undefined;
  /** Version 2: add a checksum. Default false. */
  readonly checksum?: boolean | undefined;
}

/**
 * The bytes of a header, to be sent ahead of everything else on a connection to a server that expects it.
 *
 * Both addresses are numeric (a zone is left out), or both are of unix sockets. IPv4 beside IPv6 goes out as mapped IPv6;
 * mapped on both sides as IPv4. What a header has no room for is left out: version 1 tells no more than addresses of
 * streams over IP and says UNKNOWN for all others, and without addresses, or with `local`, version 2 tells nothing else.
 *
 * @throws {ArgumentTypeError} a field of another type
 * @throws {ArgumentRangeError} a host that is not numeric, a port out of range, IP beside unix, one address without the
 *   other, a path over 108 bytes, a header over 65,551 bytes, TLVs that cannot be written
 *
 * @example A client that says for whom it connects
 * ```ts
 * import { Dispatcher } from "asyncore";
 * import { encodeProxyHeader } from "asyncore/server";
 *
 * class Upstream extends Dispatcher {
 *   override handleConnect() {
 *     this.send(encodeProxyHeader({ source: ["192.0.2.1", 56324], destination: ["192.0.2.9", 443] }));
 *     this.send("GET / HTTP/1.1\r\n\r\n");
 *     this.close();
 *   }
 *   override handleError() {
 *     this.close(); // nobody listens here
 *   }
 * }
 * const upstream = new Upstream();
 * upstream.createSocket();
 * upstream.connect(["127.0.0.1", 9]);
 * ```
 */
export function encodeProxyHeader(header: ProxyHeaderInit): Buffer {
  const { version = 2, command = "proxy", transport = "stream", source, destination } = header;
  if (version !== 1 && version !== 2) {
    throw new ArgumentRangeError(`version: 1 or 2, not ${String(version)}`);
  }
  if ((source === undefined) !== (destination === undefined)) {
    throw new ArgumentRangeError("a header has both source and destination, or neither");
  }
  const ends =
    command === "local" || source === undefined || destination === undefined
      ? undefined
      : endsOf(source, destination);
  if (version === 1) return Buffer.from(lineOf(transport === "stream" ? ends : undefined), "latin1");
  const head = Buffer.alloc(V2_FIXED_BYTES);
  V2_SIGNATURE.copy(head);
  head.writeUInt8(0x20 | (command === "local" ? LOCAL : 1), 12);
  if (ends === undefined) return head;
  head.writeUInt8((ends.family << 4) | (transport === "stream" ? STREAM : DATAGRAM), 13);
  const parts = [head, ends.bytes, encodeTlvs(header)];
  if (header.checksum === true) parts.push(encodeTlv(CRC32C, Buffer.alloc(4)));
  const whole = Buffer.concat(parts);
  if (whole.length > LONGEST_V2_BYTES) {
    throw new ArgumentRangeError(
      `a header of ${whole.length} bytes, at most ${LONGEST_V2_BYTES} are possible`,
    );
  }
  whole.writeUInt16BE(whole.length - V2_FIXED_BYTES, 14);
  if (header.checksum === true) whole.writeUInt32BE(crc32c(whole), whole.length - 4);
  return whole;
}

/** Two addresses as version 2 has them, and as version 1 does. */
interface Ends {
  readonly family: number;
  readonly bytes: Buffer;
  /** `192.0.2.1 192.0.2.9 56324 443`; undefined for unix. */
  readonly line: string | undefined;
}

function endsOf(source: Address, destination: Address): Ends {
  if (typeof source === "string" && typeof destination === "string") {
    const bytes = Buffer.concat([pathBytes(source, "source"), pathBytes(destination, "destination")]);
    return { family: UNIX, bytes, line: undefined };
  }
  if (typeof source === "string" || typeof destination === "string") {
    throw new ArgumentRangeError("source and destination: one is of a unix socket, the other is not");
  }
  checkInet(source, words, "source");
  checkInet(destination, otherWords, "destination");
  const version = isMapped(words) && isMapped(otherWords) ? 4 : 6;
  const width = version === 4 ? 4 : 16;
  const bytes = Buffer.alloc(2 * width + 4);
  for (let word = 4 - width / 4, at = 0; word < 4; word++, at += 4) {
    bytes.writeUInt32BE(words[word] as number, at);
    bytes.writeUInt32BE(otherWords[word] as number, at + width);
  }
  bytes.writeUInt16BE(source[1], 2 * width);
  bytes.writeUInt16BE(destination[1], 2 * width + 2);
  const line = `${formatIp(words, version)} ${formatIp(otherWords, version)} ${source[1]} ${destination[1]}`;
  return { family: version === 4 ? INET : INET6, bytes, line };
}

function lineOf(ends: Ends | undefined): string {
  if (ends?.line === undefined) return "PROXY UNKNOWN\r\n";
  return `PROXY ${ends.family === INET ? "TCP4" : "TCP6"} ${ends.line}\r\n`;
}

function checkInet(address: readonly [host: string, port: number], into: Uint32Array, name: string): void {
  const [host, port] = address;
  if (typeof host !== "string" || typeof port !== "number") {
    throw new ArgumentTypeError(`${name}: [host, port] or a unix path`);
  }
  if (readIp(host.replace(/%.*$/s, ""), into) === 0) {
    throw new ArgumentRangeError(`${name}: a numeric host, not ${JSON.stringify(host)}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new ArgumentRangeError(`${name}: the port is an integer in 0..65535, not ${port}`);
  }
}

function pathBytes(path: string, name: string): Buffer {
  const text = Buffer.from(path);
  if (text.length > UNIX_PATH_BYTES) {
    throw new ArgumentRangeError(`${name}: a unix path of ${text.length} bytes, at most ${UNIX_PATH_BYTES}`);
  }
  const field = Buffer.alloc(UNIX_PATH_BYTES);
  text.copy(field);
  return field;
}
