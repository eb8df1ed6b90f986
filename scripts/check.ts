// The gate, the same for people and CI: every stage runs, the summary names those that failed.
// `npm run check` runs all of them, `npm run check -- lint types` only those named.
import { existsSync } from "node:fs";

const stages: Record<string, { about: string; commands: string[][] }> = {
  format: {
    about: "oxfmt: `npm run format` mends it",
    commands: [["node_modules/oxfmt/bin/oxfmt", "--check"]],
  },
  lint: { about: "oxlint, with types and the walls", commands: [["node_modules/oxlint/bin/oxlint"]] },
  types: { about: "tsc, strict", commands: [["node_modules/typescript/bin/tsc"]] },
  walls: { about: "every wall catches a planted violation", commands: [["scripts/prove-walls.ts"]] },
  package: { about: "the packed package works for a consumer", commands: [["scripts/prove-package.ts"]] },
  start: { about: "the echo server starts, echoes and stops", commands: [["scripts/prove-start.ts"]] },
  tests: { about: "bun test", commands: [["test", "--timeout", "30000"]] },
};

const named = process.argv.slice(2);
const unknown = named.filter((name) => stages[name] === undefined);
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(", ")}. Stages: ${Object.keys(stages).join(", ")}`);
  process.exit(2);
}

// tsgolint's own launcher needs node on the PATH; its program does not.
const tsgolint = `node_modules/@oxlint-tsgolint/${process.platform}-${process.arch}/tsgolint`;
const env = { ...process.env, ...(existsSync(tsgolint) ? { OXLINT_TSGOLINT_PATH: tsgolint } : {}) };

const failed: string[] = [];
for (const [name, { about, commands }] of Object.entries(stages)) {
  if (named.length > 0 && !named.includes(name)) continue;
  console.log(`== ${name} (${about})`);
  const began = performance.now();
  const ok = commands.every(
    (command) =>
      Bun.spawnSync([process.execPath, ...command], { env, stdio: ["ignore", "inherit", "inherit"] })
        .exitCode === 0,
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`== ${name}: ${ok ? "ok" : "FAILED"} in ${seconds} s\n`);
  if (!ok) failed.push(name);
}

if (failed.length > 0) {
  console.error(`check failed: ${failed.join(", ")}`);
  process.exit(1);
}
console.log("check passed");
