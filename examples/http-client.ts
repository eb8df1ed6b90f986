// The HTTP client of asyncore's manual. Try it: `bun examples/http-client.ts 127.0.0.1 8080 /`. With LOOP=1 its hooks
// run under `await loop()`, as in Python; without, as Bun reports events. The program is the same.
import { Dispatcher, loop } from "asyncore";

class HttpClient extends Dispatcher {
  #buffer: Buffer;

  constructor(host: string, port: number, path: string) {
    super();
    this.createSocket();
    this.connect([host, port]);
    this.#buffer = Buffer.from(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  }

  override handleConnect(): void {}

  override handleRead(): void {
    process.stdout.write(this.recv(8192));
  }

  override writable(): boolean {
    return this.#buffer.length > 0;
  }

  override handleWrite(): void {
    const sent = this.send(this.#buffer);
    this.#buffer = this.#buffer.subarray(sent);
  }

  override handleError(error: unknown): void {
    console.error(`http-client: ${String(error)}`);
    process.exitCode = 1;
    this.close();
  }
}

const [host = "127.0.0.1", port = "80", path = "/"] = process.argv.slice(2);
const client = new HttpClient(host, Number(port), path);
process.once("SIGINT", () => client.abort());
if (process.env["LOOP"] === "1") await loop();
