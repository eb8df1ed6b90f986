/**
 * The TLVs of a PROXY header of version 2: type, length, value, one behind the other. Called by `proxy-protocol.ts`.
 * Reading copies nothing: values are views of the header. A type that can be there once and is there twice is refused,
 * because two readers could choose differently.
 */
import { ArgumentRangeError, ArgumentTypeError } from "../base/errors.ts";
import {
  PROXY_CLIENT_CERT_CONN,
  PROXY_CLIENT_CERT_SESS,
  type ProxyDetails,
  type ProxySsl,
  type ProxyTlv,
} from "./proxy-header.ts";

const ALPN = 0x01;
const AUTHORITY = 0x02;
export const CRC32C = 0x03;
const NOOP = 0x04;
const UNIQUE_ID = 0x05;
const SSL = 0x20;
const NETNS = 0x30;

/** Those that have a field and may be there once. */
const NAMED: ReadonlySet<number> = new Set([ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL, NETNS]);

/** The texts inside SSL. */
const SSL_FIELDS = new Map([
  [0x21, "version"],
  [0x22, "commonName"],
  [0x23, "cipher"],
  [0x24, "signatureAlgorithm"],
  [0x25, "keyAlgorithm"],
] as const) as ReadonlyMap<
  number,
  "version" | "commonName" | "cipher" | "signatureAlgorithm" | "keyAlgorithm"
>;
const NAMED_SSL: ReadonlySet<number> = new Set(SSL_FIELDS.keys());

const MAX_UNIQUE_ID_BYTES = 128;

/** A record whose fields are still being found. */
type Draft<T> = { -readonly [K in keyof T]: T[K] };

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What the TLVs between `start` and the end of `header` say, and where the value of the checksum is (-1: none). */
export interface TlvsRead extends ProxyDetails {
  readonly checksumAt: number;
}

/** Throws what is wrong. */
type Fail = (detail: string) => never;

/** Reads the TLVs of `header` from `start` on. */
export function readTlvs(header: Buffer, start: number, fail: Fail): TlvsRead {
  const found: Draft<TlvsRead> = { checksumAt: -1 };
  const others: ProxyTlv[] = [];
  for (const { type, value } of splitTlvs(header, start, NAMED, "", fail)) {
    switch (type) {
      case NOOP:
        break;
      case ALPN:
        found.alpn = value.toString("latin1");
        break;
      case AUTHORITY:
        found.authority = text(value, "authority", fail);
        break;
      case CRC32C:
        if (value.length !== 4) fail(`a checksum of ${value.length} bytes instead of 4`);
        found.checksumAt = value.byteOffset - header.byteOffset;
        break;
      case UNIQUE_ID:
        if (value.length > MAX_UNIQUE_ID_BYTES) fail(`a unique id of ${value.length} bytes, at most 128`);
        found.uniqueId = value;
        break;
      case SSL:
        found.ssl = readSsl(value, fail);
        break;
      case NETNS:
        found.netns = text(value, "network namespace", fail);
        break;
      default:
        others.push({ type, value });
    }
  }
  if (others.length > 0) found.tlvs = others;
  return found;
}

/** Whether there was a certificate and it was good. */
export function isClientVerified(ssl: ProxySsl | undefined): boolean {
  if (ssl === undefined || ssl.verify !== 0) return false;
  return (ssl.client & (PROXY_CLIENT_CERT_CONN | PROXY_CLIENT_CERT_SESS)) !== 0;
}

function readSsl(value: Buffer, fail: Fail): ProxySsl {
  if (value.length < 5) fail(`an SSL TLV of ${value.length} bytes, it has at least 5`);
  const ssl: Draft<ProxySsl> = { client: value.readUInt8(0), verify: value.readUInt32BE(1) };
  const others: ProxyTlv[] = [];
  for (const part of splitTlvs(value, 5, NAMED_SSL, "SSL ", fail)) {
    const field = SSL_FIELDS.get(part.type);
    if (field === undefined) others.push(part);
    else ssl[field] = text(part.value, `SSL ${field}`, fail);
  }
  if (others.length > 0) ssl.tlvs = others;
  return ssl;
}

interface Tlv extends ProxyTlv {
  readonly value: Buffer;
}

function splitTlvs(
  bytes: Buffer,
  start: number,
  once: ReadonlySet<number>,
  where: string,
  fail: Fail,
): Tlv[] {
  const found: Tlv[] = [];
  const seen = new Set<number>();
  for (let at = start; at < bytes.length;) {
    if (at + 3 > bytes.length) fail(`${bytes.length - at} bytes behind the last ${where}TLV`);
    const type = bytes.readUInt8(at);
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    const shown = `${where}TLV 0x${type.toString(16).padStart(2, "0")}`;
    if (end > bytes.length) fail(`${shown} is ${end - bytes.length} bytes longer than what holds it`);
    if (once.has(type) && seen.has(type)) fail(`${shown} is there twice`);
    seen.add(type);
    found.push({ type, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return found;
}

function text(value: Uint8Array, what: string, fail: Fail): string {
  try {
    return utf8.decode(value);
  } catch {
    return fail(`the ${what} is not UTF-8`);
  }
}

// --- writing ---------------------------------------------------------------------------------------------------

/**
 * The bytes of the TLVs of `details`, in the order of their types.
 *
 * @throws {ArgumentRangeError} a value longer than 65,535 bytes, a unique id longer than 128, a type that has a field of
 *   its own or is not 0..255
 * @throws {ArgumentTypeError} a value that is not of the field's type
 */
export function encodeTlvs(details: ProxyDetails): Buffer {
  const { alpn, authority, uniqueId, ssl, netns, tlvs = [] } = details;
  const parts: Buffer[] = [];
  if (alpn !== undefined) {
    const bytes = Buffer.from(checkText(alpn, "alpn"), "latin1");
    if (bytes.toString("latin1") !== alpn)
      throw new ArgumentRangeError("alpn: one character stands for one byte");
    parts.push(encodeTlv(ALPN, bytes));
  }
  if (authority !== undefined) parts.push(encodeText(AUTHORITY, authority, "authority"));
  if (uniqueId !== undefined) {
    if (uniqueId.length > MAX_UNIQUE_ID_BYTES) {
      throw new ArgumentRangeError(`uniqueId: at most 128 bytes, not ${uniqueId.length}`);
    }
    parts.push(encodeTlv(UNIQUE_ID, uniqueId));
  }
  if (ssl !== undefined) parts.push(encodeTlv(SSL, encodeSsl(ssl)));
  if (netns !== undefined) parts.push(encodeText(NETNS, netns, "netns"));
  for (const { type, value } of tlvs) {
    if (NAMED.has(type) || type === NOOP) refuseNamed("tlvs", type);
    parts.push(encodeTlv(type, value));
  }
  return Buffer.concat(parts);
}

function encodeSsl(ssl: ProxySsl): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(integer(ssl.client, 0xff, "ssl.client"), 0);
  head.writeUInt32BE(integer(ssl.verify, 0xffff_ffff, "ssl.verify"), 1);
  const parts: Buffer[] = [head];
  for (const [type, field] of SSL_FIELDS) {
    const value = ssl[field];
    if (value !== undefined) parts.push(encodeText(type, value, `ssl.${field}`));
  }
  for (const { type, value } of ssl.tlvs ?? []) {
    if (NAMED_SSL.has(type)) refuseNamed("ssl.tlvs", type);
    parts.push(encodeTlv(type, value));
  }
  return Buffer.concat(parts);
}

function refuseNamed(where: string, type: number): never {
  throw new ArgumentRangeError(
    `${where}: type 0x${type.toString(16).padStart(2, "0")} has a place of its own`,
  );
}

/** One TLV. @throws {ArgumentRangeError} type not 0..255, or a value of more than 65,535 bytes */
export function encodeTlv(type: number, value: Uint8Array): Buffer {
  if (!(value instanceof Uint8Array)) throw new ArgumentTypeError("TLV: the value is a Uint8Array");
  const head = Buffer.alloc(3);
  head.writeUInt8(integer(type, 0xff, "TLV type"), 0);
  head.writeUInt16BE(integer(value.length, 0xffff, "TLV length"), 1);
  return Buffer.concat([head, value]);
}

function encodeText(type: number, value: string, name: string): Buffer {
  return encodeTlv(type, Buffer.from(checkText(value, name), "utf8"));
}

function checkText(value: unknown, name: string): string {
  if (typeof value !== "string") throw new ArgumentTypeError(`${name}: text, not ${typeof value}`);
  return value;
}

function integer(value: number, most: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new ArgumentRangeError(`${name}: an integer in 0..${most}, not ${String(value)}`);
}
