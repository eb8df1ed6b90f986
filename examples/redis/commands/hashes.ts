/** Commands on hashes. */
import type { Client } from "../client.ts";
import { wrongArity } from "../command-error.ts";
import { type Command, ONE_KEY } from "../command-table.ts";
import { removeEmpty } from "../keyspace.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

function hset(request: RequestParser, reply: Replies, { keys }: Client): void {
  if (request.count % 2 !== 0) throw wrongArity("hset");
  let hash = keys.hash(request, 1);
  if (hash === undefined) {
    hash = new Map();
    keys.add(request, 1, hash);
  }
  const before = hash.size;
  for (let index = 2; index < request.count; index += 2) {
    hash.set(request.text(index), request.text(index + 1));
  }
  reply.integer(hash.size - before);
}

function hget(request: RequestParser, reply: Replies, { keys }: Client): void {
  const value = keys.hash(request, 1)?.get(request.text(2));
  if (value === undefined) reply.nil();
  else reply.bulk(value);
}

function hgetall(request: RequestParser, reply: Replies, { keys }: Client): void {
  const hash = keys.hash(request, 1);
  reply.map(hash?.size ?? 0);
  if (hash === undefined) return;
  for (const [field, value] of hash) {
    reply.bulk(field);
    reply.bulk(value);
  }
}

function hdel(request: RequestParser, reply: Replies, { keys }: Client): void {
  const hash = keys.hash(request, 1);
  let deleted = 0;
  for (let index = 2; index < request.count; index++) {
    if (hash?.delete(request.text(index)) === true) deleted++;
  }
  if (hash?.size === 0) removeEmpty(request, keys);
  reply.integer(deleted);
}

function hlen(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.hash(request, 1)?.size ?? 0);
}

export const hashCommands: readonly Command[] = [
  { name: "hset", arity: -4, flags: "write denyoom fast", keys: ONE_KEY, run: hset },
  { name: "hget", arity: 3, flags: "readonly fast", keys: ONE_KEY, run: hget },
  { name: "hgetall", arity: 2, flags: "readonly", keys: ONE_KEY, run: hgetall },
  { name: "hdel", arity: -3, flags: "write fast", keys: ONE_KEY, run: hdel },
  { name: "hlen", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: hlen },
];
