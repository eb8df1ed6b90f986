/** Commands on keys, whatever their values are. */
import { deadline, integer } from "../arguments.ts";
import type { Client } from "../client.ts";
import { CommandError, cString, syntaxError } from "../command-error.ts";
import { ALL_KEYS, type Command, NO_KEY, ONE_KEY } from "../command-table.ts";
import { globMatches } from "../glob.ts";
import type { Value } from "../keyspace.ts";
import { List } from "../list.ts";
import { MemberSet } from "../member-set.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";
import { SortedSet } from "../sorted-set.ts";

function del(request: RequestParser, reply: Replies, { keys }: Client): void {
  let deleted = 0;
  for (let index = 1; index < request.count; index++) {
    const key = keys.find(request, index);
    if (key === undefined) continue;
    keys.remove(key);
    deleted++;
  }
  reply.integer(deleted);
}

function exists(request: RequestParser, reply: Replies, { keys }: Client): void {
  let found = 0;
  for (let index = 1; index < request.count; index++) {
    if (keys.find(request, index) !== undefined) found++;
  }
  reply.integer(found);
}

function typeOf(value: Value | undefined): string {
  if (value === undefined) return "none";
  if (typeof value === "string") return "string";
  if (value instanceof List) return "list";
  if (value instanceof MemberSet) return "set";
  return value instanceof SortedSet ? "zset" : "hash";
}

function expire(name: string, unitMs: number): Command["run"] {
  return (request, reply, { keys }) => {
    const options = expireOptions(request);
    const at = deadline(request, 2, unitMs, Date.now(), name);
    const key = keys.find(request, 1);
    if (key === undefined) {
      reply.integer(0);
      return;
    }
    const isVolatile = key.deadline !== 0;
    const old = isVolatile ? key.deadline : Infinity;
    const refused =
      (options.has("NX") && isVolatile) ||
      (options.has("XX") && !isVolatile) ||
      (options.has("GT") && at <= old) ||
      (options.has("LT") && at >= old);
    if (!refused) keys.expireAt(key, at);
    reply.integer(refused ? 0 : 1);
  };
}

function expireOptions(request: RequestParser): ReadonlySet<string> {
  const options = new Set<string>();
  for (let index = 3; index < request.count; index++) {
    const word = request.text(index);
    if (!/^(?:NX|XX|GT|LT)$/iu.test(word)) throw new CommandError(`ERR Unsupported option ${cString(word)}`);
    options.add(word.toUpperCase());
  }
  if (options.has("NX") && options.size > 1) {
    throw new CommandError("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (options.has("GT") && options.has("LT")) {
    throw new CommandError("ERR GT and LT options at the same time are not compatible");
  }
  return options;
}

function ttl(unitMs: number): Command["run"] {
  return (request, reply, { keys }) => {
    const at = keys.find(request, 1)?.deadline;
    if (at === undefined) reply.integer(-2);
    else reply.integer(at === 0 ? -1 : Math.floor((Math.max(0, at - Date.now()) + unitMs / 2) / unitMs));
  };
}

function persist(request: RequestParser, reply: Replies, { keys }: Client): void {
  const key = keys.find(request, 1);
  const isVolatile = key !== undefined && key.deadline !== 0;
  if (isVolatile) keys.persist(key);
  reply.integer(isVolatile ? 1 : 0);
}

function allKeys(request: RequestParser, reply: Replies, { keys }: Client): void {
  const pattern = request.text(1);
  const found: string[] = [];
  keys.scan(0, Infinity, ({ key }) => {
    if (globMatches(pattern, key)) found.push(key);
  });
  reply.array(found.length);
  for (const key of found) reply.bulk(key);
}

function scan(request: RequestParser, reply: Replies, { keys }: Client): void {
  // Whatever strtoul() takes.
  const cursor = /^[+-]?[0-9]*$/u.test(request.text(1)) ? Number(request.text(1)) : Infinity;
  if (Math.abs(cursor) >= 2 ** 64) throw new CommandError("ERR invalid cursor");
  let pattern = "*";
  let type: string | undefined;
  let count = 10;
  for (let index = 2; index < request.count; index += 2) {
    if (index + 1 === request.count) throw syntaxError;
    if (request.is(index, "MATCH")) pattern = request.text(index + 1);
    else if (request.is(index, "TYPE")) type = request.text(index + 1).toLowerCase();
    else if (request.is(index, "COUNT")) {
      count = integer(request, index + 1);
      if (count < 1) throw syntaxError;
    } else throw syntaxError;
  }
  const found: string[] = [];
  const next = keys.scan(Math.max(0, cursor), count, ({ key, value }) => {
    if (globMatches(pattern, key) && (type ?? typeOf(value)) === typeOf(value)) found.push(key);
  });
  reply.array(2);
  reply.bulk(String(next));
  reply.array(found.length);
  for (const key of found) reply.bulk(key);
}

function flush(request: RequestParser, reply: Replies, { keys }: Client): void {
  const mode =
    request.count === 1 || (request.count === 2 && (request.is(1, "SYNC") || request.is(1, "ASYNC")));
  if (!mode) throw syntaxError;
  keys.clear();
  reply.ok();
}

export const keyCommands: readonly Command[] = [
  { name: "del", arity: -2, flags: "write", keys: ALL_KEYS, run: del },
  { name: "unlink", arity: -2, flags: "write fast", keys: ALL_KEYS, run: del },
  { name: "exists", arity: -2, flags: "readonly fast", keys: ALL_KEYS, run: exists },
  {
    name: "type",
    arity: 2,
    flags: "readonly fast",
    keys: ONE_KEY,
    run: (request, reply, { keys }) => reply.status(typeOf(keys.find(request, 1)?.value)),
  },
  { name: "expire", arity: -3, flags: "write fast", keys: ONE_KEY, run: expire("expire", 1000) },
  { name: "pexpire", arity: -3, flags: "write fast", keys: ONE_KEY, run: expire("pexpire", 1) },
  { name: "ttl", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: ttl(1000) },
  { name: "pttl", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: ttl(1) },
  { name: "persist", arity: 2, flags: "write fast", keys: ONE_KEY, run: persist },
  { name: "keys", arity: 2, flags: "readonly", keys: NO_KEY, run: allKeys },
  { name: "scan", arity: -2, flags: "readonly", keys: NO_KEY, run: scan },
  {
    name: "dbsize",
    arity: 1,
    flags: "readonly fast",
    keys: NO_KEY,
    run: (_request, reply, { keys }) => reply.integer(keys.size),
  },
  { name: "flushall", arity: -1, flags: "write", keys: NO_KEY, run: flush },
  { name: "flushdb", arity: -1, flags: "write", keys: NO_KEY, run: flush },
];
