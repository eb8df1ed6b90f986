/** The macro benches on the console. */
import type { Environment } from "./environment.ts";
import type { Summary } from "./summary.ts";
import { environmentInWords, measuredOf, promiseOf, spreadInWords, tableOf } from "./words.ts";

export function printEnvironment(environment: Environment, quick: boolean): void {
  for (const sentence of environmentInWords(environment)) console.log(sentence);
  if (quick) {
    console.log(
      "Quick: short windows and servers that the JIT has not finished with: shows that it works, not how fast.",
    );
  }
  console.log("");
}

export function printSummary(summary: Summary): void {
  console.log(`${summary.name}: ${summary.about}`);
  printTable(tableOf(summary));
  const column = summary.columns.find(({ figure }) => figure === summary.figure);
  const digits = column?.digits ?? 3;
  for (const [name, { figures, ratio }] of Object.entries(summary.peers)) {
    const spread = figures[summary.figure];
    if (spread === undefined) continue;
    const against = ratio === undefined ? "" : `; ratio to ${summary.baseline} ${spreadInWords(ratio, 3)}`;
    console.log(`  ${name}, ${column?.title ?? summary.figure}: ${spreadInWords(spread, digits)}${against}`);
  }
  for (const target of summary.targets) {
    console.log(`  target: ${promiseOf(target)}: ${measuredOf(target)}, ${target.verdict}`);
  }
  for (const note of summary.notes) console.log(`  note: ${note}`);
  for (const failure of summary.broken) console.log(`  BROKEN: ${failure}`);
  console.log("");
}

export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0),
    );
    console.log(`  ${cells.join("  ")}`);
  }
}
