/** Commands on sets. */
import { positive } from "../arguments.ts";
import type { Client } from "../client.ts";
import { syntaxError } from "../command-error.ts";
import { type Command, ONE_KEY } from "../command-table.ts";
import { removeEmpty } from "../keyspace.ts";
import { MemberSet } from "../member-set.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

function sadd(request: RequestParser, reply: Replies, { keys }: Client): void {
  let members = keys.members(request, 1);
  if (members === undefined) {
    members = new MemberSet();
    keys.add(request, 1, members);
  }
  let added = 0;
  for (let index = 2; index < request.count; index++) if (members.add(request.text(index))) added++;
  reply.integer(added);
}

function srem(request: RequestParser, reply: Replies, { keys }: Client): void {
  const members = keys.members(request, 1);
  let removed = 0;
  for (let index = 2; index < request.count; index++) {
    if (members?.delete(request.text(index)) === true) removed++;
  }
  if (members?.size === 0) removeEmpty(request, keys);
  reply.integer(removed);
}

function spop(request: RequestParser, reply: Replies, { keys }: Client): void {
  if (request.count > 3) throw syntaxError;
  const wanted = request.count === 3 ? positive(request, 2) : undefined;
  const members = keys.members(request, 1);
  if (wanted === undefined && members === undefined) {
    reply.nil();
    return;
  }
  let count = 1;
  if (wanted !== undefined) {
    count = Math.min(wanted, members?.size ?? 0);
    reply.set(count);
  }
  if (members === undefined) return;
  for (; count > 0; count--) reply.bulk(members.popRandom());
  if (members.size === 0) removeEmpty(request, keys);
}

function scard(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.members(request, 1)?.size ?? 0);
}

function sismember(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.members(request, 1)?.has(request.text(2)) === true ? 1 : 0);
}

function smembers(request: RequestParser, reply: Replies, { keys }: Client): void {
  const members = keys.members(request, 1);
  reply.set(members?.size ?? 0);
  if (members !== undefined) for (const member of members) reply.bulk(member);
}

export const setCommands: readonly Command[] = [
  { name: "sadd", arity: -3, flags: "write denyoom fast", keys: ONE_KEY, run: sadd },
  { name: "srem", arity: -3, flags: "write fast", keys: ONE_KEY, run: srem },
  { name: "spop", arity: -2, flags: "write fast", keys: ONE_KEY, run: spop },
  { name: "scard", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: scard },
  { name: "sismember", arity: 3, flags: "readonly fast", keys: ONE_KEY, run: sismember },
  { name: "smembers", arity: 2, flags: "readonly", keys: ONE_KEY, run: smembers },
];
