/**
 * `npm run bench:compare -- <git ref>`: this checkout against another commit, as files lie here against the commit. Our
 * server programs run on both libraries, A B A B …; says more, less, or nothing where the spread exceeds the difference.
 * Options: `--only NAME` (may be repeated; default: the workloads in {@link DEFAULT}), `--rounds N` (default 7; below 5 there
 * is no verdict), `--json FILE`.
 *
 * The commit is laid out in a temporary folder with `git worktree`, gets this checkout's `bench/peers/`, and needs no
 * packages: the library has none. The folder is removed at the end; nothing of this checkout is touched.
 */
import { cpSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { compared, type Compared, contest, THERE } from "./macro/contest.ts";
import { commitOf } from "./macro/environment.ts";
import { printEnvironment, printTable } from "./macro/print.ts";
import { Runner } from "./macro/runner.ts";
import { cellOf } from "./macro/words.ts";
import { fullTiming } from "./macro/workload.ts";
import { workloads } from "./macro/workloads.ts";

const DEFAULT = ["echo64", "bulk", "lines", "chat", "fanout", "churn", "idle"];
const root = path.join(import.meta.dir, "..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true, default: DEFAULT },
    rounds: { type: "string", default: "7" },
    json: { type: "string" },
  },
});
const [ref] = positionals;
const rounds = Number(values.rounds);
if (ref === undefined || positionals.length > 1) usage("which commit? npm run bench:compare -- <git ref>");
if (!(Number.isInteger(rounds) && rounds > 0))
  usage(`--rounds is a number of at least 1, not ${values.rounds}`);
const contests = workloads.flatMap((workload) => contest(workload) ?? []);
const unknown = values.only.filter((name) => !contests.some((workload) => workload.name === name));
if (unknown.length > 0)
  usage(`no such workload of ours: ${unknown.join(", ")}: ${contests.map(({ name }) => name).join(", ")}`);

const parent = realpathSync(mkdtempSync(path.join(tmpdir(), "asyncore-compare-")));
const there = path.join(parent, "checkout");
const removeFolder = (): void => {
  Bun.spawnSync(["git", "-C", root, "worktree", "remove", "--force", there], { stderr: "inherit" });
  rmSync(parent, { recursive: true, force: true });
};
process.once("SIGINT", () => {
  removeFolder();
  process.exit(130);
});
try {
  git("worktree", "add", "--quiet", "--detach", there, ref);
  const commit = commitOf(there) ?? ref;
  cpSync(path.join(root, "bench/peers"), path.join(there, "bench/peers"), {
    recursive: true,
    filter: (source) => path.basename(source) !== "build",
  });
  const broken = await run(there, commit);
  if (broken.length > 0) {
    console.error(`bench broken:\n  ${broken.join("\n  ")}`);
    process.exitCode = 1;
  }
} finally {
  removeFolder();
}

async function run(folder: string, commit: string): Promise<string[]> {
  await using runner = new Runner();
  printEnvironment(runner.environment, false);
  console.log(`Here: ${runner.environment.commit ?? "?"}. There: ${commit}.\n`);
  const broken: string[] = [];
  const all: Record<string, readonly Compared[]> = {};
  for (const workload of contests) {
    if (!values.only.includes(workload.name)) continue;
    const result = await runner.run(
      placed(workload, folder),
      rounds,
      { ...fullTiming, ...workload.timing },
      false,
    );
    broken.push(...result.broken.map((failure) => `${workload.name}: ${failure}`));
    const rows = compared(workload, result.samples);
    all[workload.name] = rows;
    console.log(`${workload.name}: ${workload.about}`);
    printTable([
      ["", "there", "here", "here : there", "middle half", ""],
      ...rows.map(({ column, here, there: other, ratio, verdict }) => [
        column.title,
        cellOf(other.median, column),
        cellOf(here.median, column),
        ratio.median.toFixed(3),
        `${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)}`,
        verdict,
      ]),
    ]);
    console.log("");
  }
  if (values.json !== undefined) {
    const { environment } = runner;
    const report = { at: new Date().toISOString(), environment, there: commit, workloads: all };
    await Bun.write(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  return broken;
}

function placed(workload: (typeof contests)[number], folder: string): (typeof contests)[number] {
  const peers = workload.peers.map((peer) => (peer.name === THERE ? { ...peer, root: folder } : peer));
  return { ...workload, peers };
}

function git(...args: string[]): void {
  const { exitCode } = Bun.spawnSync(["git", "-C", root, ...args], { stdout: "ignore", stderr: "inherit" });
  if (exitCode !== 0) throw new Error(`git ${args[0] ?? ""}: exit ${exitCode}`);
}

function usage(message: string): never {
  console.error(message);
  process.exit(2);
}
