/**
 * Where `log()` and `logInfo()` write when nobody overrides them. A log must never stop the loop: node's streams
 * do not block on a stalled pipe but buffer without bound, so beyond a cap lines are dropped, counted, and the
 * count is written once there is room again.
 */
const MAX_BUFFERED_BYTES = 1024 * 1024;
// Counted here: Bun's process.stdout says 0 for writableLength whatever it holds.
const waiting: Record<"stdout" | "stderr", number> = { stdout: 0, stderr: 0 };
const watched = new Set<"stdout" | "stderr">();
const dropped: Record<"stdout" | "stderr", number> = { stdout: 0, stderr: 0 };

/** Writes `line` and a newline, or counts it as dropped. */
export function writeLine(to: "stdout" | "stderr", line: string): void {
  if (waiting[to] > MAX_BUFFERED_BYTES) {
    dropped[to]++;
    return;
  }
  if (dropped[to] > 0) {
    const count = dropped[to];
    dropped[to] = 0;
    write(to, `warning: ${count} log lines were dropped\n`);
  }
  write(to, `${line}\n`);
}

function write(to: "stdout" | "stderr", text: string): void {
  const stream = process[to];
  if (!watched.has(to)) {
    watched.add(to);
    // The reader is gone (EPIPE): without a listener that would end the process.
    stream.on("error", () => undefined);
  }
  waiting[to] += text.length;
  stream.write(text, () => {
    waiting[to] -= text.length;
  });
}
