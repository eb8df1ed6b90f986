/** `serve()`: from options to a running server. */
import type { Dispatcher } from "../dispatcher/dispatcher.ts";
import { forgetServer, handOver, hotName, isHot, keepServer, runningServer } from "./hot.ts";
import { checkHandler, type Handler, nameOfPlace, type ServeOptions, servePlan } from "./serve-options.ts";
import { Server } from "./server.ts";
import { drainOn, forgetSignals } from "./signals.ts";

/**
 * Listens, and makes a `handler` for each connection.
 *
 * With `drainOn` the process ends at those signals, after a drain. Under `bun --hot` a call for the same address, made
 * by the code that was loaded again, gives the running server the new handler and options: connections that stand go on
 * with the new class, whose constructor is not run for them; public fields are kept, `#private` ones are not, nor are timers
 * of the channel and a part of a line that AsyncChat holds.
 *
 * @example An echo server that ends gracefully
 * ```ts
 * import { Dispatcher } from "asyncore";
 * import { serve } from "asyncore/server";
 *
 * class Echo extends Dispatcher {
 *   override handleRead() {
 *     this.send(this.recv());
 *   }
 * }
 * await using server = serve({ port: 0, maxConnections: 1000, limits: { idleTimeoutMs: 60_000 } }, Echo);
 * console.log(server.address, server.stats().accepted);
 * ```
 * @throws {OSError} EADDRINUSE, EADDRNOTAVAIL, EACCES … what cannot be listened on
 * @throws {TLSError} phase `options`
 * @throws {ArgumentTypeError|ArgumentRangeError} options that are wrong
 */
export function serve<Channel extends Dispatcher>(
  options: ServeOptions,
  handler: Handler<Channel>,
): Server<Channel> {
  const plan = servePlan(options);
  checkHandler(handler);
  const name = isHot ? hotName(nameOfPlace(plan.place)) : "";
  const running = runningServer(name) as Server<Channel> | undefined;
  if (running !== undefined) {
    running.adopt(plan, handler, (old) => handOver(old, handler, running.map));
    return running;
  }
  const server = new Server(plan, handler, () => {
    forgetSignals(server);
    forgetServer(server);
  });
  drainOn(plan.signals, server);
  if (isHot) keepServer(name, server);
  return server;
}
