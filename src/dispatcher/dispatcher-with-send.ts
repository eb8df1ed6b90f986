/**
 * `DispatcherWithSend`: asyncore's class for simple clients, which keeps what the kernel does not take. Every
 * dispatcher here does, so what is left of it is its `writable()` and `initiateSend()`.
 */
import type { HookResult } from "./dispatch.ts";
import { Dispatcher } from "./dispatcher.ts";

/**
 * A dispatcher that is writable while it has something to send or is not connected yet. `send()` may be called from
 * `connect()` on; what is sent before the connection stands goes out when it does. Bytes that the kernel takes at once are
 * never waiting, so, as under asyncore, a send need not be followed by a `handleWrite()`.
 *
 * @example A client that sends at once
 * ```ts
 * import { Dispatcher, DispatcherWithSend, type Socket } from "asyncore";
 *
 * class Server extends Dispatcher {
 *   override handleAccepted(socket: Socket) {
 *     const channel = new Dispatcher(socket);
 *     channel.handleRead = () => console.log(channel.recv().toString());
 *     this.close();
 *   }
 * }
 * const server = new Server();
 * server.createSocket();
 * server.bind(["127.0.0.1", 0]);
 * server.listen();
 *
 * const client = new DispatcherWithSend();
 * client.createSocket();
 * client.connect(server.getsockname());
 * client.send("early");
 * client.close();
 * ```
 */
export class DispatcherWithSend extends Dispatcher {
  /** Writes what is waiting now, without waiting for the end of the turn. */
  initiateSend(): void {
    this.socket?.flush();
  }
  override writable(): boolean {
    return !this.connected || this.bufferedAmount > 0;
  }
  override handleWrite(): HookResult {
    this.initiateSend();
  }
}
