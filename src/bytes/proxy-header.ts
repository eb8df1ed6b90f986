/**
 * What a PROXY protocol header says, and how one can be wrong. The header is what a proxy sends ahead of a connection's
 * own bytes, so that the server learns whose connection it is. Source: HAProxy's proxy-protocol.txt.
 */
import type { Address } from "../base/address.ts";
import { addressDetails } from "../base/address.ts";
import { OSError } from "../base/errors.ts";

/** Longest header of version 1 with its CR LF. */
export const MAX_V1_BYTES = 107;
/** Of the longest header of version 2 that is read by default; the format would allow 65,551 bytes. */
export const DEFAULT_MAX_HEADER_BYTES = 4096;

/** Type of the first TLV that is an application's own (`PP2_TYPE_MIN_CUSTOM`); the last is 0xef. */
export const MIN_CUSTOM_TLV = 0xe0;

/** {@link ProxySsl.client}: the client spoke TLS. */
export const PROXY_CLIENT_SSL = 1;
/** {@link ProxySsl.client}: the client showed a certificate on this connection. */
export const PROXY_CLIENT_CERT_CONN = 2;
/** {@link ProxySsl.client}: the client showed a certificate in this TLS session. */
export const PROXY_CLIENT_CERT_SESS = 4;

/** A piece of information of version 2: its type, 0..255, and its bytes. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** How the client spoke TLS to the proxy. */
export interface ProxySsl {
  /** {@link PROXY_CLIENT_SSL}, {@link PROXY_CLIENT_CERT_CONN}, {@link PROXY_CLIENT_CERT_SESS}, added up. */
  readonly client: number;
  /** What the proxy's verification of the client's certificate came to. Also 0 where there was no certificate. */
  readonly verify: number;
  /** `TLSv1.3`. */
  readonly version?: string | undefined;
  /** Common name of the client's certificate. Says who the client is only if {@link ProxyHeader.clientVerified}. */
  readonly commonName?: string | undefined;
  /** `ECDHE-RSA-AES128-GCM-SHA256`. */
  readonly cipher?: string | undefined;
  /** Of the proxy's own certificate: `RSA-SHA256`. */
  readonly signatureAlgorithm?: string | undefined;
  /** Of the proxy's own certificate: `RSA2048`. */
  readonly keyAlgorithm?: string | undefined;
  /** What has no field of its own. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

/** What a header can tell besides the two addresses. Version 1 has none of it. */
export interface ProxyDetails {
  /** The protocol the client and the proxy agreed on: `h2`. One character a byte. */
  readonly alpn?: string | undefined;
  /** The name the client asked for (SNI). */
  readonly authority?: string | undefined;
  /** The proxy's name for this connection, at most 128 bytes. */
  readonly uniqueId?: Uint8Array | undefined;
  /** The proxy's network namespace. */
  readonly netns?: string | undefined;
  readonly ssl?: ProxySsl | undefined;
  /** What has no field of its own, such as the types from {@link MIN_CUSTOM_TLV} on. */
  readonly tlvs?: readonly ProxyTlv[] | undefined;
}

/** A header that was read. */
export interface ProxyHeader extends ProxyDetails {
  readonly version: 1 | 2;
  /** `local`: the proxy's own connection, such as a health check; whoever connected is the client. */
  readonly command: "proxy" | "local";
  /** What the client spoke to the proxy; undefined where the proxy did not say. */
  readonly transport: "stream" | "datagram" | undefined;
  /** The client's address; undefined where the proxy did not say (LOCAL, UNKNOWN, UNSPEC). */
  readonly source: Address | undefined;
  /** The address the client connected to; undefined together with {@link source}. */
  readonly destination: Address | undefined;
  /** Whether the header had a checksum, which was right. */
  readonly checksum: boolean;
  /**
   * Whether the client showed a certificate and the proxy found it good. Not the same as `ssl.verify === 0`, which
   * HAProxy also sends for clients without a certificate.
   */
  readonly clientVerified: boolean;
}

/**
 * What is wrong with a PROXY header:
 *
 * - `MISSING` the stream begins with something else; `CLOSED` with nothing: it ended, as it does for a bare port
 *   check; `TRUNCATED` it ended inside the header; `TIMEOUT` the header was not complete in time
 * - `UNTRUSTED` the peer may not send one
 * - `TOO_LONG`, `VERSION`, `COMMAND`, `FAMILY` (of addresses, or transport), `LINE` (form of version 1), `ADDRESS`,
 *   `PORT`, `TLV`, `CHECKSUM`
 */
export type ProxyFault =
  | "MISSING"
  | "CLOSED"
  | "TRUNCATED"
  | "TIMEOUT"
  | "UNTRUSTED"
  | "TOO_LONG"
  | "VERSION"
  | "COMMAND"
  | "FAMILY"
  | "LINE"
  | "ADDRESS"
  | "PORT"
  | "TLV"
  | "CHECKSUM";

const CODE_BY_FAULT: Partial<Record<ProxyFault, string>> = {
  TIMEOUT: "ETIMEDOUT",
  UNTRUSTED: "EACCES",
  CLOSED: "ECONNRESET",
};

/**
 * A connection without a good PROXY header. `code` is EPROTO; ETIMEDOUT, EACCES and ECONNRESET for the faults `TIMEOUT`,
 * `UNTRUSTED` and `CLOSED`. The message reads `proxy 10.0.0.1:4711: EPROTO CHECKSUM: 0x… in the header, …`.
 */
export class ProxyProtocolError extends OSError {
  override name = "ProxyProtocolError";
  readonly fault: ProxyFault;

  /** `peer`: who sent it, or did not. */
  constructor(fault: ProxyFault, detail: string, peer?: Address, cause?: unknown) {
    super(CODE_BY_FAULT[fault] ?? "EPROTO", {
      syscall: "proxy",
      detail: `${fault}: ${detail}`,
      ...(peer === undefined ? {} : addressDetails(peer)),
      ...(cause === undefined ? {} : { cause }),
    });
    this.fault = fault;
  }
}
