import { describe, expect, test } from "bun:test";

import { ArgumentRangeError } from "../../src/base/errors.ts";
import { defaultLimits, streamLimits } from "../../src/socket/limits.ts";
import type { StreamLimits } from "../../src/socket/socket.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

describe("streamLimits()", () => {
  test("defaultLimits are those the contract names", () => {
    expect(defaultLimits).toEqual({
      highWaterBytes: 64 * KIB,
      lowWaterBytes: 16 * KIB,
      maxBufferedBytes: 64 * MIB,
      connectTimeoutMs: 60_000,
      maxCollectBytes: Infinity,
      handshakeTimeoutMs: 10_000,
      closeTimeoutMs: 30_000,
      lingerTimeoutMs: 5_000,
      idleTimeoutMs: Infinity,
      requestTimeoutMs: Infinity,
      lifetimeTimeoutMs: Infinity,
    });
    expect(Object.isFrozen(defaultLimits)).toBe(true);
  });

  test("streamLimits() without changes are the defaults, frozen", () => {
    expect(streamLimits()).toEqual(defaultLimits);
    expect(streamLimits({})).toEqual(defaultLimits);
    expect(Object.isFrozen(streamLimits({ closeTimeoutMs: 1 }))).toBe(true);
  });

  test.each([
    [{ highWaterBytes: 1000 }, { highWaterBytes: 1000, lowWaterBytes: 250 }],
    [{ highWaterBytes: 7 }, { highWaterBytes: 7, lowWaterBytes: 1 }],
    [{ highWaterBytes: 0 }, { highWaterBytes: 0, lowWaterBytes: 0 }],
    [{ lowWaterBytes: 0 }, { highWaterBytes: 64 * KIB, lowWaterBytes: 0 }],
    [{ lowWaterBytes: 64 * KIB }, { highWaterBytes: 64 * KIB, lowWaterBytes: 64 * KIB }],
    [
      { highWaterBytes: 8, lowWaterBytes: 8, maxBufferedBytes: 8 },
      { highWaterBytes: 8, lowWaterBytes: 8, maxBufferedBytes: 8 },
    ],
    // A cap below the default marks brings them down with it.
    [{ maxBufferedBytes: 4000 }, { highWaterBytes: 2000, lowWaterBytes: 500, maxBufferedBytes: 4000 }],
    [
      { maxBufferedBytes: 4000, lowWaterBytes: 0 },
      { highWaterBytes: 2000, lowWaterBytes: 0, maxBufferedBytes: 4000 },
    ],
    [{ maxBufferedBytes: Infinity }, { highWaterBytes: 64 * KIB, lowWaterBytes: 16 * KIB }],
    [
      { highWaterBytes: Infinity, maxBufferedBytes: Infinity, lowWaterBytes: 1 },
      { highWaterBytes: Infinity, lowWaterBytes: 1 },
    ],
    [{ connectTimeoutMs: 0 }, { connectTimeoutMs: 0, highWaterBytes: 64 * KIB }],
    [{ closeTimeoutMs: Infinity }, { closeTimeoutMs: Infinity }],
    [{ idleTimeoutMs: 1 }, { idleTimeoutMs: 1, requestTimeoutMs: Infinity }],
    [{ lingerTimeoutMs: 0.5 }, { lingerTimeoutMs: 0.5 }],
  ] as [Partial<StreamLimits>, Partial<StreamLimits>][])("streamLimits(%j) have %j", (changes, made) => {
    expect(streamLimits(changes)).toMatchObject(made);
  });

  test.each([
    [{ highWaterBytes: -1 }, "highWaterBytes"],
    [{ lowWaterBytes: -1 }, "lowWaterBytes"],
    [{ maxBufferedBytes: -1 }, "maxBufferedBytes"],
    [{ highWaterBytes: NaN }, "highWaterBytes"],
    [{ lowWaterBytes: NaN }, "lowWaterBytes"],
    [{ maxBufferedBytes: NaN }, "maxBufferedBytes"],
    [{ connectTimeoutMs: NaN }, "connectTimeoutMs"],
    [{ closeTimeoutMs: -1 }, "closeTimeoutMs"],
    [{ lingerTimeoutMs: -Infinity }, "lingerTimeoutMs"],
    [{ maxBufferedBytes: "5" }, "maxBufferedBytes"],
    [{ highWaterBytes: "5" }, "highWaterBytes"],
    [{ highWaterBytes: null }, "highWaterBytes"],
    [{ lowWaterBytes: "5" }, "lowWaterBytes"],
    [{ connectTimeoutMs: "1000" }, "connectTimeoutMs"],
    [{ idleTimeoutMs: NaN }, "idleTimeoutMs"],
    [{ idleTimeoutMs: "1000" }, "idleTimeoutMs"],
    [{ requestTimeoutMs: -1 }, "requestTimeoutMs"],
    [{ lifetimeTimeoutMs: null }, "lifetimeTimeoutMs"],
    // Off is Infinity, and 0 a mistake.
    [{ idleTimeoutMs: 0 }, "idleTimeoutMs: a number above 0"],
    [{ requestTimeoutMs: 0 }, "requestTimeoutMs: a number above 0"],
    [{ lifetimeTimeoutMs: 0 }, "lifetimeTimeoutMs: a number above 0"],
    [{ highWaterBytes: 65 * MIB }, "water marks"],
    [{ lowWaterBytes: 64 * KIB + 1 }, "water marks"],
    [{ highWaterBytes: 10, lowWaterBytes: 11 }, "water marks"],
    [{ highWaterBytes: 11, maxBufferedBytes: 10 }, "water marks"],
    [{ lowWaterBytes: 11, maxBufferedBytes: 10 }, "water marks"],
  ] as [object, string][])("streamLimits(%j) throws ArgumentRangeError about %p", (changes, about) => {
    expect(() => streamLimits(changes as Partial<StreamLimits>)).toThrow(ArgumentRangeError);
    expect(() => streamLimits(changes as Partial<StreamLimits>)).toThrow(about);
  });
});
