/**
 * PORTING.md keeps its word: each TypeScript block runs, each Python block runs under a Python that has asyncore
 * (`ASYNCORE_PYTHON`, else python3), and both sides of a pair print the same.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Program } from "../support/program.ts";

const root = path.resolve(import.meta.dir, "../..");
const text = readFileSync(path.join(root, "PORTING.md"), "utf8");

interface Pair {
  readonly title: string;
  readonly python: string;
  readonly ts: string;
}

// The pair before the first heading is what every program begins with.
const [opening, ...pairs] = text.split(/^(?=#{2,3} )/m).flatMap((section): Pair[] => {
  const title = /^#+ (.*)/.exec(section)?.[1] ?? "";
  const block = (language: string): string[] =>
    [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map((m) => m[1] as string);
  const python = block("python");
  const ts = block("ts");
  expect([title, python.length]).toEqual([title, ts.length]);
  return python.map((code, index) => ({ title, python: code, ts: ts[index] as string }));
}) as [Pair, ...Pair[]];

const python = process.env["ASYNCORE_PYTHON"] ?? "python3";

interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function runPython(code: string): Promise<Output> {
  const child = Bun.spawn([python, "-W", "ignore", "-c", code], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

async function runTypeScript(code: string): Promise<Output> {
  const folder = mkdtempSync(path.join(root, "test/docs/run-"));
  try {
    const file = path.join(folder, "program.ts");
    writeFileSync(file, code);
    await using program = new Program([file]);
    const exitCode = await program.exited;
    return { exitCode, stdout: program.stdout, stderr: program.stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const importsAsyncore =
  Bun.which(python) !== null && (await runPython("import asyncore, asynchat")).exitCode === 0;
if (!importsAsyncore) {
  console.warn(`PORTING.md: the Python halves are skipped: ${python} has no asyncore (set ASYNCORE_PYTHON)`);
}

test("PORTING.md has its pairs", () => {
  expect(pairs.length).toBeGreaterThan(12);
});

describe("PORTING.md", () => {
  describe.each(pairs)("$title", (pair) => {
    test.concurrent("runs in TypeScript", async () => {
      const output = await runTypeScript(opening.ts + pair.ts);
      expect([output.exitCode, output.stderr]).toEqual([0, ""]);
      expect(output.stdout).not.toBe("");
    });

    test.skipIf(!importsAsyncore)("prints the same in Python", async () => {
      const [before, after] = await Promise.all([
        runPython(opening.python + pair.python),
        runTypeScript(opening.ts + pair.ts),
      ]);
      expect([before.exitCode, before.stderr]).toEqual([0, ""]);
      expect(after.stdout).toBe(before.stdout);
    });
  });
});
