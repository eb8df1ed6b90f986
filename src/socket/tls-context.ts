/**
 * From {@link TlsOptions} to what Bun takes, for one end of TLS. Bun reads some options in ways that must never reach
 * it (an empty object listens in plaintext, an unknown version is ignored, ALPN as text negotiates nothing), so every
 * option is checked here and everything wrong becomes a {@link TLSError} of phase `options`. Also the judge of how a
 * handshake ended, for Bun calls some failures successes.
 *
 * A context is made once for an options object: files are read then, and a new object is how they are read again.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import tls from "node:tls";

import { toOSError, TLSError } from "../base/errors.ts";
import type { PemSource, SniLookup, TlsIdentity, TlsOptions, TlsVersion } from "./tls-options.ts";

/** The `tls` member of Bun's options. */
export type BunTlsOptions = Readonly<Record<string, unknown>>;

/** What Bun passes to a `serverName` handler: the handshake that waits for an identity. */
export interface SniWaiter {
  resumeSNI(context: unknown, refuse: unknown): void;
}

/** Bun's answer to a name: an identity, undefined for the default one, true for "later", an error to refuse. */
export type SniAnswer = object | undefined | true | Error;

const VERSIONS: ReadonlyMap<TlsVersion, number> = new Map([
  ["TLSv1.2", 0x0303],
  ["TLSv1.3", 0x0304],
]);
// The type checker sees to it that this is every option there is.
const KNOWN: Readonly<Record<keyof TlsOptions, true>> = {
  key: true,
  cert: true,
  passphrase: true,
  ca: true,
  serverName: true,
  sni: true,
  alpnProtocols: true,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: true,
  maxVersion: true,
  ciphers: true,
  session: true,
};
const PEM_BEGIN = "-----BEGIN ";
const LONGEST_ALPN_NAME = 255;
const LONGEST_ALPN_LIST = 65_535;

/** Checked options, read and ready for Bun. */
export class TlsContext {
  readonly isServer: boolean;
  readonly session: Uint8Array | undefined;
  readonly #bun: BunTlsOptions;
  readonly #serverName: string | undefined;
  readonly #verifies: boolean;
  readonly #asksForCert: boolean;
  readonly #lookup: SniLookup | undefined;
  readonly #identities = new WeakMap<TlsIdentity, object>();

  private constructor(options: TlsOptions, isServer: boolean) {
    for (const name of Object.keys(options)) {
      if (!Object.hasOwn(KNOWN, name)) throw wrong("UNKNOWN_OPTION", `no option ${name}`);
    }
    const { rejectUnauthorized = true, requestCert = false } = options;
    this.isServer = isServer;
    this.session = options.session;
    this.#serverName = options.serverName;
    this.#verifies = rejectUnauthorized;
    this.#asksForCert = requestCert;
    this.#lookup = options.sni === undefined ? undefined : sniLookup(options.sni);
    const identity = identityOf(options, isServer);
    const credentials = {
      ...identity,
      ...(options.ca === undefined ? {} : { ca: authorities(options.ca) }),
      ...(options.ciphers === undefined ? {} : { ciphers: options.ciphers }),
    };
    // Bun tells what is wrong with these when it listens or connects; that is too late, and nobody's call.
    if (Object.keys(credentials).length > 0) secureContext(credentials);
    this.#bun = {
      ...credentials,
      ...versions(options),
      ...(options.alpnProtocols === undefined ? {} : { ALPNProtocols: alpnList(options.alpnProtocols) }),
      requestCert,
      rejectUnauthorized,
    };
  }

  /**
   * The server's end of `options`.
   *
   * @throws {TLSError} phase `options`: key and certificate missing, not to be read or not a pair, no such option …
   */
  static server(options: TlsOptions): TlsContext {
    return TlsContext.#made(servers, options, true);
  }

  /** The client's end. @throws {TLSError} phase `options` */
  static client(options: TlsOptions): TlsContext {
    return TlsContext.#made(clients, options, false);
  }

  static #made(known: WeakMap<TlsOptions, TlsContext>, options: TlsOptions, isServer: boolean): TlsContext {
    if (typeof options !== "object" || options === null)
      throw wrong("NO_OPTIONS", "tls: an object of options");
    let context = known.get(options);
    if (context === undefined) {
      context = new TlsContext(options, isServer);
      known.set(options, context);
    }
    return context;
  }

  /** The `tls` member for Bun. `host` is what a client connects to: the name to ask for where the options have none. */
  bunOptions(host = ""): BunTlsOptions {
    if (this.isServer) return this.#bun;
    const serverName = this.#serverName ?? host;
    return serverName === "" ? this.#bun : { ...this.#bun, serverName };
  }

  /** Why a handshake that Bun reports so has failed, or undefined when it has not. `error` is Bun's. */
  failure(ok: boolean, error: unknown): TLSError | undefined {
    const verification = this.isServer && !this.#asksForCert ? undefined : error;
    if (ok && (verification === undefined || verification === null || !this.#verifies)) return undefined;
    // Of all verification errors this one comes with false, also where it was not to count.
    if (!this.#verifies && codeOf(error) === "ERR_TLS_CERT_ALTNAME_INVALID") return undefined;
    return handshakeError(error);
  }

  /** Why the peer's certificate does not verify, of Bun's `error` after a handshake that has succeeded. */
  authorizationError(error: unknown): TLSError | undefined {
    const asked = !this.isServer || this.#asksForCert;
    return asked && error !== undefined && error !== null ? handshakeError(error) : undefined;
  }

  /** Server: the identity for `name`. Never throws, never rejects. */
  answer(name: string, waiter: SniWaiter): SniAnswer {
    if (this.#lookup === undefined) return undefined;
    try {
      const found = this.#lookup(name.toLowerCase());
      if (!(found instanceof Promise)) return this.#identity(found);
      found
        .then(
          (identity) => waiter.resumeSNI(this.#identity(identity), false),
          (error: unknown) => waiter.resumeSNI(undefined, asError(error)),
        )
        .catch((error: unknown) => waiter.resumeSNI(undefined, asError(error)));
      return true;
    } catch (error) {
      return asError(error);
    }
  }

  #identity(identity: TlsIdentity | undefined): object | undefined {
    if (identity === undefined) return undefined;
    const known = this.#identities.get(identity);
    if (known !== undefined) return known;
    const context = secureContext(identityOf(identity, true));
    this.#identities.set(identity, context);
    return context;
  }
}

/** What Bun says of a handshake that failed, or of a certificate. */
export function handshakeError(error: unknown): TLSError {
  const code = codeOf(error);
  if (code === "EPROTO") return new TLSError(opensslReason(error), "handshake", { cause: error });
  // Bun's word for an end of the stream in the middle of it.
  if (code === "ECONNRESET") return new TLSError("DISCONNECTED", "handshake", { cause: error }, "ECONNRESET");
  return new TLSError(code ?? "FAILED", "handshake", { cause: error });
}

/** What Bun says of a session that broke. */
export function sessionError(error: unknown): TLSError {
  return new TLSError(opensslReason(error), "established", { cause: error });
}

/** The deadline of a handshake has passed. */
export function handshakeTimedOut(): TLSError {
  return new TLSError("HANDSHAKE_TIMEOUT", "handshake", {}, "ETIMEDOUT");
}

const servers = new WeakMap<TlsOptions, TlsContext>();
const clients = new WeakMap<TlsOptions, TlsContext>();

function wrong(reason: string, detail: string, cause?: unknown): TLSError {
  return new TLSError(reason, "options", { detail, cause }, "EINVAL");
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined | null)?.code;
}

// "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER"
function opensslReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /:([A-Z0-9_]+)$/.exec(message)?.[1] ?? message;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function identityOf(
  options: Partial<TlsIdentity>,
  required: boolean,
): { key?: string; cert?: string; passphrase?: string } {
  const { key, cert, passphrase } = options;
  if (key === undefined && cert === undefined && !required) return {};
  if (key === undefined)
    throw wrong("NO_KEY", required ? "a server needs a key" : "a certificate needs its key");
  if (cert === undefined)
    throw wrong("NO_CERTIFICATE", required ? "a server needs a certificate" : "a key needs its certificate");
  return {
    key: pem(key, "key"),
    cert: pem(cert, "cert"),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function authorities(ca: PemSource | readonly PemSource[]): string[] {
  const sources = Array.isArray(ca) ? (ca as readonly PemSource[]) : [ca as PemSource];
  return sources.map((source) => pem(source, "ca"));
}

function pem(source: PemSource, option: string): string {
  const text = pemText(source, option);
  if (!text.includes(PEM_BEGIN)) throw wrong("NO_PEM", `${option}: no PEM in it`);
  return text;
}

function pemText(source: PemSource, option: string): string {
  if (typeof source === "string" && source.includes(PEM_BEGIN)) return source;
  if (source instanceof Uint8Array) return Buffer.from(source).toString("latin1");
  const file = typeof source === "string" || source instanceof URL ? source : source?.name;
  if (file === undefined || file === "") {
    throw wrong("NO_PEM", `${option}: PEM text, its bytes, or a file with it`);
  }
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    const failure = toOSError(error, { syscall: "open" });
    throw wrong(
      "NO_PEM",
      `${option}: ${failure.message} (neither PEM text nor a file: ${String(file)})`,
      failure,
    );
  }
}

/** What Bun calls a context. @throws {TLSError} OpenSSL does not take it */
function secureContext(credentials: object): object {
  try {
    return (tls.createSecureContext(credentials) as unknown as { context: object }).context;
  } catch (error) {
    throw wrong(opensslReason(error), error instanceof Error ? error.message : String(error), error);
  }
}

function versions(options: TlsOptions): { minVersion: number; maxVersion: number } {
  const { minVersion = "TLSv1.2", maxVersion = "TLSv1.3" } = options;
  const least = VERSIONS.get(minVersion);
  const most = VERSIONS.get(maxVersion);
  if (least === undefined || most === undefined || least > most) {
    const known = [...VERSIONS.keys()].join(" and ");
    throw wrong("NO_VERSION", `versions from ${minVersion} to ${maxVersion}: there are ${known}`);
  }
  return { minVersion: least, maxVersion: most };
}

// The wire's format (RFC 7301): each name behind a byte with its length. Bun takes nothing else.
function alpnList(names: readonly string[]): Buffer {
  if (!Array.isArray(names) || names.length === 0) throw wrong("ALPN", "alpnProtocols: a list of names");
  const parts = names.map((name) => {
    const bytes = Buffer.from(String(name), "latin1");
    if (bytes.length === 0 || bytes.length > LONGEST_ALPN_NAME) {
      throw wrong("ALPN", `alpnProtocols: names of 1 to ${LONGEST_ALPN_NAME} bytes, not ${bytes.length}`);
    }
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  const list = Buffer.concat(parts);
  if (list.length > LONGEST_ALPN_LIST)
    throw wrong("ALPN", `alpnProtocols: ${list.length} bytes are too many`);
  return list;
}

function sniLookup(sni: NonNullable<TlsOptions["sni"]>): SniLookup {
  if (typeof sni === "function") return sni;
  const identities = new Map<string, TlsIdentity>();
  for (const [name, identity] of Object.entries(sni)) {
    if (isIP(name) !== 0) throw wrong("SNI", `sni: ${name} is an address, and clients ask for names`);
    identities.set(name.toLowerCase(), identity);
    // Read now: a name nobody has asked for yet must not fail at night.
    secureContext(identityOf(identity, true));
  }
  return (name) => identities.get(name) ?? identities.get(name.replace(/^[^.]+/, "*"));
}
