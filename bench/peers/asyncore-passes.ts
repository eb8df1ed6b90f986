/**
 * Passes of `poll()` over idle channels, one pass after the other without waiting. The channels have the default
 * predicates; with `--asked` a `readable()` and a `writable()` of their own, which every pass has to ask.
 */
import { Dispatcher, poll, socketMap, type Socket } from "asyncore";

import { serving } from "./life.ts";

const PAIRS_AT_ONCE = 128;

class Idle extends Dispatcher {
  override handleConnect(): void {}
  override handleRead(): void {
    this.recv();
  }
}
class AskedIdle extends Idle {
  override readable(): boolean {
    return true;
  }
  override writable(): boolean {
    return this.connecting;
  }
}
const Kind = process.argv.includes("--asked") ? AskedIdle : Idle;

class Listener extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind(["127.0.0.1", 0]);
    this.listen();
  }
  override handleAccepted(socket: Socket): void {
    new Kind(socket);
  }
}

const listener = new Listener();

// Both ends of a connection are channels.
async function idle(count: number): Promise<object> {
  while (socketMap.size - 1 < count) {
    const wanted = Math.min(socketMap.size - 1 + 2 * PAIRS_AT_ONCE, count);
    for (let pair = (wanted - socketMap.size + 1) / 2; pair > 0; pair--) {
      const channel = new Kind();
      channel.createSocket();
      channel.connect(listener.getsockname());
    }
    while (socketMap.size - 1 < wanted) await poll(1);
  }
  return {};
}

async function passes(ms: number): Promise<object> {
  const end = performance.now() + ms;
  let count = 0;
  while (performance.now() < end) {
    await poll(0);
    count++;
  }
  return { passes: count };
}

serving(0, { idle, passes });
