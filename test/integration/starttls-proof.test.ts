// That the tests of STARTTLS notice when a guard against what is injected behind it is gone: they are run on copies of the
// sources, of which each has one of the two guards taken out. On a copy that is left as it is they pass.
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { within } from "../support/until.ts";
import { python } from "./support/python.ts";

const ROOT = path.join(import.meta.dirname, "../..");
/** All that the tests below import and start. `asyncore` is the copy's, by its tsconfig.json. */
const COPIED = [
  "src",
  "examples/starttls-smtp.ts",
  "package.json",
  "tsconfig.json",
  "bunfig.toml",
  "test/support",
  "test/integration/support",
  "test/integration/tls-starttls.test.ts",
  "test/dispatcher/starttls.test.ts",
  "test/examples/foreign.ts",
  "test/examples/tls.test.ts",
];
/** The limit of each test, in milliseconds: without the guard some wait for an error that does not come. */
const PASSING_MS = 20_000;
const FAILING_MS = 3000;

/** The beginning of a guard that refuses, once in its file. */
interface Guard {
  readonly file: string;
  readonly condition: string;
}
const socketGuard: Guard = {
  file: "src/socket/stream-socket.ts",
  condition: "if (this.#input.length !== 0) throw plaintextBehind",
};
const chatGuard: Guard = {
  file: "src/dispatcher/async-chat.ts",
  condition: "if (behind > 0) throw plaintextBehind",
};

/** Tests of a file, by the names of theirs that are to be run. */
interface Selected {
  readonly file: string;
  readonly names: string;
}
const onChat: Selected = { file: "test/integration/tls-starttls.test.ts", names: "AsyncChat.startTls" };
const onSocket: Selected = {
  file: "test/dispatcher/starttls.test.ts",
  names: "push mode (goes on with the same dispatchers|a command injected behind STARTTLS)",
};
const onExample: Selected = {
  file: "test/examples/tls.test.ts",
  names: "starttls-smtp.ts refuses what is injected",
};

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A copy of the sources and their tests, without `guard`. */
function copy(guard?: Guard): string {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "asyncore-starttls-")));
  folders.push(folder);
  for (const name of COPIED) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
  if (guard === undefined) return folder;
  const file = path.join(folder, guard.file);
  const source = readFileSync(file, "utf8");
  const [before, after, ...more] = source.split(guard.condition);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${guard.file} has not exactly one: ${guard.condition}`);
  }
  writeFileSync(file, before + guard.condition.replace(/^if \(.+\)/, "if (false)") + after);
  return folder;
}

/** What became of the tests that ran, in their order: `passed` or `failed` and the name. */
async function outcomes(folder: string, { file, names }: Selected, limitMs: number): Promise<string[]> {
  const report = path.join(folder, "report.xml");
  const options = ["--timeout", String(limitMs), "--reporter=junit", `--reporter-outfile=${report}`];
  const child = Bun.spawn([process.execPath, "test", ...options, "-t", names, `./${file}`], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const [code, said] = await within(Promise.all([child.exited, child.stderr.text()]), `the end of ${file}`);
    const found: string[] = [];
    const cases = /<testcase name="([^"]*)"[^>]*?(?:\/>|>\s*<(\w+))/g;
    for (const [, name, inside] of readFileSync(report, "utf8").matchAll(cases)) {
      if (inside !== "skipped") found.push(`${inside === undefined ? "passed" : "failed"}: ${name}`);
    }
    // Else something else has gone wrong than a test.
    if (code !== (found.some((one) => one.startsWith("failed")) ? 1 : 0)) throw new Error(said);
    return found;
  } finally {
    child.kill("SIGKILL");
  }
}

const served = "goes on with the next frame after the handshake";
const injected = ["a command", "half a command", "half a terminator", "a second STARTTLS"].map(
  (what) => `refuses when ${what} came behind the terminator, and carries nothing of it out`,
);
const exampleInjected = "refuses what is injected behind STARTTLS, in the same packet or after it";
const dispatcherServed = "goes on with the same dispatchers, and tells each end once";
const dispatcherInjected =
  "a command injected behind STARTTLS in the same packet is refused, and nothing of it is answered";

describe("the tests of what is injected behind STARTTLS", () => {
  const chat = (outcome: string): string[] => [
    `passed: ${served}`,
    ...injected.map((name) => `${outcome}: ${name}`),
  ];
  const dispatcher = (outcome: string): string[] => [
    `passed: ${dispatcherServed}`,
    `${outcome}: ${dispatcherInjected}`,
  ];
  const example = (outcome: string): string[] =>
    python === undefined ? [] : [`${outcome}: ${exampleInjected}`];

  test("pass as the sources are", async () => {
    const folder = copy();
    expect(await outcomes(folder, onChat, PASSING_MS)).toEqual(chat("passed"));
    expect(await outcomes(folder, onSocket, PASSING_MS)).toEqual(dispatcher("passed"));
    expect(await outcomes(folder, onExample, PASSING_MS)).toEqual(example("passed"));
  });

  test("fail, on AsyncChat and in the example, without the guard of AsyncChat", async () => {
    const folder = copy(chatGuard);
    expect(await outcomes(folder, onChat, FAILING_MS)).toEqual(chat("failed"));
    expect(await outcomes(folder, onExample, FAILING_MS)).toEqual(example("failed"));
  });

  test("fail, on a Dispatcher, without the guard of the socket", async () => {
    expect(await outcomes(copy(socketGuard), onSocket, FAILING_MS)).toEqual(dispatcher("failed"));
  });
});
