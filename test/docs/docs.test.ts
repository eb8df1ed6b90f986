/** What the documents promise: README's code runs as printed, ARCHITECTURE names files that exist, examples in TSDoc run. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";

import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";

const root = path.resolve(import.meta.dir, "../..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

function codeBlocks(text: string): string[] {
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);
}

/** A file with `code` inside this checkout, so that `asyncore` resolves to it as it would for a user. */
function program(code: string): { file: string } & Disposable {
  const folder = mkdtempSync(path.join(root, "test/docs/run-"));
  const file = path.join(folder, "program.ts");
  writeFileSync(file, code);
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

async function portIsOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

describe("README.md", () => {
  const blocks = codeBlocks(read("README.md"));

  test("its first program runs as printed and answers", async () => {
    const [first = ""] = blocks;
    expect(first.trim().split("\n").length).toBeLessThanOrEqual(18);
    using source = program(first);
    await using server = new Program([source.file]);
    let open = false;
    void (async () => {
      while (!open) open = await portIsOpen(8007);
    })();
    await until(() => open, `the server listens; ${server.stderr}`);
    let received = "";
    const client = net.connect(8007, "127.0.0.1", () => client.write("hello"));
    client.on("data", (chunk) => (received += chunk.toString()));
    await until(() => received === "hello", "the answer");
    client.end();
  });

  test("its other programs run", async () => {
    expect(blocks.length).toBeGreaterThan(1);
    for (const block of blocks.slice(1)) {
      using source = program(block);
      await using run = new Program([source.file]);
      expect([await run.exited, run.stderr]).toEqual([0, ""]);
    }
  });

  test("its links lead to files", () => {
    for (const [, target = ""] of read("README.md").matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect([target, existsSync(path.join(root, target))]).toEqual([target, true]);
    }
  });
});

describe("ARCHITECTURE.md", () => {
  const files = new Set(
    readdirSync(path.join(root, "src"), { recursive: true }).map((file) => path.basename(String(file))),
  );

  test("every source file it names exists, and it names every file of src", () => {
    const text = read("ARCHITECTURE.md");
    const named = new Set([...text.matchAll(/[\w-]+(?:\/[\w-]+)*\.(?:ts|js)\b/g)].map((match) => match[0]));
    for (const name of named) {
      expect([name, files.has(path.basename(name)) || existsSync(path.join(root, name))]).toEqual([
        name,
        true,
      ]);
    }
    const unnamed = [...files].filter((file) => file.endsWith(".ts") && !text.includes(file));
    // testing/ is described by its index.
    const testing = new Set(readdirSync(path.join(root, "src/testing")).map(String));
    expect(unnamed.filter((file) => !testing.has(file))).toEqual([]);
  });
});

describe("TSDoc", () => {
  for (const entry of readdirSync(path.join(root, "src"), { recursive: true })) {
    const file = String(entry);
    if (!file.endsWith(".ts")) continue;
    const text = read(path.join("src", file)).replaceAll(/^ *\* ?/gm, "");
    for (const [, title = "", code = ""] of text.matchAll(/@example (.*)\n```ts\n([\s\S]*?)```/g)) {
      test(`the example "${title}" in ${file} runs`, async () => {
        using source = program(code);
        await using run = new Program([source.file]);
        expect([await run.exited, run.stderr]).toEqual([0, ""]);
      });
    }
  }
});
