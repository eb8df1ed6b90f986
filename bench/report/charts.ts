/**
 * The charts of a report as Vega-Lite specifications, which are data: bars of medians with a rule over the middle half,
 * the best at the top, ours in a colour of its own. Theme and rendering come later (`render.ts`).
 */
import type { Summary } from "../macro/summary.ts";
import { cellOf } from "../macro/words.ts";
import type { Column } from "../macro/workload.ts";

/** A Vega-Lite specification, or a part of one. */
export type Chart = Readonly<Record<string, unknown>>;

export interface Theme {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly bar: string;
  readonly ours: string;
}
export const themes: Readonly<Record<"light" | "dark", Theme>> = {
  light: { text: "#1f2328", muted: "#59636e", grid: "#d1d9e0", bar: "#a5b0bb", ours: "#0969da" },
  dark: { text: "#f0f6fc", muted: "#9198a1", grid: "#3d444d", bar: "#656c76", ours: "#4493f8" },
};

/** Figures of which less is better; of all others more is. */
const COSTS = /^(cpu|user|system|bytesPer(?!Second)|heap|peak|p\d|us|ns|growth)/u;
const WIDTH = 340;
const ROW_HEIGHT = 19;

interface Panel {
  readonly workload: string;
  readonly title: string;
  readonly column: Column;
}

/** What a reader of the README sees. */
const overview: readonly Panel[] = [
  {
    workload: "echo64",
    title: "Echo, 64 bytes, 50 connections",
    column: { figure: "cpuUsPerMessage", title: "server CPU µs/message", digits: 1 },
  },
  {
    workload: "lines",
    title: "Lines, 16 a packet, one send each",
    column: { figure: "cpuUsPerMessage", title: "server CPU µs/line", digits: 2 },
  },
  {
    workload: "bulk",
    title: "Bulk, 64 KiB blocks both ways",
    column: { figure: "cpuUsPerMessage", title: "server CPU µs/block", digits: 0 },
  },
  {
    workload: "fanout",
    title: "Fan-out to 1,000 subscribers",
    column: { figure: "cpuUsPerMessage", title: "server CPU µs/delivery", digits: 2 },
  },
  {
    workload: "churn",
    title: "Connect, one exchange, close",
    column: { figure: "cpuUsPerMessage", title: "server CPU µs/connection", digits: 0 },
  },
  {
    workload: "idle",
    title: "10,000 idle connections",
    column: { figure: "bytesPerConnection", title: "KB of memory each", digits: 1, per: 1000 },
  },
];

/** Whether there is anything to draw: where all peers were left out there is not. */
export function hasFigures({ peers }: Summary): boolean {
  return Object.keys(peers).length > 0;
}

/** The chart of one workload: the figure that its ratios are of. */
export function chartOf(summary: Summary): Chart {
  const column = summary.columns.find(({ figure }) => figure === summary.figure) ?? {
    figure: summary.figure,
    title: summary.figure,
    digits: 2,
  };
  return panelOf(summary, column, summary.name);
}

/** The panels of the overview of which there are results, two in a row. */
export function overviewOf(summaries: readonly Summary[]): Chart {
  const panels = overview.flatMap(({ workload, title, column }) => {
    const summary = summaries.find(({ name }) => name === workload);
    return summary === undefined ? [] : [panelOf(summary, column, title)];
  });
  return { concat: panels, columns: 2, spacing: 28 };
}

function panelOf(summary: Summary, column: Column, title: string): Chart {
  const { figure, per = 1 } = column;
  const less = COSTS.test(figure);
  const rows = Object.entries(summary.peers)
    .flatMap(([peer, { figures }]) => {
      const spread = figures[figure];
      if (spread === undefined) return [];
      const { median, lower, upper } = spread;
      const [value, from, to] = [median / per, lower / per, upper / per];
      return [{ peer, ours: isOurs(peer), value, from, to, label: cellOf(median, column) }];
    })
    .toSorted((a, b) => (less ? a.value - b.value : b.value - a.value));
  const most = Math.max(...rows.map(({ to }) => to));
  const y = { field: "peer", type: "nominal", sort: null, axis: { title: null } };
  return {
    title: { text: title, subtitle: `${column.title}, ${less ? "less" : "more"} is better` },
    width: WIDTH,
    height: { step: ROW_HEIGHT },
    data: { values: rows },
    layer: [
      {
        mark: { type: "bar", height: { band: 0.72 } },
        encoding: {
          y,
          // Room for the label after the longest bar.
          x: {
            field: "value",
            type: "quantitative",
            scale: { domain: [0, most * 1.18] },
            axis: { title: null },
          },
          fill: {
            field: "ours",
            type: "nominal",
            legend: null,
            scale: { domain: [false, true], range: "category" },
          },
        },
      },
      { mark: "rule", encoding: { y, x: { field: "from", type: "quantitative" }, x2: { field: "to" } } },
      {
        mark: { type: "text", align: "left", dx: 5 },
        encoding: { y, x: { field: "to", type: "quantitative" }, text: { field: "label", type: "nominal" } },
      },
    ],
  };
}

/** Whether a peer is this library. */
export function isOurs(peer: string): boolean {
  return peer === "asyncore" || peer.startsWith("asyncore,") || peer.startsWith("asyncore ");
}
