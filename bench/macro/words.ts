/** How figures, spreads and promises are written, on the console and in the report. */
import type { Environment } from "./environment.ts";
import type { Spread } from "./statistics.ts";
import type { PeerSummary, Summary, TargetSummary } from "./summary.ts";
import type { Column } from "./workload.ts";

const FIGURES: Readonly<Record<string, string>> = {
  messagesPerSecond: "messages/s",
  messagesPerCpuSecond: "messages per second of server CPU",
  bytesPerSecond: "bytes/s",
  cpuUsPerMessage: "server CPU per message",
  bytesPerConnection: "bytes per connection",
  cpuMsPerSecond: "CPU ms/s",
  timeoutBytesPerChannel: "bytes of timeouts per channel",
  cutAfterBytes: "bytes published until it is cut",
  growth: "the pass over most channels : over none",
  bytesPerUsedConnection: "bytes per connection, after one echo",
  p99Us: "99th percentile of latency",
};

/** "asyncore, server CPU per message : raw Bun.listen, at most 1.00". */
export function promiseOf({ target }: TargetSummary): string {
  const figure = FIGURES[target.figure] ?? target.figure;
  const what = target.against === undefined ? figure : `${figure} : ${target.against}`;
  const value = target.against === undefined ? String(target.value) : target.value.toFixed(2);
  return `${target.peer}, ${what}, ${target.bound} ${value}`;
}

/** Of a target: the median and the middle half. */
export function measuredOf({ measured }: TargetSummary): string {
  if (measured === undefined) return "-";
  const digits = measured.median < 100 ? 3 : 0;
  const [median, lower, upper] = [measured.median, measured.lower, measured.upper].map((value) =>
    value.toFixed(digits),
  );
  return `${median} (${lower} to ${upper})`;
}

/** A cell of a table; "-" where there is no such figure. */
export function cellOf(value: number | undefined, { digits, per = 1 }: Column): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  return (value / per).toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** The rows of a workload's table: a head, then one for each peer, with its ratio to the baseline last. */
export function tableOf(summary: Summary): readonly (readonly string[])[] {
  // A column that no peer has, because this machine or this run does not, is left out.
  const columns = summary.columns.filter(({ figure }) =>
    Object.values(summary.peers).some(({ figures }) => figures[figure] !== undefined),
  );
  const rowOf = ([name, { figures, ratio }]: [string, PeerSummary]): string[] => [
    name,
    ...columns.map((column) => cellOf(figures[column.figure]?.median, column)),
    name === summary.baseline ? "1" : ratioInWords(ratio),
  ];
  return [["", ...columns.map(({ title }) => title), "ratio"], ...Object.entries(summary.peers).map(rowOf)];
}

function ratioInWords(ratio: Spread | undefined): string {
  if (ratio === undefined) return "-";
  const [median, lower, upper] = [ratio.median, ratio.lower, ratio.upper].map((value) => value.toFixed(2));
  return `${median} (${lower} to ${upper})`;
}

/** How far a missed promise is off, as a share of what was promised; "" where it was not missed. */
export function offBy({ target, measured, verdict }: TargetSummary): string {
  if (measured === undefined || verdict !== "missed") return "";
  return `${(Math.abs(measured.median / target.value - 1) * 100).toFixed(0)} %`;
}

export function spreadInWords({ median, min, max, lower, upper, samples }: Spread, digits: number): string {
  const [m, low, high, q1, q3] = [median, min, max, lower, upper].map((value) => value.toFixed(digits));
  return `${m} (${low}..${high}, middle half ${q1}..${q3}, ${samples.length} rounds)`;
}

/** What a reader must know of the machine, a sentence each. */
export function environmentInWords(environment: Environment): readonly string[] {
  const { bun, others, kernel, cpu, load, commit, pinned, unpinned } = environment;
  const words = [
    [
      `Bun ${bun}`,
      ...others,
      `Linux ${kernel}`,
      cpu,
      ...(commit === undefined ? [] : [`commit ${commit}`]),
    ].join(", ") + ".",
    pinned === undefined
      ? `Not pinned (${unpinned ?? ""}): the scheduler moves server and generator, expect more spread.`
      : `Server on CPU ${pinned[0]}, load generator on CPU ${pinned[1]}.`,
  ];
  if (load > 0.5) words.push(`The machine was busy at the start: load ${load.toFixed(2)}.`);
  words.push(
    "CPU is the server's, all threads; of the kernel's loopback work most is charged to whoever sends.",
  );
  return words;
}
