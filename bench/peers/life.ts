/**
 * What every server program of the bench does besides serving: it prints its port on one line, answers `memory` on
 * standard input with one line of JSON, ends when standard input does, and never outlives its hard limit. Runs on
 * Bun and, bundled, on Node. Must cost nothing while load is on.
 */
const HARD_LIFETIME_MS = 120_000;

/** What a server says to `memory`: after a full collection, in bytes. */
export interface MemoryReport {
  readonly rss: number;
  readonly heap: number;
}

/** Announces the port and ties the process's life to its parent's. */
export function serving(port: number): void {
  setTimeout(() => process.exit(3), HARD_LIFETIME_MS);
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (text: string) => {
    if (text.trim() === "memory") console.log(JSON.stringify(memory()));
  });
  process.stdin.on("end", () => process.exit(0));
  console.log(port);
}

function memory(): MemoryReport {
  // Twice: the first collection runs finalizers that free more. Node only has one when started with --expose-gc.
  for (let pass = 0; pass < 2; pass++) {
    if (typeof Bun === "undefined") (globalThis as { gc?: () => void }).gc?.();
    else Bun.gc(true);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heap: heapUsed };
}
