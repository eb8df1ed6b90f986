import { describe, expect, test } from "bun:test";

import { Probe } from "../socket/udp-kit.ts";
import { Program } from "../support/program.ts";
import { turns } from "../support/until.ts";

const example = "examples/udp-dns.ts";
const dig = Bun.which("dig");
const why = dig === null ? " (SKIPPED: no dig; Debian has it in bind9-dnsutils)" : "";

/** `dig`'s answer: its status, its flags, and the records. */
async function ask(
  port: number,
  ...question: string[]
): Promise<[status: string, flags: string, ...string[]]> {
  const command = [dig ?? "", "@127.0.0.1", "-p", String(port), "+tries=2", "+time=5", ...question];
  const said = await Bun.spawn(command, { stdout: "pipe" }).stdout.text();
  const records = said.split("\n").filter((line) => /^[^;\s]/.test(line));
  return [
    /status: (\w+)/.exec(said)?.[1] ?? said,
    /flags: ([a-z ]+);/.exec(said)?.[1] ?? "",
    ...records.map((line) => line.split(/\s+/).join(" ")),
  ];
}

/** Header and question as they go over the wire; `name` is its bytes. */
function query(name: string, { flags = "0100", count = "0001", rest = "00010001" } = {}): Buffer {
  const labels = name === "" ? "" : `${Buffer.from(name, "latin1").toString("hex")}00`;
  return Buffer.from(`abcd${flags}${count}000000000000${labels}${rest}`, "hex");
}
const www = "\x03www\x07example\x04test";

describe("udp-dns.ts", () => {
  test.skipIf(dig === null)(`answers dig, and stops on SIGINT${why}`, async () => {
    await using server = new Program([example], { PORT: "0" });
    const port = await server.port();
    expect(await ask(port, "www.example.test")).toEqual([
      "NOERROR",
      "qr aa rd",
      "www.example.test. 60 IN A 192.0.2.2",
    ]);
    expect(await ask(port, "+norec", "WWW.Example.TEST", "AAAA")).toEqual([
      "NOERROR",
      "qr aa",
      "WWW.Example.TEST. 60 IN AAAA 2001:db8::2",
    ]);
    expect(await ask(port, "example.test", "TXT")).toEqual([
      "NOERROR",
      "qr aa rd",
      'example.test. 60 IN TXT "hello from asyncore"',
    ]);
    // The name is there, the type is not.
    expect(await ask(port, "www.example.test", "MX")).toEqual(["NOERROR", "qr aa rd"]);
    expect(await ask(port, "nobody.example.test")).toEqual(["NXDOMAIN", "qr aa rd"]);
    expect(await ask(port, "www.example.org")).toEqual(["REFUSED", "qr rd"]);
    expect(await ask(port, ".", "NS")).toEqual(["REFUSED", "qr rd"]);
    expect(await ask(port, "-c", "CH", "version.bind", "TXT")).toEqual(["REFUSED", "qr rd"]);
    expect(await ask(port, "+noedns", "www.example.test")).toHaveLength(3);
    expect(await ask(port, "+opcode=notify", "www.example.test")).toEqual(["NOTIMP", "qr rd"]);
    server.kill("SIGINT");
    expect(await server.exited).toBe(0);
    expect(server.stderr).toBe("");
  });

  // Status 0 no error, 1 malformed, 3 no such name, 4 not implemented, 5 refused; and how much of the question came back.
  const strange: readonly (readonly [string, Buffer, readonly [status: number, length: number]])[] = [
    ["a header alone", query("", { rest: "" }), [1, 12]],
    ["no question", query(www, { count: "0000" }), [1, 12]],
    ["two questions", query(www, { count: "0002" }), [1, 12]],
    ["a name without an end", query("\x03www", { rest: "" }).subarray(0, -1), [1, 12]],
    ["a label that passes the end", query("\x3fwww", { rest: "" }), [1, 12]],
    ["no type and class", query(www, { rest: "" }), [1, 12]],
    ["half a class", query(www, { rest: "000100" }), [1, 12]],
    ["a pointer to itself", query("", { rest: "c00c00010001" }), [1, 12]],
    ["a pointer behind a label", query("", { rest: "0377777703c00c00010001" }), [1, 12]],
    ["a label of 64", query(`\x40${"x".repeat(64)}`), [1, 12]],
    ["a name of 256", query(`\x3f${"x".repeat(63)}`.repeat(3) + `\x3e${"x".repeat(62)}`), [1, 12]],
    ["a name of 255", query(`\x3f${"x".repeat(63)}`.repeat(3) + `\x3d${"x".repeat(61)}`), [5, 12 + 259]],
    ["a dot inside a label", query("\x0bwww.example\x04test"), [5, 12 + 22]],
    ["another zone that ends alike", query("\x0abadexample\x04test"), [5, 12 + 21]],
    ["bytes above ASCII", query("\x02\xff\xfe\x07example\x04test"), [3, 12 + 21]],
    ["an inverse query", query(www, { flags: "0900" }), [4, 12]],
    ["bytes behind the question", Buffer.concat([query(www), Buffer.alloc(400)]), [0, 12 + 22 + 16]],
  ];

  test("answers whatever comes, once, and never an answer", async () => {
    await using server = new Program([example], { PORT: "0" });
    using client = await new Probe().connected({ address: ["127.0.0.1", await server.port()] });
    for (const [what, bytes, [status, length]] of strange) {
      client.socket.send(bytes);
      const [said] = await client.next();
      const reply = Buffer.from(said, "latin1");
      const isReply = reply.readUInt16BE(0) === 0xabcd && reply.readUInt8(2) >= 0x80;
      expect([what, isReply, reply.readUInt8(3), reply.length]).toEqual([what, true, status, length]);
    }
    // None of these is answered, and the server lives.
    for (const bytes of ["", "x", Buffer.alloc(11), query(www, { flags: "8180" }), Buffer.alloc(500, 0xff)]) {
      client.socket.send(bytes);
    }
    client.socket.send(query(www));
    const reply = Buffer.from((await client.next())[0], "latin1");
    expect([reply.readUInt16BE(6), reply.subarray(-4)]).toEqual([1, Buffer.of(192, 0, 2, 2)]);
    await turns(5);
    expect(client.socket.readReady).toBe(false);
    expect([server.stdout.split("\n").length, server.stderr]).toEqual([2, ""]);
  });
});
