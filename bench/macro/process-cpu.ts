/**
 * CPU time, memory and descriptors of a process, from Linux's /proc. CPU totals come from each thread's schedstat
 * (nanoseconds) where the kernel keeps it, else from stat; the split into user and system is stat's, whose unit is a
 * hundredth of a second. Read at both ends of a window only: it must not disturb what runs in between.
 */
import { readdirSync, readFileSync } from "node:fs";

// USER_HZ is 100 in every Linux ABI that Bun runs on.
const US_PER_TICK = 10_000;
/** Descriptors that a process needs for itself. */
const RESERVED_DESCRIPTORS = 200;

/** Microseconds. `threads` holds each live thread's total. */
export interface CpuReading {
  readonly userUs: number;
  readonly systemUs: number;
  readonly threads: ReadonlyMap<string, number>;
}

export function readCpu(pid: number): CpuReading {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold anything; what follows it is the third field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const threads = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const running = schedstat(`/proc/${pid}/task/${thread}/schedstat`);
    if (running !== undefined) threads.set(thread, running / 1000);
  }
  return { userUs: Number(fields[11]) * US_PER_TICK, systemUs: Number(fields[12]) * US_PER_TICK, threads };
}

/** CPU time between two readings of one process, all threads. User and system are coarse and only roughly its sum. */
export function cpuBetween(
  from: CpuReading,
  to: CpuReading,
): { totalUs: number; userUs: number; systemUs: number } {
  const userUs = to.userUs - from.userUs;
  const systemUs = to.systemUs - from.systemUs;
  let totalUs = 0;
  for (const [thread, running] of to.threads) totalUs += running - (from.threads.get(thread) ?? 0);
  // A thread that ended took its schedstat along; stat still has it.
  const ended = [...from.threads.keys()].some((thread) => !to.threads.has(thread));
  if (ended || totalUs === 0) totalUs = userUs + systemUs;
  return { totalUs, userUs, systemUs };
}

/** Memory the process has resident, in bytes. */
export function residentBytes(pid: number): number {
  return memoryLine(pid, "VmRSS");
}

/** The most memory the process ever had resident, in bytes. */
export function peakRss(pid: number): number {
  return memoryLine(pid, "VmHWM");
}

function memoryLine(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, "mu").exec(status);
  return Number(line?.[1] ?? 0) * 1024;
}

/** How many descriptors the process has open. */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** How many descriptors this process, and one that it starts, may open for connections. */
export function sparedDescriptors(): number {
  const line = /^Max open files\s+(\d+)/mu.exec(readFileSync("/proc/self/limits", "latin1"));
  return (line === null ? Infinity : Number(line[1])) - RESERVED_DESCRIPTORS;
}

function schedstat(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "latin1").split(" ")[0]);
  } catch {
    // The thread has just ended, or this kernel keeps no such statistics.
    return undefined;
  }
}
