/**
 * How many descriptors the process may have. A listener that meets the limit must not accept: the kernel would say
 * EMFILE for as long as a connection waits, and Bun would ask again without end (oven-sh/bun#32705). So the last
 * descriptors are left alone. The kernel gives out the lowest free number: a high one tells that few are left.
 */
import { readFileSync } from "node:fs";

/** Left for what a program opens besides its connections: at most this many, and at most an eighth of all. */
const RESERVED = 64;

/** Whether `fd` is one of the last. */
export function nearDescriptorLimit(fd: number): boolean {
  ceiling ??= readCeiling();
  return fd >= ceiling;
}

let ceiling: number | undefined;

// Bun raises the soft limit to the hard one when it starts; it does not move after that.
function readCeiling(): number {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "latin1");
  } catch {
    // No Linux. Without the number there is nothing to compare with, and no harm in that but the spin.
    return Infinity;
  }
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  return soft - Math.min(RESERVED, Math.floor(soft / 8));
}
