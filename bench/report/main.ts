/**
 * `npm run bench:report [FILE …]`: makes the page and the charts again from files of results, by default the last whole
 * run's. What a later file has measured again takes the place of an earlier one's, says so, and is kept in `full.json`.
 */
import path from "node:path";

import { writeReport } from "./report.ts";
import { type Results, resultsFolder, withAgain, writeResults } from "./results.ts";

const full = path.join(resultsFolder, "full.json");
const files = process.argv.length > 2 ? process.argv.slice(2) : [full];
const all = await Promise.all(files.map(async (file) => (await Bun.file(file).json()) as Results));
const results = all.reduce(withAgain);
if (all.length > 1) await writeResults(full, results);
await writeReport(results);
console.log(path.relative(process.cwd(), path.join(resultsFolder, "report.md")));
