import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { AF_INET, AF_INET6, AF_UNIX } from "asyncore";

import { type Attempt, Schedule } from "../../src/client/happy-eyeballs.ts";

const delays = { attemptDelayMs: 250, resolutionDelayMs: 50 };
const both = (): Schedule => new Schedule([AF_INET6, AF_INET], delays);

const say = (next: Attempt | number | undefined): string => {
  if (next === undefined) return "news";
  return typeof next === "number" ? `at ${next}` : next.address;
};

describe("Schedule.next()", () => {
  test("says nothing before an answer, and is not exhausted", () => {
    const schedule = both();
    expect(say(schedule.next(0))).toBe("news");
    expect(schedule.exhausted).toBe(false);
  });

  test("begins with the first family at once, and alternates from then on, 250 ms apart", () => {
    const schedule = both();
    schedule.answered(AF_INET6, ["a6", "b6"], 10);
    expect(say(schedule.next(10))).toBe("a6");
    schedule.answered(AF_INET, ["a4", "b4", "c4"], 20);
    const said: string[] = [];
    for (let now = 20; now <= 1100; now += 10) {
      const next = schedule.next(now);
      if (typeof next === "object") said.push(`${now} ${next.address}`);
    }
    expect(said).toEqual(["260 a4", "510 b6", "760 b4", "1010 c4"]);
    expect(schedule.exhausted).toBe(true);
    expect(say(schedule.next(5000))).toBe("news");
  });

  test("holds the other family's answer back for 50 ms", () => {
    const schedule = both();
    schedule.answered(AF_INET, ["a4"], 100);
    expect(say(schedule.next(100))).toBe("at 150");
    expect(say(schedule.next(149))).toBe("at 150");
    expect(say(schedule.next(150))).toBe("a4");
  });

  test("begins with the first family when it answers within those 50 ms", () => {
    const schedule = both();
    schedule.answered(AF_INET, ["a4"], 100);
    schedule.answered(AF_INET6, ["a6"], 140);
    expect(say(schedule.next(140))).toBe("a6");
    expect(say(schedule.next(140))).toBe("at 390");
    expect(say(schedule.next(390))).toBe("a4");
  });

  test.each([[[]], [["a4"]]])(
    "does not wait for a first family that has no address, before or after %j",
    (early) => {
      const schedule = both();
      schedule.answered(AF_INET, early, 100);
      schedule.answered(AF_INET6, [], 120);
      if (early.length === 0) {
        expect(say(schedule.next(120))).toBe("news");
        expect(schedule.exhausted).toBe(true);
      } else expect(say(schedule.next(120))).toBe("a4");
    },
  );

  test("takes up a first family that answers after the other has begun", () => {
    const schedule = both();
    schedule.answered(AF_INET, ["a4", "b4"], 0);
    expect(say(schedule.next(50))).toBe("a4");
    schedule.answered(AF_INET6, ["a6"], 200);
    expect(say(schedule.next(200))).toBe("at 300");
    expect(say(schedule.next(300))).toBe("a6");
    expect(say(schedule.next(550))).toBe("b4");
  });

  test("goes on at once after a failure, once", () => {
    const schedule = both();
    schedule.answered(AF_INET6, ["a6", "b6", "c6"], 0);
    expect(say(schedule.next(0))).toBe("a6");
    schedule.failed();
    expect(say(schedule.next(10))).toBe("b6");
    expect(say(schedule.next(10))).toBe("at 260");
  });

  test("goes on at once when what it had has failed before the next answer came", () => {
    const schedule = both();
    schedule.answered(AF_INET6, ["a6"], 0);
    expect(say(schedule.next(0))).toBe("a6");
    schedule.failed();
    expect(say(schedule.next(10))).toBe("news");
    expect(schedule.exhausted).toBe(false);
    schedule.answered(AF_INET, ["a4"], 20);
    expect(say(schedule.next(20))).toBe("a4");
  });

  test("never tries an address twice", () => {
    const schedule = both();
    schedule.answered(AF_INET6, ["a6", "a6"], 0);
    schedule.answered(AF_INET, ["a6", "a4"], 0);
    const said = [0, 1000, 2000, 3000].map((now) => say(schedule.next(now)));
    expect(said).toEqual(["a6", "a4", "news", "news"]);
  });

  test("prefers whichever family is named first, and serves one alone", () => {
    const four = new Schedule([AF_INET, AF_INET6], delays);
    four.answered(AF_INET6, ["a6"], 0);
    expect(say(four.next(0))).toBe("at 50");
    four.answered(AF_INET, ["a4"], 10);
    expect(say(four.next(10))).toBe("a4");
    const unix = new Schedule([AF_UNIX], delays);
    unix.answered(AF_UNIX, ["/run/x"], 0);
    expect(unix.next(0)).toEqual({ family: AF_UNIX, address: "/run/x" });
    expect(unix.exhausted).toBe(true);
  });

  test("with an infinite head start tries the next address only after a failure", () => {
    const schedule = new Schedule([AF_INET6, AF_INET], { attemptDelayMs: Infinity, resolutionDelayMs: 50 });
    schedule.answered(AF_INET6, ["a6", "b6"], 0);
    expect(say(schedule.next(0))).toBe("a6");
    expect(schedule.next(1e12)).toBe(Infinity);
    schedule.failed();
    expect(say(schedule.next(1))).toBe("b6");
  });

  test("whatever happens when: every address is tried once, never less than 250 ms apart without a failure between", () => {
    const addresses = fc.integer({ min: 0, max: 4 });
    const event = fc.oneof(
      fc.record({ kind: fc.constant("fail" as const), after: fc.integer({ min: 0, max: 400 }) }),
      fc.record({ kind: fc.constant("look" as const), after: fc.integer({ min: 0, max: 400 }) }),
    );
    fc.assert(
      fc.property(
        addresses,
        addresses,
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 300 }),
        fc.array(event, { maxLength: 20 }),
        (six, four, at6, at4, events) => {
          const schedule = both();
          const tried: string[] = [];
          let lastAt = -Infinity;
          let failed = false;
          let running = 0;
          const look = (now: number): void => {
            for (let next = schedule.next(now); typeof next === "object"; next = schedule.next(now)) {
              expect(failed || now >= lastAt + 250).toBe(true);
              tried.push(next.address);
              lastAt = now;
              failed = false;
              running++;
            }
          };
          const answers = [
            { at: at6, family: AF_INET6, found: Array.from({ length: six }, (_, i) => `${i}v6`) },
            { at: at4, family: AF_INET, found: Array.from({ length: four }, (_, i) => `${i}v4`) },
          ].sort((a, b) => a.at - b.at);
          let now = 0;
          for (const { at, family, found } of answers) {
            look(at);
            schedule.answered(family, found, at);
            now = at;
            look(now);
          }
          for (const { kind, after } of events) {
            now += after;
            if (kind === "fail" && running > 0) {
              running--;
              failed = true;
              schedule.failed();
            }
            look(now);
          }
          for (let i = 0; i < 10; i++) look((now += 250));
          expect(schedule.exhausted).toBe(true);
          const all = answers.flatMap(({ found }) => found).sort();
          expect(tried.toSorted()).toEqual(all);
        },
      ),
    );
  });
});
