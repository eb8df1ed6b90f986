/** The names of CPython's own tests: asked of a Python that has them, and as they were recorded. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { python } from "../integration/support/python.ts";

/** What `cpython-tests.py` prints. */
export interface Listed {
  /** `3.11` */
  readonly python: string;
  /** `test_asyncore.DispatcherTests.test_log` …, in order. */
  readonly tests: readonly string[];
}

export const recordedFile: string = path.join(import.meta.dir, "cpython-tests.json");
export const readmeFile: string = path.join(import.meta.dir, "README.md");
/** README.md's heading from which on it is written by `cpython-record.ts`. */
export const TABLES_BEGIN = "## Each test of CPython's, and ours";

/** From a Python that has asyncore and its tests; undefined where there is none. */
export const listed: Listed | undefined = list();
export const recorded: Listed = JSON.parse(readFileSync(recordedFile, "utf8")) as Listed;

function list(): Listed | undefined {
  if (python === undefined) return undefined;
  const program = path.join(import.meta.dir, "cpython-tests.py");
  const asked = Bun.spawnSync([python, "-B", "-W", "ignore", program], {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 20_000,
  });
  return asked.exitCode === 0 ? (JSON.parse(asked.stdout.toString()) as Listed) : undefined;
}
