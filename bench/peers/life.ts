/**
 * What every server program of the bench does besides serving: it prints its port on one line, answers each command
 * on standard input (`memory`, and what the program adds) with one line of JSON, ends when standard input does, and
 * never outlives its hard limit. Runs on Bun and, bundled, on Node. Must cost nothing while load is on.
 */
const HARD_LIFETIME_MS = 120_000;

/** What a server says to `memory`: after a full collection, in bytes. */
export interface MemoryReport {
  readonly rss: number;
  /** Undefined where the runtime does not tell. */
  readonly heap?: number;
}

/** What a command with a number does; the result is the answer. */
export type Command = (argument: number) => object | Promise<object>;

/** Announces the port (0 where nothing is served) and ties the process's life to its parent's. */
export function serving(port: number, commands: Readonly<Record<string, Command>> = {}): void {
  setTimeout(() => process.exit(3), HARD_LIFETIME_MS);
  const known: Readonly<Record<string, Command>> = { memory, ...commands };
  process.stdin.setEncoding("utf8");
  const answer = async (text: string): Promise<void> => {
    const [name = "", argument] = text.trim().split(" ");
    const command = known[name];
    if (command === undefined) throw new Error(`no such command: ${name}`);
    console.log(JSON.stringify(await command(Number(argument))));
  };
  // The parent writes one command at a time and waits for the answer.
  process.stdin.on("data", (text: string) => void answer(text));
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
