/** Commands on strings. */
import { deadline, int64, invalidExpire } from "../arguments.ts";
import type { Client } from "../client.ts";
import { CommandError, notAnInteger, overflow, syntaxError, wrongArity } from "../command-error.ts";
import { ALL_KEYS, type Command, ONE_KEY } from "../command-table.ts";
import { INT64_MAX, INT64_MIN, parseInt64 } from "../numbers.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

function get(request: RequestParser, reply: Replies, { keys }: Client): void {
  const value = keys.text(request, 1);
  if (value === undefined) reply.nil();
  else reply.bulk(value);
}

function set(request: RequestParser, reply: Replies, client: Client): void {
  if (request.count > 3) {
    setWithOptions(request, reply, client);
    return;
  }
  client.keys.set(request, 1, request.text(2));
  reply.ok();
}

const TIMES: Readonly<Record<string, readonly [unitMs: number, relative: boolean]>> = {
  EX: [1000, true],
  PX: [1, true],
  EXAT: [1000, false],
  PXAT: [1, false],
};

interface SetOptions {
  readonly onlyIf: "NX" | "XX" | undefined;
  readonly get: boolean;
  readonly keepTtl: boolean;
  readonly expiresAt: number | undefined;
}

function setOptions(request: RequestParser): SetOptions {
  let onlyIf: "NX" | "XX" | undefined;
  let wantsOld = false;
  let keepTtl = false;
  let time: readonly [word: string, at: number, unitMs: number, relative: boolean] | undefined;
  for (let index = 3; index < request.count; index++) {
    const word = request.text(index).toUpperCase();
    const unit = Object.hasOwn(TIMES, word) ? TIMES[word] : undefined;
    if ((word === "NX" || word === "XX") && (onlyIf ?? word) === word) onlyIf = word;
    else if (word === "GET") wantsOld = true;
    else if (word === "KEEPTTL" && time === undefined) keepTtl = true;
    else if (unit !== undefined && (time?.[0] ?? word) === word && !keepTtl && index + 1 < request.count) {
      time = [word, ++index, ...unit];
    } else throw syntaxError;
  }
  let expiresAt: number | undefined;
  if (time !== undefined) {
    const [, at, unitMs, relative] = time;
    if (int64(request, at) <= 0) throw invalidExpire("set");
    expiresAt = deadline(request, at, unitMs, relative ? Date.now() : 0, "set");
  }
  return { onlyIf, get: wantsOld, keepTtl, expiresAt };
}

function setWithOptions(request: RequestParser, reply: Replies, { keys }: Client): void {
  const { onlyIf, get: wantsOld, keepTtl, expiresAt } = setOptions(request);
  const old = wantsOld ? keys.text(request, 1) : undefined;
  const found = keys.find(request, 1);
  const refused = onlyIf !== undefined && (found !== undefined) !== (onlyIf === "XX");
  if (!refused) {
    const value = request.text(2);
    if (keepTtl && found !== undefined) found.value = value;
    else {
      const key = keys.set(request, 1, value);
      if (expiresAt !== undefined) keys.expireAt(key, expiresAt);
    }
  }
  if (wantsOld && old !== undefined) reply.bulk(old);
  else if (wantsOld || refused) reply.nil();
  else reply.ok();
}

function mset(request: RequestParser, reply: Replies, { keys }: Client): void {
  if (request.count % 2 === 0) throw wrongArity("mset");
  for (let index = 1; index < request.count; index += 2) {
    keys.set(request, index, request.text(index + 1));
  }
  reply.ok();
}

function mget(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.array(request.count - 1);
  for (let index = 1; index < request.count; index++) {
    const value = keys.find(request, index)?.value;
    if (typeof value === "string") reply.bulk(value);
    else reply.nil();
  }
}

function append(request: RequestParser, reply: Replies, { keys, host }: Client): void {
  const key = keys.findText(request, 1);
  const text = (key?.value ?? "") + request.text(2);
  if (text.length > host.limits.maxBulkBytes) {
    throw new CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  }
  if (key === undefined) keys.add(request, 1, text);
  else key.value = text;
  reply.integer(text.length);
}

function strlen(request: RequestParser, reply: Replies, { keys }: Client): void {
  reply.integer(keys.text(request, 1)?.length ?? 0);
}

function add(request: RequestParser, reply: Replies, { keys }: Client, by: number | bigint): void {
  const key = keys.findText(request, 1);
  const old = parseInt64(key?.value ?? "0");
  if (old === undefined) throw notAnInteger;
  let sum: number | bigint = typeof old === "number" && typeof by === "number" ? old + by : Number.NaN;
  if (!Number.isSafeInteger(sum)) {
    sum = BigInt(old) + BigInt(by);
    if (sum > INT64_MAX || sum < INT64_MIN) throw overflow;
  }
  if (key === undefined) keys.add(request, 1, String(sum));
  else key.value = String(sum);
  reply.integer(sum);
}

function decrby(request: RequestParser, reply: Replies, client: Client): void {
  const by = int64(request, 2);
  if (by === INT64_MIN) throw new CommandError("ERR decrement would overflow");
  add(request, reply, client, -by);
}

export const stringCommands: readonly Command[] = [
  { name: "get", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: get },
  { name: "set", arity: -3, flags: "write denyoom", keys: ONE_KEY, run: set },
  { name: "mset", arity: -3, flags: "write denyoom", keys: [1, -1, 2], run: mset },
  { name: "mget", arity: -2, flags: "readonly fast", keys: ALL_KEYS, run: mget },
  { name: "append", arity: 3, flags: "write denyoom fast", keys: ONE_KEY, run: append },
  { name: "strlen", arity: 2, flags: "readonly fast", keys: ONE_KEY, run: strlen },
  {
    name: "incr",
    arity: 2,
    flags: "write denyoom fast",
    keys: ONE_KEY,
    run: (request, reply, client) => add(request, reply, client, 1),
  },
  {
    name: "decr",
    arity: 2,
    flags: "write denyoom fast",
    keys: ONE_KEY,
    run: (request, reply, client) => add(request, reply, client, -1),
  },
  {
    name: "incrby",
    arity: 3,
    flags: "write denyoom fast",
    keys: ONE_KEY,
    run: (request, reply, client) => add(request, reply, client, int64(request, 2)),
  },
  { name: "decrby", arity: 3, flags: "write denyoom fast", keys: ONE_KEY, run: decrby },
];
