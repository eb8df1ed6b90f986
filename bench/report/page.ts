/** The report of a whole run as Markdown: the machine, every promise with its verdict, a table and a chart for each workload. */
import type { Summary } from "../macro/summary.ts";
import { environmentInWords, measuredOf, offBy, promiseOf, tableOf } from "../macro/words.ts";
import { hasFigures } from "./charts.ts";
import type { Results } from "./results.ts";

export function pageOf({ at, environment, workloads, micro }: Results): string {
  const lines = [
    "# What `npm run bench` measured",
    "",
    `On ${at.slice(0, 10)}. ${environmentInWords(environment).join(" ")}`,
    "",
    "Server and load generator are processes of their own. In each round all of them are fresh, the load goes round the",
    "servers in short slices, and ratios are taken within a round; shown is the median of the rounds, with the middle half",
    "for ratios and promises. Every byte that came back was checked, except by redis-benchmark. Latencies are those of a closed loop that keeps the server",
    "busy, the generator's own waiting included; a packet's, where messages travel in packets. Bars are medians, the line",
    "over a bar is the middle half.",
    "",
    ...pictureOf("overview", "The workloads of the overview, ours and the peers"),
    "",
    "## Promises",
    "",
    ...markdownTable([
      ["workload", "promise", "measured", "verdict", "off by"],
      ...workloads.flatMap((summary) =>
        summary.targets.map((target) => [
          summary.name,
          promiseOf(target),
          measuredOf(target),
          target.verdict,
          offBy(target),
        ]),
      ),
    ]),
    ...workloads.flatMap(sectionOf),
    ...microSection(micro),
  ];
  return `${lines.join("\n")}\n`;
}

function sectionOf(summary: Summary): string[] {
  const said = [...summary.notes, ...summary.broken.map((failure) => `Broken: ${failure}`)];
  const blocks = [
    [`${summary.about[0]?.toUpperCase() ?? ""}${summary.about.slice(1)}.`],
    ...(hasFigures(summary)
      ? [pictureOf(summary.name, `${summary.name}: ${summary.about}`), markdownTable(tableOf(summary))]
      : []),
    said.map((note) => `- ${note}`),
  ];
  const lines = blocks.flatMap((block) => (block.length > 0 ? ["", ...block] : []));
  return ["", `## ${summary.name}`, ...lines];
}

function microSection(micro: Results["micro"]): string[] {
  if (micro.length === 0) return [];
  const nanoseconds = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
  const rows = micro.flatMap(({ name, figures }) =>
    figures.map(({ name: what, avg, p50, p99 }) => [`${name}: ${what}`, ...[avg, p50, p99].map(nanoseconds)]),
  );
  return ["", "## Single functions", "", ...markdownTable([["ns", "mean", "p50", "p99"], ...rows])];
}

/** Follows the reader's light or dark page, as the README's does. */
function pictureOf(name: string, about: string): string[] {
  return [
    "<picture>",
    `  <source media="(prefers-color-scheme: dark)" srcset="${name}-dark.svg">`,
    `  <img alt="${about}" src="${name}-light.svg">`,
    "</picture>",
  ];
}

function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = rows;
  const lineOf = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => (at === 0 ? "---" : "---:"));
  return [lineOf(head), lineOf(rule), ...body.map(lineOf)];
}
