/**
 * Names to addresses, one question for each family and all at the same time (RFC 8305 §3). The resolver can be replaced;
 * whatever it does, {@link resolve} neither throws nor rejects.
 */
import dns from "node:dns/promises";

import { AF_INET6 } from "../base/constants.ts";
import { ArgumentTypeError, type OSError, toOSError } from "../base/errors.ts";
import { ipVersion } from "../base/ip-address.ts";

/**
 * Looks up the addresses of `host` in one family, the best first; an empty list when it has none. `signal` is aborted as
 * soon as nobody waits for the answer. What it throws or rejects with counts as no answer, and is told with the failure
 * of the connect.
 */
export type Lookup = (
  host: string,
  family: 4 | 6,
  signal: AbortSignal,
) => readonly string[] | Promise<readonly string[]>;

/** The system's resolver: getaddrinfo(3). `localhost` and names below it are the loopback addresses (RFC 6761 §6.3). */
export const systemLookup: Lookup = async (host, family) => {
  if (/^(.+\.)?localhost\.?$/i.test(host)) return [family === 6 ? "::1" : "127.0.0.1"];
  const found = await dns.lookup(host, { family, all: true });
  return found.map(({ address }) => address);
};

/** Who hears the answers, one for each family. */
export interface Answers {
  answered(family: number, addresses: readonly string[], error?: OSError): void;
}

/** Asks `lookup` for the addresses of `host` in each of `families`. */
export function resolve(
  host: string,
  families: readonly number[],
  lookup: Lookup,
  signal: AbortSignal,
  answers: Answers,
): void {
  for (const family of families) void resolveOne(host, family, lookup, signal, answers);
}

async function resolveOne(
  host: string,
  family: number,
  lookup: Lookup,
  signal: AbortSignal,
  answers: Answers,
): Promise<void> {
  const version = family === AF_INET6 ? 6 : 4;
  let found: readonly string[];
  try {
    found = await lookup(host, version, signal);
    for (const address of found) {
      if (ipVersion(address) !== version) {
        throw new ArgumentTypeError(`lookup: ${JSON.stringify(address)} is no IPv${version} address`);
      }
    }
  } catch (error) {
    answers.answered(family, [], toOSError(error, { syscall: "getaddrinfo", address: host }, "EAI_FAIL"));
    return;
  }
  answers.answered(family, found);
}
