/** HAProxy itself, with its configuration in a folder of its own and nothing but loopback to listen on. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { AF_INET, Dispatcher } from "asyncore";

import { until } from "./until.ts";

const program: string | null = Bun.which("haproxy", {
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`,
});

/** Whether there is one; else the tests with it are skipped. */
export const hasHAProxy: boolean = program !== null;
/** For the names of tests that are skipped. */
export const noHAProxy: string = hasHAProxy ? "" : " (SKIPPED: no haproxy on the PATH)";

export class HAProxy implements AsyncDisposable {
  readonly folder: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #reserved: Reserved[];
  output = "";

  /**
   * `config` gets the folder and, for its `bind` lines, what stands for each of the `ports` free ports of 127.0.0.1: these
   * are bound before HAProxy starts, so that nobody else can have them.
   */
  private constructor(
    config: (binds: readonly string[], folder: string) => string,
    reserved: Reserved[],
    folder: string,
  ) {
    this.#reserved = reserved;
    this.folder = folder;
    const file = path.join(folder, "haproxy.cfg");
    const common = `
global
  maxconn 200
defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
`;
    writeFileSync(
      file,
      common +
        config(
          reserved.map((_, index) => `fd@${index + 3}`),
          folder,
        ),
    );
    this.#child = Bun.spawn<"ignore", "pipe", "pipe">([program ?? "haproxy", "-db", "-f", file], {
      stdio: ["ignore", "pipe", "pipe", ...reserved.map((socket) => socket.fileno())],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) void this.#collect(stream);
  }

  /** Starts it and waits until every port accepts. Those connections are relayed like any other. */
  static async start(
    ports: number,
    config: (binds: readonly string[], folder: string) => string,
    prepare?: (folder: string) => void,
  ): Promise<HAProxy> {
    const reserved = Array.from({ length: ports }, () => new Reserved());
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-haproxy-"));
    prepare?.(folder);
    const proxy = new HAProxy(config, reserved, folder);
    try {
      for (const port of proxy.ports) {
        let open = false;
        const tries = async (): Promise<void> => {
          while (!open && proxy.#child.exitCode === null) {
            try {
              const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
              open = true;
              socket.terminate();
            } catch {
              // Not yet: refused.
              await Bun.sleep(5);
            }
          }
        };
        void tries();
        await until(() => open || proxy.#child.exitCode !== null, "HAProxy accepts");
        if (!open) throw new Error(`HAProxy ended: ${proxy.output}`);
      }
      return proxy;
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  get ports(): number[] {
    return this.#reserved.map(({ port }) => port);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.output += decoder.decode(chunk, { stream: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    for (const socket of this.#reserved) socket.abort();
    rmSync(this.folder, { recursive: true });
  }
}

/** A port that is bound and not listened on, whose descriptor a child gets. */
class Reserved extends Dispatcher {
  readonly port: number;

  constructor() {
    super();
    this.createSocket(AF_INET);
    this.delChannel();
    this.bind(["127.0.0.1", 0]);
    this.port = (this.getsockname() as [string, number])[1];
  }
}
