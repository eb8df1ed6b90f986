/**
 * What the conformance suite must know of a kind of socket: how to make one, an address to bind, and how to wait.
 * {@link socketKind} fits any kind on real time, {@link memoryKind} is the one in memory on virtual time.
 */
import assert from "node:assert/strict";

import type { Address } from "../base/address.ts";
import { systemClock } from "../base/clock.ts";
import { AF_INET, AF_UNIX } from "../base/constants.ts";
import type { Socket } from "../socket/socket.ts";
import { MemoryNetwork, type MemoryNetworkOptions } from "./memory-network.ts";

/** Two connected sockets that nobody observes yet. */
export interface SocketPair {
  readonly client: Socket;
  /** The accepted one. */
  readonly server: Socket;
  /** Releases what the pair needed besides its sockets. */
  dispose(): void | Promise<void>;
}

/** A kind of socket, for {@link socketConformance}. */
export interface SocketKind {
  readonly name: string;
  /** An idle socket. */
  create(): Socket;
  /** An address that can be bound and that nobody else uses: port 0, or a fresh path. */
  address(): Address;
  pair(): Promise<SocketPair>;
  /** Waits until `condition` holds, driving the clock where it is virtual. @throws when a deadline passes */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Lets come what is under way, to show that nothing more comes. */
  settle(): Promise<void>;
  /** Moves virtual time; without it, cases that need long times are skipped. */
  advance?(ms: number): Promise<void>;
  /** About how much a case sends to fill every buffer. Default 4 MiB, more than a kernel's buffers hold. */
  readonly bulkBytes?: number;
  /** Whether an abort can be told from a close by the peer. Unix domain sockets have no RST. Default true. */
  readonly resets?: boolean;
}

/** What {@link socketKind} needs. */
export interface SocketKindOptions {
  readonly name: string;
  create(): Socket;
  address(): Address;
  readonly bulkBytes?: number;
  readonly resets?: boolean;
  /** Longest wait of one `until`. Default 4 s. */
  readonly untilMs?: number;
}

// Far more turns than loopback needs to carry a byte there and an answer back.
const SETTLING_TURNS = 16;

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLING_TURNS; turn++) await nextTurn();
}

/** A {@link SocketKind} on real time: pairs are made with listen, connect and accept. */
export function socketKind(options: SocketKindOptions): SocketKind {
  const { untilMs = 4_000, ...rest } = options;
  const until = async (condition: () => boolean, what: string): Promise<void> => {
    const deadline = systemClock.now() + untilMs;
    while (!condition()) {
      assert.ok(systemClock.now() < deadline, `${what}: not so after ${untilMs} ms`);
      await nextTurn();
    }
  };
  return { ...rest, until, settle, pair: () => connectedPair(options, until) };
}

/** The memory kind, on a network of its own with `options`; everything that waits drives its clock. */
export function memoryKind(
  name: string,
  options: MemoryNetworkOptions & { readonly bulkBytes?: number } = {},
): SocketKind {
  const network = new MemoryNetwork(options);
  const { clock } = network;
  const create = (): Socket => network.createSocket(AF_INET);
  // Below the least of the default deadlines: a socket that only these bring to its end does not conform.
  const until: SocketKind["until"] = (condition, what) => clock.runUntil(condition, what, 4_000);
  const kind = { name, create, address: (): Address => ["127.0.0.1", 0] };
  return {
    ...kind,
    until,
    pair: () => connectedPair(kind, until),
    settle: () => clock.advance(20),
    advance: (ms) => clock.advance(ms),
    bulkBytes: options.bulkBytes ?? 256 * 1024,
  };
}

async function connectedPair(
  kind: Pick<SocketKind, "create" | "address">,
  until: SocketKind["until"],
): Promise<SocketPair> {
  const listener = kind.create();
  listener.bind(kind.address());
  listener.listen(8);
  const client = kind.create();
  client.connect(listener.getsockname());
  await until(() => client.state === "open" && listener.readReady, "a connection");
  const accepted = listener.accept();
  assert.ok(accepted !== undefined);
  // A listener made the path; a connection outlives both, but a path that is gone is one test the less to clean.
  if (listener.family !== AF_UNIX) listener.close();
  return { client, server: accepted[0], dispose: () => listener.close() };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
