/**
 * Runs a workload: every round is a fresh generator with a fresh server per peer, and every second round has the peers
 * in reverse order, so that a machine that gets slower or busier hits all alike. Knows nothing of what is measured.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { type Environment, findEnvironment } from "./environment.ts";
import { buildFolder, findRuntimes, MISSING } from "./runtimes.ts";
import type {
  Figures,
  Peer,
  RoundRequest,
  RoundResult,
  ServerCommand,
  Timing,
  Workload,
} from "./workload.ts";

const here = path.join(import.meta.dir, "../..");
const measureProgram = path.join(import.meta.dir, "measure.ts");
const ROUND_DEADLINE_MS = 115_000;

/** What the rounds of one workload brought. */
export interface WorkloadResult {
  readonly workload: Workload;
  /** Per peer, one entry per round; undefined where the run broke. */
  readonly samples: ReadonlyMap<string, readonly (Figures | undefined)[]>;
  readonly notes: readonly string[];
  readonly broken: readonly string[];
}

export class Runner {
  readonly environment: Environment = findEnvironment();
  readonly #runtimes = findRuntimes();
  readonly #bundles = new Map<string, string>();

  /** @param quick with each peer's `quickClient` in place of its `client` */
  async run(workload: Workload, rounds: number, timing: Timing, quick: boolean): Promise<WorkloadResult> {
    const notes = new Set<string>();
    const broken: string[] = [];
    const peers: Peer[] = [];
    for (const peer of workload.peers) {
      const missing = this.#missing(peer);
      if (missing === undefined) peers.push(peer);
      else notes.add(`${peer.name} was left out: ${missing}`);
    }
    const samples = new Map<string, (Figures | undefined)[]>(peers.map((peer) => [peer.name, []]));
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? peers : peers.toReversed();
      const results = await this.#runRound(order, workload, timing, quick);
      for (const { name } of peers) {
        const result = results[name] ?? { broken: "no result" };
        if ("broken" in result) {
          broken.push(`${name}, round ${round + 1}: ${result.broken}`);
          samples.get(name)?.push(undefined);
        } else {
          for (const note of result.notes) notes.add(note);
          samples.get(name)?.push(result.figures);
        }
      }
    }
    return { workload, samples, notes: [...notes], broken };
  }

  #missing({ program, runtime = "bun" }: Peer): string | undefined {
    if (runtime === "bun") return undefined;
    const found =
      runtime === "built"
        ? existsSync(path.join(buildFolder, program))
        : this.#runtimes[runtime] !== undefined;
    return found ? undefined : MISSING[runtime];
  }

  async #runRound(
    peers: readonly Peer[],
    workload: Workload,
    timing: Timing,
    quick: boolean,
  ): Promise<RoundResult> {
    const [serverCpu, generatorCpu] = this.environment.pinned ?? [];
    const jobOf = ({ client, quickClient }: Pick<Peer, "client" | "quickClient">): Peer["client"] =>
      quick ? (quickClient ?? client) : client;
    const client = jobOf(workload) ?? workload.client;
    const servers = await Promise.all(
      peers.map(async (peer): Promise<ServerCommand> => ({
        peer: peer.name,
        command: [...onCpu(serverCpu), ...(await this.#commandOf(peer)), ...(peer.args ?? [])],
        client: jobOf(peer) ?? client,
        compiles: peer.runtime === undefined || peer.runtime === "bun" || peer.runtime === "node",
        answers: peer.runtime !== "built",
      })),
    );
    const request: RoundRequest = { servers, client, timing };
    const child = Bun.spawn(
      [...onCpu(generatorCpu), process.execPath, measureProgram, JSON.stringify(request)],
      { stdin: "pipe", stdout: "pipe", stderr: "inherit", timeout: ROUND_DEADLINE_MS },
    );
    const output = await child.stdout.text();
    await child.exited;
    try {
      return JSON.parse(output) as RoundResult;
    } catch {
      const broken = `the generator ended with ${child.exitCode ?? child.signalCode} and no result`;
      return Object.fromEntries(peers.map(({ name }) => [name, { broken }]));
    }
  }

  async #commandOf({ program: file, runtime = "bun", root = here }: Peer): Promise<string[]> {
    if (runtime === "built") return [path.join(buildFolder, file)];
    const program = path.join(root, "bench/peers", file);
    if (runtime === "bun") return [process.execPath, program];
    const interpreter = this.#runtimes[runtime]?.program ?? runtime;
    // asyncore's own words about its end would be all that a reader sees.
    if (runtime !== "node") return [interpreter, "-W", "ignore", program];
    // Node does not run TypeScript everywhere: it gets the same source, bundled.
    let bundle = this.#bundles.get(program);
    if (bundle === undefined) {
      const built = await Bun.build({ entrypoints: [program], target: "node", format: "esm" });
      bundle = path.join(tmpdir(), `asyncore-bench-${process.pid}-${path.parse(program).name}.mjs`);
      await Bun.write(bundle, (await built.outputs[0]?.text()) ?? "");
      this.#bundles.set(program, bundle);
    }
    return [interpreter, "--expose-gc", bundle];
  }

  /** Removes what was made for Node. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const bundle of this.#bundles.values()) await Bun.file(bundle).delete();
  }
}

function onCpu(cpu: number | undefined): string[] {
  return cpu === undefined ? [] : ["taskset", "-c", String(cpu)];
}
