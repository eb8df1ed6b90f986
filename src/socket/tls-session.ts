/** TLS on one socket: how it was asked for, how the handshake ended, and what the connection can tell since. */
import type { TLSError } from "../base/errors.ts";
import type { Wire } from "./endpoint.ts";
import type { TlsContext } from "./tls-context.ts";
import type { PeerCertificate, TlsSession } from "./tls-options.ts";

/** What is kept of a handshake that has succeeded. */
export interface Secured {
  readonly context: TlsContext;
  /** Why the peer's certificate does not verify, where that was not to count. */
  readonly error: TLSError | undefined;
}

/** What Bun's types lack. */
interface TlsWire {
  readonly alpnProtocol: string | false | null;
  getTLSVersion(): string | null;
  getCipher(): { readonly name: string } | undefined;
  getServername(): string | undefined | false;
  getPeerCertificate(): PeerCertificate | undefined;
  isSessionReused(): boolean;
}

/** Held by the sockets that have TLS, or were asked to. */
export class TlsState {
  readonly context: TlsContext;
  /** Set once the handshake has succeeded. */
  secured: Secured | undefined = undefined;
  /** Client: the latest session the server sent. */
  session: Buffer | undefined = undefined;
  /** How the established session broke. */
  broken: TLSError | undefined = undefined;
  #described: TlsSession | undefined;

  constructor(context: TlsContext, secured?: Secured) {
    this.context = context;
    this.secured = secured;
  }

  /** Undefined before the handshake has succeeded. Asked of `wire` once: it forgets when the connection is gone. */
  describe(wire: Wire | undefined): TlsSession | undefined {
    if (this.#described !== undefined || wire === undefined || this.secured === undefined) {
      return this.#described;
    }
    const tls = wire as unknown as TlsWire;
    const certificate = tls.getPeerCertificate();
    const known = certificate !== undefined && Object.keys(certificate).length > 0;
    const { error } = this.secured;
    const session = (): Buffer | undefined => this.session;
    this.#described = {
      protocol: tls.getTLSVersion() ?? "",
      cipher: tls.getCipher()?.name ?? "",
      alpnProtocol: tls.alpnProtocol === false || tls.alpnProtocol === null ? undefined : tls.alpnProtocol,
      serverName: tls.getServername() || undefined,
      authorized: known && error === undefined,
      authorizationError: error,
      peerCertificate: known ? certificate : undefined,
      resumed: tls.isSessionReused(),
      // It comes some time after the handshake, and may be renewed.
      get session() {
        return session();
      },
    };
    return this.#described;
  }
}
