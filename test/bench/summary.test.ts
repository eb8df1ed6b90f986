import { describe, expect, test } from "bun:test";

import { summarize } from "../../bench/macro/summary.ts";
import { cpu, figures, resultOf } from "./kit.ts";

describe("summarize()", () => {
  test("takes ratios within a round, so that a slow round does not count", () => {
    const summary = summarize(
      resultOf([figures(10), figures(100), figures(10)], [figures(11), figures(110), figures(11)]),
      true,
    );
    expect(summary.peers["asyncore"]?.ratio?.samples).toEqual([1.1, 1.1, 1.1]);
    expect(summary.peers["raw"]?.ratio).toBeUndefined();
    expect(summary.peers["raw"]?.figures["cpuUsPerMessage"]).toMatchObject({ median: 10, max: 100 });
  });
  test("leaves rounds out in which either broke", () => {
    const summary = summarize(
      resultOf([figures(10), undefined, figures(10)], [figures(20), figures(20), undefined]),
      true,
    );
    expect(summary.peers["asyncore"]?.ratio?.samples).toEqual([2]);
  });
  test("has no word of a peer that never ran", () => {
    const summary = summarize(resultOf([figures(10)], [undefined], [cpu("at most", 1)]), true);
    expect(Object.keys(summary.peers)).toEqual(["raw"]);
    expect(summary.targets).toEqual([
      { target: cpu("at most", 1), measured: undefined, verdict: "no verdict: no figures" },
    ]);
  });
  test("judges promises, and not after a quick run", () => {
    const result = resultOf(
      [figures(10), figures(10)],
      [figures(12), figures(12)],
      [cpu("at most", 1.1), cpu("at most", 1.25)],
    );
    expect(summarize(result, true).targets.map(({ verdict }) => verdict)).toEqual(["missed", "met"]);
    expect(summarize(result, false).targets.map(({ verdict }) => verdict)).toEqual([
      "not judged",
      "not judged",
    ]);
  });
  test("does not call throughput missed that the server did not set", () => {
    const target = { ...cpu("at least", 1), figure: "messagesPerSecond" };
    const idle = { serverCpuShare: 0.5 };
    const verdict = (more: Record<string, number>): unknown =>
      summarize(resultOf([figures(10)], [figures(20, more)], [target]), true).targets[0]?.verdict;
    expect(verdict({})).toBe("missed");
    expect(verdict(idle)).toBe("no verdict: the server had CPU to spare");
  });
  test("does not call throughput met in comparison with one that was held back", () => {
    const target = { ...cpu("at least", 1), figure: "messagesPerSecond" };
    const verdict = (more: Record<string, number>, bound = target): unknown =>
      summarize(
        resultOf(
          [figures(20, { messagesPerCpuSecond: 50_000, ...more })],
          [figures(10, { messagesPerCpuSecond: 100_000 })],
          [bound],
        ),
        true,
      ).targets[0]?.verdict;
    expect(verdict({})).toBe("met");
    const none = "no verdict: the generator held the other one back";
    expect(verdict({ generatorCpuShare: 0.99 })).toBe(none);
    expect(verdict({ serverCpuShare: 0.5 })).toBe(none);
    // CPU is the server's, whoever held it back.
    expect(verdict({ generatorCpuShare: 0.99 }, { ...target, figure: "messagesPerCpuSecond" })).toBe("met");
  });
  test("says where the generator was the bottleneck", () => {
    const busy = { generatorCpuShare: 0.99 };
    expect(summarize(resultOf([figures(10)], [figures(10, busy)]), true).notes).toEqual([
      "the generator's CPU was saturated with asyncore: messages/s are a lower bound there",
    ]);
  });
  test("keeps a figure that only some rounds had", () => {
    const summary = summarize(resultOf([figures(10)], [figures(10), figures(10, { cuts: 3 })]), true);
    expect(summary.peers["asyncore"]?.figures["cuts"]?.samples).toEqual([3]);
  });
});
