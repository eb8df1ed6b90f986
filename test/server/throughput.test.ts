import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { ArgumentRangeError } from "asyncore";
import {
  type ThroughputLimits,
  throughputLimits,
  ThroughputMeter,
  type ThroughputSample,
} from "asyncore/server";

/** A meter of 100 bytes a second each way over 10 s, and its samples a second apart. */
class Watched {
  readonly meter = new ThroughputMeter(
    throughputLimits({ receiveBytesPerSecond: 100, sendBytesPerSecond: 100, windowMs: 10_000 }),
  );
  now = 0;
  #sample: ThroughputSample = { bytesReceived: 0, bytesDrained: 0, queued: 0, requestOpen: false };

  /** Samples once a second for `seconds`; `change` is what happens in each. The second in which it was slow, and at what. */
  run(seconds: number, change: (before: ThroughputSample) => Partial<ThroughputSample>): string | undefined {
    for (let second = 0; second < seconds; second++) {
      const slow = this.meter.sample(this.now, this.#sample);
      if (slow !== undefined) return `${slow} at ${this.now / 1000}`;
      this.now += 1000;
      this.#sample = { ...this.#sample, ...change(this.#sample) };
    }
    return undefined;
  }
}

const idle = (): Partial<ThroughputSample> => ({});
const receives =
  (bytes: number) =>
  ({ bytesReceived }: ThroughputSample): Partial<ThroughputSample> => ({
    bytesReceived: bytesReceived + bytes,
    requestOpen: true,
  });
/** The peer takes `taken` a second, and we send `sent` more. */
const sends =
  (taken: number, sent: number) =>
  ({ bytesDrained, queued }: ThroughputSample): Partial<ThroughputSample> => {
    const drained = Math.min(taken, queued + sent);
    return { bytesDrained: bytesDrained + drained, queued: queued + sent - drained };
  };

describe("ThroughputMeter", () => {
  test("who owes nothing may be silent for ever", () => {
    expect(new Watched().run(1000, idle)).toBeUndefined();
  });

  test("a request that comes too slowly is noticed at the end of the window, one that does not never", () => {
    expect(new Watched().run(1000, receives(99))).toBe("receive at 11");
    expect(new Watched().run(1000, receives(1))).toBe("receive at 11");
    expect(new Watched().run(1000, receives(100))).toBeUndefined();
  });

  test("a pause inside the window is forgiven, if it is made good", () => {
    const watched = new Watched();
    expect(watched.run(5, receives(0))).toBeUndefined();
    expect(watched.run(5, receives(220))).toBeUndefined();
    expect(watched.run(6, receives(0))).toBeUndefined();
    expect(watched.run(20, receives(0))).toBe("receive at 21");
  });

  test("each request begins anew", () => {
    const watched = new Watched();
    for (let request = 0; request < 50; request++) {
      expect(watched.run(9, receives(1))).toBeUndefined();
      expect(watched.run(1, () => ({ requestOpen: false }))).toBeUndefined();
    }
    expect(watched.run(20, receives(1))).toStartWith("receive at 5");
  });

  test("who takes what is sent too slowly is noticed", () => {
    expect(new Watched().run(1000, sends(99, 2000))).toBe("send at 11");
    expect(new Watched().run(1000, sends(0, 1))).toBe("send at 11");
    expect(new Watched().run(1000, sends(100, 1000))).toBeUndefined();
  });

  test("who takes all there is is not slow, however little that is", () => {
    const trickle = ({ bytesDrained }: ThroughputSample): Partial<ThroughputSample> => ({
      bytesDrained: bytesDrained + 1,
      queued: 1,
    });
    expect(new Watched().run(1000, trickle)).toBeUndefined();
  });

  test("who took a small queue and then stops is noticed in the window after", () => {
    const watched = new Watched();
    expect(watched.run(12, sends(1, 1))).toBeUndefined();
    expect(watched.run(1, () => ({ queued: 50_000 }))).toBeUndefined();
    expect(watched.run(30, sends(1, 0))).toBe("send at 23");
  });

  test("sending us much does not put off what is not taken, nor the other way round", () => {
    const both = (sample: ThroughputSample): Partial<ThroughputSample> => ({
      ...receives(1_000_000)(sample),
      ...sends(1, 1000)(sample),
    });
    expect(new Watched().run(100, both)).toBe("send at 11");
    const other = (sample: ThroughputSample): Partial<ThroughputSample> => ({
      ...sends(1_000_000, 1_000_000)(sample),
      ...receives(1)(sample),
    });
    expect(new Watched().run(100, other)).toBe("receive at 11");
  });

  test("a process that was asleep does not blame the peer", () => {
    const watched = new Watched();
    expect(watched.run(5, receives(100))).toBeUndefined();
    watched.now += 3_600_000;
    expect(watched.run(9, receives(0))).toBeUndefined();
    expect(watched.run(9, receives(0))).toBe("receive at 3615");
  });

  test("without a rate nothing is slow", () => {
    const meter = new ThroughputMeter(throughputLimits());
    const stuck = { bytesReceived: 0, bytesDrained: 0, queued: 1000, requestOpen: true };
    for (let now = 0; now < 1_000_000; now += 1000) expect(meter.sample(now, stuck)).toBeUndefined();
  });

  test("steady peers: told slow if and only if below the rate, whatever the times of the samples", () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 30, maxLength: 60 });
    const speed = fc.oneof(
      fc.integer({ min: 0, max: 99 }),
      fc.integer({ min: 101, max: 2000 }),
      fc.constantFrom(98, 99, 101, 102),
    );
    fc.assert(
      fc.property(gaps, speed, fc.boolean(), (times, bytesPerSecond, receiving) => {
        const meter = new ThroughputMeter(
          throughputLimits({ receiveBytesPerSecond: 100, sendBytesPerSecond: 100, windowMs: 10_000 }),
        );
        let now = 0;
        let slow: string | undefined;
        for (const gap of times) {
          now += gap;
          const moved = (bytesPerSecond * now) / 1000;
          slow ??= meter.sample(now, {
            bytesReceived: receiving ? moved : 0,
            bytesDrained: receiving ? 0 : moved,
            queued: receiving ? 0 : 1e9,
            requestOpen: receiving,
          });
        }
        const elapsed = now - (times[0] ?? 0);
        // A window, and the sample after its end.
        fc.pre(elapsed >= 19_000);
        const direction = receiving ? "receive" : "send";
        expect(slow).toBe(bytesPerSecond < 100 ? direction : undefined);
      }),
      { numRuns: 500 },
    );
  });
});

describe("throughputLimits()", () => {
  test("the defaults bound nothing", () => {
    expect(throughputLimits()).toEqual({ receiveBytesPerSecond: 0, sendBytesPerSecond: 0, windowMs: 10_000 });
    expect(Object.isFrozen(throughputLimits({ windowMs: 1 }))).toBe(true);
  });

  test.each([
    { receiveBytesPerSecond: -1 },
    { sendBytesPerSecond: Number.NaN },
    { sendBytesPerSecond: Infinity },
    { windowMs: 0 },
    { windowMs: Infinity },
    { windowMs: "5" },
  ])("throughputLimits(%j) throws about it", (changes) => {
    const make = (): unknown => throughputLimits(changes as Partial<ThroughputLimits>);
    expect(make).toThrow(ArgumentRangeError);
    expect(make).toThrow(Object.keys(changes)[0]);
  });
});
