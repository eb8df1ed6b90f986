/** TLS on one socket: how it was asked for, how the handshake ended, and what the connection can tell since. */
import type { TLSError } from "../base/errors.ts";
import { tlsHandlers } from "./bun-handlers.ts";
import type { BunOwner, Wire } from "./endpoint.ts";
import type { Libc } from "./libc.ts";
import type { BunTlsOptions, TlsContext } from "./tls-context.ts";
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

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** Of tcp(7)'s states those before our FIN: ESTABLISHED and CLOSE_WAIT. */
const BEFORE_FIN: ReadonlySet<number> = new Set([1, 8]);
/** The kernel has room for so much, whatever the peer does. */
const SURE_ROOM_BYTES = 4096;

/** Held by the sockets that have TLS, or were asked to. */
export class TlsState {
  readonly context: TlsContext;
  /** Set once the handshake has succeeded. */
  secured: Secured | undefined = undefined;
  /** Client: the latest session the server sent. */
  session: Buffer | undefined = undefined;
  /** Server: what its `sni` has thrown. */
  refusal: Error | undefined = undefined;
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

  /**
   * Whether, after shutdown(), bytes or the FIN may still be Bun's: while the kernel is full it keeps up to 128 KiB of what it
   * has taken. It does not say so, and its end() would then never release the descriptor. `c`: where a TCP connection can be
   * asked; elsewhere only a stream with hardly any bytes is sure.
   */
  holdsBack(wire: Wire, c: Libc | undefined): boolean {
    if (wire.fd < 0 || wire.bytesWritten <= SURE_ROOM_BYTES) return false;
    return c === undefined || BEFORE_FIN.has(c.getsockopt(wire.fd, IPPROTO_TCP, TCP_INFO) & 0xff);
  }
}

/**
 * The socket that takes the place of `wire` and speaks TLS; its `data` is `owner`. Bun gives two, of which the raw one goes on
 * telling every chunk of ciphertext to whoever listens.
 */
export function upgraded(wire: Wire, tls: BunTlsOptions, owner: BunOwner): Wire {
  const [raw, secured] = (wire as unknown as Upgradable).upgradeTLS({
    tls,
    data: owner,
    socket: tlsHandlers,
  });
  raw.data = muted;
  return secured;
}

interface Upgradable {
  upgradeTLS(options: object): readonly [Wire, Wire];
}

const muted: BunOwner = {
  bunOpened: () => undefined,
  bunReceived: () => undefined,
  bunDrained: () => undefined,
  bunEnded: () => undefined,
  bunClosed: () => undefined,
};
