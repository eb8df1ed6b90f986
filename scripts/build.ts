// Emits dist/: .js and .d.ts of everything in src/. Starts from an empty folder, so that nothing stale is packed.
import { rmSync } from "node:fs";

process.chdir(`${import.meta.dirname}/..`);
rmSync("dist", { recursive: true, force: true });
const { exitCode } = Bun.spawnSync(
  [process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"],
  { stdio: ["ignore", "inherit", "inherit"] },
);
process.exit(exitCode);
