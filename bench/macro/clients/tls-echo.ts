/** The ping-pong of `echo.ts` through TLS: every byte is checked behind it. */
import type { Socket, SocketHandler } from "bun";

import { ca } from "../../peers/certificate.ts";
import { within } from "../server-process.ts";
import { EchoLoad, type Exchange } from "./echo.ts";

export class TlsEchoLoad extends EchoLoad {
  protected override async connect(
    count: number,
    port: number,
    handlers: SocketHandler<Exchange>,
  ): Promise<Socket<Exchange>[]> {
    const tls = { ca, serverName: "localhost" };
    const connecting = Array.from({ length: count }, (_, index) => {
      const { promise, resolve, reject } = Promise.withResolvers<Socket<Exchange>>();
      const socket: SocketHandler<Exchange> = {
        ...handlers,
        // The drain that follows would send before the load begins.
        drain: (wire) => {
          if (this.running) this.send(wire);
        },
        handshake: (wire, success, error) => (success ? resolve(wire) : reject(error)),
      };
      Bun.connect({ hostname: "127.0.0.1", port, socket, tls, data: this.dataOf(index) }).catch(reject);
      return promise;
    });
    return within(Promise.all(connecting), `${count} handshakes`);
  }
}
