/**
 * The two key-value servers of `resp.ts` as processes, and one run of redis-benchmark on one of them. Every wait has a
 * deadline; an error reply, a server that ends or a benchmark that does not is an Error.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { cpuBetween, peakRss, readCpu } from "./process-cpu.ts";
import { within } from "./server-process.ts";

const RUN_DEADLINE_MS = 60_000;
const START_DEADLINE_MS = 20_000;
const LOOK_EVERY_MS = 10;

/** The programs that have to be there; their version as the report shows it. */
export interface RespTools {
  readonly server: string;
  readonly benchmark: string;
  readonly version: string;
}

/** Undefined where one of them is missing. */
export function findRespTools(): RespTools | undefined {
  const server = Bun.which("redis-server");
  const benchmark = Bun.which("redis-benchmark");
  if (server === null || benchmark === null) return undefined;
  const said = Bun.spawnSync([server, "--version"], { stdin: "ignore", stderr: "ignore" }).stdout.toString();
  return { server, benchmark, version: / v=(\S+)/u.exec(said)?.[1] ?? "of an unknown version" };
}

/** A server on a port of its own on the loopback interface, in memory only. */
export class RespServer implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly #child: Bun.Subprocess;
  readonly #folder: string;

  private constructor(name: string, command: readonly string[], port: number, folder: string) {
    this.name = name;
    this.port = port;
    this.#folder = folder;
    this.#child = Bun.spawn([...command], {
      cwd: folder,
      env: { ...process.env, HOST: "127.0.0.1", PORT: String(port) },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
  }

  /** Our example. @throws {Error} when it ends, or does not answer within the deadline */
  static ours(name: string, prefix: readonly string[]): Promise<RespServer> {
    const program = path.join(import.meta.dir, "../../examples/redis.ts");
    return RespServer.#start(name, () => [...prefix, process.execPath, program]);
  }

  /** redis-server, without persistence. @throws {Error} when it ends, or does not answer within the deadline */
  static redis(name: string, prefix: readonly string[], { server }: RespTools): Promise<RespServer> {
    const rest = ["--save", "", "--appendonly", "no", "--daemonize", "no"];
    const command = [...prefix, server, "--bind", "127.0.0.1", ...rest, "--port"];
    return RespServer.#start(name, (port) => [...command, String(port)]);
  }

  static async #start(name: string, command: (port: number) => readonly string[]): Promise<RespServer> {
    const port = freePort();
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-resp-"));
    const server = new RespServer(name, command(port), port, folder);
    try {
      const end = performance.now() + START_DEADLINE_MS;
      while (!(await server.#answers())) {
        const over = server.#child.exitCode ?? server.#child.signalCode;
        if (over !== null) throw new Error(`${name} ended with ${over}`);
        if (performance.now() > end) throw new Error(`${name} did not answer in ${START_DEADLINE_MS} ms`);
        await Bun.sleep(LOOK_EVERY_MS);
      }
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  // It does once it listens: before, the connection is refused.
  async #answers(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const refused = (): void => resolve(false);
    void Bun.connect({
      hostname: "127.0.0.1",
      port: this.port,
      socket: {
        open: (wire) => void wire.write("PING\r\n"),
        data(wire, chunk) {
          resolve(chunk.toString() === "+PONG\r\n");
          wire.end();
        },
        close: refused,
        error: refused,
      },
    }).catch(refused);
    return within(promise, `${this.name} to answer`, START_DEADLINE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// Free now: nobody else is told a port twice within seconds.
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** What redis-benchmark is to do. */
export interface RespLoad {
  /** As `-t` has it: ping_mbulk, set, get. */
  readonly test: string;
  /** Requests that a connection sends before it waits for their replies. */
  readonly pipeline: number;
  readonly connections: number;
  readonly requests: number;
}

/** Several runs together. Microseconds of CPU are the server's, all threads; the split is as coarse as the kernel's. */
export class RespTotal {
  requests = 0;
  /** By redis-benchmark's own clock. */
  seconds = 0;
  cpuUs = 0;
  userUs = 0;
  systemUs = 0;
  generatorUs = 0;
  /** Of the server, since its start. */
  peakRssBytes = 0;
  /** Of each run; none where redis-benchmark does not tell. */
  readonly p50Us: number[] = [];
  readonly p99Us: number[] = [];
}

/** One run; added to `total` where there is one. @throws {Error} an error among the replies, no result, no end */
export async function runRespLoad(
  { benchmark }: RespTools,
  prefix: readonly string[],
  server: RespServer,
  { test, pipeline, connections, requests }: RespLoad,
  total?: RespTotal,
): Promise<void> {
  const numbers = { p: server.port, c: connections, P: pipeline, n: requests };
  const options = Object.entries(numbers).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const before = readCpu(server.pid);
  const child = Bun.spawn([...prefix, benchmark, "--csv", "-h", "127.0.0.1", "-t", test, ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: RUN_DEADLINE_MS,
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const cpu = cpuBetween(before, readCpu(server.pid));
  const result = benchmarkResult(out);
  if (code !== 0 || result === undefined) {
    throw new Error(`redis-benchmark -t ${test} ended with ${code}: ${`${out}${err}`.trim()}`);
  }
  if (total === undefined) return;
  total.requests += requests;
  total.seconds += requests / result.perSecond;
  if (result.p50Us !== undefined) total.p50Us.push(result.p50Us);
  if (result.p99Us !== undefined) total.p99Us.push(result.p99Us);
  total.peakRssBytes = Math.max(total.peakRssBytes, peakRss(server.pid));
  total.cpuUs += cpu.totalUs;
  total.userUs += cpu.userUs;
  total.systemUs += cpu.systemUs;
  total.generatorUs += Number(child.resourceUsage()?.cpuTime.total ?? 0);
}

/** What one run of redis-benchmark tells. A latency is from sending a request, and those with it, to its reply. */
export interface BenchmarkResult {
  /** Requests. */
  readonly perSecond: number;
  /** Microseconds; an old redis-benchmark tells none. */
  readonly p50Us?: number;
  readonly p99Us?: number;
}

/**
 * Of what `redis-benchmark --csv` prints: a head, `"test","rps","avg_latency_ms",…`, then `"GET","123456.78","0.201",…`.
 * Undefined when there is no such line.
 */
export function benchmarkResult(csv: string): BenchmarkResult | undefined {
  const [head = [], row = []] = csv
    .split("\n")
    .map((line) => [...line.matchAll(/"([^"]*)"/gu)].map(([, cell = ""]) => cell));
  const value = (name: string): number => Number(row[head.indexOf(name)]);
  const perSecond = value("rps");
  if (!(perSecond > 0)) return undefined;
  const [p50Us, p99Us] = [value("p50_latency_ms") * 1000, value("p99_latency_ms") * 1000];
  return { perSecond, ...(p50Us >= 0 && { p50Us }), ...(p99Us >= 0 && { p99Us }) };
}
