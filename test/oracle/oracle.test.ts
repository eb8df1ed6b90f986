/**
 * The oracle: scenarios as pairs of programs, one on CPython's own asyncore and asynchat (`scenarios/*.py`), one on
 * `asyncore/classic` (`scenarios/*.ts`). A scripted peer in a process of its own plays the other side; the logs must
 * be equal, over tcp4, tcp6 and unix, and with `use_poll` false and true. Where no Python with asyncore is present
 * the logs that `record.ts` has recorded from one are taken.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { libc } from "../../src/socket/libc.ts";
import { differenceIn, reasons } from "./differences.ts";
import {
  asyncorePython,
  forEachVariant,
  groups,
  type Logs,
  namesOf,
  readRecorded,
  runOurs,
  runPython,
  runsIn,
  type Variant,
  variants,
} from "./harness.ts";

interface Both {
  readonly theirs: Logs;
  readonly recorded: Logs;
  readonly ours: Logs;
}

const names = new Map(await Promise.all(groups.map(async (group) => [group, await namesOf(group)] as const)));
let runs: ReadonlyMap<Variant, Both> = new Map();
// The scripted peer is made of the C library's calls.
const canRun = process.platform === "linux" && libc() !== undefined;

describe.skipIf(!canRun)("the oracle", () => {
  beforeAll(async () => {
    runs = await forEachVariant(async (variant) => {
      const recorded = await readRecorded(variant);
      const asked = asyncorePython === undefined ? recorded : runPython(asyncorePython, variant);
      const [theirs, ours] = await Promise.all([asked, runOurs(variant)]);
      return { theirs, recorded, ours };
    });
  }, 180_000);

  for (const [group, scenarios] of names) {
    describe(group, () => {
      test.each(scenarios)("%s", (name) => {
        for (const variant of variants.filter((one) => runsIn(group, one))) {
          const { theirs, ours } = runs.get(variant) as Both;
          const expected = theirs[group]?.[name];
          const got = ours[group]?.[name];
          const difference = differenceIn(name, variant);
          if (difference === undefined) {
            expect({ variant, log: got }).toEqual({ variant, log: expected });
          } else {
            expect({ variant, log: got }).not.toEqual({ variant, log: expected });
            expect(got?.join(" | ")).toContain(difference.ours);
          }
        }
      });

      test("has no scenario in which somebody waited in vain", () => {
        for (const [variant, { ours }] of runs) {
          if (!runsIn(group, variant)) continue;
          expect(Object.keys(ours[group] ?? {})).toEqual(scenarios);
          const lines = Object.values(ours[group] ?? {}).flat();
          expect(lines.filter((line) => /never came true| timeout$|scenario raised/.test(line))).toEqual([]);
        }
      });

      test.skipIf(asyncorePython === undefined)("is recorded as CPython does it", () => {
        for (const [variant, { theirs, recorded }] of runs) {
          if (!runsIn(group, variant)) continue;
          expect({ variant, logs: recorded[group] }).toEqual({ variant, logs: theirs[group] });
        }
      });
    });
  }

  test("every difference has its sentence in PORTING.md", () => {
    const guide = readFileSync(`${import.meta.dir}/../../PORTING.md`, "utf8")
      .replaceAll(/\s+/g, " ")
      .toLowerCase();
    const missing = Object.keys(reasons).filter((why) => !guide.includes(`${why}.`.toLowerCase()));
    expect(missing).toEqual([]);
  });

  test("has no difference that is not of a scenario, and each scenario one name and one reason", () => {
    const known = [...names.values()].flat();
    expect(known.filter((name, index) => known.indexOf(name) !== index)).toEqual([]);
    const excused = Object.values(reasons).flatMap((cases) => Object.keys(cases));
    expect(excused.filter((name, index) => !known.includes(name) || excused.indexOf(name) !== index)).toEqual(
      [],
    );
  });
});
