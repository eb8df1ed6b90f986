// Proves that the linter holds the walls: writes a small tree that breaks each of them in every way an import can be
// written, lints it with this repository's own configuration, and fails when a planted line was not reported or an
// allowed one was. Run by `npm run check`. The floors are stated here a second time on purpose.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");

/** A file imports from lower floors only; index.ts re-exports and is imported by nobody. */
const floors: Record<string, number> = {
  base: 1,
  bytes: 2,
  socket: 3,
  dispatcher: 4,
  testing: 4.5,
  classic: 5,
  client: 5,
  server: 5,
  "cli.ts": 6,
};

/** Lower, and all the same not to be imported: the core entry point must not need the testing kit. */
const apart = new Set(["client testing"]);

interface Line {
  readonly code: string;
  /** The rule that must report this line, or undefined when none of the walls may. */
  readonly rule: string | undefined;
}

const planted = new Map<string, Line[]>();
let names = 0;

function plant(file: string, rule: string | undefined, ...codes: string[]): void {
  const lines = planted.get(file) ?? [];
  lines.push(...codes.map((code) => ({ code: code.replaceAll("$", () => `n${++names}`), rule })));
  planted.set(file, lines);
}

/** Every way to import `target`; each `$` becomes a fresh name. */
function imports(target: string): string[] {
  return [
    `import { target as $ } from "${target}";`,
    `import type { Target as $ } from "${target}";`,
    `import { type Target as $ } from "${target}";`,
    `import "${target}";`,
    `export { target as $ } from "${target}";`,
    `export type { Target as $ } from "${target}";`,
    `export * from "${target}";`,
    `export const $ = (): Promise<unknown> => import("${target}");`,
    `export type $ = import("${target}").Target;`,
    `export type $ = typeof import("${target}");`,
    `export const $: unknown = require("${target}");`,
  ];
}

const bunNames = [
  "export const $: string = Bun.version;",
  "export type $ = Bun.Socket;",
  "export type $ = typeof Bun.listen;",
  "export const $: unknown = globalThis.Bun;",
  'export const $: unknown = globalThis["Bun"];',
  "export const { Bun: $ } = globalThis;",
];
const bunModules = ["bun", "bun:ffi", "bun:test"].flatMap(imports);
const deviceModules = ["node:tls", "node:fs", "node:fs/promises", "node:child_process", "tls", "fs"].flatMap(
  imports,
);

for (const [room, floor] of Object.entries(floors)) {
  const isFile = room.endsWith(".ts");
  const files = isFile ? [room] : [`${room}/planted.ts`, `${room}/deeper/planted.ts`];
  for (const file of files) {
    const up = file === room ? "./" : "../".repeat(file.split("/").length - 1);
    for (const [other, otherFloor] of Object.entries(floors)) {
      if (other === room) continue;
      const target = up + (other.endsWith(".ts") ? other : `${other}/target.ts`);
      const allowed = otherFloor < floor && !apart.has(`${room} ${other}`);
      plant(file, allowed ? undefined : "walls(imports)", ...imports(target));
    }
    plant(file, "walls(imports)", ...imports(`${up}index.ts`), ...imports(`${up}index`));
    plant(
      file,
      "walls(imports)",
      ...imports("asyncore"),
      ...imports("asyncore/testing"),
      ...imports("fast-check"),
    );
    plant(
      file,
      "walls(imports)",
      ...imports(`../${up}test/target.ts`),
      ...imports(`../${up}examples/target.ts`),
    );
    plant(file, room === "socket" ? undefined : "walls(bun)", ...bunNames);
    plant(file, room === "socket" ? undefined : "walls(imports)", ...bunModules);
    plant(
      file,
      room === "base" || room === "bytes" ? "walls(imports)" : undefined,
      ...deviceModules.slice(0, 11),
    );
    if (room === "base" || room === "bytes") plant(file, "walls(imports)", ...deviceModules);
    if (!isFile)
      plant(file, undefined, ...imports(file === `${room}/planted.ts` ? "./target.ts" : "../target.ts"));
  }
}
plant("index.ts", "walls(bun)", ...bunNames);
plant("index.ts", "walls(imports)", ...bunModules, ...imports("./cli.ts"), ...imports("./testing/target.ts"));
plant("index.ts", undefined, ...imports("./dispatcher/target.ts"), ...imports("./base/target.ts"));
plant("nowhere/planted.ts", "walls(imports)", ...imports("../base/target.ts"));

// Not walls, but the same promise: these must never go quiet.
plant("base/circle-a.ts", "import(no-cycle)", 'import type { B } from "./circle-b.ts";');
plant("base/circle-a.ts", undefined, "export interface A { readonly b: B }");
plant("base/circle-b.ts", "import(no-cycle)", 'import type { A } from "./circle-a.ts";');
plant("base/circle-b.ts", undefined, "export interface B { readonly a: A }");
plant(
  "dispatcher/promises.ts",
  undefined,
  "async function later(): Promise<boolean> { return await Promise.resolve(true); }",
);
plant(
  "dispatcher/promises.ts",
  "typescript(no-floating-promises)",
  "export function $(): void { later(); }",
  "export function $(hook: () => void | Promise<void>): void { hook(); }",
  "export function $(): void { later().then(() => 1); }",
);
plant(
  "dispatcher/promises.ts",
  "typescript(no-misused-promises)",
  "export function $(): number { return later() ? 1 : 2; }",
  "export function $(): void { [1].forEach(async () => { await later(); }); }",
  "export function $(): void { setTimeout(async () => { await later(); }, 1); }",
);
plant(
  "dispatcher/any.ts",
  "typescript(no-explicit-any)",
  "export function $(value: any): unknown { return value; }",
);

const tree = realpathSync(mkdtempSync(join(tmpdir(), "asyncore-walls-")));
try {
  for (const name of [".oxlintrc.json", "tsconfig.json", "package.json", "scripts/lint-walls.js"]) {
    cpSync(join(root, name), join(tree, name));
  }
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    writeFileSync(join(tree, file), text);
  };
  const target = "export const target = 1;\nexport type Target = number;\n";
  for (const room of Object.keys(floors)) if (!room.endsWith(".ts")) write(`src/${room}/target.ts`, target);
  for (const folder of ["test", "examples"]) write(`${folder}/target.ts`, target);
  for (const [file, lines] of planted) write(`src/${file}`, lines.map(({ code }) => `${code}\n`).join(""));

  // Into a file: oxlint exits before a pipe has taken all of a long report.
  const report = join(tree, "report.txt");
  Bun.spawnSync([process.execPath, "node_modules/oxlint/bin/oxlint", "--format=unix"], {
    cwd: tree,
    stdio: ["ignore", Bun.file(report), "inherit"],
  });
  const found = readFileSync(report, "utf8");
  const reported = new Map<string, string[]>();
  for (const [, file, line, rule] of found.matchAll(/^src\/(.+?):(\d+):\d+: .* \[Error\/(.+)\]$/gm)) {
    const place = `${file}:${line}`;
    reported.set(place, [...(reported.get(place) ?? []), rule ?? ""]);
  }

  let wrong = 0;
  let right = 0;
  for (const [file, lines] of planted) {
    for (const [index, { code, rule }] of lines.entries()) {
      const rules = reported.get(`${file}:${index + 1}`) ?? [];
      const wall = rules.find((name) => name.startsWith("walls("));
      if (rule === undefined ? wall === undefined : rules.includes(rule)) {
        right += 1;
        continue;
      }
      wrong += 1;
      console.error(
        `src/${file}: ${rule === undefined ? `wrongly forbidden by ${wall}` : `not caught by ${rule}`}: ${code}`,
      );
    }
  }
  for (const entry of readdirSync(join(root, "src"))) {
    if (entry === "index.ts" || floors[entry] !== undefined) continue;
    wrong += 1;
    console.error(`src/${entry} has no floor: give it one in scripts/lint-walls.js and here.`);
  }
  if (wrong > 0) {
    if (reported.size === 0) console.error(found);
    console.error(`walls: ${wrong} of ${wrong + right} planted lines were not treated as they should be`);
    process.exitCode = 1;
  } else {
    console.log(`walls: all ${right} planted lines treated as they should be`);
  }
} finally {
  rmSync(tree, { recursive: true, force: true });
}
