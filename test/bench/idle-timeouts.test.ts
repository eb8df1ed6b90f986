/** What idle channels hold and take, on short windows, and what is made of it. */
import { expect, test } from "bun:test";

import { measureIdleTimeouts, readIdleChannels } from "../../bench/macro/idle-timeouts.ts";
import { chartOf } from "../../bench/report/charts.ts";

test("a quick round has every variant, the bytes of its timeouts, promises, and a chart", async () => {
  const part = await measureIdleTimeouts({ pinned: undefined }, { rounds: 1, quick: true });
  expect(part).toMatchObject({ name: "idle-timeouts", broken: [] });
  const [none, ...others] = Object.entries(part.peers);
  expect(none?.[0]).toBe("asyncore, no timeouts");
  expect(none?.[1].figures["timeoutBytesPerChannel"]).toBeUndefined();
  expect(others).toHaveLength(3);
  for (const [, { figures }] of others) {
    expect(figures["cpuMsPerSecond"]?.median).toBeGreaterThan(0);
    expect(figures["timeoutBytesPerChannel"]?.median).toBeWithin(1, 400);
    expect(figures["peakRssBytes"]?.median).toBeGreaterThan(1e6);
  }
  expect(part.targets.map(({ target }) => [target.peer, target.figure, target.value])).toEqual(
    others.flatMap(([peer]) => [
      [peer, "cpuMsPerSecond", 10],
      [peer, "timeoutBytesPerChannel", 200],
    ]),
  );
  expect(new Set(part.targets.map(({ verdict }) => verdict))).toEqual(new Set(["not judged"]));
  const { data } = chartOf(part) as { data: { values: { ours: boolean }[] } };
  expect(data.values.map(({ ours }) => ours)).toEqual([true, true, true, true]);
});

test("a timeout that runs out within the window is an error", async () => {
  const request = { channels: 10, limits: { idleTimeoutMs: 20 }, restMs: 0, windowMs: 1000 };
  const failure = await readIdleChannels(request).then(() => "read", String);
  expect(failure).toContain("a channel has closed");
});
