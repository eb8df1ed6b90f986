import { describe, expect, test } from "bun:test";

import { compared, contest, HERE, THERE } from "../../bench/macro/contest.ts";
import { figures, workload } from "./kit.ts";

describe("contest()", () => {
  test("pits our server against itself, without the others and without promises", () => {
    expect(contest(workload)).toMatchObject({
      peers: [
        { name: THERE, program: "asyncore-echo.ts" },
        { name: HERE, program: "asyncore-echo.ts" },
      ],
      baseline: THERE,
      targets: [],
    });
  });
  test("has none where none of the servers is ours", () => {
    expect(contest({ ...workload, peers: workload.peers.slice(0, 1) })).toBeUndefined();
  });
});

describe("compared()", () => {
  const ran = (there: readonly number[], here: readonly number[]): ReturnType<typeof compared> =>
    compared(
      workload,
      new Map([
        [THERE, there.map((cost) => figures(cost))],
        [HERE, here.map((cost) => figures(cost))],
      ]),
    );
  test("says of each figure which way it went", () => {
    const rows = ran([10, 10, 10.1, 10, 10], [8, 8.1, 8, 8, 8]);
    expect(rows.map(({ column, verdict }) => [column.figure, verdict])).toEqual([
      ["messagesPerSecond", "more"],
      ["cpuUsPerMessage", "less"],
    ]);
  });
  test("gives no verdict when the spread exceeds the difference", () => {
    for (const { verdict } of ran([10, 12, 10, 11, 10], [9, 10, 11, 9, 9])) {
      expect(verdict).toBe("no verdict: the spread exceeds the difference");
    }
  });
  test("compares round with round, not median with median", () => {
    const [row] = ran([10, 20, 40, 10, 20], [11, 22, 44, 11, 22]);
    expect(row?.ratio.median).toBeCloseTo(1 / 1.1);
    expect(row?.verdict).toBe("less");
  });
});
