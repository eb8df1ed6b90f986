/**
 * What TLS on a socket is asked for, and what it tells: the words of node's `tls` module where it has them.
 * `tls-context.ts` turns the options into what Bun takes, and refuses those that Bun would misread.
 */
import type { OSError } from "../base/errors.ts";

/** PEM text, its bytes, or a file with it: a path, a URL, or `Bun.file(path)`. Files are read when the option is used. */
export type PemSource = string | Uint8Array | URL | { readonly name?: string };

/** A certificate chain and its key. */
export interface TlsIdentity {
  /** Private key, PEM. */
  readonly key: PemSource;
  /** Certificate, PEM, followed by its intermediates. */
  readonly cert: PemSource;
  /** Of the key, when it is encrypted. */
  readonly passphrase?: string;
}

/** One of `TLSv1.2` (RFC 5246) and `TLSv1.3` (RFC 8446); older ones are refused by default, and cannot be asked for. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/**
 * Options of `createSocket({ tls })` and `startTls()`. A listener and a socket it accepted are the server, which needs
 * `key` and `cert`. An object is read once, files included: to have a certificate read again, give a new object.
 */
export interface TlsOptions extends Partial<TlsIdentity> {
  /** Certificates to trust, PEM. Default: Bun's own store. */
  readonly ca?: PemSource | readonly PemSource[];
  /** Client: the name to ask for (SNI) and to verify. Default: the host given to `connect()`, where it is a name. */
  readonly serverName?: string;
  /**
   * Server: the identity for a name a client asked for (SNI), at once or later; undefined is the default one, an
   * error refuses the connection. A record is a look-up by name, where `*.example.org` stands for one label.
   */
  readonly sni?: Readonly<Record<string, TlsIdentity>> | SniLookup;
  /** Protocols to offer (client) or to choose from (server), the best first: `["h2", "http/1.1"]`. RFC 7301. */
  readonly alpnProtocols?: readonly string[];
  /** Server: ask clients for a certificate. Default false. */
  readonly requestCert?: boolean;
  /** Fail the handshake where the peer's certificate does not verify. Default true. */
  readonly rejectUnauthorized?: boolean;
  /** Default TLSv1.2. */
  readonly minVersion?: TlsVersion;
  /** Default TLSv1.3. */
  readonly maxVersion?: TlsVersion;
  /** Cipher suites of TLS 1.2 in OpenSSL's syntax; those of TLS 1.3 are not up for choice. */
  readonly ciphers?: string;
  /** Client: a session of an earlier connection ({@link TlsSession.session}) to resume. */
  readonly session?: Uint8Array;
}

/** See {@link TlsOptions.sni}. */
export type SniLookup = (serverName: string) => TlsIdentity | undefined | Promise<TlsIdentity | undefined>;

/** What a handshake has agreed on. */
export interface TlsSession {
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** `TLS_AES_128_GCM_SHA256`. */
  readonly cipher: string;
  /** The protocol agreed on by ALPN. */
  readonly alpnProtocol: string | undefined;
  /** The name the client asked for. */
  readonly serverName: string | undefined;
  /** Whether the peer showed a certificate that verifies. */
  readonly authorized: boolean;
  /** Why it does not. */
  readonly authorizationError: OSError | undefined;
  /** The peer's certificate, in node's form. */
  readonly peerCertificate: PeerCertificate | undefined;
  /** Client: what `TlsOptions.session` takes, once the server has sent it. */
  readonly session: Buffer | undefined;
  /** Whether this session resumed an earlier one. */
  readonly resumed: boolean;
}

/** The parts of node's certificate object that nearly everybody needs; the rest is there too. */
export interface PeerCertificate {
  readonly subject: Readonly<Record<string, string>>;
  readonly issuer: Readonly<Record<string, string>>;
  readonly subjectaltname?: string;
  readonly valid_from: string;
  readonly valid_to: string;
  readonly fingerprint256: string;
  readonly serialNumber: string;
  /** DER. */
  readonly raw: Buffer;
}
