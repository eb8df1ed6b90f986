/**
 * `npm run bench`: the macro benches, the key-value example beside redis-server, what timeouts cost idle channels, then
 * the micro benches. Options: `--only NAME` (may be repeated; a workload, a part or a micro bench file), `--quick` (does it work: short windows, one round, no micro benches unless named),
 * `--rounds N`, `--json FILE` (summaries and every sample). A whole run goes to `bench/results/full.json`, of which the
 * report and its charts are made; any other one without `--json` to `bench/results/last.json`. Missed promises do not
 * fail; wrong bytes, crashes and silence do.
 */
import path from "node:path";
import { parseArgs } from "node:util";

import { IDLE_TIMEOUTS, IDLE_TIMEOUTS_ROUNDS, measureIdleTimeouts } from "./macro/idle-timeouts.ts";
import { printEnvironment, printSummary } from "./macro/print.ts";
import { measureResp, RESP_ROUNDS, respNames } from "./macro/resp.ts";
import { Runner } from "./macro/runner.ts";
import { type Summary, summarize } from "./macro/summary.ts";
import { fullTiming, type Timing } from "./macro/workload.ts";
import { workloads } from "./macro/workloads.ts";
import { microBenches, runMicro } from "./micro/run-all.ts";
import { hasFigures } from "./report/charts.ts";
import { writeReport } from "./report/report.ts";
import { type Results, resultsFolder, writeResults } from "./report/results.ts";

const QUICK: Timing = { warmupMs: 40, warmupMessages: 2000, windowMs: 50, sliceMs: 50 };
const QUICK_ROUNDS = 1;

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
const known = [...workloads.map(({ name }) => name), ...respNames, IDLE_TIMEOUTS, ...microBenches];
const unknown = only.filter((name) => !known.includes(name));
if (unknown.length > 0) usage(`no such bench: ${unknown.join(", ")}. Benches: ${known.join(", ")}`);

const wanted = (name: string): boolean => only.length === 0 || only.includes(name);
const macro = workloads.filter(({ name }) => wanted(name));
const resp = respNames.some(wanted);
const idleTimeouts = wanted(IDLE_TIMEOUTS);
const micro = microBenches.filter((name) => (quick ? only.includes(name) : wanted(name)));
const whole = only.length === 0 && !quick;
const file = values.json ?? path.join(resultsFolder, whole ? "full.json" : "last.json");

await using runner = new Runner();
const summaries: Summary[] = [];

const results = (microResults: Results["micro"]): Results => ({
  at: new Date().toISOString(),
  environment: runner.environment,
  quick,
  workloads: summaries,
  micro: microResults,
});

if (macro.length > 0 || resp || idleTimeouts) printEnvironment(runner.environment, quick);
for (const workload of macro) {
  const planned = rounds ?? (quick ? QUICK_ROUNDS : workload.rounds);
  const result = await runner.run(
    workload,
    planned,
    quick ? QUICK : { ...fullTiming, ...workload.timing },
    quick,
  );
  const summary = summarize(result, !quick);
  printSummary(summary);
  summaries.push(summary);
  // What is there is kept, should the rest be interrupted.
  await writeResults(file, results([]));
}
if (resp) {
  const planned = rounds ?? (quick ? QUICK_ROUNDS : RESP_ROUNDS);
  const parts = await measureResp(runner.environment, { wanted, rounds: planned, quick });
  for (const part of parts) {
    if (hasFigures(part)) printSummary(part);
    else console.log(`${part.name}: ${part.notes.join(", ")}\n`);
  }
  summaries.push(...parts);
  await writeResults(file, results([]));
}
if (idleTimeouts) {
  const planned = rounds ?? (quick ? QUICK_ROUNDS : IDLE_TIMEOUTS_ROUNDS);
  const part = await measureIdleTimeouts(runner.environment, { rounds: planned, quick });
  printSummary(part);
  summaries.push(part);
  await writeResults(file, results([]));
}
const microResults = await runMicro(micro);
await writeResults(file, results(microResults));
if (whole) await writeReport(results(microResults));

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
