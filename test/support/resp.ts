/** The Redis protocol, for tests: requests as bytes, replies cut out of what comes, a connection that is not ours. */
import net from "node:net";

import { until } from "./until.ts";

/** An argument: text stands for its UTF-8 bytes. */
export type Argument = string | number | Buffer;

/** A request of several arguments. */
export function encode(...args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

const LENGTHY = "$=";
/** How many replies belong to one of these, for each that its number counts. */
const NESTED: Readonly<Record<string, number>> = { "*": 1, "~": 1, "%": 2, ">": 1 };

/** Where the reply that begins at `at` ends; -1 when it is incomplete. @throws {Error} it is none */
export function replyEnd(bytes: string, at: number): number {
  const line = bytes.indexOf("\r\n", at);
  if (line < 0) return -1;
  const kind = bytes[at] ?? "";
  const end = line + 2;
  if ("+-:_,#(".includes(kind)) return end;
  const size = Number(bytes.slice(at + 1, line));
  if (!Number.isInteger(size)) throw new Error(`no reply: ${JSON.stringify(bytes.slice(at, at + 80))}`);
  if (size < 0) return end;
  if (LENGTHY.includes(kind)) return end + size + 2 <= bytes.length ? end + size + 2 : -1;
  const nested = NESTED[kind];
  if (nested === undefined) throw new Error(`no reply: ${JSON.stringify(bytes.slice(at, at + 80))}`);
  let next = end;
  for (let left = size * nested; left > 0 && next >= 0; left--) next = replyEnd(bytes, next);
  return next;
}

/** The replies in `bytes`, each as it is; what is incomplete at the end is left out. */
export function splitReplies(bytes: string): string[] {
  const replies: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = replyEnd(bytes, at);
    if (end < 0) break;
    replies.push(bytes.slice(at, end));
    at = end;
  }
  return replies;
}

/** The elements of an array, a set or a map, sorted; anything else as it is. For what comes in no order. */
export function sortedElements(reply: string): readonly string[] {
  const head = reply.slice(0, reply.indexOf("\r\n") + 2);
  const nested = NESTED[reply[0] ?? ""];
  if (nested === undefined) return [reply];
  const elements = splitReplies(reply.slice(head.length));
  const groups = Array.from({ length: elements.length / nested }, (_, index) =>
    elements.slice(index * nested, (index + 1) * nested).join(""),
  );
  return [head, ...groups.sort()];
}

/** A connection that keeps everything it receives, as a binary string. */
export class RespConnection implements Disposable {
  received = "";
  ended = false;
  readonly #socket: net.Socket;

  constructor(address: { readonly port: number } | { readonly path: string }) {
    this.#socket = net.connect("port" in address ? { ...address, host: "127.0.0.1" } : address);
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => (this.received += chunk.toString("latin1")));
    this.#socket.on("close", () => (this.ended = true));
    this.#socket.on("error", () => (this.ended = true));
  }

  send(bytes: Buffer | string): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }
  /** Sends FIN. */
  end(): void {
    this.#socket.end();
  }
  /** Whether everything that was sent has left for the kernel. */
  get flushed(): boolean {
    return this.#socket.writableLength === 0;
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** Sends requests and waits for as many replies as there are. The connection had no others before. */
  async ask(requests: readonly Buffer[], deadlineMs?: number): Promise<string[]> {
    const nonce = `over-${Math.random()}`;
    const last = `$${nonce.length}\r\n${nonce}\r\n`;
    this.received = "";
    this.send(Buffer.concat([...requests, encode("ECHO", nonce)]));
    await until(() => this.ended || this.received.endsWith(last), "the last reply", deadlineMs);
    return splitReplies(this.received).slice(0, -1);
  }
  /** Sends one request and waits for its reply. */
  async call(...args: readonly Argument[]): Promise<string> {
    const [reply = ""] = await this.ask([encode(...args)]);
    return reply;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
