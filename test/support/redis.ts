/** The real redis-server, in a folder of its own, on a unix socket and nothing else; and where its tools are. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { RespConnection } from "./resp.ts";
import { until } from "./until.ts";

const program: string | null = Bun.which("redis-server");
/** Only what is said here is compared with: the words of error messages change between versions. */
const version: string =
  program === null
    ? ""
    : (/ v=(\d+\.\d+)\./.exec(Bun.spawnSync([program, "--version"]).stdout.toString())?.[1] ?? "");

/** Whether there is one to compare with. */
export const hasRedis: boolean = version === "7.0";
/** For the names of tests that are skipped. */
export const noRedis: string = hasRedis
  ? ""
  : ` (SKIPPED: ${program === null ? "no redis-server" : `redis-server is ${version}, not 7.0`})`;

export const redisCli: string | null = Bun.which("redis-cli");
export const redisBenchmark: string | null = Bun.which("redis-benchmark");
/** For the names of tests that are skipped. */
export const noTools: string =
  redisCli === null || redisBenchmark === null ? " (SKIPPED: no redis-cli or redis-benchmark)" : "";

export class RealRedis implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #child: Bun.Subprocess;

  private constructor(options: readonly string[]) {
    this.#folder = mkdtempSync(path.join(tmpdir(), "asyncore-redis-"));
    this.path = path.join(this.#folder, "redis.sock");
    const own = ["--port", "0", "--unixsocket", this.path, "--dir", this.#folder];
    const volatile = ["--save", "", "--appendonly", "no", "--daemonize", "no"];
    this.#child = Bun.spawn([program ?? "redis-server", ...own, ...volatile, ...options], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
  }

  /** Starts it and waits until it answers. */
  static async start(...options: readonly string[]): Promise<RealRedis> {
    const redis = new RealRedis(options);
    let answered = false;
    const tries = async (): Promise<void> => {
      while (!answered && redis.#child.exitCode === null) {
        using connection = redis.connect();
        connection.send("PING\r\n");
        await until(() => connection.ended || connection.received !== "", "an answer");
        answered = connection.received === "+PONG\r\n";
        if (!answered) await Bun.sleep(5);
      }
    };
    const trying = tries();
    try {
      await until(() => answered || redis.#child.exitCode !== null, "redis-server answers");
      await trying;
      if (!answered) throw new Error(`redis-server ended with ${redis.#child.exitCode}`);
      return redis;
    } catch (error) {
      await redis[Symbol.asyncDispose]();
      throw error;
    }
  }

  connect(): RespConnection {
    return new RespConnection({ path: this.path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#folder, { recursive: true });
  }
}
