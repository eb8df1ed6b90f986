/** A small workload and its samples, for the tests of what is made of them. */
import type { WorkloadResult } from "../../bench/macro/runner.ts";
import type { Figures, Target, Workload } from "../../bench/macro/workload.ts";

export const workload: Workload = {
  name: "echo64",
  about: "64-byte echo",
  client: { kind: "echo", connections: 50, bytes: 64 },
  peers: [
    { name: "raw", program: "raw-bun-echo.ts" },
    { name: "asyncore", program: "asyncore-echo.ts" },
  ],
  baseline: "raw",
  figure: "cpuUsPerMessage",
  columns: [
    { figure: "messagesPerSecond", title: "messages/s", digits: 0 },
    { figure: "cpuUsPerMessage", title: "CPU us/message", digits: 2 },
    { figure: "cuts", title: "cuts", digits: 0 },
  ],
  targets: [],
  rounds: 3,
};

export const cpu = (bound: Target["bound"], value: number): Target => ({
  peer: "asyncore",
  figure: "cpuUsPerMessage",
  against: "raw",
  bound,
  value,
});

export const figures = (cpuUsPerMessage: number, more: Figures = {}): Figures => ({
  messagesPerSecond: 1e6 / cpuUsPerMessage,
  cpuUsPerMessage,
  serverCpuShare: 1,
  generatorCpuShare: 0.9,
  ...more,
});

export function resultOf(
  raw: readonly (Figures | undefined)[],
  asyncore: readonly (Figures | undefined)[],
  targets: readonly Target[] = [],
): WorkloadResult {
  return {
    workload: { ...workload, targets },
    samples: new Map([
      ["raw", raw],
      ["asyncore", asyncore],
    ]),
    notes: [],
    broken: [],
  };
}
