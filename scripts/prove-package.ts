// Proves that the package works for who installs it: builds it, packs it, lints the packed form with publint, and in an
// empty project type-checks and runs a program that imports every entry point. Run by `npm run check`.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const bun = process.execPath;
const tool = (path: string): string => join(root, "node_modules", path);

function run(cwd: string, ...command: string[]): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (exitCode === 0) return;
  process.stderr.write(stdout);
  process.stderr.write(stderr);
  throw new Error(`${command.slice(1).join(" ")}: exit ${exitCode}`);
}

const manifest: { exports: Record<string, unknown> } = await Bun.file(join(root, "package.json")).json();
const entries = Object.keys(manifest.exports)
  .filter((entry) => entry !== "./package.json")
  .map((entry) => `asyncore${entry.slice(1)}`);

const project = realpathSync(mkdtempSync(join(tmpdir(), "asyncore-consumer-")));
try {
  run(root, bun, "scripts/build.ts");
  run(root, bun, "pm", "pack", "--ignore-scripts", "--quiet", "--filename", join(project, "asyncore.tgz"));
  run(root, bun, tool("publint/src/cli.js"), join(project, "asyncore.tgz"), "--strict");

  const installed = join(project, "node_modules/asyncore");
  mkdirSync(installed, { recursive: true });
  run(project, "tar", "-xzf", "asyncore.tgz", "-C", installed, "--strip-components=1");
  for (const name of ["bun-types", "@types", "undici-types"])
    symlinkSync(tool(name), join(project, "node_modules", name));

  const program = entries.map((entry, index) => `import * as entry${index} from "${entry}";`);
  program.push(`console.log(${entries.map((_, index) => `Object.keys(entry${index}).length`).join(", ")});`);
  writeFileSync(join(project, "main.ts"), `${program.join("\n")}\n`);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }\n');
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ]) {
    const compilerOptions = {
      module,
      moduleResolution,
      target: "esnext",
      lib: ["esnext"],
      types: ["bun-types"],
    };
    const options = { ...compilerOptions, strict: true, skipLibCheck: false, noEmit: true };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, files: ["main.ts"] }),
    );
    run(project, bun, tool("typescript/bin/tsc"), "-p", "tsconfig.json");
  }
  run(project, bun, "main.ts");
  console.log(`package: ${entries.join(", ")} resolve, type-check and load for a consumer`);
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(project, { recursive: true, force: true });
}
