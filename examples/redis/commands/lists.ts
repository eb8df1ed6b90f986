/** Commands on lists. */
import { integer, positive } from "../arguments.ts";
import type { Client } from "../client.ts";
import { wrongArity } from "../command-error.ts";
import { type Command, ONE_KEY } from "../command-table.ts";
import { removeEmpty } from "../keyspace.ts";
import { List } from "../list.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

function push(request: RequestParser, reply: Replies, { keys }: Client, left: boolean): void {
  let list = keys.list(request, 1);
  if (list === undefined) {
    list = new List();
    keys.add(request, 1, list);
  }
  for (let index = 2; index < request.count; index++) {
    if (left) list.pushLeft(request.text(index));
    else list.pushRight(request.text(index));
  }
  reply.integer(list.length);
}

function pop(request: RequestParser, reply: Replies, { keys }: Client, left: boolean): void {
  if (request.count > 3) throw wrongArity(left ? "lpop" : "rpop");
  const wanted = request.count === 3 ? positive(request, 2) : undefined;
  const list = keys.list(request, 1);
  if (list === undefined) {
    if (wanted === undefined) reply.nil();
    else reply.nilArray();
    return;
  }
  let count = 1;
  if (wanted !== undefined) {
    count = Math.min(wanted, list.length);
    reply.array(count);
  }
  for (; count > 0; count--) reply.bulk(left ? list.popLeft() : list.popRight());
  if (list.length === 0) removeEmpty(request, keys);
}

function lrange(request: RequestParser, reply: Replies, { keys }: Client): void {
  let start = integer(request, 2);
  let stop = integer(request, 3);
  const list = keys.list(request, 1);
  const length = list?.length ?? 0;
  if (start < 0) start = Math.max(0, start + length);
  if (stop < 0) stop += length;
  stop = Math.min(stop, length - 1);
  reply.array(Math.max(0, stop - start + 1));
  if (list === undefined) return;
  for (let index = start; index <= stop; index++) reply.bulk(list.at(index));
}

function llen(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.list(request, 1)?.length ?? 0);
}

export const listCommands: readonly Command[] = [
  {
    name: "lpush",
    arity: -3,
    flags: "write denyoom fast",
    keys: ONE_KEY,
    run: (request, reply, client) => push(request, reply, client, true),
  },
  {
    name: "rpush",
    arity: -3,
    flags: "write denyoom fast",
    keys: ONE_KEY,
    run: (request, reply, client) => push(request, reply, client, false),
  },
  {
    name: "lpop",
    arity: -2,
    flags: "write fast",
    keys: ONE_KEY,
    run: (request, reply, client) => pop(request, reply, client, true),
  },
  {
    name: "rpop",
    arity: -2,
    flags: "write fast",
    keys: ONE_KEY,
    run: (request, reply, client) => pop(request, reply, client, false),
  },
  { name: "lrange", arity: 4, flags: "readonly", keys: ONE_KEY, run: lrange },
  { name: "llen", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: llen },
];
