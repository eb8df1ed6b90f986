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
import { closeAll, Dispatcher, formatAddress, type Socket } from "asyncore";
import {
  type ProxyHeader,
  type ProxyOutcome,
  proxyPolicy,
  type ProxyProtocolError,
  ProxyReader,
} from "asyncore/server";

class Who extends Dispatcher {
  override handleRead(): void {
    if (this.recv().length > 0 && this.addr !== undefined) this.send(`you are ${formatAddress(this.addr)}\n`);
  }
  override handleClose(): void {
    this.close();
  }
}

const policy = proxyPolicy({ trusted: ["127.0.0.0/8", "::1"] });

class Server extends Dispatcher implements ProxyOutcome {
  override handleAccepted(socket: Socket): void {
    new ProxyReader(socket, policy, this);
  }
  proxyRead(socket: Socket, header: ProxyHeader | undefined): void {
    // The proxy's own connection, to see whether we are there.
    if (header?.command === "local") socket.close();
    else new Who(socket);
  }
  proxyFailed(_socket: Socket, error: ProxyProtocolError): void {
    this.logInfo(error.message, "error");
  }
}

const server = new Server();
server.createSocket();
server.setReuseAddr();
server.bind([process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8013)]);
server.listen();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`behind a proxy on ${formatAddress(server.getsockname())}`);
