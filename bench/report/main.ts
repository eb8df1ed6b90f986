/** `npm run bench:report [FILE]`: makes the page and the charts again from a file of results, by default the last whole run's. */
import path from "node:path";

import { writeReport } from "./report.ts";
import { type Results, resultsFolder } from "./results.ts";

const file = process.argv[2] ?? path.join(resultsFolder, "full.json");
await writeReport((await Bun.file(file).json()) as Results);
console.log(path.relative(process.cwd(), path.join(resultsFolder, "report.md")));
