/** Listening descriptors that a process was started with: systemd's socket activation (sd_listen_fds(3)). */

/** The first of them, by that protocol. */
const FIRST = 3;

/** One of them. */
export interface InheritedListener {
  readonly fd: number;
  /** `FileDescriptorName=` of the socket unit, `unknown` where it has none. */
  readonly name: string;
}

/**
 * The descriptors meant for this process by `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; none where those are not
 * set, or are for another process. Give each to `serve({ fd })`. May be called again: the environment is left as it is.
 */
export function inheritedListeners(
  env: Readonly<Record<string, string | undefined>> = process.env,
): InheritedListener[] {
  const count = Number(env["LISTEN_FDS"]);
  if (Number(env["LISTEN_PID"]) !== process.pid || !Number.isInteger(count) || count <= 0) return [];
  const names = env["LISTEN_FDNAMES"]?.split(":") ?? [];
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST + i, name: names[i] || "unknown" }));
}
