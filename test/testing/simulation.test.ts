/**
 * Random programs on random bad connections, all from one seed each. A failure names its seed; `SEED=n bun test
 * test/testing/simulation.test.ts` runs that one alone.
 */
import { describe, expect, test } from "bun:test";

import { SHUT_WR } from "../../src/base/constants.ts";
import { Probe } from "../../src/testing/conformance-kit.ts";
import {
  type Amount,
  type Faults,
  linkOf,
  type MemoryLink,
  MemoryNetwork,
  Random,
  VirtualClock,
} from "../../src/testing/index.ts";

const PROGRAMS = 250;
const STEPS = 25;
/** Below the least deadline of a closing socket, so that in a gentle program nothing ends by force. */
const LONGEST_STEP_MS = 100;

/** One socket and what its program has done to it. */
class Actor {
  readonly probe: Probe;
  readonly sent: Buffer[] = [];
  closed = false;
  shut = false;
  violent = false;

  constructor(probe: Probe) {
    this.probe = probe;
  }

  get all(): Buffer {
    return Buffer.concat(this.sent);
  }
}

function someFaults(random: Random): Faults {
  const some = (most: number): Amount => [1, random.integer(1, most)];
  return {
    ...(random.chance(0.5) ? { writeBytes: some(500) } : {}),
    ...(random.chance(0.3) ? { drainDelayMs: [0, 20] as const } : {}),
    ...(random.chance(0.5) ? { pieceBytes: some(500) } : {}),
    ...(random.chance(0.3) ? { pieceDelayMs: [0, 3] as const } : {}),
    spuriousDrains: random.chance(0.5),
  };
}

function step(random: Random, actor: Actor, link: MemoryLink, violent: boolean): void {
  const { probe } = actor;
  const { socket } = probe;
  const dice = random.fraction();
  if (dice < 0.5) {
    if (actor.closed || actor.shut || socket.state !== "open") return;
    const bytes = random.bytes(random.pick([1, 10, 700, 3_000]));
    try {
      probe.send(bytes);
      actor.sent.push(bytes);
    } catch (error) {
      // Only a connection that is lost refuses.
      expect(["ECONNRESET", "EPIPE"]).toContain((error as { code: string }).code);
    }
  } else if (dice < 0.6) {
    if (!actor.closed) socket.observe(undefined);
  } else if (dice < 0.75) {
    if (!actor.closed) probe.observe();
  } else if (dice < 0.8) {
    link.stall(socket);
  } else if (dice < 0.88) {
    link.unstall(socket);
  } else if (dice < 0.92) {
    if (actor.closed || socket.state !== "open") return;
    actor.shut = true;
    probe.shutdown(SHUT_WR);
  } else if (dice < 0.96) {
    actor.closed = true;
    probe.close();
  } else if (violent) {
    if (random.chance(0.5)) {
      actor.closed = true;
      actor.violent = true;
      probe.abort();
    } else link.reset();
  }
}

async function program(seed: number): Promise<void> {
  const random = new Random(seed);
  const violent = random.chance(0.5);
  const clock = new VirtualClock();
  const capacityBytes = random.pick([64, 1_000, 65_536]);
  const network = new MemoryNetwork({
    clock,
    seed,
    capacityBytes,
    latencyMs: random.pick<Amount>([0, 3, [0, 30]]),
    faults: someFaults(random),
  });
  const actors = network.pair().map((socket) => new Actor(new Probe(socket)));
  const link = linkOf(actors[0]?.probe.socket ?? expect.unreachable());
  for (const { probe } of actors) {
    if (random.chance(0.5)) link.setFaults(probe.socket, someFaults(random));
    if (random.chance(0.8)) probe.observe();
  }
  for (let i = 0; i < STEPS; i++) {
    step(random, random.pick(actors), link, violent);
    await clock.advance(random.integer(0, LONGEST_STEP_MS));
  }
  for (const { probe, closed } of actors) {
    link.unstall(probe.socket);
    if (!closed) probe.observe();
  }
  for (const { probe, closed, shut } of actors) {
    if (!closed && !shut && probe.socket.state === "open") probe.shutdown(SHUT_WR);
  }
  await clock.runAll();
  const [one, two] = actors as [Actor, Actor];
  check(one, two, violent);
  check(two, one, violent);
  for (const { probe } of actors) probe.close();
  await clock.runAll();
  for (const { probe } of actors) {
    expect(probe.violations).toEqual([]);
    expect([probe.socket.state, probe.socket.bufferedAmount]).toEqual(["closed", 0]);
  }
  expect([clock.pending, link.live]).toEqual([0, false]);
}

/** What `receiver` got, held against what `sender` sent. */
function check(sender: Actor, receiver: Actor, violent: boolean): void {
  const { probe } = receiver;
  const all = sender.all;
  const got = probe.bytes;
  expect(got.equals(all.subarray(0, got.length))).toBe(true);
  // The promise of this library: an end without an error is the end of all that was sent.
  if (probe.eof && probe.error === undefined) expect(got.length).toBe(all.length);
  if (receiver.closed) return;
  expect(probe.eof).toBe(true);
  if (!violent) expect(probe.error).toBe(undefined);
}

describe("memory connections", () => {
  const only = process.env["SEED"];
  const seeds =
    only === undefined ? Array.from({ length: PROGRAMS }, (_, index) => index + 1) : [Number(only)];

  test(`keep every promise in ${seeds.length} random programs`, async () => {
    for (const seed of seeds) {
      try {
        await program(seed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
  }, 60_000);
});
