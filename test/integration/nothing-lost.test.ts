// "Nothing lost": every byte that was sent before close() arrives, followed by a FIN and not by a reset, whatever the
// peer does. Peers are processes of their own: raw Bun sockets, and Python's. `raw-loses.test.ts` runs the same
// transfers over plain `Bun.listen` and shows that these peers do notice a loss.
import { afterAll, describe, expect, test } from "bun:test";

import { AF_INET, ChannelMap, loop, poll, type Socket, socketMap, type TlsOptions } from "asyncore";
import { MemoryNetwork } from "asyncore/testing";

import { MemoryPeer } from "./support/memory-peer.ts";
import {
  type Behaviour,
  behaviours,
  closePeers,
  type Language,
  languages,
  peer,
  type TlsVersion,
} from "./support/peers.ts";
import { afOf, families, type Family } from "./support/family.ts";
import { freeAddress, removePaths } from "./support/place.ts";
import { noPython, python } from "./support/python.ts";
import { Sender, SenderServer, type Way } from "./support/sender.ts";
import { wholeReport } from "./support/stream.ts";
import { ca, server as identity } from "../support/certificates.ts";
import { until, untilSteady } from "../support/until.ts";

type Role = "server" | "client";
interface Case {
  readonly size: number;
  readonly family: Family;
  readonly behaviour: Behaviour;
  readonly way: Way;
  readonly role: Role;
  readonly language: Language;
  /** Through TLS of this version. */
  readonly tls?: TlsVersion;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const small = [1, KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB];
const ways: readonly Way[] = ["at once", "in pieces"];
const roles: readonly Role[] = ["server", "client"];

// Up to 16 MiB the full product: size x behaviour x family x way x role x language. 64 MiB: behaviour x family x way;
// role and language take turns, so that both values of each meet every behaviour, family and way.
const smallCases: Case[] = small.flatMap(all);
const largeCases: Case[] = [
  ...all(16 * MIB),
  ...product().map((one, i) => ({
    size: 64 * MIB,
    ...one,
    role: roles[(i >> 1) % 2] as Role,
    language: languages[((i >> 2) + i) % 2] as Language,
  })),
];

function all(size: number): Case[] {
  return product().flatMap((one) =>
    roles.flatMap((role) => languages.map((language) => ({ size, ...one, role, language }))),
  );
}

function product(): Omit<Case, "size" | "role" | "language">[] {
  return behaviours.flatMap((behaviour) =>
    families.flatMap((family) => ways.map((way) => ({ behaviour, family, way }))),
  );
}

const sizeName = (size: number): string => {
  if (size >= MIB) return `${size / MIB} MiB`;
  if (size % KIB === 0) return `${size / KIB} KiB`;
  return size === 1 ? "1 B" : `64 KiB${size > 64 * KIB ? "+" : "-"}1`;
};
const nameOf = (one: Case): string => {
  const kind = one.tls === undefined ? one.family : `${one.tls} over ${one.family}`;
  return `Dispatcher.close() loses nothing of ${sizeName(one.size)} sent ${one.way} as ${kind} ${one.role} to a ${one.behaviour} ${one.language} peer`;
};

async function transfer(one: Case, map: ChannelMap = socketMap): Promise<void> {
  const { size, family, behaviour, way, role, language, tls } = one;
  const other = peer(language, behaviour);
  const sender = new Sender(size, way, map);
  const id = other.nextId();
  const kind = { family: afOf[family], ...(tls === undefined ? {} : { tls: endOf(role, tls) }) };
  if (role === "server") {
    const server = new SenderServer(sender, kind, freeAddress(family), map);
    other.connect(id, server.getsockname(), tls);
  } else {
    const address = await other.listen(id, freeAddress(family), tls);
    sender.createSocket(kind);
    sender.start(address);
  }
  if (behaviour === "stalled") {
    const taken = (): number => (sender.socket?.bytesSent ?? 0) - sender.bufferedAmount;
    await until(() => taken() > 0, "the first write");
    await untilSteady(taken, "the kernel's buffers to fill");
    other.resume(id);
  }
  const report = await other.report(id);
  // Bun leaves its close_notify out when the kernel has no room for it at that very moment, which a unix socket with a
  // stalled peer may not have. The bytes, and their hash, are what may not differ.
  const unsure = tls !== undefined && family === "unix" && report.end === "truncated";
  expect({ ...report, ...(unsure ? { end: "fin" } : {}), failure: sender.failure }).toEqual({
    ...wholeReport(size),
    failure: undefined,
  });
  await until(() => sender.socket?.state === "closed", "the release of the descriptor");
}

const ends: Readonly<Record<Role, TlsOptions>> = {
  server: identity,
  client: { ca, serverName: "localhost" },
};
const endOf = (role: Role, version: TlsVersion): TlsOptions => {
  return { ...ends[role], minVersion: version, maxVersion: version };
};

afterAll(closePeers);
afterAll(removePaths);

const runnable = (one: Case): boolean => one.language === "Bun" || python !== undefined;

describe.concurrent("nothing lost up to 1 MiB", () => {
  for (const one of smallCases) runs(one);
});

describe("nothing lost of 16 and 64 MiB", () => {
  for (const one of largeCases) runs(one);
});

// What was sent before the connection stands is owed to the peer as well.
describe("nothing lost of what is sent before it connects", () => {
  for (const one of [1, 64 * KIB + 1, MIB, 16 * MIB].flatMap(all)) {
    if (one.way === "in pieces" || one.role === "server") continue;
    runs({ ...one, way: "before it connects" });
  }
});

// Through TLS, which has its own buffers, its own end and Bun's own code below ours. Up to 1 MiB and for 16 MiB each size x
// behaviour x way is made twice, the second time with the other role, language and version: so it meets both of each.
// 64 MiB, unix sockets, early sends and poll mode: behaviour x way (early: size x behaviour), and the rest takes turns.
describe.concurrent("nothing lost through TLS up to 1 MiB", () => {
  for (const one of small.flatMap((size) => inTurns(size, "tcp4", true))) runs(one);
});
describe("nothing lost through TLS of 16 and 64 MiB", () => {
  for (const one of inTurns(16 * MIB, "tcp4", true)) runs(one);
  for (const one of inTurns(64 * MIB, "tcp4")) runs(one);
  for (const one of inTurns(16 * MIB, "unix")) runs(one);
});
describe("nothing lost through TLS of what is sent before it connects", () => {
  for (const size of [1, 64 * KIB + 1, MIB, 16 * MIB]) {
    for (const one of inTurns(size, "tcp4")) {
      if (one.way === "at once") runs({ ...one, role: "client", way: "before it connects" });
    }
  }
});
describe("nothing lost through TLS in poll mode", () => {
  for (const one of inTurns(16 * MIB, "tcp4")) polls({ ...one, language: "Bun" });
});

// Which role, language and version: the bits of the counting index, and their opposites.
function inTurns(size: number, family: Family, twice = false): Case[] {
  const turns = twice ? [0, 7] : [0];
  let i = size % 5;
  return behaviours.flatMap((behaviour) =>
    ways.flatMap((way) => {
      i++;
      return turns.map((opposite) => {
        const turn = (i ^ opposite) & 7;
        const role = roles[turn & 1] as Role;
        const language = languages[(turn >> 1) & 1] as Language;
        const tls: TlsVersion = turn >> 2 === 0 ? "TLSv1.2" : "TLSv1.3";
        return { size, family, behaviour, way, role, language, tls };
      });
    }),
  );
}

function runs(one: Case): void {
  if (runnable(one)) test(nameOf(one), () => transfer(one));
  else test.skip(`${nameOf(one)} (${noPython})`, () => {});
}

describe("nothing lost over a memory network", () => {
  for (const size of [...small, 16 * MIB, 64 * MIB]) {
    for (const behaviour of behaviours) {
      for (const way of ways) {
        for (const role of roles) {
          test(`Dispatcher.close() loses nothing of ${sizeName(size)} sent ${way} as memory ${role} to a ${behaviour} peer`, async () => {
            const network = new MemoryNetwork({ capacityBytes: 256 * KIB });
            const { clock } = network;
            const sender = new Sender(size, way);
            let other: MemoryPeer | undefined;
            if (role === "server") {
              const server = new SenderServer(sender, network.createSocket(), ["10.0.0.1", 7]);
              const socket = network.createSocket();
              socket.connect(server.getsockname());
              other = new MemoryPeer(socket, clock, behaviour);
            } else {
              const listener = network.createSocket(AF_INET);
              listener.bind(["10.0.0.1", 7]);
              listener.listen(1);
              const accept = (): void => {
                const accepted: readonly [Socket, unknown] | undefined = listener.accept();
                if (accepted === undefined) return;
                other = new MemoryPeer(accepted[0], clock, behaviour);
                listener.close();
              };
              listener.observe({ socketReady: accept, socketChanged: () => {} });
              sender.setSocket(network.createSocket());
              sender.start(["10.0.0.1", 7]);
            }
            if (behaviour === "stalled") {
              // Long enough for everything that can happen, in virtual time.
              await clock.advance(1000);
              other?.resume();
            }
            await clock.runUntil(() => other?.report !== undefined, "the end of the transfer");
            expect({ ...other?.report, failure: sender.failure }).toEqual({
              ...wholeReport(size),
              failure: undefined,
            });
            await clock.runUntil(() => sender.socket?.state === "closed", "the release");
          });
        }
      }
    }
  }
});

// The same with the hooks run by `await loop()`. One size above the kernel's buffers: what differs is who calls the hooks.
describe("nothing lost in poll mode", () => {
  for (const one of all(16 * MIB).filter(({ language }) => language === "Bun")) polls(one);
});

function polls(one: Case): void {
  test(`${nameOf(one)}, hooks run by loop()`, async () => {
    const map = new ChannelMap();
    // From the first pass on this map's hooks run in loop() only.
    await poll(0, map);
    const transferred = transfer(one, map);
    // As a client the channel comes when the peer's address is known.
    await until(() => map.size > 0, "the channel");
    await loop({ map });
    await transferred;
  });
}
