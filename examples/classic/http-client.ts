// The HTTP client of asyncore's manual, moved line by line. Try it: `bun examples/classic/http-client.ts 127.0.0.1 8080 /`.
// examples/http-client.ts is the same program in the core's names.
import * as asyncore from "asyncore/classic";

class http_client extends asyncore.dispatcher {
  path: string;
  buffer: Buffer;

  constructor(host: string, port: number, path: string) {
    super();
    this.path = path;
    this.create_socket(asyncore.AF_INET, asyncore.SOCK_STREAM);
    this.connect([host, port]);
    this.buffer = Buffer.from(`GET ${this.path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  }

  override handle_connect() {}

  override handle_read() {
    const data = this.recv(8192);
    process.stdout.write(data);
  }

  override writable() {
    return this.buffer.length > 0;
  }

  override handle_write() {
    const sent = this.send(this.buffer);
    this.buffer = this.buffer.subarray(sent);
  }

  // The manual's has none; a program that is run from a shell says by its exit code that it failed.
  override handle_error(error: unknown) {
    console.error(`http-client: ${String(error)}`);
    process.exitCode = 1;
    this.close();
  }
}

const [host = "127.0.0.1", port = "80", path = "/"] = process.argv.slice(2);
const client = new http_client(host, Number(port), path);
process.once("SIGINT", () => client.abort());
await asyncore.loop();
