/** Programs that are not ours (netcat, swaks, Python), for the tests of the examples. Each is ended by its process id. */
import { python } from "../integration/support/python.ts";
import { within } from "../support/until.ts";

/** A command with its input and output in our hands. */
export class Foreign implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #collected: Promise<unknown>;

  constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#collected = Promise.all([this.#collect("stdout"), this.#collect("stderr")]);
  }

  async #collect(from: "stdout" | "stderr"): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child[from]) this[from] += decoder.decode(chunk, { stream: true });
  }

  /** Writes to its standard input; resolves when the pipe has taken it. */
  async tell(text: string): Promise<void> {
    const { stdin } = this.#child;
    const written = stdin.write(text);
    await within(Promise.all([written, stdin.flush()]), "room in the pipe");
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    await this.#child.stdin.end();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its exit code, once it has ended and all its output is here. @throws {TooLate} */
  async ended(): Promise<number> {
    const all = Promise.all([this.#child.exited, this.#collected]);
    return (await within(all, `the end of the program; stderr: ${this.stderr}`))[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

const PRELUDE = `
import json, re, select, smtplib, socket, sys, threading
from email.message import EmailMessage
socket.setdefaulttimeout(20)
def connect(buffers=None):
    sock = socket.socket()
    if buffers:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
    sock.connect(("127.0.0.1", int(sys.argv[1])))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
def read_all(sock):
    data = bytearray()
    while chunk := sock.recv(65536):
        data += chunk
    return data.decode("latin-1")
def tell(value):
    print(json.dumps(value), flush=True)
`;

/** A Python program that finds the port in `connect()`; it also has `read_all(sock)`, and `tell(value)` for JSON. */
export function pythonProgram(port: number, code: string, ...args: string[]): Foreign {
  if (python === undefined) throw new Error("no Python: this test should have been skipped");
  return new Foreign([python, "-c", PRELUDE + code, String(port), ...args]);
}

/** Runs such a program to its end. @returns what it told @throws {Error} it failed */
export async function askPython(port: number, code: string, ...args: string[]): Promise<unknown> {
  await using program = pythonProgram(port, code, ...args);
  const exitCode = await program.ended();
  if (exitCode !== 0) throw new Error(`Python ended with ${exitCode}: ${program.stderr}`);
  return JSON.parse(program.stdout);
}

/** OpenBSD's netcat, which the tests' options are for. */
export const hasNetcat: boolean =
  Bun.which("nc") !== null && Bun.spawnSync(["nc", "-h"]).stderr.includes("OpenBSD");

/** netcat to a port of this machine: our lines to it, its output to us; it sends FIN when its input ends. */
export function netcat(port: number): Foreign {
  return new Foreign(["nc", "-N", "127.0.0.1", String(port)]);
}
