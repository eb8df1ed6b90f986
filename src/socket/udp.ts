/** Datagrams. */
import { osError } from "../base/errors.ts";
import type { Socket } from "./socket.ts";
import type { TlsOptions } from "./tls-options.ts";

export const UdpSocket = {
  create(_family: number, _tls?: TlsOptions): Socket {
    throw osError("EPROTONOSUPPORT", { syscall: "socket", detail: "no datagrams yet" });
  },
};
