/** What is made of a whole run's results: a page and its charts, light and dark. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";

import { chartOf, hasFigures, overviewOf, themes } from "./charts.ts";
import { pageOf } from "./page.ts";
import { renderSvg } from "./render.ts";
import { type Results, resultsFolder } from "./results.ts";

/** Writes `report.md` and its charts, light and dark, into the folder, and removes charts that are no longer in it. */
export async function writeReport(results: Results, folder: string = resultsFolder): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(folder)) if (file.endsWith(".svg")) rmSync(path.join(folder, file));
  const charts = new Map([
    ["overview", overviewOf(results.workloads)],
    ...results.workloads.filter(hasFigures).map((summary) => [summary.name, chartOf(summary)] as const),
  ]);
  for (const [name, chart] of charts) {
    for (const theme of Object.keys(themes) as (keyof typeof themes)[]) {
      await Bun.write(path.join(folder, `${name}-${theme}.svg`), await renderSvg(chart, themes[theme]));
    }
  }
  await Bun.write(path.join(folder, "report.md"), pageOf(results));
}
