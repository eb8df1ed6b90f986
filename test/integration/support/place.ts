/** Where sockets of each family meet: loopback with a free port, or a path in a folder of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Address } from "asyncore";

import type { Family } from "./family.ts";

let folder: string | undefined;
let paths = 0;

/** A path nobody has used. Whoever asks calls {@link removePaths} after its last test. */
export function freshPath(): string {
  folder ??= mkdtempSync(join(tmpdir(), "asyncore-"));
  return join(folder, `s${++paths}`);
}

/** Removes what is left at the paths. For `afterAll`: `bun test` shares this module between test files. */
export function removePaths(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}

/** An address to bind to that is free. */
export function freeAddress(family: Family): Address {
  if (family === "unix") return freshPath();
  return [family === "tcp4" ? "127.0.0.1" : "::1", 0];
}

/** The same for raw `Bun.listen`. */
export function freeBunAddress(family: Family): { unix: string } | { hostname: string; port: number } {
  const address = freeAddress(family);
  return typeof address === "string" ? { unix: address } : { hostname: address[0], port: address[1] };
}
