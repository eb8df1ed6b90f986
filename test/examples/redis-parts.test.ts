/** The parts of the key-value server, without a network, or with one in memory. */
import { describe, expect, test } from "bun:test";

import { ChannelMap, Dispatcher, streamLimits } from "asyncore";
import { memoryPair, Random, VirtualClock } from "asyncore/testing";

import { globMatches } from "../../examples/redis/glob.ts";
import { List } from "../../examples/redis/list.ts";
import { MemberSet } from "../../examples/redis/member-set.ts";
import { Replies } from "../../examples/redis/replies.ts";
import {
  defaultRequestLimits,
  type RequestLimits,
  RequestParser,
} from "../../examples/redis/request-parser.ts";
import { Service } from "../../examples/redis/service.ts";
import { Session } from "../../examples/redis/session.ts";
import { SortedSet } from "../../examples/redis/sorted-set.ts";
import { encode } from "../support/resp.ts";

const CRLF = "\r\n";

/** What a parser finds in `chunks`: each request's arguments, and at the end the fault if there is one. */
function parse(chunks: readonly Buffer[], limits?: RequestLimits): (readonly string[] | string)[] {
  const parser = new RequestParser(limits);
  const found: (readonly string[] | string)[] = [];
  for (const chunk of chunks) {
    if (!parser.push(chunk)) return [...found, "too long"];
    while (parser.next()) found.push(Array.from({ length: parser.count }, (_, index) => parser.text(index)));
    if (parser.fault !== undefined) return [...found, parser.fault];
    parser.keep();
  }
  return found;
}

describe("RequestParser", () => {
  const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const scripts: readonly (readonly [name: string, bytes: Buffer, found: (readonly string[] | string)[]])[] =
    [
      ["one argument", encode("PING"), [["PING"]]],
      ["empty arguments", encode("", ""), [["", ""]]],
      ["every byte", encode("SET", value, "\r\n"), [["SET", value.toString("latin1"), CRLF]]],
      ["twenty arguments", encode(...Array(20).fill("x")), [Array(20).fill("x") as string[]]],
      [
        "several requests",
        Buffer.concat([encode("GET", "a"), encode("SET", "key", "1234567890"), encode("PING")]),
        [["GET", "a"], ["SET", "key", "1234567890"], ["PING"]],
      ],
      [
        "requests of nothing",
        Buffer.from(`*0${CRLF}*-1${CRLF}${CRLF}  \n*1${CRLF}$1${CRLF}x${CRLF}`),
        [["x"]],
      ],
      [
        "inline",
        Buffer.from(`SET a "b c\\x00"${CRLF}GET 'a'\nPING${CRLF}`),
        [["SET", "a", "b c\0"], ["GET", "a"], ["PING"]],
      ],
      [
        "inline and not",
        Buffer.concat([Buffer.from("A b\n"), encode("C"), Buffer.from("D\n")]),
        [["A", "b"], ["C"], ["D"]],
      ],
      [
        "an unclosed quote",
        Buffer.from(`PING${CRLF}ECHO "a${CRLF}`),
        [["PING"], "unbalanced quotes in request"],
      ],
      ["a wrong count", Buffer.from(`PING${CRLF}*x${CRLF}`), [["PING"], "invalid multibulk length"]],
      ["a wrong length", Buffer.from(`*1${CRLF}$-5${CRLF}`), ["invalid bulk length"]],
      ["no length", Buffer.from(`*1${CRLF}+x${CRLF}`), ["expected '$', got '+'"]],
    ];

  for (const [name, bytes, found] of scripts) {
    test(`finds the same wherever the bytes are cut: ${name}`, () => {
      expect(parse([bytes])).toEqual(found);
      for (let cut = 1; cut < bytes.length; cut++) {
        expect([cut, parse([bytes.subarray(0, cut), bytes.subarray(cut)])]).toEqual([cut, found]);
      }
      for (const size of [1, 2, 3, 7]) {
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        expect([size, parse(chunks)]).toEqual([size, found]);
      }
    });
  }

  test("keeps to its limits", () => {
    const limits = { ...defaultRequestLimits, maxBulkBytes: 10, maxArguments: 3, maxRequestBytes: 60 };
    expect(parse([encode("x".repeat(10), "", "")], limits)).toEqual([["x".repeat(10), "", ""]]);
    expect(parse([encode("x".repeat(11))], limits)).toEqual(["invalid bulk length"]);
    expect(parse([encode("", "", "", "")], limits)).toEqual(["invalid multibulk length"]);
    // The bound is for what is unfinished: a chunk with many requests in it may be longer.
    const many = Buffer.concat([
      encode("a"),
      encode("b"),
      encode("c"),
      encode("d"),
      encode("e"),
      encode("f"),
    ]);
    expect(parse([many], limits).length).toBe(6);
    const start = Buffer.from(`*3${CRLF}$1${CRLF}x${CRLF}`);
    expect(parse([start, Buffer.alloc(60 - start.length, "$")], limits)).toEqual([]);
    expect(parse([start, Buffer.alloc(61 - start.length, "$")], limits)).toEqual(["too long"]);
  });

  test("costs no more than there are bytes when they come one at a time", () => {
    const args: string[] = Array(50_000).fill("abc") as string[];
    const bytes = encode(...args);
    const began = performance.now();
    const chunks = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    expect(parse(chunks)).toEqual([args]);
    const inline = Buffer.from(`${"x ".repeat(32_000)}\n`);
    expect(parse(Array.from(inline, (_, at) => inline.subarray(at, at + 1)))[0]?.length).toBe(32_000);
    // 500,000 chunks: a second on a slow machine, and minutes if each looked at all before it.
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test("holds no memory for what was only announced, and no chunk of which everything was found", () => {
    const parser = new RequestParser();
    parser.push(Buffer.from(`*2${CRLF}$3${CRLF}SET${CRLF}$500000000${CRLF}abc`));
    expect(parser.next()).toBe(false);
    parser.keep();
    parser.push(Buffer.from("def"));
    expect(parser.next()).toBe(false);
    expect(parser.bytes.buffer.byteLength).toBeLessThan(2048);
    const whole = new RequestParser();
    whole.push(Buffer.concat(Array.from({ length: 1000 }, () => encode("PING"))));
    while (whole.next());
    whole.keep();
    expect([whole.bytes.length, whole.pending]).toEqual([0, 0]);
    whole.push(Buffer.concat([...Array.from({ length: 1000 }, () => encode("PING")), Buffer.from("*1")]));
    while (whole.next());
    whole.keep();
    whole.next();
    expect([whole.bytes.buffer.byteLength < 2048, whole.pending]).toEqual([true, 2]);
  });
});

describe("Replies", () => {
  test("sends what was written, whatever the lengths are and wherever the block ends", () => {
    const random = new Random(11);
    const replies = new Replies();
    for (const protocol of [2, 3]) {
      const sent: Buffer[] = [];
      replies.begin({ send: (bytes) => sent.push(Buffer.from(bytes)) }, protocol);
      let expected = "";
      for (let round = 0; round < 3000; round++) {
        const size = random.pick([
          0, 1, 23, 24, 25, 26, 99, 100, 999, 1000, 30_000, 32_768, 32_769, 65_536, 100_000,
        ]);
        const length = random.chance(0.9) ? Math.min(size, 99) : size;
        const text = String.fromCharCode(random.integer(0, 255)).repeat(length);
        switch (random.integer(0, 5)) {
          case 0:
            replies.bulk(text);
            expected += `$${length}${CRLF}${text}${CRLF}`;
            break;
          case 1:
            replies.ok();
            expected += `+OK${CRLF}`;
            break;
          case 2:
            replies.integer(length * 1_000_003 - 7);
            expected += `:${length * 1_000_003 - 7}${CRLF}`;
            break;
          case 3:
            replies.array(length);
            expected += `*${length}${CRLF}`;
            break;
          case 4:
            replies.nil();
            expected += protocol === 2 ? `$-1${CRLF}` : `_${CRLF}`;
            break;
          default:
            replies.map(length);
            expected += protocol === 2 ? `*${2 * length}${CRLF}` : `%${length}${CRLF}`;
        }
      }
      replies.flush();
      expect(Buffer.concat(sent).toString("latin1") === expected).toBe(true);
    }
  });

  test("what a failed command left is nobody else's", () => {
    const replies = new Replies();
    const sent: string[] = [];
    const sink = { send: (bytes: Uint8Array) => sent.push(Buffer.from(bytes).toString("latin1")) };
    replies.begin({ send: () => 0 }, 2);
    replies.bulk("secret");
    replies.begin(sink, 2);
    replies.ok();
    replies.flush();
    replies.flush();
    expect(sent).toEqual([`+OK${CRLF}`]);
  });

  test("an error stays one line", () => {
    const replies = new Replies();
    const sent: string[] = [];
    replies.begin({ send: (bytes) => sent.push(Buffer.from(bytes).toString("latin1")) }, 2);
    replies.error("ERR a\r\n+OK\r\nb\n");
    replies.flush();
    expect(sent).toEqual([`-ERR a  +OK  b${CRLF}`]);
  });
});

describe("Session", () => {
  class Client extends Dispatcher {
    received = "";
    closed_ = false;
    override handleRead(): void {
      this.received += this.recv().toString("latin1");
    }
    override handleClose(): void {
      this.closed_ = true;
      this.close();
    }
  }
  function connected(limits = streamLimits(), service = new Service()): [Client, Session, VirtualClock] {
    const clock = new VirtualClock();
    const map = new ChannelMap();
    const [near, far] = memoryPair({ clock });
    const session = new Session(far, map, service);
    far.limits = limits;
    return [new Client(near, map), session, clock];
  }

  function put(service: Service, key: string, value: string): void {
    const request = new RequestParser();
    request.push(encode("SET", key));
    request.next();
    service.keys.set(request, 1, value);
  }

  test("answers the same wherever a chunk ends", async () => {
    const requests = Buffer.concat([
      encode("SET", "a", "\r\n$1"),
      encode("GET", "a"),
      Buffer.from(`ECHO "x y"${CRLF}`),
      encode("LPUSH", "l", 1, 2, 3),
      encode("LRANGE", "l", 0, -1),
      encode("NONSENSE"),
    ]);
    const expected =
      `+OK${CRLF}$4${CRLF}\r\n$1${CRLF}$3${CRLF}x y${CRLF}:3${CRLF}*3${CRLF}$1${CRLF}3${CRLF}$1${CRLF}2${CRLF}$1` +
      `${CRLF}1${CRLF}-ERR unknown command 'NONSENSE', with args beginning with: ${CRLF}`;
    for (let cut = 0; cut < requests.length; cut++) {
      const [client, , clock] = connected();
      client.send(requests.subarray(0, cut));
      client.socket?.flush();
      await clock.runAll();
      client.send(requests.subarray(cut));
      client.socket?.flush();
      await clock.runAll();
      expect([cut, client.received]).toEqual([cut, expected]);
    }
  });

  test("waits with what it is asked while its replies are not read, then goes on", async () => {
    const service = new Service();
    const [client, session, clock] = connected(
      streamLimits({ highWaterBytes: 4096, lowWaterBytes: 1024 }),
      service,
    );
    const item = "x".repeat(3000);
    put(service, "k", item);
    client.delChannel();
    const count = 2000;
    client.send(Buffer.concat(Array.from({ length: count }, () => encode("GET", "k"))));
    client.socket?.flush();
    await clock.runAll();
    expect(service.processed).toBeLessThan(count);
    expect(session.bufferedAmount).toBeLessThan(4096 + 64 * 1024 + 3100);
    client.addChannel();
    await clock.runUntil(() => service.processed === count, "all requests");
    await clock.runAll();
    expect(client.received === `$3000${CRLF}${item}${CRLF}`.repeat(count)).toBe(true);
  });

  test("ends with the peer, and at QUIT, and at what is no request; and is no longer counted", async () => {
    for (const [said, answer] of [
      ["", ""],
      [`PING${CRLF}QUIT${CRLF}PING${CRLF}`, `+PONG${CRLF}+OK${CRLF}`],
      [`PING${CRLF}*x${CRLF}PING${CRLF}`, `+PONG${CRLF}-ERR Protocol error: invalid multibulk length${CRLF}`],
    ] as const) {
      const service = new Service();
      const [client, session, clock] = connected(streamLimits(), service);
      expect([...service.clients]).toEqual([session]);
      client.send(said);
      client.socket?.flush();
      if (said === "") client.close();
      await clock.runAll();
      expect([client.received, session.connected, service.clients.size]).toEqual([answer, false, 0]);
      expect(client.closed_).toBe(said !== "");
    }
  });

  test("a connection that is lost in the middle of its replies costs nobody else a byte", async () => {
    const service = new Service();
    put(service, "k", "x".repeat(40_000));
    const [client, session, clock] = connected(streamLimits(), service);
    client.send(Buffer.concat(Array.from({ length: 100 }, () => encode("GET", "k"))));
    client.socket?.flush();
    client.abort();
    await clock.runAll();
    expect([session.connected, service.clients.size]).toEqual([false, 0]);
    const [other, , otherClock] = connected(streamLimits(), service);
    other.send(`PING${CRLF}`);
    other.socket?.flush();
    await otherClock.runAll();
    expect(other.received).toBe(`+PONG${CRLF}`);
  });
});

describe("List", () => {
  test("is an array with two quick ends", () => {
    const random = new Random(5);
    const list = new List();
    const model: string[] = [];
    for (let round = 0; round < 20_000; round++) {
      const item = String(round);
      const growing = round % 4000 < 2500;
      if (random.chance(growing ? 0.7 : 0.3)) {
        const left = random.chance(0.5);
        list[left ? "pushLeft" : "pushRight"](item);
        model[left ? "unshift" : "push"](item);
      } else if (model.length > 0) {
        const left = random.chance(0.5);
        expect(list[left ? "popLeft" : "popRight"]()).toBe(model[left ? "shift" : "pop"]() ?? "");
      }
      expect(list.length).toBe(model.length);
      if (round % 500 === 0) expect(model.map((_, index) => list.at(index))).toEqual(model);
    }
  });
});

describe("MemberSet", () => {
  test("is a set whose members can be drawn", () => {
    const random = new Random(6);
    const members = new MemberSet();
    const model = new Set<string>();
    for (let round = 0; round < 5000; round++) {
      const member = String(random.integer(0, 200));
      if (random.chance(0.5)) expect(members.add(member)).toBe(!model.has(member));
      else expect(members.delete(member)).toBe(model.has(member));
      if (members.has(member)) model.add(member);
      else model.delete(member);
      expect([...members].sort()).toEqual([...model].sort());
    }
    const drawn: string[] = [];
    while (members.size > 0) drawn.push(members.popRandom());
    expect(drawn.toSorted()).toEqual([...model].sort());
    expect(drawn).not.toEqual(drawn.toSorted());
  });
});

describe("SortedSet", () => {
  test("gives its members up in the order of score and name, whatever was done to it", () => {
    const random = new Random(8);
    const sorted = new SortedSet();
    const model = new Map<string, number>();
    const first = (): [string, number] | undefined =>
      [...model].sort(([a, x], [b, y]) => (x === y ? (a < b ? -1 : 1) : x - y))[0];
    for (let round = 0; round < 6000; round++) {
      const member = `m${random.integer(0, 5000)}`;
      const score = random.integer(-50, 50);
      sorted.set(member, score);
      model.set(member, score);
      if (round % 10 === 0) {
        const [name = "", value] = first() ?? [];
        expect(sorted.popMin()).toEqual({ member: name, score: value ?? 0 });
        model.delete(name);
      }
      expect([sorted.size, sorted.score(member)]).toEqual([model.size, model.get(member)]);
    }
    expect(sorted.size).toBeGreaterThan(2000);
    const expected = [...model].sort(([a, x], [b, y]) => (x === y ? (a < b ? -1 : 1) : x - y));
    for (const [member, score] of expected) expect(sorted.popMin()).toEqual({ member, score });
    expect(sorted.size).toBe(0);
  });
});

describe("globMatches()", () => {
  test("does not try every way to share a text among stars", () => {
    const began = performance.now();
    expect(globMatches("a*".repeat(40), `${"a".repeat(2000)}b`)).toBe(true);
    expect(globMatches(`${"a*".repeat(40)}c`, `${"a".repeat(2000)}b`)).toBe(false);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
