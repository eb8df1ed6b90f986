/**
 * `bun --hot` evaluates every module again, this library's too, while the listeners and connections of the old code live
 * on. So running servers are kept on `globalThis`, where the code that comes after finds them, and connections that stand
 * get a channel of the new class around the socket they have.
 */
import { AsyncChat, type Terminator } from "../dispatcher/async-chat.ts";
import type { ChannelMap } from "../dispatcher/channel-map.ts";
import { Dispatcher } from "../dispatcher/dispatcher.ts";
import { DispatcherWithSend } from "../dispatcher/dispatcher-with-send.ts";
import type { Socket } from "../socket/socket.ts";
import type { Handler } from "./serve-options.ts";
import type { Server } from "./server.ts";

/** Whether code is loaded again when it changes. */
export const isHot: boolean = process.execArgv.includes("--hot");

const KEY = Symbol.for("asyncore.servers");
const servers: Map<string, Server> = ((globalThis as { [KEY]?: Map<string, Server> })[KEY] ??= new Map());
/** How often this evaluation of the code has served each place: port 0 may be served twice. */
const times = new Map<string, number>();

/** The name of the next server at `place`: the same for the same call in code that was loaded again. */
export function hotName(place: string): string {
  const count = (times.get(place) ?? 0) + 1;
  times.set(place, count);
  return `${place} ${count}`;
}

export function runningServer(name: string): Server | undefined {
  return servers.get(name);
}

export function keepServer(name: string, server: Server): void {
  servers.set(name, server);
}

export function forgetServer(server: Server): void {
  for (const [name, known] of servers) if (known === server) servers.delete(name);
}

/** The classes of this library that a handler may be of, the most special first. */
const BASES = [AsyncChat, DispatcherWithSend, Dispatcher] as const;
/** What a dispatcher of ours keeps by itself. */
const OWN: ReadonlySet<string> = new Set(Object.keys(new Dispatcher()));

/**
 * A channel of `handler` that goes on where `old` was. The class's own constructor is not run: the connection has been
 * greeted. Its public fields are the old channel's.
 */
export function handOver<Channel extends Dispatcher>(
  old: Dispatcher,
  handler: Handler<Channel>,
  map: ChannelMap,
): Channel {
  const socket = old.socket as Socket;
  const { addr } = old;
  const terminator = (old as Dispatcher & { getTerminator?(): Terminator }).getTerminator?.();
  old.delChannel();
  const Base = BASES.find((base) => handler.prototype instanceof base) ?? Dispatcher;
  const channel = Reflect.construct(Base, [socket, map], handler) as Channel;
  for (const [name, value] of Object.entries(old)) {
    if (!OWN.has(name)) (channel as unknown as Record<string, unknown>)[name] = value;
  }
  channel.addr = addr;
  if (terminator !== undefined && channel instanceof AsyncChat) channel.setTerminator(terminator);
  return channel;
}
