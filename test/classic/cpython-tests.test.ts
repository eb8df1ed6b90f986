/** The table of CPython's tests keeps its word: it has them all, our tests exist, and README.md says the same. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { listed, readmeFile, recorded, TABLES_BEGIN } from "./cpython-listed.ts";
import { cellsOf, headingOf, type Place, rows } from "./cpython-tests.ts";

const root = path.resolve(import.meta.dir, "../..");
const own = ["classic/cpython-asyncore.test.ts", "classic/cpython-asynchat.test.ts"];

/**
 * The titles of all tests in `files` (below `test/`), by file. Titles are made by loops and templates, so Bun itself is
 * asked: a run with a pattern that no title matches loads the files, runs no test, and reports every title as skipped.
 */
function titlesIn(files: readonly string[]): Map<string, string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "asyncore-titles-"));
  try {
    const report = path.join(folder, "junit.xml");
    const reporting = ["--reporter=junit", `--reporter-outfile=${report}`];
    const paths = files.map((file) => `./test/${file}`);
    Bun.spawnSync([process.execPath, "test", "-t", "(?!)", ...reporting, ...paths], {
      cwd: root,
      stdio: ["ignore", "ignore", "ignore"],
      timeout: 20_000,
    });
    return titlesOf(readFileSync(report, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// A suite for each file, in it one for each describe(), in these the tests.
function titlesOf(report: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const open: string[] = [];
  for (const [, tag = "", name = ""] of report.matchAll(/<(\/?test(?:suite|case))\b(?: name="([^"]*)")?/g)) {
    if (tag === "testsuite") {
      open.push(text(name));
      if (open.length === 1) found.set(text(name), []);
    } else if (tag === "/testsuite") {
      open.pop();
    } else if (tag === "testcase") {
      const [file = "", ...suites] = open;
      found.get(file)?.push([...suites, text(name)].join(" > "));
    }
  }
  return found;
}

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };
const text = (escaped: string): string =>
  escaped.replaceAll(/&(\w+);/g, (all, name: string) => ENTITIES[name] ?? all);

describe("the table of CPython's tests", () => {
  const theirs = rows.map((row) => row.theirs);
  const places = rows.flatMap(({ ours }) => ours);
  let titles = new Map<string, string[]>();
  const inFile = (file: string): readonly string[] => titles.get(`test/${file}`) ?? [];
  beforeAll(() => {
    titles = titlesIn([...new Set([...own, ...places.map(({ file }) => file)])]);
  }, 30_000);

  test("has a row for each of them, and no other", () => {
    expect(theirs.toSorted()).toEqual([...recorded.tests]);
  });

  const isNamed = (place: Place, title: string): boolean =>
    place.title.endsWith("*") ? title.startsWith(place.title.slice(0, -1)) : title === place.title;

  test("names tests of ours that exist", () => {
    const missing = places.filter((place) => !inFile(place.file).some((title) => isNamed(place, title)));
    expect(missing).toEqual([]);
  });

  test("leaves out none of the tests that were written for it, but for what CPython does not ask", () => {
    const written = own.flatMap((file) => inFile(file));
    expect(written.length).toBeGreaterThan(100);
    expect(written.filter((title) => !places.some((place) => isNamed(place, title)))).toEqual([
      "file_wrapper > close() of a channel does not tell that somebody else has closed the descriptor",
      "async_chat > handle_read() takes other errors for what they are",
    ]);
  });

  test("is README.md's", () => {
    const readme = readFileSync(readmeFile, "utf8");
    const found: { heading: string; cells: readonly string[] }[] = [];
    let heading = "";
    for (const line of readme.slice(readme.indexOf(TABLES_BEGIN)).split("\n")) {
      heading = /^### (.*)/.exec(line)?.[1] ?? heading;
      if (!line.startsWith("| `")) continue;
      const cells = line.split("|").slice(1, -1);
      found.push({ heading, cells: cells.map((cell) => cell.trim()) });
    }
    expect(found).toEqual(rows.map((row) => ({ heading: headingOf(row), cells: cellsOf(row) })));
  });

  const why =
    listed === undefined
      ? "no Python with CPython's own tests of asyncore (set ASYNCORE_PYTHON)"
      : `it was recorded from Python ${recorded.python}, and this is ${listed.python}`;
  const comparable = listed?.python === recorded.python;
  if (!comparable) console.warn(`SKIPPED: the comparison with CPython's own tests: ${why}`);

  test.skipIf(!comparable)("has what unittest finds in CPython's modules", () => {
    expect(listed?.tests.length).toBeGreaterThan(100);
    expect(theirs.toSorted()).toEqual([...(listed?.tests ?? [])]);
  });
});
