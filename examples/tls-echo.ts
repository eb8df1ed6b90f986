// An echo server with TLS. Try it: make a certificate with the first command, run this, and type into the second.
//
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 30 \
//     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
//   openssl s_client -connect 127.0.0.1:8443 -servername localhost -CAfile cert.pem -quiet
//
// PORT and HOST choose the address, TLS_KEY and TLS_CERT the files. SIGHUP has them read again: connections from then on
// are shown the new certificate, the others go on. Ctrl-C ends it.
import { AF_INET, closeAll, Dispatcher, formatAddress, type Socket, type TlsOptions } from "asyncore";

const { HOST = "127.0.0.1", PORT = "8443", TLS_KEY = "key.pem", TLS_CERT = "cert.pem" } = process.env;
// An options object is read once, files included: a new one reads them again.
const tls = (): TlsOptions => ({ key: TLS_KEY, cert: TLS_CERT });

class Echo extends Dispatcher {
  override handleRead(): void {
    this.send(this.recv());
  }
  override handleClose(): void {
    this.close();
  }
}

class Server extends Dispatcher {
  // Clients whose handshake failed are told as warnings, which are not written by default.
  static override ignoreLogTypes = new Set<string>();

  override handleAccepted(socket: Socket): void {
    const { protocol, cipher } = socket.tls ?? {};
    this.logInfo(`${formatAddress(socket.getpeername())} speaks ${protocol} with ${cipher}`);
    new Echo(socket);
  }
  renew(): void {
    try {
      this.startTls(tls());
      this.logInfo("read the certificate again");
    } catch (error) {
      this.logInfo(`still the old certificate: ${String(error)}`, "error");
    }
  }
}

const server = new Server();
server.createSocket({ family: AF_INET, tls: tls() });
server.setReuseAddr();
server.bind([HOST, Number(PORT)]);
server.listen();
process.on("SIGHUP", () => server.renew());
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`TLS echo on ${formatAddress(server.getsockname())}`);
