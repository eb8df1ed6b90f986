/**
 * Runs a workload: every round is a fresh generator with a fresh server per peer, and every second round has the peers
 * in reverse order, so that a machine that gets slower or busier hits all alike. Knows nothing of what is measured.
 */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import path from "node:path";

import { findRuntimes, MISSING } from "./runtimes.ts";
import type { Figures, Peer, RoundRequest, RoundResult, Timing, Workload } from "./workload.ts";

const peersFolder = path.join(import.meta.dir, "../peers");
const measureProgram = path.join(import.meta.dir, "measure.ts");
const ROUND_DEADLINE_MS = 110_000;

/** What the rounds of one workload brought. */
export interface WorkloadResult {
  readonly workload: Workload;
  /** Per peer, one entry per round; undefined where the run broke. */
  readonly samples: ReadonlyMap<string, readonly (Figures | undefined)[]>;
  readonly notes: readonly string[];
  readonly broken: readonly string[];
}

/** The machine, for the head of the report. */
export interface Environment {
  readonly bun: string;
  /** Versions; undefined where there is none. */
  readonly node: string | undefined;
  readonly python: string | undefined;
  readonly kernel: string;
  readonly cpu: string;
  readonly load: number;
  /** CPU of the server and of the generator; undefined when they cannot be pinned. */
  readonly pinned: readonly [number, number] | undefined;
  /** Why not. */
  readonly unpinned: string | undefined;
}

export class Runner {
  readonly environment: Environment;
  readonly #runtimes = findRuntimes();
  readonly #bundles = new Map<string, string>();

  constructor() {
    const allowed = allowedCpus();
    const taskset = Bun.which("taskset");
    const [serverCpu, generatorCpu] = allowed;
    const pinned =
      taskset !== null && serverCpu !== undefined && generatorCpu !== undefined
        ? ([serverCpu, generatorCpu] as const)
        : undefined;
    this.environment = {
      bun: Bun.version,
      node: this.#runtimes.node?.version,
      python: this.#runtimes.python?.version,
      kernel: release(),
      cpu: `${allowed.length} x ${cpus()[0]?.model ?? "unknown"}`,
      load: loadavg()[0] ?? 0,
      pinned,
      unpinned:
        pinned === undefined ? (taskset === null ? "no taskset here" : "only one CPU here") : undefined,
    };
  }

  async run(workload: Workload, rounds: number, timing: Timing): Promise<WorkloadResult> {
    const notes = new Set<string>();
    const broken: string[] = [];
    const peers: Peer[] = [];
    for (const peer of workload.peers) {
      const { name, runtime = "bun" } = peer;
      if (runtime === "bun" || this.#runtimes[runtime] !== undefined) peers.push(peer);
      else notes.add(`${name} was left out: ${MISSING[runtime]}`);
    }
    const samples = new Map<string, (Figures | undefined)[]>(peers.map((peer) => [peer.name, []]));
    for (let round = 0; round < rounds; round++) {
      const results = await this.#runRound(round % 2 === 0 ? peers : peers.toReversed(), workload, timing);
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

  async #runRound(peers: readonly Peer[], workload: Workload, timing: Timing): Promise<RoundResult> {
    const [serverCpu, generatorCpu] = this.environment.pinned ?? [];
    const servers = await Promise.all(
      peers.map(async (peer) => ({
        peer: peer.name,
        command: [...onCpu(serverCpu), ...(await this.#commandOf(peer)), ...(peer.args ?? [])],
      })),
    );
    const request: RoundRequest = { servers, client: workload.client, timing };
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

  async #commandOf({ program: file, runtime = "bun" }: Peer): Promise<string[]> {
    const program = path.join(peersFolder, file);
    if (runtime === "bun") return [process.execPath, program];
    const interpreter = this.#runtimes[runtime]?.program ?? runtime;
    // Its own words about asyncore's end would be all that a reader sees.
    if (runtime === "python") return [interpreter, "-W", "ignore", program];
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

function allowedCpus(): number[] {
  const line = /^Cpus_allowed_list:\s+(.+)$/mu.exec(readFileSync("/proc/self/status", "latin1"));
  const list: number[] = [];
  for (const part of (line?.[1] ?? "0").split(",")) {
    const [first = 0, last = first] = part.split("-").map(Number);
    for (let cpu = first; cpu <= last; cpu++) list.push(cpu);
  }
  return list;
}
