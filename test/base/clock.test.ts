import { describe, expect, test } from "bun:test";

import { systemClock } from "../../src/base/clock.ts";
import { until } from "../support/until.ts";

describe("systemClock", () => {
  test("systemClock.now() never goes back", () => {
    let last = systemClock.now();
    for (let i = 0; i < 1000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  test("systemClock.setTimer() calls once, not before its time, in the order of the delays", async () => {
    const events: string[] = [];
    const began = systemClock.now();
    systemClock.setTimer(() => events.push(`late ${systemClock.now() - began >= 19}`), 20);
    systemClock.setTimer(() => events.push("soon"), 1);
    await until(() => events.length === 2, "both timers");
    expect(events).toEqual(["soon", "late true"]);
  });

  test("systemClock.clearTimer() takes a timer back, and is harmless afterwards", async () => {
    const events: string[] = [];
    const first = systemClock.setTimer(() => events.push("first"), 1);
    systemClock.clearTimer(first);
    systemClock.clearTimer(first);
    const second = systemClock.setTimer(() => events.push("second"), 5);
    await until(() => events.length === 1, "the second timer");
    systemClock.clearTimer(second);
    expect(events).toEqual(["second"]);
  });

  test("systemClock.setTimer() does not keep the process alive", async () => {
    const source = `
      import { systemClock } from ${JSON.stringify(`${import.meta.dirname}/../../src/base/clock.ts`)};
      systemClock.setTimer(() => console.log("ran"), 60_000);
      console.log("end of program");
    `;
    const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "inherit" });
    expect(await new Response(child.stdout).text()).toBe("end of program\n");
    expect(await child.exited).toBe(0);
  });

  test("systemClock.setTimer() that holds the process keeps it alive until it has run", async () => {
    const source = `
      import { systemClock } from ${JSON.stringify(`${import.meta.dirname}/../../src/base/clock.ts`)};
      systemClock.setTimer(() => console.log("ran"), 10, true);
      systemClock.clearTimer(systemClock.setTimer(() => console.log("never"), 60_000, true));
    `;
    const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "inherit" });
    expect(await new Response(child.stdout).text()).toBe("ran\n");
    expect(await child.exited).toBe(0);
  });
});
