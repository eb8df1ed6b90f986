/** The receiving programs `peers/peer.ts` and `peers/peer.py`: one process for each language and behaviour. */
import type { Address } from "asyncore";

import { Program } from "./program.ts";
import { python } from "./python.ts";
import type { Report } from "./stream.ts";

export type Behaviour = "fast" | "slow" | "chatty" | "half-closing" | "stalled";
export const behaviours: readonly Behaviour[] = ["fast", "slow", "chatty", "half-closing", "stalled"];

export type Language = "Bun" | "Python";
export const languages: readonly Language[] = ["Bun", "Python"];

/** What TLS a transfer goes through; none: in plain. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** One process; any number of transfers, each with an id. */
export class Peer {
  readonly #program: Program;
  #ids = 0;

  constructor(program: Program) {
    this.#program = program;
  }

  nextId(): number {
    return ++this.#ids;
  }
  connect(id: number, to: Address, tls?: TlsVersion): void {
    this.#program.tell({ id, do: "connect", to, tls });
  }
  /** Listens at `at` for one connection. @returns the address */
  async listen(id: number, at: Address, tls?: TlsVersion): Promise<Address> {
    this.#program.tell({ id, do: "listen", at, tls });
    const answer = await this.#program.answer(
      (one) => one["id"] === id && one["listening"] !== undefined,
      "the address",
    );
    return answer["listening"] as Address;
  }
  /** Lets a stalled transfer go on. */
  resume(id: number): void {
    this.#program.tell({ id, do: "resume" });
  }
  /** What was received, once the transfer has ended. */
  async report(id: number): Promise<Report> {
    const answer = await this.#program.answer(
      (one) => one["id"] === id && one["end"] !== undefined,
      "the report",
    );
    const { bytes, sha256, end, badAt } = answer as unknown as Report;
    return { bytes, sha256, end, badAt };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

const running = new Map<string, Peer>();

/** The peer of that kind, started on first use. */
export function peer(language: Language, behaviour: Behaviour): Peer {
  const key = `${language} ${behaviour}`;
  let found = running.get(key);
  if (found === undefined) {
    found = new Peer(start(language, behaviour));
    running.set(key, found);
  }
  return found;
}

function start(language: Language, behaviour: Behaviour): Program {
  if (language === "Bun") return Program.bun("peer.ts", [behaviour]);
  if (python === undefined) throw new Error("no Python");
  return new Program([python, `${import.meta.dirname}/../peers/peer.py`, behaviour]);
}

/** Ends all of them. */
export async function closePeers(): Promise<void> {
  const peers = [...running.values()];
  running.clear();
  await Promise.all(peers.map((one) => one[Symbol.asyncDispose]()));
}
