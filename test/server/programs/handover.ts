/**
 * A server that on SIGUSR1 starts its successor with its listening descriptor, waits until that serves, and drains. Each
 * answers with its generation. Prints `port N`, and `drained {report}`.
 */
import { Dispatcher } from "asyncore";
import { serve } from "asyncore/server";

const generation = Number(process.env["GENERATION"] ?? 1);

class Generation extends Dispatcher {
  override handleRead(): void {
    if (this.recv().length > 0) this.send(String(generation));
  }
  override handleClose(): void {
    this.close();
  }
}

const server = serve(generation === 1 ? {} : { fd: 3 }, Generation);
console.log(`port ${server.address[1]}`);

async function handOver(): Promise<void> {
  const child = Bun.spawn([process.execPath, import.meta.path], {
    env: { ...process.env, GENERATION: String(generation + 1) },
    stdio: ["ignore", "pipe", "inherit", server.fd],
  });
  console.log(`successor ${child.pid}`);
  // Its first line: it listens.
  await child.stdout.getReader().read();
  console.log(`drained ${JSON.stringify(await server.drain(5000))}`);
  child.unref();
}
process.on("SIGUSR1", () => void handOver());
