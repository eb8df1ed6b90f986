/** Signals that drain servers and then end the process. */
import type { DrainReport } from "./drain.ts";

/** What is drained. */
export interface Drained {
  drain(): Promise<DrainReport>;
}

const waiting = new Map<NodeJS.Signals, Set<Drained>>();

/**
 * At the first of `signals` all servers that wait for it are drained, and then the process ends by that signal, as if it
 * had not been caught: supervisors want to see that. A second signal ends it at once.
 */
export function drainOn(signals: readonly NodeJS.Signals[], server: Drained): void {
  for (const signal of signals) {
    let servers = waiting.get(signal);
    if (servers === undefined) {
      servers = new Set();
      waiting.set(signal, servers);
      process.once(signal, end);
    }
    servers.add(server);
  }
}

/** The server has been drained: nothing waits for a signal any more on its behalf. */
export function forgetSignals(server: Drained): void {
  for (const [signal, servers] of waiting) {
    if (!servers.delete(server) || servers.size > 0) continue;
    waiting.delete(signal);
    process.off(signal, end);
  }
}

function end(signal: NodeJS.Signals): void {
  const servers = [...(waiting.get(signal) ?? [])];
  // From here on a signal does what it does by itself.
  for (const other of waiting.keys()) process.off(other, end);
  waiting.clear();
  void Promise.all(servers.map((server) => server.drain())).then(() => process.kill(process.pid, signal));
}
