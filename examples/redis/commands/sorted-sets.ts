/** Commands on sorted sets. */
import { double, positive } from "../arguments.ts";
import type { Client } from "../client.ts";
import { CommandError, syntaxError } from "../command-error.ts";
import { type Command, ONE_KEY } from "../command-table.ts";
import { removeEmpty } from "../keyspace.ts";
import { formatDouble } from "../numbers.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";
import { SortedSet } from "../sorted-set.ts";

const ZADD_OPTIONS: ReadonlySet<string> = new Set(["NX", "XX", "GT", "LT", "CH", "INCR"]);

function zadd(request: RequestParser, reply: Replies, { keys }: Client): void {
  const options = new Set<string>();
  let first = 2;
  for (; first < request.count; first++) {
    const word = request.text(first).toUpperCase();
    if (!ZADD_OPTIONS.has(word)) break;
    options.add(word);
  }
  const pairs = (request.count - first) / 2;
  if (pairs < 1 || !Number.isInteger(pairs)) throw syntaxError;
  checkOptions(options, pairs);
  const scores: number[] = [];
  for (let index = first; index < request.count; index += 2) scores.push(double(request, index));

  const incr = options.has("INCR");
  let sorted = keys.sorted(request, 1);
  let result: number | undefined;
  let added = 0;
  let changed = 0;
  for (const [index, given] of scores.entries()) {
    const member = request.text(first + 2 * index + 1);
    const old = sorted?.score(member);
    const score = incr && old !== undefined ? old + given : given;
    if (Number.isNaN(score)) throw new CommandError("ERR resulting score is not a number (NaN)");
    if (options.has(old === undefined ? "XX" : "NX")) continue;
    if (old !== undefined && ((options.has("GT") && score <= old) || (options.has("LT") && score >= old)))
      continue;
    result = score;
    if (old === undefined) added++;
    else if (old !== score) changed++;
    if (sorted === undefined) {
      sorted = new SortedSet();
      keys.add(request, 1, sorted);
    }
    // Kept as 0, which a score of -0 is.
    sorted.set(member, score + 0);
  }
  if (!incr) reply.integer(options.has("CH") ? added + changed : added);
  else if (result === undefined) reply.nil();
  else reply.double(formatDouble(result));
}

function checkOptions(options: ReadonlySet<string>, pairs: number): void {
  const bounds = Number(options.has("GT")) + Number(options.has("LT"));
  if (options.has("NX") && options.has("XX")) {
    throw new CommandError("ERR XX and NX options at the same time are not compatible");
  }
  if (bounds + Number(options.has("NX")) > 1) {
    throw new CommandError("ERR GT, LT, and/or NX options at the same time are not compatible");
  }
  if (options.has("INCR") && pairs > 1) {
    throw new CommandError("ERR INCR option supports a single increment-element pair");
  }
}

function zpopmin(request: RequestParser, reply: Replies, { keys }: Client): void {
  if (request.count > 3) throw syntaxError;
  const wanted = request.count === 3 ? positive(request, 2) : undefined;
  const sorted = keys.sorted(request, 1);
  const count = Math.min(wanted ?? 1, sorted?.size ?? 0);
  // Version 3 has pairs where a count was given.
  const paired = reply.protocol === 3 && wanted !== undefined;
  reply.array(paired ? count : 2 * count);
  if (sorted === undefined) return;
  for (let left = count; left > 0; left--) {
    const { member, score } = sorted.popMin();
    if (paired) reply.array(2);
    reply.bulk(member);
    reply.double(formatDouble(score));
  }
  if (sorted.size === 0) removeEmpty(request, keys);
}

function zcard(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.sorted(request, 1)?.size ?? 0);
}

function zscore(request: RequestParser, reply: Replies, { keys }: Client): void {
  const score = keys.sorted(request, 1)?.score(request.text(2));
  if (score === undefined) reply.nil();
  else reply.double(formatDouble(score));
}

export const sortedSetCommands: readonly Command[] = [
  { name: "zadd", arity: -4, flags: "write denyoom fast", keys: ONE_KEY, run: zadd },
  { name: "zpopmin", arity: -2, flags: "write fast", keys: ONE_KEY, run: zpopmin },
  { name: "zcard", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: zcard },
  { name: "zscore", arity: 3, flags: "readonly fast", keys: ONE_KEY, run: zscore },
];
