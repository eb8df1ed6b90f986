/** The key-value server of the examples beside the real redis-server: the same bytes to both, the same replies. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { Random } from "asyncore/testing";

import { Program } from "../support/program.ts";
import { hasRedis, noRedis, RealRedis } from "../support/redis.ts";
import { type Argument, encode, RespConnection, sortedElements } from "../support/resp.ts";
import { until } from "../support/until.ts";

type Request = readonly Argument[];

/** How a reply may differ. */
const UNORDERED: ReadonlySet<string> = new Set(["smembers", "keys", "spop"]);
const PAIRS: ReadonlySet<string> = new Set(["hgetall", "config"]);
/** Numbers and versions of their own; only their kind is compared. */
const OTHERWISE: ReadonlySet<string> = new Set(["hello", "client", "command", "info", "scan"]);
const TIMED: ReadonlySet<string> = new Set(["ttl", "pttl"]);

/** Binary-safe, with everything that a protocol could trip over. */
const VALUES: readonly Argument[] = [
  "",
  "a",
  "hello",
  "0",
  "7",
  "-1",
  "00",
  "+1",
  " 1",
  "1.5",
  "9223372036854775807",
  "-9223372036854775808",
  "9007199254740993",
  "9223372036854775808",
  Buffer.from([0, 255, 13, 10, 36, 42]),
  Buffer.from("\r\n$3\r\nfoo\r\n"),
  "x".repeat(23),
  "y".repeat(24),
  "z".repeat(25),
  "v".repeat(5000),
];
const KEYS: readonly Argument[] = ["a", "b", "c", "d", Buffer.from([0, 1, 254]), ""];
const FIELDS: readonly Argument[] = ["f", "g", "h", Buffer.from([255, 0]), "1", "2"];
const INDEXES: readonly Argument[] = [0, 1, 2, -1, -2, -100, 100, "9223372036854775807", "-0", "x", "1.0"];
const SCORES: readonly Argument[] = [
  "0",
  "-0",
  "1",
  "1.5",
  "0.1",
  "-3.25",
  "1e20",
  "1e-7",
  "123456789012345678",
  "0.00001234",
  "inf",
  "-inf",
  "+inf",
  "nan",
  "abc",
  "1e400",
  ".5",
  "5.",
  "3e5",
  "Infinity",
  "",
  " 1",
];
const COUNTS: readonly Argument[] = [0, 1, 2, 5, -1, "x", "9223372036854775808"];
const TIMES: readonly Argument[] = [
  1000,
  "100000",
  0,
  -1,
  "x",
  "9223372036854775807",
  "9223372036854775",
  "-9e9",
];

type Maker = (random: Random) => Request;
const some = (random: Random, from: readonly Argument[], least: number, most: number): Argument[] =>
  Array.from({ length: random.integer(least, most) }, () => random.pick(from));
const key = (random: Random): Argument => random.pick(KEYS);
const value = (random: Random): Argument => random.pick(VALUES);
const mixedCase = (random: Random, name: string): string =>
  Array.from(name, (letter) => (random.chance(0.5) ? letter.toUpperCase() : letter)).join("");

const MAKERS: readonly Maker[] = [
  (r) => ["PING", ...some(r, VALUES, 0, 2)],
  (r) => ["ECHO", value(r)],
  (r) => ["SET", key(r), value(r)],
  (r) => ["SET", key(r), value(r)],
  (r) => ["SET", key(r), value(r), ...some(r, ["NX", "XX", "GET", "KEEPTTL", "get", "foo"], 0, 3)],
  (r) => ["SET", key(r), value(r), r.pick(["EX", "px"]), r.pick(TIMES)],
  (r) => ["SET", key(r), value(r), r.pick(["EXAT", "pxat"]), r.pick(["99999999999999", 0, -1, "x"])],
  (r) => ["SET", key(r), value(r), "EX", r.pick(TIMES), r.pick(["NX", "XX", "GET", "KEEPTTL", "EX"])],
  (r) => ["GET", key(r)],
  (r) => ["GET", key(r)],
  (r) => ["MGET", ...some(r, KEYS, 1, 4)],
  (r) => ["MSET", ...some(r, [...KEYS, ...VALUES], 1, 6)],
  (r) => ["APPEND", key(r), value(r)],
  (r) => ["STRLEN", key(r)],
  (r) => [r.pick(["INCR", "DECR"]), key(r)],
  (r) => [r.pick(["INCRBY", "DECRBY"]), key(r), value(r)],
  (r) => [r.pick(["DEL", "UNLINK", "EXISTS"]), ...some(r, KEYS, 1, 3)],
  (r) => ["TYPE", key(r)],
  (r) => [r.pick(["EXPIRE", "PEXPIRE"]), key(r), r.pick(TIMES)],
  (r) => [
    "EXPIRE",
    key(r),
    2050 + 100 * r.integer(0, 100_000),
    ...some(r, ["NX", "XX", "gt", "LT", "foo"], 0, 2),
  ],
  (r) => [r.pick(["TTL", "PTTL"]), key(r)],
  (r) => ["PERSIST", key(r)],
  (r) => ["KEYS", r.pick(["*", "?", "[a-c]", "[^a]", "a*", "\\a", "*a*", "[b", "[", "[]a]", ""])],
  () => ["DBSIZE"],
  (r) => (r.chance(0.2) ? [r.pick(["FLUSHALL", "FLUSHDB"]), ...some(r, ["SYNC", "foo"], 0, 2)] : ["DBSIZE"]),
  (r) => [r.pick(["LPUSH", "RPUSH"]), key(r), ...some(r, VALUES, 1, 8)],
  (r) => [r.pick(["LPOP", "RPOP"]), key(r)],
  (r) => [r.pick(["LPOP", "RPOP"]), key(r), ...some(r, COUNTS, 1, 2)],
  (r) => ["LRANGE", key(r), r.pick(INDEXES), r.pick(INDEXES)],
  (r) => ["LLEN", key(r)],
  (r) => ["SADD", key(r), ...some(r, FIELDS, 1, 5)],
  (r) => ["SREM", key(r), ...some(r, FIELDS, 1, 3)],
  (r) => ["SISMEMBER", key(r), r.pick(FIELDS)],
  (r) => ["SPOP", key(r), 100],
  (r) => ["SPOP", key(r), r.pick([0, -1, "x"]), ...some(r, [1], 0, 1)],
  (r) => [r.pick(["SCARD", "SMEMBERS"]), key(r)],
  (r) => ["HSET", key(r), ...some(r, [...FIELDS, ...VALUES], 1, 7)],
  (r) => ["HDEL", key(r), ...some(r, FIELDS, 1, 3)],
  (r) => ["HGET", key(r), r.pick(FIELDS)],
  (r) => [r.pick(["HGETALL", "HLEN"]), key(r)],
  (r) => ["ZADD", key(r), r.pick(SCORES), r.pick(FIELDS), ...some(r, [...SCORES, ...FIELDS], 0, 2)],
  (r) => [
    "ZADD",
    key(r),
    ...some(r, ["NX", "xx", "GT", "LT", "CH", "INCR"], 0, 3),
    r.pick(SCORES),
    r.pick(FIELDS),
  ],
  (r) => ["ZPOPMIN", key(r)],
  (r) => ["ZPOPMIN", key(r), r.pick(COUNTS), ...some(r, [1], 0, 1)],
  (r) => ["ZSCORE", key(r), r.pick(FIELDS)],
  (r) => ["ZCARD", key(r)],
  (r) => ["SELECT", r.pick(["0", "x", "100", "9223372036854775807", ""])],
  (r) => ["SCAN", r.pick(["x", "-1", ""])],
  (r) => ["SCAN", "0", r.pick(["COUNT", "MATCH", "foo"]), r.pick(["0", "x"]), ...some(r, ["COUNT"], 1, 1)],
  (r) => ["CLIENT", r.pick(["SETNAME", "getname", "foo", "ID"]), ...some(r, [...KEYS, "a b"], 2, 3)],
  (r) => ["CLIENT", "SETNAME", r.pick(["x", "", "a b", Buffer.from([200])])],
  () => ["CLIENT", "GETNAME"],
  (r) => [
    "CONFIG",
    r.pick(["GET", "foo"]),
    ...some(r, ["save", "appendonly", "SAV?", "proto-max-bulk-len"], 0, 2),
  ],
  (r) => ["COMMAND", r.pick(["foo", "COUNT"]), ...some(r, VALUES, 1, 3)],
  (r) => [
    "HELLO",
    r.pick(["2", "x", "4", "1", "9223372036854775808"]),
    ...some(r, ["AUTH", "SETNAME", "foo"], 1, 3),
  ],
  (r) => [r.pick(["foo", "", Buffer.from([0, 1]), "GETT", "x".repeat(200)]), ...some(r, VALUES, 0, 6)],
  // Too many and too few.
  (r) => [...random1(r), ...some(r, VALUES, 1, 2)],
  (r) => random1(r).slice(0, 1),
  (r) => random1(r).slice(0, -1),
];
function random1(random: Random): Request {
  return random.pick(MAKERS.slice(0, -3))(random);
}

function script(seed: number, length: number): Request[] {
  const random = new Random(seed);
  return Array.from({ length }, () => {
    const [name = "", ...args] = random.pick(MAKERS)(random);
    // One member at random: not the same one on both sides.
    if (name === "SPOP" && args.length === 1) args.push(100);
    return [typeof name === "string" ? mixedCase(random, name) : name, ...args];
  });
}

/** What is compared: the bytes, unless they may differ. */
function comparable(request: Request, reply: string): unknown {
  const name = String(request[0]).toLowerCase();
  if (reply.startsWith("-")) return reply;
  if (UNORDERED.has(name)) return sortedElements(reply);
  // Pairs in version 2 too.
  if (PAIRS.has(name))
    return sortedElements(
      reply.replace(/^[*%]\d+/u, (head) => (head[0] === "*" ? `%${Number(head.slice(1)) / 2}` : head)),
    );
  if (OTHERWISE.has(name)) return reply[0];
  const time = TIMED.has(name) && reply.startsWith(":") ? Number(reply.slice(1)) : 0;
  // Redis is asked a little earlier or later than we are.
  return time > 0 ? Math.round(time / (name === "ttl" ? 1000 : 1_000_000)) : reply;
}

const show = (request: Request): string =>
  request.map((arg) => JSON.stringify(Buffer.isBuffer(arg) ? arg.toString("latin1") : String(arg))).join(" ");

describe.skipIf(!hasRedis)(`redis.ts beside redis-server${noRedis}`, () => {
  let real: RealRedis;
  let ours: Program;
  let port = 0;

  beforeAll(async () => {
    real = await RealRedis.start("--proto-max-bulk-len", "1048576");
    ours = new Program(["examples/redis.ts"], { PORT: "0", MAX_BULK_BYTES: "1048576" });
    port = await ours.port();
  });
  afterAll(async () => {
    await ours[Symbol.asyncDispose]();
    await real[Symbol.asyncDispose]();
  });

  for (const protocol of [2, 3]) {
    for (let seed = 1; seed <= 8; seed++) {
      test(`random commands get the same replies (RESP${protocol}, seed ${seed})`, async () => {
        using theirs = real.connect();
        using own = new RespConnection({ port });
        const requests: Request[] = [["FLUSHALL"], ...script(1000 * protocol + seed, 3000)];
        const bytes = requests.map((request) => encode(...request));
        if (protocol === 3) for (const side of [theirs, own]) await side.call("HELLO", 3);
        const [expected, replies] = await Promise.all([theirs.ask(bytes), own.ask(bytes)]);
        const differences = requests.flatMap((request, index) => {
          const pair = [expected[index] ?? "none", replies[index] ?? "none"] as const;
          const [wanted, got] = pair.map((reply) => comparable(request, reply));
          return Bun.deepEquals(wanted, got) ? [] : [[`#${index} ${show(request)}`, ...pair]];
        });
        expect(differences.slice(0, 5)).toEqual([]);
        expect([replies.length, expected.length]).toEqual([requests.length, requests.length]);
      });
    }
  }

  test("doubles are read and written alike", async () => {
    using theirs = real.connect();
    using own = new RespConnection({ port });
    const random = new Random(3);
    const requests = Array.from({ length: 3000 }, () => {
      const short = `${random.integer(-99, 99)}e${random.integer(-30, 30)}`;
      const score = random.chance(0.3) ? short : String(random.bytes(8).readDoubleLE());
      return [encode("ZADD", "doubles", score, "m"), encode("ZSCORE", "doubles", "m")];
    }).flat();
    const [expected, got] = await Promise.all([theirs.ask(requests), own.ask(requests)]);
    const differences = requests.flatMap((request, index) =>
      got[index] === expected[index] ? [] : [[request.toString("latin1"), expected[index], got[index]]],
    );
    expect(differences.slice(0, 5)).toEqual([]);
  });

  /** Everything that comes back for `bytes` and a FIN, until the end of the stream. */
  async function conversation(connection: RespConnection, bytes: string): Promise<string> {
    connection.send(bytes);
    connection.end();
    await until(() => connection.ended, "the end");
    return connection.received;
  }
  async function both(bytes: string): Promise<[expected: string, got: string]> {
    using theirs = real.connect();
    using own = new RespConnection({ port });
    return Promise.all([conversation(theirs, bytes), conversation(own, bytes)]);
  }

  const after = "PING\r\n";
  const odd: readonly string[] = [
    "*abc\r\n",
    "*\r\n",
    "*-1\r\n",
    "*-0\r\n",
    "*0\r\n",
    "*-9223372036854775808\r\n",
    "*-9223372036854775809\r\n",
    "*01\r\n$4\r\nPING\r\n",
    "*+1\r\n$4\r\nPING\r\n",
    "* 1\r\n$4\r\nPING\r\n",
    "*1 \r\n$4\r\nPING\r\n",
    "*2147483648\r\n",
    "*9999999999999999999999\r\n",
    "*1\r\nfoo\r\n",
    "*1\r\n\n\r\n",
    "*1\r\n\xff\r\n",
    "*1\r\n\r\n",
    "*1\r\n:4\r\nPING\r\n",
    "*1\r\n$abc\r\n",
    "*1\r\n$\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$04\r\nPING\r\n",
    "*1\r\n$1048577\r\n",
    "*2\r\n$4\r\nECHO\r\n$1048577\r\n",
    "*1\r\n$99999999999999999999\r\n",
    // The bytes where a line's end belongs are not looked at.
    "*1\rX$4\rYPINGZZ",
    "*2\r\n$4\r\nECHO__$2\r\nhi__",
    "*1\r\n$0\r\n\r\n",
    "PING\r\n*x\r\n",
    "PING\r\nQUIT\r\nPING\r\n",
    "\r\n\r\n \r\n\n",
    "PING\n",
    "  ping  hello  \r\n",
    "\x0bPING\x0ca\r\n",
    'ECHO "hello world"\r\n',
    "ECHO 'it\\'s'\r\n",
    'ECHO "\\x41\\xfF\\n\\r\\t\\a\\b\\q\\\\\\"\\x4"\r\n',
    "ECHO 'a\\x41\\n'\r\n",
    '"ECHO" ""\r\n',
    'EC"HO" a\r\n',
    'ECHO "a\r\n',
    "ECHO 'a\r\n",
    'ECHO "a"b\r\n',
    "ECHO 'a'b\r\n",
    'ECHO "a\\\r\n',
    'ECHO a"b"\r\n',
    "PING\0\r\n",
    "PING\0\n*1\r\n$4\r\nPING\r\n",
    "*1\0\r\n$4\r\nPING\r\n",
    "\0\r\n",
    "\xff\xfe\r\n",
    "x".repeat(65_536),
    "x".repeat(65_537),
    `*${"1".repeat(65_535)}`,
    `*${"1".repeat(65_536)}`,
    `*1\r\n$${"1".repeat(65_535)}`,
    `*1\r\n$${"1".repeat(65_536)}`,
  ];
  test("what is no request gets the same answer, and the same end", async () => {
    for (const bytes of odd) {
      const [expected, got] = await both(bytes + (bytes.length > 60_000 ? "" : after));
      expect([bytes.slice(0, 99), got]).toEqual([bytes.slice(0, 99), expected]);
    }
  });

  const PIECES = [
    "*",
    "$",
    "\r",
    "\n",
    "\r\n",
    "0",
    "1",
    "2",
    "4",
    "-",
    "PING",
    "ECHO",
    " ",
    '"',
    "'",
    "\\",
    "x",
    "\0",
  ];
  test("random bytes get the same answer", async () => {
    const random = new Random(7);
    for (let round = 0; round < 400; round++) {
      const whole = random.chance(0.5) ? `*${random.integer(0, 2)}\r\n$4\r\nPING\r\n` : "";
      const bytes = whole + some(random, PIECES, 1, 12).join("") + random.pick(["", "\r\n", "\r\nPING\r\n"]);
      const [expected, got] = await both(bytes);
      expect([bytes, got]).toEqual([bytes, expected]);
    }
  });
});
