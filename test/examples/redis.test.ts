/** The key-value server of the examples, spoken to by everybody who speaks Redis: its own tools, ioredis, Bun's client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { Redis } from "ioredis";

import { Program } from "../support/program.ts";
import { noTools, redisBenchmark, redisCli } from "../support/redis.ts";
import { encode, RespConnection } from "../support/resp.ts";
import { until, within } from "../support/until.ts";

const example = "examples/redis.ts";

/** A program of Redis': its exit code, and what it said. */
async function run(command: readonly string[], input = ""): Promise<readonly [number, string]> {
  const child = Bun.spawn([...command], { stdin: Buffer.from(input), stdout: "pipe", stderr: "pipe" });
  const said = Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  try {
    const [code, out, err] = await within(said, `the end of ${command.join(" ")}`, 25_000);
    return [code, out + err];
  } finally {
    child.kill("SIGKILL");
  }
}

/** A number of INFO. */
async function info(connection: RespConnection, name: string): Promise<number> {
  return Number(new RegExp(`^${name}:(\\d+)`, "mu").exec(await connection.call("INFO"))?.[1]);
}

describe("redis.ts", () => {
  let server: Program;
  let port = 0;
  const connect = (): RespConnection => new RespConnection({ port });

  beforeAll(async () => {
    server = new Program([example], { PORT: "0" });
    port = await server.port();
  });
  afterAll(async () => {
    server.kill("SIGTERM");
    await within(server.exited, "the end of the server");
    expect([server.signal, server.stderr]).toEqual(["SIGTERM", ""]);
    await server[Symbol.asyncDispose]();
  });

  test.skipIf(noTools !== "")(`redis-cli gets what it asks for${noTools}`, async () => {
    const lines: readonly (readonly [said: string, answer: string])[] = [
      ["FLUSHALL", "OK"],
      ["PING", "PONG"],
      ['SET greeting "hello world" EX 100', "OK"],
      ["GET greeting", '"hello world"'],
      ["TTL greeting", "(integer) 100"],
      ['SET bytes "\\x00\\xff\\r\\n"', "OK"],
      ["GET bytes", '"\\x00\\xff\\r\\n"'],
      ["SET greeting bye NX", "(nil)"],
      ["INCR greeting", "(error) ERR value is not an integer or out of range"],
      ["INCR n", "(integer) 1"],
      ["RPUSH list a b c", "(integer) 3"],
      ["LRANGE list 0 -1", '1) "a"\n2) "b"\n3) "c"'],
      ["GET list", "(error) WRONGTYPE Operation against a key holding the wrong kind of value"],
      ["HSET hash f 1 g 2", "(integer) 2"],
      ["HGETALL hash", '1) "f"\n2) "1"\n3) "g"\n4) "2"'],
      ["DEL list hash nothing", "(integer) 2"],
      ["LRANGE list 0 -1", "(empty array)"],
      ["SCAN 0 MATCH gree*", '1) "0"\n2) 1) "greeting"'],
      ["CONFIG GET save", '1) "save"\n2) ""'],
      ["CLIENT SETNAME me", "OK"],
      ["CLIENT GETNAME", '"me"'],
      ["GET", "(error) ERR wrong number of arguments for 'get' command"],
      ["NONSENSE a b", "(error) ERR unknown command 'NONSENSE', with args beginning with: 'a' 'b' "],
    ];
    const [code, said] = await run(
      [redisCli ?? "", "-p", String(port), "--no-raw"],
      lines.map(([line]) => `${line}\n`).join(""),
    );
    expect([code, said]).toEqual([0, lines.map(([, answer]) => `${answer}\n`).join("")]);
  });

  test.skipIf(noTools !== "")(`redis-cli speaks version 3${noTools}`, async () => {
    const [code, said] = await run(
      [redisCli ?? "", "-p", String(port), "-3", "--no-raw"],
      "DEL h\nHSET h f v\nHGETALL h\nGET nothing\nZADD z 1.5 m\nZPOPMIN z 1\n",
    );
    const answers =
      '(integer) 0\n(integer) 1\n1# "f" => "v"\n(nil)\n(integer) 1\n1) 1) "m"\n   2) (double) 1.5\n';
    expect([code, said]).toEqual([0, answers]);
  });

  const BENCHMARKS =
    "PING_INLINE PING_MBULK SET GET INCR LPUSH RPUSH LPOP RPOP SADD HSET SPOP ZADD ZPOPMIN LPUSH " +
    "LRANGE_100 LRANGE_300 LRANGE_500 LRANGE_600 MSET";
  for (const [pipeline, ...more] of [["1"], ["16"], ["64"], ["16", "-r", "1000", "-d", "100"]]) {
    const what = `-P ${[pipeline, ...more].join(" ")}`;
    test.skipIf(noTools !== "")(
      `redis-benchmark's default set runs without an error, ${what}${noTools}`,
      async () => {
        const where = ["-p", String(port), "-P", pipeline ?? "", "-n", "2000", "-c", "20", "--csv", ...more];
        // It ends with 1 at the first reply that is an error.
        const [code, said] = await run([redisBenchmark ?? "", ...where]);
        const names = said.split("\n").map((line) => /^"(\w+)/u.exec(line)?.[1] ?? line);
        expect([code, names]).toEqual([0, ["test", ...BENCHMARKS.split(" "), ""]]);
      },
    );
  }

  test("ioredis: commands, binary values, errors, and a pipeline of 10,000", async () => {
    const redis = new Redis({ port, host: "127.0.0.1", connectionName: "ioredis", retryStrategy: null });
    try {
      expect(await redis.flushall()).toBe("OK");
      expect(await redis.client("GETNAME")).toBe("ioredis");
      const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      expect(await redis.set(value, value, "PX", 100_000)).toBe("OK");
      expect(await redis.getBuffer(value)).toEqual(value);
      expect(await redis.pttl(value)).toBeGreaterThan(0);
      expect(await redis.hset("h", { a: 1, b: "two" })).toBe(2);
      expect(await redis.hgetall("h")).toEqual({ a: "1", b: "two" });
      expect(await redis.rpush("l", "x", "y")).toBe(2);
      expect(await redis.lrange("l", 0, -1)).toEqual(["x", "y"]);
      expect(await redis.zadd("z", 2, "b", 1, "a")).toBe(2);
      expect(await redis.zpopmin("z")).toEqual(["a", "1"]);
      expect(redis.incr("l")).rejects.toThrow("WRONGTYPE");
      const pipeline = redis.pipeline();
      for (let index = 0; index < 5000; index++) pipeline.set(`key:${index}`, index).get(`key:${index}`);
      const results = (await pipeline.exec()) ?? [];
      const wrong = results.filter(
        ([error, reply], index) => error !== null || reply !== (index % 2 === 0 ? "OK" : String(index >> 1)),
      );
      expect([results.length, wrong]).toEqual([10_000, []]);
      const scanned: string[] = [];
      const match = { match: "key:*", count: 100 };
      for await (const keys of redis.scanStream(match)) scanned.push(...(keys as string[]));
      expect([scanned.length, new Set(scanned).size]).toEqual([5000, 5000]);
      expect(await redis.dbsize()).toBe(5004);
    } finally {
      redis.disconnect();
    }
  });

  test("Bun's RedisClient, which speaks version 3", async () => {
    const redis = new Bun.RedisClient(`redis://127.0.0.1:${port}`, { autoReconnect: false });
    try {
      await redis.send("FLUSHALL", []);
      expect(await redis.set("a", "ü")).toBe("OK");
      expect([await redis.get("a"), await redis.get("nothing")]).toEqual(["ü", null]);
      expect([await redis.incr("n"), await redis.exists("n"), await redis.ttl("n")]).toEqual([1, true, -1]);
      expect(await redis.send("HSET", ["h", "f", "v"])).toBe(1);
      expect(await redis.send("HGETALL", ["h"])).toEqual({ f: "v" });
      expect(await redis.sadd("s", "m")).toBe(1);
      expect(await redis.smembers("s")).toEqual(["m"]);
      expect(redis.send("INCR", ["a"])).rejects.toThrow("not an integer");
      const many = Array.from({ length: 10_000 }, (_, index) => redis.incrby("sum", index));
      expect((await Promise.all(many)).at(-1)).toBe((10_000 * 9999) / 2);
    } finally {
      redis.close();
    }
  });

  test("a pipeline of 10,000 in one go, and the same in pieces of every size, get the same replies", async () => {
    using connection = connect();
    const value = Buffer.alloc(100, "v");
    const requests = Array.from({ length: 10_000 }, (_, index) =>
      index % 3 === 0 ? encode("SET", `k${index % 7}`, value) : encode("GET", `k${index % 7}`),
    );
    await connection.call("FLUSHALL");
    await connection.ask(requests);
    const expected = await connection.ask(requests);
    expect(expected.length).toBe(10_000);
    const whole = Buffer.concat(requests);
    const pieces: Buffer[] = [];
    for (let at = 0, size = 1; at < whole.length; at += size, size = (size % 1500) + 1) {
      pieces.push(whole.subarray(at, at + size));
    }
    // Each by itself: pieces that lie in the kernel together would be one again.
    connection.received = "";
    for (const piece of pieces) {
      connection.send(piece);
      await until(() => connection.flushed, "the piece is on its way");
    }
    await until(() => connection.received.length >= expected.join("").length, "the replies");
    expect(connection.received === expected.join("")).toBe(true);
  });

  test("what was asked for before a FIN is answered", async () => {
    using connection = connect();
    connection.send("PING\r\nECHO hello\r\n");
    connection.end();
    await until(() => connection.ended, "the end");
    expect(connection.received).toBe("+PONG\r\n$5\r\nhello\r\n");
  });

  test("a large value comes back as it was, and is refused above the limit", async () => {
    await using limited = new Program([example], { PORT: "0", MAX_BULK_BYTES: String(8 * 1024 * 1024) });
    using connection = new RespConnection({ port: await limited.port() });
    const value = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef\r\n");
    expect(await connection.call("SET", "big", value)).toBe("+OK\r\n");
    const reply = await connection.call("GET", "big");
    expect(reply === `$${value.length}\r\n${value.toString("latin1")}\r\n`).toBe(true);
    expect(await connection.call("APPEND", "big", "x")).toBe(
      "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
    );
    connection.received = "";
    connection.send(`*2\r\n$4\r\nECHO\r\n$${value.length + 1}\r\n`);
    await until(() => connection.ended, "the end");
    expect(connection.received).toBe("-ERR Protocol error: invalid bulk length\r\n");
  });

  test("a request that never ends is cut", async () => {
    await using limited = new Program([example], { PORT: "0", MAX_REQUEST_BYTES: "1000000" });
    const limitedPort = await limited.port();
    using connection = new RespConnection({ port: limitedPort });
    using other = new RespConnection({ port: limitedPort });
    connection.send(`*1000000\r\n${"$1\r\nx\r\n".repeat(200_000)}`);
    await until(() => connection.ended, "the end");
    expect(connection.received).toBe("");
    expect(await other.call("PING")).toBe("+PONG\r\n");
    await until(() => limited.stdout.includes("a request of over 1000000 bytes"), "the complaint");
    limited.kill("SIGTERM");
    await limited.exited;
  });

  test("who does not read its replies is held back and gets all of them later", async () => {
    using greedy = connect();
    using other = connect();
    const item = "x".repeat(1000);
    await other.call("DEL", "items");
    await other.call("RPUSH", "items", ...Array.from({ length: 500 }, () => item));
    greedy.pause();
    // 500 MB of replies.
    const [request, count] = [encode("LRANGE", "items", 0, -1), 1000];
    greedy.send(Buffer.concat(Array.from({ length: count }, () => request)));
    const waiting = async (): Promise<number> =>
      Math.max(
        ...[...(await other.call("CLIENT", "LIST")).matchAll(/omem=(\d+)/gu)].map(([, bytes]) =>
          Number(bytes),
        ),
      );
    let most = 0;
    let queued = 0;
    do {
      queued = await waiting();
      most = Math.max(most, queued);
    } while (queued === 0);
    // Others are served meanwhile, and what waits stays at the mark and one reply more.
    for (let round = 0; round < 50; round++) most = Math.max(most, await waiting());
    expect(most).toBeLessThan(2 * 1024 * 1024 + 600_000);
    const size = `*500\r\n${`$1000\r\n${item}\r\n`.repeat(500)}`.length;
    let received = 0;
    greedy.resume();
    await until(
      () => {
        received += greedy.received.length;
        greedy.received = "";
        return received >= size * count;
      },
      "all replies",
      25_000,
    );
    expect(received).toBe(size * count);
    expect(await greedy.call("PING")).toBe("+PONG\r\n");
  });

  test("who asks for little at a time, and reads nothing, is held back too", async () => {
    using greedy = connect();
    using other = connect();
    const size = 5000;
    const reply = `$${size}\r\n${"x".repeat(size)}\r\n`;
    await other.call("SET", "one", "x".repeat(size));
    greedy.pause();
    // 15 MB of replies, and those to a chunk go out with its end.
    const [chunks, each] = [300, 10];
    const request = Buffer.concat(Array.from({ length: each }, () => encode("GET", "one")));
    let most = 0;
    for (let sent = 0; sent < chunks; sent++) {
      greedy.send(request);
      const list = await other.call("CLIENT", "LIST");
      for (const [, queued] of list.matchAll(/omem=(\d+)/gu)) most = Math.max(most, Number(queued));
    }
    // The mark is a megabyte, and some chunks hold more than was sent at a time.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(2 * 1024 * 1024);
    greedy.resume();
    const expected = reply.repeat(chunks * each);
    await until(() => greedy.received.length >= expected.length, "all replies", 25_000);
    expect(greedy.received === expected).toBe(true);
  });

  test("keys expire: for who asks at their time, and by themselves", async () => {
    using connection = connect();
    await connection.call("FLUSHALL");
    const before = await info(connection, "expired_keys");
    let value = "";
    const began = performance.now();
    await connection.call("SET", "soon", "x", "PX", 20);
    const asking = (async () => {
      do value = await connection.call("GET", "soon");
      while (value !== "$-1\r\n");
    })();
    await within(asking, "the end of the key");
    // The wall clock counts whole milliseconds.
    expect(performance.now() - began).toBeGreaterThanOrEqual(19);
    // Nobody asks for these.
    await connection.ask(
      Array.from({ length: 2000 }, (_, index) => encode("SET", `key:${index}`, "x", "PX", 50 + (index % 50))),
    );
    await connection.call("SET", "stays", "x", "EX", 1000);
    let left = 0;
    const sweeping = (async () => {
      do left = Number((await connection.call("DBSIZE")).slice(1));
      while (left > 1);
    })();
    await within(sweeping, "the sweep");
    expect(await info(connection, "expired_keys")).toBe(before + 2001);
    // Half a second is rounded up, and a busy machine may have taken longer.
    const ttl = Number((await connection.call("TTL", "stays")).slice(1));
    expect(ttl).toBeGreaterThan(900);
    expect(ttl).toBeLessThanOrEqual(1000);
  });

  test("a unix socket, INFO, COMMAND, and a client's own line", async () => {
    using connection = connect();
    expect(await info(connection, "connected_clients")).toBeGreaterThan(0);
    expect(await connection.call("COMMAND", "INFO", "get", "nonsense")).toBe(
      "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n" +
        `${"*0\r\n".repeat(4)}*-1\r\n`,
    );
    await connection.call("CLIENT", "SETINFO", "LIB-NAME", "tests");
    expect(await connection.call("CLIENT", "INFO")).toMatch(
      / addr=127\.0\.0\.1:\d+ .* lib-name=tests .* resp=2\n/u,
    );
    const path = `${process.env["TMPDIR"] ?? "/tmp"}/asyncore-redis-${process.pid}.sock`;
    await using local = new Program([example], { SOCKET: path });
    await until(() => local.stdout.includes("\n"), "the address");
    using client = new RespConnection({ path });
    expect(await client.call("PING")).toBe("+PONG\r\n");
  });
});
