// Tells each client the address it comes from, also through HAProxy. Try it: `bun examples/proxy-protocol.ts`, put the
// lines below into who.cfg, `haproxy -db -f who.cfg`, `curl telnet://127.0.0.1:8014`, and type. The server itself takes
// only connections with a PROXY header: `curl --haproxy-protocol http://127.0.0.1:8013` is one.
//
//   defaults
//     timeout connect 5s
//     timeout client 1m
//     timeout server 1m
//   listen who
//     mode tcp
//     bind 127.0.0.1:8014
//     server us 127.0.0.1:8013 send-proxy-v2 proxy-v2-options crc32c
import { Dispatcher, formatAddress } from "asyncore";
import { serve } from "asyncore/server";

class Who extends Dispatcher {
  override handleRead(): void {
    if (this.recv().length > 0 && this.addr !== undefined) this.send(`you are ${formatAddress(this.addr)}\n`);
  }
  override handleClose(): void {
    this.close();
  }
}

const server = serve(
  {
    hostname: process.env["HOST"] ?? "127.0.0.1",
    port: Number(process.env["PORT"] ?? 8013),
    proxyProtocol: { trusted: ["127.0.0.0/8", "::1"] },
    drainOn: true,
  },
  Who,
);
console.log(`behind a proxy on ${formatAddress(server.address)}`);
