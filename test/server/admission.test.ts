import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { type Address, ArgumentRangeError } from "asyncore";
import {
  Admission,
  type AdmissionOptions,
  type AdmissionTicket,
  type Decision,
  newServerStats,
} from "asyncore/server";
import { VirtualClock } from "asyncore/testing";

const from = (host: string): Address => [host, 4711];

/** The ticket of a decision that lets in. */
function ticketOf<T>(decision: Decision<T>): AdmissionTicket<T> {
  if (decision.refused !== undefined) throw new Error(`refused: ${decision.refused}`);
  return decision.ticket;
}
function said(decision: Decision<string>): string {
  if (decision.refused !== undefined) return decision.refused;
  return decision.evicted === undefined ? "in" : `in for ${decision.evicted.holder}`;
}

describe("Admission, lists", () => {
  test("without options lets everybody in, and counts", () => {
    const admission = new Admission();
    const tickets = Array.from({ length: 1000 }, (_, i) => ticketOf(admission.admit(from("192.0.2.1"), i)));
    expect([admission.active, admission.addresses, admission.waitMs(0)]).toEqual([1000, 0, 0]);
    for (const ticket of tickets) admission.released(ticket);
    expect([admission.active, admission.stats.accepted, admission.stats.active]).toEqual([0, 1000, 0]);
  });

  test("deny goes before allow, and what is in neither is out", () => {
    const admission = new Admission<string>({ allow: ["10.0.0.0/8", "::1", "unix"], deny: ["10.6.6.0/24"] });
    const hosts = ["10.1.1.1", "10.6.6.6", "::ffff:10.6.6.6", "::1", "::2", "192.0.2.1"];
    expect(hosts.map((host) => said(admission.admit(from(host), 0)))).toEqual([
      "in",
      "denied",
      "denied",
      "in",
      "denied",
      "denied",
    ]);
    expect(said(admission.admit("", 0))).toBe("in");
    expect(admission.stats).toMatchObject({ accepted: 3, active: 3, refused: { denied: 4 } });
    expect(said(new Admission<string>({ deny: ["10.6.6.0/24"] }).admit("", 0))).toBe("in");
    expect(said(new Admission<string>({ allow: [] }).admit("", 0))).toBe("denied");
  });
});

describe("Admission, maxConnections", () => {
  test("pause: says so before accepting, until one is gone; and refuses who is accepted all the same", () => {
    const admission = new Admission<string>({ maxConnections: 2 });
    const first = ticketOf(admission.admit(from("192.0.2.1"), 0));
    expect(admission.waitMs(0)).toBe(0);
    admission.admit(from("192.0.2.2"), 0);
    expect([admission.waitMs(0), admission.waitMs(1)]).toEqual([Infinity, Infinity]);
    expect(said(admission.admit(from("192.0.2.3"), 2))).toBe("connections");
    admission.released(first);
    expect(admission.waitMs(3)).toBe(0);
    expect(said(admission.admit(from("192.0.2.3"), 3))).toBe("in");
    expect(admission.waitMs(3)).toBe(Infinity);
    expect(admission.stats).toMatchObject({
      accepted: 3,
      active: 2,
      refused: { connections: 1 },
      pauses: { connections: 2, rate: 0 },
    });
  });

  test("refuse: never pauses", () => {
    const admission = new Admission<string>({ maxConnections: 1, whenFull: "refuse" });
    const first = ticketOf(admission.admit(from("192.0.2.1"), 0));
    expect([admission.waitMs(0), said(admission.admit(from("192.0.2.2"), 0))]).toEqual([0, "connections"]);
    admission.released(first);
    expect(said(admission.admit(from("192.0.2.2"), 0))).toBe("in");
  });

  test("evict: closes who has been idle the longest, and nobody who has not been idle", () => {
    const admission = new Admission<string>({ maxConnections: 3, whenFull: "evict", evictIdleMs: 1000 });
    const tickets = ["a", "b", "c"].map((holder, index) => {
      const ticket = ticketOf(admission.admit(from(`192.0.2.${index}`), index));
      ticket.holder = holder;
      return ticket;
    });
    const [a, b] = tickets as [AdmissionTicket<string>, AdmissionTicket<string>];
    expect(said(admission.admit(from("192.0.2.9"), 999))).toBe("connections");
    admission.touched(a, 500);
    expect(said(admission.admit(from("192.0.2.9"), 1001))).toBe("in for b");
    expect([b.live, admission.active]).toEqual([false, 3]);
    // Its owner tells once more, as it must; that is no second release.
    admission.released(b);
    expect(admission.active).toBe(3);
    admission.touched(b, 9999);
    expect(said(admission.admit(from("192.0.2.9"), 1499))).toBe("in for c");
    expect(said(admission.admit(from("192.0.2.9"), 1499))).toBe("connections");
    expect(said(admission.admit(from("192.0.2.9"), 1500))).toBe("in for a");
    expect(admission.stats).toMatchObject({
      accepted: 6,
      active: 3,
      refused: { connections: 2 },
      evicted: { connections: 3, perAddress: 0, queues: 0 },
    });
  });
});

describe("Admission, maxPerAddress", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "::ffff:192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true],
    ["2001:db8::1", "2001:db8:0:1::1", false],
    ["fe80::1%a", "fe80::2%b", true],
    ["somewhere", "somewhere", true],
    ["somewhere", "elsewhere", false],
  ])("%p and %p count as one: %p", (one, other, same) => {
    const admission = new Admission<string>({ maxPerAddress: 1 });
    const ticket = ticketOf(admission.admit(from(one), 0));
    expect(said(admission.admit(from(other), 0))).toBe(same ? "perAddress" : "in");
    admission.released(ticket);
    expect(said(admission.admit([one, 1], 0))).toBe("in");
  });

  test("prefixes say what of an address counts", () => {
    const admission = new Admission<string>({ maxPerAddress: 1, ipv4PrefixBits: 24, ipv6PrefixBits: 128 });
    const hosts = ["192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1", "2001:db8::2"];
    expect(hosts.map((host) => said(admission.admit(from(host), 0)))).toEqual([
      "in",
      "perAddress",
      "in",
      "in",
      "in",
    ]);
  });

  test("peers on unix sockets are not told apart", () => {
    const admission = new Admission<string>({ maxPerAddress: 1 });
    expect([said(admission.admit("", 0)), said(admission.admit("", 0)), admission.addresses]).toEqual([
      "in",
      "in",
      0,
    ]);
  });

  test("evict: closes one of the same address", () => {
    const admission = new Admission<string>({ maxPerAddress: 2, whenAddressFull: "evict", evictIdleMs: 10 });
    for (const [index, host] of ["192.0.2.9", "192.0.2.1", "192.0.2.1"].entries()) {
      ticketOf(admission.admit(from(host), index)).holder = `${host} ${index}`;
    }
    expect(said(admission.admit(from("192.0.2.1"), 10))).toBe("perAddress");
    expect(said(admission.admit(from("192.0.2.1"), 11))).toBe("in for 192.0.2.1 1");
    expect(said(admission.admit(from("192.0.2.1"), 12))).toBe("in for 192.0.2.1 2");
    expect(admission.stats.evicted).toEqual({ connections: 0, perAddress: 2, queues: 0 });
    expect([admission.active, admission.addresses]).toEqual([3, 2]);
  });

  test("evicting at the limit of the address makes room at the limit of all, and evicts nobody else", () => {
    const admission = new Admission<string>({
      maxConnections: 2,
      whenFull: "evict",
      maxPerAddress: 1,
      whenAddressFull: "evict",
      evictIdleMs: 0,
    });
    ticketOf(admission.admit(from("192.0.2.1"), 0)).holder = "a";
    ticketOf(admission.admit(from("192.0.2.2"), 1)).holder = "b";
    expect(said(admission.admit(from("192.0.2.2"), 2))).toBe("in for b");
    expect(admission.active).toBe(2);
  });

  test("the table of addresses holds those that have a connection", () => {
    const admission = new Admission({ maxPerAddress: 5 });
    for (let round = 0; round < 3; round++) {
      const tickets = Array.from({ length: 200 }, (_, i) =>
        ticketOf(admission.admit(from(`10.0.${round}.${i}`), i)),
      );
      expect(admission.addresses).toBe(200);
      for (const ticket of tickets) admission.released(ticket);
      expect(admission.addresses).toBe(0);
    }
  });
});

describe("Admission, acceptsPerSecond", () => {
  test("pause: says how long to wait", async () => {
    const clock = new VirtualClock();
    const admission = new Admission<string>({ acceptsPerSecond: 10, acceptBurst: 2, clock });
    expect([said(admission.admit(from("192.0.2.1"))), said(admission.admit(from("192.0.2.1")))]).toEqual([
      "in",
      "in",
    ]);
    expect([admission.waitMs(), said(admission.admit(from("192.0.2.1")))]).toEqual([100, "rate"]);
    await clock.advance(100);
    expect([admission.waitMs(), said(admission.admit(from("192.0.2.1")))]).toEqual([0, "in"]);
    expect(admission.waitMs()).toBe(100);
    expect(admission.stats).toMatchObject({ refused: { rate: 1 }, pauses: { connections: 0, rate: 2 } });
  });

  test("refuse: never pauses; and who is refused for another reason takes nobody's turn", () => {
    const admission = new Admission<string>({
      acceptsPerSecond: 1,
      acceptBurst: 1,
      whenTooFast: "refuse",
      maxPerAddress: 1,
      deny: ["192.0.2.6"],
    });
    expect(said(admission.admit(from("192.0.2.6"), 0))).toBe("denied");
    expect(said(admission.admit(from("192.0.2.1"), 0))).toBe("in");
    expect([admission.waitMs(500), said(admission.admit(from("192.0.2.2"), 500))]).toEqual([0, "rate"]);
    expect(said(admission.admit(from("192.0.2.1"), 1000))).toBe("perAddress");
    expect(said(admission.admit(from("192.0.2.2"), 1000))).toBe("in");
  });

  test("nobody is evicted for one who comes too fast", () => {
    const admission = new Admission<string>({
      maxConnections: 1,
      whenFull: "evict",
      evictIdleMs: 0,
      acceptsPerSecond: 1,
      acceptBurst: 1,
      whenTooFast: "refuse",
    });
    const first = ticketOf(admission.admit(from("192.0.2.1"), 0));
    expect([said(admission.admit(from("192.0.2.2"), 500)), first.live]).toEqual(["rate", true]);
  });
});

describe("Admission.identify()", () => {
  test("counts a connection that came through a proxy to its client's address", () => {
    const admission = new Admission<string>({ maxPerAddress: 1, deny: ["192.0.2.6"] });
    const tickets = [1, 2, 3, 4].map((now) => ticketOf(admission.admit(undefined, now)));
    expect([admission.active, admission.addresses]).toEqual([4, 0]);
    const hosts = ["192.0.2.1", "192.0.2.1", "192.0.2.6", "192.0.2.2"];
    const said_ = tickets.map((ticket, index) =>
      said(admission.identify(ticket, from(hosts[index] as string), 9)),
    );
    expect(said_).toEqual(["in", "perAddress", "denied", "in"]);
    expect([admission.active, admission.addresses, tickets.map(({ live }) => live)]).toEqual([
      2,
      2,
      [true, false, false, true],
    ]);
    expect(admission.stats).toMatchObject({ accepted: 4, active: 2, refused: { denied: 1, perAddress: 1 } });
    for (const ticket of tickets) admission.released(ticket);
    expect([admission.active, admission.addresses]).toEqual([0, 0]);
  });

  test("evicts as admit() does, and says no to a ticket that was evicted meanwhile", () => {
    const admission = new Admission<string>({ maxPerAddress: 1, whenAddressFull: "evict", evictIdleMs: 0 });
    const [a, b] = ["a", "b"].map((holder) => {
      const ticket = ticketOf(admission.admit(undefined, 0));
      ticket.holder = holder;
      return ticket;
    }) as [AdmissionTicket<string>, AdmissionTicket<string>];
    expect(said(admission.identify(a, from("192.0.2.1"), 1))).toBe("in");
    expect(said(admission.identify(b, from("192.0.2.1"), 2))).toBe("in for a");
    expect(said(admission.identify(a, from("192.0.2.2"), 3))).toBe("connections");
    expect([admission.active, admission.stats.refused.connections]).toEqual([1, 0]);
  });

  test("is activity, which keeps from being evicted", () => {
    const admission = new Admission<string>({ maxConnections: 2, whenFull: "evict", evictIdleMs: 10 });
    const [a, b] = ["a", "b"].map((holder) => {
      const ticket = ticketOf(admission.admit(undefined, 0));
      ticket.holder = holder;
      return ticket;
    }) as [AdmissionTicket<string>, AdmissionTicket<string>];
    admission.identify(a, from("192.0.2.1"), 5);
    expect(said(admission.admit(undefined, 12))).toBe("in for b");
    expect(said(admission.admit(undefined, 14))).toBe("connections");
    expect([a.live, b.live]).toEqual([true, false]);
  });
});

describe("new Admission()", () => {
  test.each([
    [{ maxConnections: 0 }, "maxConnections"],
    [{ maxConnections: 1.5 }, "maxConnections"],
    [{ maxConnections: Number.NaN }, "maxConnections"],
    [{ maxConnections: "5" }, "maxConnections"],
    [{ maxPerAddress: -1 }, "maxPerAddress"],
    [{ whenFull: "wait" }, 'whenFull: pause, refuse, evict, not "wait"'],
    [{ whenAddressFull: "pause" }, "whenAddressFull: refuse, evict"],
    [{ whenTooFast: "evict" }, "whenTooFast: pause, refuse"],
    [{ acceptsPerSecond: 0 }, "rate"],
    [{ acceptsPerSecond: 5, acceptBurst: 0 }, "burst"],
    [{ acceptBurst: 5 }, "acceptBurst"],
    [{ ipv4PrefixBits: 33 }, "ipv4PrefixBits"],
    [{ ipv6PrefixBits: 0 }, "ipv6PrefixBits"],
    [{ evictIdleMs: -1 }, "evictIdleMs"],
    [{ allow: ["10.0.0.0/33"] }, "CidrList"],
    [{ deny: ["nobody"] }, "CidrList"],
  ])("new Admission(%j) throws about it", (options, about) => {
    expect(() => new Admission(options as AdmissionOptions)).toThrow(ArgumentRangeError);
    expect(() => new Admission(options as AdmissionOptions)).toThrow(about);
  });

  test("listeners can count into one object", () => {
    const stats = newServerStats();
    for (const host of ["192.0.2.1", "192.0.2.2"]) new Admission({ stats }).admit(from(host), 0);
    expect([stats.accepted, stats.active]).toEqual([2, 2]);
  });
});

describe("Admission against a model", () => {
  interface Known {
    readonly ticket: AdmissionTicket<number>;
    readonly host: string | undefined;
    activeAt: number;
  }

  const options = fc.record({
    maxConnections: fc.constantFrom(1, 3, 6, undefined),
    whenFull: fc.constantFrom("pause" as const, "refuse" as const, "evict" as const),
    maxPerAddress: fc.constantFrom(1, 2, undefined),
    whenAddressFull: fc.constantFrom("refuse" as const, "evict" as const),
    evictIdleMs: fc.constantFrom(0, 5, 50),
    deny: fc.constantFrom<string[] | undefined>(undefined, ["10.0.0.3"]),
  });
  const host = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2");
  const step = fc.oneof(
    fc.record({ do: fc.constant("admit" as const), host: fc.option(host, { nil: undefined }) }),
    fc.record({ do: fc.constant("admit" as const), host }),
    fc.record({ do: fc.constant("identify" as const), which: fc.nat(), host }),
    fc.record({ do: fc.constant("identify" as const), which: fc.nat(), host: fc.constant("10.0.0.1") }),
    fc.record({
      do: fc.constantFrom("touch" as const, "release" as const, "releaseAgain" as const),
      which: fc.nat(),
    }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20 }) }),
  );
  const groupOf = (name: string): string => (name.includes(":") ? "2001:db8::/64" : name);

  test("lets in, refuses and evicts as a plain list of connections would", () => {
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 80 }), (chosen, steps) => {
        const admission = new Admission<number>(chosen);
        const most = chosen.maxConnections ?? Infinity;
        const mostOfOne = chosen.maxPerAddress ?? Infinity;
        // In the order of last activity.
        let live: Known[] = [];
        const gone: AdmissionTicket<number>[] = [];
        const counted = { accepted: 0, refused: 0, evicted: 0 };
        let now = 0;

        const neighbors = (name: string | undefined): Known[] =>
          name === undefined
            ? []
            : live.filter((known) => known.host !== undefined && groupOf(known.host) === groupOf(name));
        const idle = (all: Known[]): Known | undefined =>
          all.find((known) => now - known.activeAt >= chosen.evictIdleMs);
        const drop = (known: Known): void => {
          live = live.filter((other) => other !== known);
          gone.push(known.ticket);
        };
        /** What must come out: a reason, or whom it costs. */
        const expected = (name: string | undefined, isNew: boolean): string | Known | undefined => {
          if (name !== undefined && chosen.deny?.includes(name) === true) return "denied";
          if (neighbors(name).length >= mostOfOne) {
            // The oldest decides: if it is not idle nobody is.
            const [oldest] = neighbors(name);
            const victim =
              chosen.whenAddressFull === "evict" && oldest !== undefined ? idle([oldest]) : undefined;
            return victim ?? "perAddress";
          }
          if (isNew && live.length >= most) {
            const victim = chosen.whenFull === "evict" ? idle(live.slice(0, 1)) : undefined;
            return victim ?? "connections";
          }
          return undefined;
        };
        const check = (decision: Decision<number>, wanted: string | Known | undefined): boolean => {
          if (typeof wanted === "string") {
            expect(decision).toEqual({ refused: wanted as "denied" });
            counted.refused++;
            return false;
          }
          expect(decision.refused).toBeUndefined();
          if (decision.refused === undefined) expect(decision.evicted).toBe(wanted?.ticket);
          if (wanted !== undefined) {
            drop(wanted);
            counted.evicted++;
          }
          return true;
        };

        for (const action of steps) {
          const known = "which" in action ? live[action.which % live.length] : undefined;
          if (action.do === "wait") now += action.ms;
          else if (action.do === "admit") {
            const wanted = expected(action.host, true);
            const decision = admission.admit(action.host === undefined ? undefined : from(action.host), now);
            if (check(decision, wanted)) {
              live.push({ ticket: ticketOf(decision), host: action.host, activeAt: now });
              counted.accepted++;
            }
          } else if (action.do === "identify") {
            if (known === undefined || known.host !== undefined) continue;
            const wanted = expected(action.host, false);
            if (check(admission.identify(known.ticket, from(action.host), now), wanted)) {
              const identified = { ...known, host: action.host, activeAt: now };
              live = [...live.filter((other) => other !== known), identified];
            } else drop(known);
          } else if (action.do === "releaseAgain") {
            const old = gone.at(-1);
            if (old !== undefined) admission.released(old);
          } else if (known !== undefined && action.do === "touch") {
            known.activeAt = now;
            live = [...live.filter((other) => other !== known), known];
            admission.touched(known.ticket, now);
          } else if (known !== undefined) {
            drop(known);
            admission.released(known.ticket);
          }
          expect(admission.active).toBe(live.length);
          expect(live.every(({ ticket }) => ticket.live)).toBe(true);
          expect(gone.every((ticket) => !ticket.live)).toBe(true);
          expect(admission.waitMs(now)).toBe(
            chosen.whenFull === "pause" && live.length >= most ? Infinity : 0,
          );
          const groups = new Set(
            live.flatMap(({ host: name }) => (name === undefined ? [] : [groupOf(name)])),
          );
          expect(admission.addresses).toBe(mostOfOne === Infinity ? 0 : groups.size);
          const { accepted, active, refused, evicted } = admission.stats;
          expect({
            accepted,
            active,
            refused: refused.denied + refused.connections + refused.perAddress,
            evicted: evicted.connections + evicted.perAddress,
          }).toEqual({ ...counted, active: live.length });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
