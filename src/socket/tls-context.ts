/**
 * From {@link TlsOptions} to what Bun takes, for one end of TLS. Bun reads some options in ways that must never reach
 * it (an empty object listens in plaintext, an unknown version is ignored, ALPN as text negotiates nothing), so every
 * option is checked here and everything wrong becomes a {@link TLSError} of phase `options`. Also the judge of how a
 * handshake ended, for Bun calls some failures successes.
 *
 * A context is made once for an options object: files are read then, and a new object is how they are read again.
 */
import { readFileSync } from "node:fs";

import { toOSError, TLSError } from "../base/errors.ts";
import { ipVersion } from "../base/ip-address.ts";
import type { PemSource, SniLookup, TlsIdentity, TlsOptions, TlsVersion } from "./tls-options.ts";

/** The `tls` member of Bun's options. */
export type BunTlsOptions = Readonly<Record<string, unknown>>;

/** What Bun passes to a `serverName` handler: the handshake that waits for an identity. */
export interface SniWaiter {
  resumeSNI(context: unknown, refuse: unknown): void;
}

/** Bun's answer to a name: an identity, undefined for the default one, true for "later". */
export type SniAnswer = object | undefined | true;

const VERSIONS: ReadonlyMap<TlsVersion, number> = new Map([
  ["TLSv1.2", 0x0303],
  ["TLSv1.3", 0x0304],
]);
/** What an option must be, and the words for it. */
type Form = readonly [has: (value: unknown) => boolean, words: string];
const TEXT: Form = [(value) => typeof value === "string", "text"];
const FLAG: Form = [(value) => typeof value === "boolean", "true or false"];
/** Is checked where it is read. */
const READ: Form = [() => true, ""];
// The type checker sees to it that this is every option there is.
const FORMS: Readonly<Record<keyof TlsOptions, Form>> = {
  key: READ,
  cert: READ,
  passphrase: TEXT,
  ca: READ,
  // Bun takes an empty one for none, and then holds the certificate against a name of its own.
  serverName: [(value) => typeof value === "string" && value !== "" && !value.includes("\0"), "a name"],
  sni: [
    (value) => typeof value === "function" || (typeof value === "object" && value !== null),
    "a record or a function",
  ],
  alpnProtocols: READ,
  requestCert: FLAG,
  rejectUnauthorized: FLAG,
  minVersion: READ,
  maxVersion: READ,
  // Bun refuses the names of TLS 1.3's only when it connects.
  ciphers: [
    (value) => typeof value === "string" && !value.includes("TLS_"),
    "text, and cipher suites of TLS 1.2",
  ],
  session: [(value) => value instanceof Uint8Array, "the bytes of a session"],
};
const PEM_BEGIN = "-----BEGIN ";
const CERTIFICATE_BEGIN = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
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
  /** `sni` is one of these. */
  readonly #lookup: SniLookup | undefined;
  readonly #named: ((name: string) => TlsIdentity | undefined) | undefined;
  readonly #identities = new WeakMap<TlsIdentity, object>();

  private constructor(options: TlsOptions, isServer: boolean) {
    checkForms(options);
    const { rejectUnauthorized = true, requestCert = false } = options;
    this.isServer = isServer;
    this.session = options.session;
    this.#serverName = options.serverName;
    this.#verifies = rejectUnauthorized;
    this.#asksForCert = requestCert;
    const { sni } = options;
    this.#lookup = typeof sni === "function" ? sni : undefined;
    this.#named = typeof sni === "object" ? byName(sni) : undefined;
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

  /**
   * Why a handshake that Bun reports so has failed, or undefined when it has not. `error` is Bun's, `refusal` what
   * {@link answer} has refused it for.
   */
  failure(ok: boolean, error: unknown, refusal?: Error): TLSError | undefined {
    const verification = this.isServer && !this.#asksForCert ? undefined : error;
    if (ok && (verification === undefined || verification === null || !this.#verifies)) return undefined;
    // Of all verification errors this one comes with false, also where it was not to count.
    if (!this.#verifies && codeOf(error) === "ERR_TLS_CERT_ALTNAME_INVALID") return undefined;
    return handshakeError(error, refusal);
  }

  /** Why the peer's certificate does not verify, of Bun's `error` after a handshake that has succeeded. */
  authorizationError(error: unknown): TLSError | undefined {
    const asked = !this.isServer || this.#asksForCert;
    return asked && error !== undefined && error !== null ? handshakeError(error) : undefined;
  }

  /** Server: the identity for `name`. Never throws, never rejects; `refused` is told why there is none. */
  answer(name: string, waiter: SniWaiter, refused: (why: Error) => void): SniAnswer {
    const asked = name.toLowerCase();
    const lookup = this.#lookup;
    if (lookup === undefined) return this.#identity(this.#named?.(asked));
    // Not inside Bun's callback: a promise that is rejected there is reported before anybody can have taken care of it.
    Promise.resolve(asked)
      .then(lookup)
      .then((identity) => this.#identity(identity))
      .then(
        (context) => waiter.resumeSNI(context, false),
        (error: unknown) => {
          const why = error instanceof Error ? error : new Error(String(error));
          refused(why);
          waiter.resumeSNI(undefined, why);
        },
      );
    return true;
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

/** What Bun says of a handshake that failed, or of a certificate. `refusal`: why `sni` did not want it. */
export function handshakeError(error: unknown, refusal?: Error): TLSError {
  const code = codeOf(error);
  if (code === "EPROTO") {
    const reason = opensslReason(error);
    if (refusal === undefined) return new TLSError(reason, "handshake", { cause: error });
    const detail = `handshake: ${reason} by sni: ${refusal.message}`;
    return new TLSError(reason, "handshake", { detail, cause: refusal });
  }
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

/** `bytes` came before the handshake and were not taken: they may be an attacker's. */
export function plaintextBehind(bytes: number): TLSError {
  return new TLSError("PLAINTEXT_BEHIND", "handshake", {
    detail: `${bytes} bytes of plaintext behind the request for TLS`,
  });
}

const servers = new WeakMap<TlsOptions, TlsContext>();
const clients = new WeakMap<TlsOptions, TlsContext>();

function wrong(reason: string, detail: string, cause?: unknown): TLSError {
  return new TLSError(reason, "options", { detail, cause }, "EINVAL");
}

function checkForms(options: TlsOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(FORMS, name)) throw wrong("UNKNOWN_OPTION", `no option ${name}`);
    const [has, words] = FORMS[name as keyof TlsOptions];
    if (value !== undefined && !has(value)) throw wrong("WRONG_OPTION", `${name}: ${words}`);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined | null)?.code;
}

// "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER"
const OPENSSL_REASON = /:([A-Z0-9_]+)$/;

function opensslReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return OPENSSL_REASON.exec(message)?.[1] ?? message;
}

function identityOf(
  options: Partial<TlsIdentity>,
  required: boolean,
): { key?: string; cert?: string; passphrase?: string } {
  const { key, cert, passphrase } = options;
  if (key === undefined && cert === undefined && !required) return {};
  if (key === undefined) {
    const none =
      cert === undefined ? "a server needs a key and a certificate" : "a certificate needs its key";
    throw wrong("NO_KEY", none);
  }
  if (cert === undefined) throw wrong("NO_CERTIFICATE", "a key needs its certificate");
  return {
    key: pem(key, "key"),
    cert: pem(cert, "cert"),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function authorities(ca: PemSource | readonly PemSource[]): string[] {
  const sources = Array.isArray(ca) ? (ca as readonly PemSource[]) : [ca as PemSource];
  return sources.map((source) => {
    const text = pem(source, "ca");
    // Bun would trust nobody, and say so with the first connection.
    if (!CERTIFICATE_BEGIN.test(text)) throw wrong("NO_CERTIFICATE", "ca: no certificate in it");
    return text;
  });
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
    // Loaded by who uses TLS: it would cost every program 15 ms and half a megabyte of heap.
    const { createSecureContext } = process.getBuiltinModule("node:tls");
    const { context }: { context: object } = createSecureContext(credentials);
    return context;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw wrong(OPENSSL_REASON.exec(message)?.[1] ?? "REFUSED", message, error);
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
    if (typeof name !== "string") throw wrong("ALPN", "alpnProtocols: a list of names");
    const bytes = Buffer.from(name);
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

function byName(sni: Readonly<Record<string, TlsIdentity>>): (name: string) => TlsIdentity | undefined {
  const identities = new Map<string, TlsIdentity>();
  for (const [name, identity] of Object.entries(sni)) {
    if (ipVersion(name) !== 0) throw wrong("SNI", `sni: ${name} is an address, and clients ask for names`);
    identities.set(name.toLowerCase(), identity);
    // Read now: a name nobody has asked for yet must not fail at night.
    secureContext(identityOf(identity, true));
  }
  return (name) => identities.get(name) ?? identities.get(name.replace(/^[^.]+/, "*"));
}
