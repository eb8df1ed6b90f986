/**
 * Where `log()` and `logInfo()` write when nobody overrides them. A log must never stop the loop: node's streams
 * do not block on a stalled pipe but buffer without bound, so beyond a cap lines are dropped, counted, and the
 * count is written once there is room again.
 */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const dropped: Record<"stdout" | "stderr", number> = { stdout: 0, stderr: 0 };

/** Writes `line` and a newline, or counts it as dropped. */
export function writeLine(to: "stdout" | "stderr", line: string): void {
  const stream = process[to];
  if (stream.writableLength > MAX_BUFFERED_BYTES) {
    dropped[to]++;
    return;
  }
  if (dropped[to] > 0) {
    stream.write(`warning: ${dropped[to]} log lines were dropped\n`);
    dropped[to] = 0;
  }
  stream.write(`${line}\n`);
}
