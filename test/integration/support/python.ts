/** The Python of the peers that are Python's own sockets: `ASYNCORE_PYTHON`, else `python3`. */

/** The interpreter's real path (not a launcher script's), undefined when there is none. */
export const python: string | undefined = find();

/** Why tests with Python peers are skipped, for the name of the skipped test. */
export const noPython: string = "SKIPPED: no Python (set ASYNCORE_PYTHON, or put python3 on the PATH)";

function find(): string | undefined {
  const named = process.env["ASYNCORE_PYTHON"] ?? Bun.which("python3");
  if (named === null || named === "") return undefined;
  try {
    const asked = Bun.spawnSync([named, "-c", "import sys; print(sys.executable)"]);
    return asked.exitCode === 0 ? asked.stdout.toString().trim() : undefined;
  } catch {
    return undefined;
  }
}
