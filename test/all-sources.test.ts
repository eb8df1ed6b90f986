import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const src = join(root, "src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .toSorted();
/** Beyond this a file is two files. */
const MAX_LINES = 700;

/** The folders that ARCHITECTURE.md's picture of the house has under `src/`. */
function houseFolders(): string[] {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const house = /## The house\s+```\n(.*?)```/s.exec(text)?.[1] ?? "";
  return [...house.matchAll(/^ {2}([a-z-]+)\/ /gm)].map((match) => match[1] as string);
}

describe("src", () => {
  // Coverage counts only what was imported: a file that no test reaches must show as uncovered, not be missing.
  test("every source file can be imported", async () => {
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      expect(typeof (await import(join(src, file)))).toBe("object");
    }
  });

  test("ARCHITECTURE.md's house has every folder of src, and no other", () => {
    const folders = new Set(
      files.filter((file) => file.includes("/")).map((file) => file.split("/")[0] ?? ""),
    );
    expect([...folders].toSorted()).toEqual(houseFolders().toSorted());
  });

  test.each(houseFolders())("src/%s has no file over 700 lines", (folder) => {
    const long = files
      .filter((file) => file.startsWith(`${folder}/`))
      .map((file) => ({ file, lines: readFileSync(join(src, file), "utf8").split("\n").length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });
});
