/** What a channel is called, in logs and by `String(channel)`. Its own methods may be a user's and may crash. */
import { type Address, formatAddress } from "../base/address.ts";
import { OSError } from "../base/errors.ts";
import type { Socket } from "../socket/socket.ts";
import { compactTraceback } from "./traceback.ts";

/** What this file needs of a channel. */
export interface Describable {
  readonly accepting: boolean;
  readonly connected: boolean;
  readonly addr: Address | undefined;
  readonly channelDispatch: { readonly number: number };
  toString(): string;
}

/** `<Echo connected 127.0.0.1:50312 #7>`. */
export function describeChannel(channel: Describable): string {
  const { accepting, connected, addr } = channel;
  const state = accepting && addr !== undefined ? " listening" : connected ? " connected" : "";
  const address = addr === undefined ? "" : ` ${formatAddress(addr)}`;
  return `<${channel.constructor.name}${state}${address} #${channel.channelDispatch.number}>`;
}

/** asyncore's sentence for a hook that has failed. */
export function describeFailure(channel: Describable, error: unknown): string {
  const { type, message, info } = compactTraceback(error);
  return `uncaptured exception, closing channel ${nameOf(channel)} (${type}:${message}${info === "" ? "" : ` ${info}`})`;
}

function nameOf(channel: Describable): string {
  try {
    return String(channel);
  } catch {
    return `<a ${channel.constructor.name} whose toString() throws>`;
  }
}

/** The address of the client, as a proxy in front of us names it, or of the peer; undefined where there is none. */
export function peerOf(socket: Socket): Address | undefined {
  try {
    return socket.origin ?? socket.getpeername();
  } catch (error) {
    // A file has no peer, and who is connecting none yet.
    if (error instanceof OSError && (error.code === "ENOTSOCK" || error.code === "ENOTCONN"))
      return undefined;
    throw error;
  }
}
