/**
 * One round: starts the servers, puts the load on them, prints one line of JSON, ends. A program of its own, so that
 * neither the load's garbage nor its JIT state reaches the next round; the runner pins it to another CPU than the
 * servers. Ends with whoever started it.
 */
import { EchoLoad } from "./clients/echo.ts";
import { measureIdle } from "./clients/idle.ts";
import { LinesLoad } from "./clients/lines.ts";
import { measurePasses } from "./clients/passes.ts";
import { measureInSlices } from "./slices.ts";
import type { RoundRequest, RoundResult } from "./workload.ts";

process.stdin.on("end", () => process.exit(1)).resume();

const { servers, client, timing } = JSON.parse(process.argv[2] ?? "") as RoundRequest;
console.log(JSON.stringify(await round()));
process.exit(0);

async function round(): Promise<RoundResult> {
  switch (client.kind) {
    case "echo":
      return measureInSlices(servers, client.connections, () => new EchoLoad(client), timing);
    case "lines":
      return measureInSlices(servers, client.connections, () => new LinesLoad(client), timing);
    case "idle":
      return measureIdle(servers, client);
    case "passes":
      return measurePasses(servers, client.channels, timing);
  }
}
