/**
 * Records the names of CPython's tests, and writes README.md's tables: `bun test/classic/cpython-record.ts`, with
 * ASYNCORE_PYTHON set if need be; then `npm run format`.
 */
import { readFileSync, writeFileSync } from "node:fs";

import { listed, readmeFile, recordedFile, TABLES_BEGIN } from "./cpython-listed.ts";
import { tables } from "./cpython-tests.ts";

if (listed === undefined) throw new Error("no Python with CPython's own tests of asyncore: 3.11 is the last");
writeFileSync(recordedFile, `${JSON.stringify(listed, undefined, 2)}\n`);
const readme = readFileSync(readmeFile, "utf8");
writeFileSync(readmeFile, `${readme.slice(0, readme.indexOf(TABLES_BEGIN))}${TABLES_BEGIN}\n\n${tables()}`);
