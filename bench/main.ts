/**
 * `bun run bench`: the macro benches, then the micro benches. Options: `--only NAME` (may be repeated; a workload or
 * a micro bench file), `--quick` (does it work: short windows, two rounds, no micro benches unless named),
 * `--rounds N`, `--json FILE` (every sample). Missed promises do not fail; wrong bytes, crashes and silence do.
 */
import { parseArgs } from "node:util";

import { printEnvironment, printSummary, type Summary, summarize } from "./macro/report.ts";
import { Runner } from "./macro/runner.ts";
import type { Timing, Workload } from "./macro/workload.ts";
import { workloads } from "./macro/workloads.ts";
import { microBenches, runMicro } from "./micro/run-all.ts";

const FULL: Timing = { warmupMs: 500, warmupMessages: 150_000, windowMs: 1000 };
const QUICK: Timing = { warmupMs: 80, warmupMessages: 5000, windowMs: 100 };
const QUICK_ROUNDS = 2;

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    json: { type: "string" },
  },
});
const { only, quick } = values;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  usage(`--rounds is a number of at least 1, not ${values.rounds}`);
}
const known = [...workloads.map(({ name }) => name), ...microBenches];
const unknown = only.filter((name) => !known.includes(name));
if (unknown.length > 0) usage(`no such bench: ${unknown.join(", ")}. Benches: ${known.join(", ")}`);

const wanted = (name: string): boolean => only.length === 0 || only.includes(name);
const macro = workloads.filter(({ name }) => wanted(name));
const micro = microBenches.filter((name) => (quick ? only.includes(name) : wanted(name)));
const summaries: Summary[] = [];
const samples: Record<string, unknown> = {};

await using runner = new Runner();
if (macro.length > 0) printEnvironment(runner.environment, quick);
for (const workload of macro) {
  const planned: Workload = quick
    ? { ...workload, client: workload.quickClient ?? workload.client }
    : workload;
  const result = await runner.run(
    planned,
    rounds ?? (quick ? QUICK_ROUNDS : planned.rounds),
    quick ? QUICK : FULL,
  );
  const summary = summarize(result, !quick);
  printSummary(summary, planned);
  summaries.push(summary);
  samples[workload.name] = Object.fromEntries(result.samples);
}
const microResults = await runMicro(micro);

if (values.json !== undefined) {
  const { environment } = runner;
  const at = new Date().toISOString();
  const report = { at, environment, quick, workloads: summaries, samples, micro: microResults };
  await Bun.write(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
const broken = summaries.flatMap(({ name, broken: failures }) =>
  failures.map((failure) => `${name}: ${failure}`),
);
broken.push(
  ...microResults.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`])),
);
if (broken.length > 0) {
  console.error(`bench broken:\n  ${broken.join("\n  ")}`);
  process.exitCode = 1;
}

function usage(message: string): never {
  console.error(message);
  process.exit(2);
}
