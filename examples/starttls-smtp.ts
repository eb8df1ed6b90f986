// An SMTP server that takes mail only behind STARTTLS (RFC 3207), and prints it. Try it: TLS_KEY and TLS_CERT name a key and
// a certificate (tls-echo.ts says how to make them); `swaks --tls --server 127.0.0.1:8026 --to you@example.org` sends.
import { AF_INET, AsyncChat, closeAll, Dispatcher, formatAddress, type Socket } from "asyncore";

const { HOST = "127.0.0.1", PORT = "8026", TLS_KEY = "key.pem", TLS_CERT = "cert.pem" } = process.env;

class Session extends AsyncChat {
  #line: Buffer[] = [];
  /** Lines of the message, between DATA and the dot. */
  #message: string[] | undefined;

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\r\n");
    this.push("220 ready\r\n");
  }
  override collectIncomingData(data: Buffer): void {
    this.#line.push(data);
  }
  override foundTerminator(): void {
    const line = Buffer.concat(this.#line.splice(0)).toString("latin1");
    if (this.#message !== undefined && line !== ".") return void this.#message.push(line.replace(/^\./, ""));
    const answer = this.#answer(line.replace(/ .*/, "").toUpperCase());
    this.push(`${answer}\r\n`);
    if (answer.startsWith("221")) return this.close();
    // Throws when the client has said more in plaintext: that may be anybody's, and must not count as said through TLS.
    if (answer.startsWith("220")) this.startTls({ key: TLS_KEY, cert: TLS_CERT });
  }

  #answer(verb: string): string {
    const protocol = this.socket?.tls?.protocol;
    if (verb === "EHLO") return protocol === undefined ? "250-hello\r\n250 STARTTLS" : "250 hello";
    if (verb === "QUIT") return "221 bye";
    if (verb === "STARTTLS") return protocol === undefined ? "220 go ahead" : "503 it is on";
    if (protocol === undefined) return "530 STARTTLS first";
    if (verb === "." && this.#message !== undefined) console.log(`${protocol}: ${this.#message.join(" | ")}`);
    this.#message = verb === "DATA" ? [] : undefined;
    return verb === "DATA" ? "354 go on, and end with a dot" : "250 OK";
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    new Session(socket);
  }
}
const server = new Server();
server.createSocket(AF_INET);
server.bind([HOST, Number(PORT)]);
server.listen();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => closeAll());
console.log(`SMTP with STARTTLS on ${formatAddress(server.getsockname())}`);
