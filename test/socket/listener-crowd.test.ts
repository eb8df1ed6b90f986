/** When a listener that is full of TLS handshakes accepts again. Its wires are made up: it is the counting that is tested. */
import { expect, test } from "bun:test";

import { systemClock } from "../../src/base/clock.ts";
import type { Endpoint, Wire } from "../../src/socket/endpoint.ts";
import { Listener } from "../../src/socket/listener.ts";
import type { TlsContext } from "../../src/socket/tls-context.ts";

const MOST = 1024;

/** A client that has connected and says nothing. */
interface Silent {
  data: { bunClosed(error: unknown): void } | undefined;
  readonly fd: number;
  terminate(): void;
}

function silent(): Silent {
  return {
    fd: 5,
    data: undefined,
    terminate() {
      this.data?.bunClosed(undefined);
    },
  };
}

test("a listener whose handshakes leave accepts again when an eighth of them is gone, however many stay", () => {
  const endpoint = {
    canPause: true,
    accepting: true,
    stopAccepting(): void {
      this.accepting = false;
    },
    startAccepting(): void {
      this.accepting = true;
    },
  };
  const listener = new Listener<{ abort(): void; parkIfIdle(): void }>(
    {
      clock: systemClock,
      limits: { handshakeTimeoutMs: 60_000 },
      adopt: () => ({ abort: () => undefined, parkIfIdle: () => undefined }),
      connectionCame: () => undefined,
    },
    endpoint as unknown as Endpoint,
    10 * MOST,
    {} as TlsContext,
  );
  const clients: Silent[] = [];
  while (endpoint.accepting && clients.length < 2 * MOST) {
    const client = silent();
    clients.push(client);
    listener.bunOpened(client as unknown as Wire);
  }
  expect(clients).toHaveLength(MOST);
  // Each that leaves is a failed handshake, which somebody takes note of.
  const leave = (count: number): void => {
    for (const client of clients.splice(0, count)) {
      client.terminate();
      expect(() => listener.accept()).toThrow("handshake");
    }
  };
  leave(MOST / 8 - 1);
  expect(endpoint.accepting).toBe(false);
  leave(1);
  expect(endpoint.accepting).toBe(true);
  listener.close();
});
