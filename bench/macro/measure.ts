/**
 * One round: starts the servers, puts the load on them, prints one line of JSON, ends. A program of its own, so that
 * neither the load's garbage nor its JIT state reaches the next round; the runner pins it to another CPU than the
 * servers. Ends with whoever started it.
 */
import { ChurnLoad } from "./clients/churn.ts";
import { DatagramLoad } from "./clients/datagrams.ts";
import { EchoLoad } from "./clients/echo.ts";
import { FanoutLoad } from "./clients/fanout.ts";
import { measureIdle } from "./clients/idle.ts";
import { LinesLoad } from "./clients/lines.ts";
import { measurePasses } from "./clients/passes.ts";
import { TlsEchoLoad } from "./clients/tls-echo.ts";
import { measureInSlices } from "./slices.ts";
import type { RoundRequest, RoundResult } from "./workload.ts";

process.stdin.on("end", () => process.exit(1)).resume();

const { servers, client, timing } = JSON.parse(process.argv[2] ?? "") as RoundRequest;
console.log(JSON.stringify(await round()));
process.exit(0);

async function round(): Promise<RoundResult> {
  switch (client.kind) {
    case "echo":
      return measureInSlices(
        servers,
        client.connections,
        (server) => new EchoLoad(server.client.kind === "echo" ? server.client : client),
        timing,
      );
    case "tls-echo":
      return measureInSlices(servers, client.connections, () => new TlsEchoLoad(client), timing);
    case "lines":
      return measureInSlices(servers, client.connections, () => new LinesLoad(client), timing);
    case "datagrams":
      return measureInSlices(servers, client.connections, () => new DatagramLoad(client), timing);
    case "fanout":
      return measureInSlices(
        servers,
        client.subscribers,
        (server) => new FanoutLoad(server.client.kind === "fanout" ? server.client : client),
        timing,
      );
    case "churn":
      return measureInSlices(servers, client.atOnce, () => new ChurnLoad(client), timing);
    case "idle":
      return measureIdle(servers, client, timing);
    case "passes":
      return measurePasses(servers, client.channels, timing);
  }
}
