/** The programs of examples/classic, each with clients and servers that are not ours: Python's, netcat, swaks. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { hostname, tmpdir } from "node:os";
import path from "node:path";

import { hasProc, noProc, residentBytes } from "../integration/support/process-stat.ts";
import { noPython, python } from "../integration/support/python.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";
import { askPython, Foreign, hasNetcat, netcat, pythonProgram } from "./foreign.ts";

/** `test`, skipped where a foreign program is missing, with the reason in the test's name. */
function needs(found: boolean, reason: string): (name: string, body: () => Promise<void>) => void {
  return (name, body) => test.skipIf(!found)(found ? name : `${name} (${reason})`, body);
}
const noNetcat = "SKIPPED: no OpenBSD netcat";
const needsPython = needs(python !== undefined, noPython);
const needsNetcat = needs(hasNetcat, noNetcat);
const needsBoth = needs(hasNetcat && python !== undefined, hasNetcat ? noPython : noNetcat);
const needsSwaks = needs(Bun.which("swaks") !== null, "SKIPPED: no swaks");

class Folder implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), "asyncore-classic-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

test("each of examples/classic has a comment that says how to try it, and uses Python's names only", () => {
  const folder = path.resolve(import.meta.dir, "../../examples/classic");
  const files = readdirSync(folder);
  expect(files.length).toBeGreaterThan(2);
  for (const file of files) {
    const text = readFileSync(path.join(folder, file), "utf8");
    expect([file, /^(\/\/ .*\n)*\/\/ .*Try it/.test(text)]).toEqual([file, true]);
    expect([file, text.includes("await asyncore.loop();")]).toEqual([file, true]);
    expect([file, /\bhandle[A-Z]|\b(collectIncoming|foundTerm|createSocket)/.exec(text)]).toEqual([
      file,
      null,
    ]);
  }
});

// --- the HTTP client -----------------------------------------------------------------------------------------

const client = (port: number, page: string): Program =>
  new Program(["examples/classic/http-client.ts", "127.0.0.1", String(port), page]);

describe("http-client.ts", () => {
  needsPython("fetches a page from Python's http.server", async () => {
    using folder = new Folder();
    const page = "0123456789abcdef".repeat(100_000);
    writeFileSync(path.join(folder.path, "page.txt"), page);
    const serve = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder.path];
    await using server = new Foreign([python ?? "", ...serve]);
    await until(() => server.stdout.includes("\n"), "the server's port");
    await using fetched = client(Number(/port (\d+)/.exec(server.stdout)?.[1]), "/page.txt");
    expect(await fetched.exited).toBe(0);
    await until(() => fetched.stdout.endsWith(page), "the whole page");
    expect(fetched.stdout).toMatch(/^HTTP\/1\.0 200 OK\r\nServer: SimpleHTTP/);
    await until(() => server.stderr.includes('"GET /page.txt HTTP/1.0" 200'), "the server's log");
  });

  needsNetcat("sends the manual's request, and writes what netcat answers", async () => {
    await using server = new Foreign(["nc", "-l", "-v", "-N", "127.0.0.1", "0"]);
    await until(() => /Listening on \S+ \d+\n/.test(server.stderr), "netcat listens");
    await using fetched = client(Number(/(\d+)\n/.exec(server.stderr)?.[1]), "/a?b");
    const request = "GET /a?b HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    await until(() => server.stdout.length >= request.length, "the request");
    await server.tell("HTTP/1.0 204 No Content\r\n\r\n");
    await server.endInput();
    expect(await fetched.exited).toBe(0);
    await until(() => fetched.stdout.endsWith("\r\n\r\n"), "the answer");
    expect(fetched.stdout).toBe("HTTP/1.0 204 No Content\r\n\r\n");
    expect(await server.ended()).toBe(0);
    expect(server.stdout).toBe(request);
  });

  test("says what went wrong when there is no server", async () => {
    const closed = net.createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    await using failed = client(port, "/");
    expect(await failed.exited).toBe(1);
    await until(() => failed.stderr.includes("\n"), "the message");
    expect(failed.stderr).toBe(
      `http-client: ConnectionRefusedError: connect 127.0.0.1:${port}: ECONNREFUSED connection refused\n`,
    );
  });
});

// --- the SMTP sink -------------------------------------------------------------------------------------------

/** The sink, and the folder it delivers to. */
class Sink extends Program {
  readonly folder: string;

  constructor(limit = 1_000_000) {
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-classic-"));
    super(["examples/classic/smtp-sink.ts", folder, String(limit)], { PORT: "0" });
    this.folder = folder;
  }

  /** The messages, in the order they came. */
  get messages(): string[] {
    const count = (name: string): number => Number(/-(\d+)\.eml$/.exec(name)?.[1]);
    return readdirSync(this.folder)
      .toSorted((a, b) => count(a) - count(b))
      .map((name) => readFileSync(path.join(this.folder, name), "latin1"));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const GREETING = `220 ${hostname()} ESMTP sink\r\n`;
const EHLO = (limit = 1_000_000): string =>
  ["", "SIZE ", "8BITMIME", "PIPELINING"]
    .map((word) => `250-${word === "" ? hostname() : word === "SIZE " ? word + limit : word}\r\n`)
    .join("") + "250 HELP\r\n";
const GO_ON = "354 go on, and end with a dot on a line of its own\r\n";

/** Replies with the names of stored messages left out. */
const unnamed = (replies: unknown): string => String(replies).replaceAll(/\d+-\d+\.eml/g, "NAME");

/** Sends `sent` in one piece and reads to the end. */
const IN_ONE_PIECE = `
sock = connect()
sock.sendall(sys.argv[2].encode("latin-1"))
tell(read_all(sock))
`;

describe("smtp-sink.ts", () => {
  needsPython("delivers what smtplib sends, byte for byte", async () => {
    await using sink = new Sink();
    const port = await sink.port();
    const lines = [
      ".",
      "..",
      "...",
      ".leading",
      "",
      ".",
      "",
      "a.b",
      "\u00e9\u00ff\u0000",
      "bare\nLF",
      "bare\rCR",
    ];
    const tricky = `${lines.join("\r\n")}\r\n${"long".repeat(20_000)}\r\n.\r\n`;
    const told = await askPython(
      port,
      `
with smtplib.SMTP("127.0.0.1", port := int(sys.argv[1])) as client:
    text = sys.argv[2].encode("latin-1").replace(b"NUL", b"\\0")
    refused = client.sendmail("ann@example.org", ["bob@example.org", '"c d"@example.org'], text, ["BODY=8BITMIME"])
    client.sendmail("<>", "bob@example.org", b"")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "bob@example.org", "a dot"
    mail.set_content(".\\n.begins\\n..twice\\n")
    client.send_message(mail)
    tell([refused, client.esmtp_features])
`,
      tricky.replaceAll("\0", "NUL"),
    );
    const features = { size: "1000000", "8bitmime": "", pipelining: "", help: "" };
    expect(told).toEqual([{}, features]);
    expect(sink.messages.slice(0, 2)).toEqual([tricky, "\r\n"]);
    expect(sink.messages.at(2)).toEndWith("\r\n\r\n.\r\n.begins\r\n..twice\r\n");
    await until(() => sink.stdout.split("\n").length > 4, "its lines");
    const [, first, second] = sink.stdout.replaceAll(/\d+-(\d)\.eml|:\d+ </g, "$1 <").split("\n");
    expect(first).toBe(
      `1 <: ${tricky.length} bytes from 127.0.0.1 <ann@example.org> to <bob@example.org> <"c d"@example.org>`,
    );
    expect(second).toBe("2 <: 2 bytes from 127.0.0.1 <> to <bob@example.org>");
  });

  for (const options of [[], ["--pipeline"], ["--protocol", "SMTP"]]) {
    needsSwaks(`takes a message from swaks ${options.join(" ")}`, async () => {
      await using sink = new Sink();
      const to = ["--server", `127.0.0.1:${await sink.port()}`, "--to", "bob@example.org,carl@example.org"];
      const body = ["--from", "ann@example.org", "--body", "first\n.\n..\n.last"];
      await using swaks = new Foreign(["swaks", ...to, ...body, ...options]);
      expect([await swaks.ended(), swaks.stderr]).toEqual([0, ""]);
      expect(swaks.stdout).toContain("221 bye");
      expect(sink.messages.length).toBe(1);
      expect(sink.messages[0]).toMatch(/^Date: .*\r\nTo: bob@example\.org,carl@example\.org\r\n/);
      expect(sink.messages[0]).toContain("\r\n\r\nfirst\r\n.\r\n..\r\n.last\r\n");
    });
  }

  needsPython("refuses a message over the size limit with 552, and the session goes on", async () => {
    await using sink = new Sink(10_000);
    const told = await askPython(
      await sink.port(),
      `
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
told = []
try:
    client.sendmail("ann@example.org", "bob@example.org", b"x" * 10001)
except smtplib.SMTPSenderRefused as refused:
    told.append([refused.smtp_code, refused.smtp_error.decode()])
# Without SIZE= the server finds out while the message comes in.
for size in 9998, 9999, 1000000:
    client.mail("ann@example.org")
    client.rcpt("bob@example.org")
    code, reply = client.data(b"x" * size)
    told.append([code, re.sub(r"\\S+eml", "NAME", reply.decode())])
# A line that begins with a dot ends nothing either, where what is over the limit is dropped and the line cut.
client.mail("ann@example.org")
client.rcpt("bob@example.org")
client.docmd("DATA")
client.send(b"x" * 20000 + b"\\r\\n.")
other = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
other.noop()
other.quit()
client.send(b"QUIT\\r\\nNOOP\\r\\n.\\r\\n")
code, reply = client.getreply()
told.append([code, reply.decode()])
client.sendmail("ann@example.org", "bob@example.org", b"small")
told.append(client.quit()[0])
tell(told)
`,
    );
    const tooLong = [552, "more than 10000 bytes"];
    expect(told).toEqual([tooLong, [250, "OK NAME"], tooLong, tooLong, tooLong, 221]);
    expect(sink.messages).toEqual([`${"x".repeat(9998)}\r\n`, "small\r\n"]);
  });

  needsPython("answers commands that come in one packet in their order", async () => {
    await using sink = new Sink();
    const transaction = (text: string): string =>
      `MAIL FROM:<ann@example.org> SIZE=100\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<>\r\nDATA\r\n${text}.\r\n`;
    const told = await askPython(
      await sink.port(),
      IN_ONE_PIECE,
      // The message without a line ends at once; what follows QUIT is not obeyed.
      `EHLO there\r\n${transaction("one\r\n")}NOOP\r\n${transaction("")}VRFY bob\r\nQUIT\r\n${transaction("three\r\n")}`,
    );
    const taken = `250 OK\r\n250 OK\r\n501 syntax: RCPT TO:<address>\r\n${GO_ON}250 OK NAME\r\n`;
    expect(unnamed(told)).toBe(
      `${GREETING}${EHLO()}${taken}250 OK\r\n${taken}252 not verified, but a message would be taken\r\n221 bye\r\n`,
    );
    expect(sink.messages).toEqual(["one\r\n", ""]);
  });

  needsPython("understands a session that is split at any byte", async () => {
    await using sink = new Sink();
    const session =
      "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\n.\r\n..\r\r\n\r\n.\r\nNOOP\r\nQUIT\r\n";
    const told = await askPython(
      await sink.port(),
      `
session = sys.argv[2].encode()
other = connect()
def round_trip():
    other.sendall(b"NOOP\\r\\n")
    while not other.recv(1000).endswith(b"250 OK\\r\\n"):
        pass
replies = set()
for cut in range(1, len(session)):
    sock = connect()
    sock.sendall(session[:cut])
    # A reply on a connection that was served later: the first part has been read by itself.
    round_trip()
    round_trip()
    sock.sendall(session[cut:])
    replies.add(re.sub(r"\\d+-\\d+.eml", "NAME", read_all(sock)))
sock = connect()
for cut in range(len(session)):
    sock.sendall(session[cut:cut + 1])
    round_trip()
replies.add(re.sub(r"\\d+-\\d+.eml", "NAME", read_all(sock)))
tell(list(replies))
`,
      session,
    );
    expect(told).toEqual([
      `${GREETING}${EHLO()}250 OK\r\n250 OK\r\n${GO_ON}250 OK NAME\r\n250 OK\r\n221 bye\r\n`,
    ]);
    expect(sink.messages.length).toBe(session.length);
    expect([...new Set(sink.messages)]).toEqual(["\n.\r\n.\r\r\n\r\n"]);
  });

  needsPython("answers a command line that is too long with 500, and the session goes on", async () => {
    await using sink = new Sink();
    const told = await askPython(
      await sink.port(),
      `
sock = connect()
# A line that fits, one byte more, and a megabyte and more without an end.
sock.sendall(b"NOOP " + b"x" * 1017 + b"\\r\\nNOOP " + b"x" * 1018 + b"\\r\\n")
for i in range(300):
    sock.sendall(b"NOOP " * 1000)
sock.sendall(b"\\r\\nNOOP\\r\\nQUIT\\r\\n")
tell(read_all(sock))
`,
    );
    const tooLong = "500 line too long\r\n";
    expect(told).toBe(`${GREETING}250 OK\r\n${tooLong}${tooLong}250 OK\r\n221 bye\r\n`);
  });

  needsPython("refuses what is out of order or malformed, and keeps its state", async () => {
    await using sink = new Sink(1000);
    const dialogue: [command: string, reply: string][] = [
      ["MAIL FROM:<a@b>", "503 HELO or EHLO first"],
      ["RCPT TO:<a@b>", "503 MAIL first"],
      ["DATA", "503 RCPT first"],
      ["HELO", "501 syntax: HELO name"],
      ["helo there", `250 ${hostname()}`],
      ["RCPT TO:<a@b>", "503 MAIL first"],
      ["DATA", "503 RCPT first"],
      ["MAIL", "501 syntax: MAIL FROM:<address>"],
      ["MAIL <a@b>", "501 syntax: MAIL FROM:<address>"],
      ["MAIL TO:<a@b>", "501 syntax: MAIL FROM:<address>"],
      ["MAIL FROM:a@b", "501 syntax: MAIL FROM:<address>"],
      ["MAIL FROM:<a@b", "501 syntax: MAIL FROM:<address>"],
      ["MAIL FROM:<a b@c>", "501 syntax: MAIL FROM:<address>"],
      ["MAIL FROM:<a@b> SIZE=x", "555 unknown parameter"],
      ["MAIL FROM:<a@b> AUTH=<>", "555 unknown parameter"],
      ["MAIL FROM:<a@b> SIZE=1001", "552 more than 1000 bytes"],
      ["MAIL FROM:<a@b> SIZE=99999999999999999999", "552 more than 1000 bytes"],
      ["mail from: <@relay,@other:a@b>  size=1000 body=8bitmime ", "250 OK"],
      ["MAIL FROM:<a@b>", "503 there is a sender already"],
      ["DATA", "503 RCPT first"],
      ["RCPT FROM:<a@b>", "501 syntax: RCPT TO:<address>"],
      ["RCPT TO:<>", "501 syntax: RCPT TO:<address>"],
      ["RCPT TO:<a@b> NOTIFY=NEVER", "555 unknown parameter"],
      ["RCPT TO:<Postmaster>", "250 OK"],
      ['RCPT TO:<"a>\\" b@c"@d>', "250 OK"],
      ["DATA now", "501 syntax: DATA"],
      ["RSET now", "501 syntax: RSET"],
      ["QUIT now", "501 syntax: QUIT"],
      ["NOOP \u00e9", "500 control character or 8 bits in a command"],
      ["NOOP\nDATA", "500 control character or 8 bits in a command"],
      ["NOOP\rDATA", "500 control character or 8 bits in a command"],
      ["constructor", "500 unknown command"],
      ["", "500 unknown command"],
      [" NOOP", "500 unknown command"],
      ["VRFY", "501 syntax: VRFY name"],
      ["EXPN list", "502 not implemented"],
      ["HELP DATA", "214 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"],
      // None of that has changed the transaction; RSET and EHLO do.
      ["RCPT TO:<e@f>", "250 OK"],
      ["RSET", "250 OK"],
      ["RCPT TO:<e@f>", "503 MAIL first"],
      ["MAIL FROM:<>", "250 OK"],
      ["EHLO again", EHLO(1000).slice(0, -2)],
      ["RCPT TO:<e@f>", "503 MAIL first"],
      ["QUIT", "221 bye"],
    ];
    const told = await askPython(
      await sink.port(),
      IN_ONE_PIECE,
      dialogue.map(([command]) => `${command}\r\n`).join(""),
    );
    expect(told).toBe(GREETING + dialogue.map(([, reply]) => `${reply}\r\n`).join(""));
    expect(sink.messages).toEqual([]);
  });

  // What other servers have taken for the end of a message. Each would smuggle in the message that follows it.
  for (const end of [
    "\n.\n",
    "\n.\r\n",
    "\r.\r\n",
    "\r.\r",
    "\r\n.\n",
    "\r\n.\r",
    "\r\n.\r\r\n",
    "\n\r.\r\n",
  ]) {
    needsPython(`takes ${JSON.stringify(end)} for no end of a message`, async () => {
      await using sink = new Sink();
      const smuggled = "MAIL FROM:<eve@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nsmuggled\r\n";
      const told = await askPython(
        await sink.port(),
        IN_ONE_PIECE,
        `EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\ntext${end}${smuggled}.\r\nQUIT\r\n`,
      );
      expect(unnamed(told)).toBe(
        `${GREETING}${EHLO()}250 OK\r\n250 OK\r\n${GO_ON}250 OK NAME\r\n221 bye\r\n`,
      );
      // A dot after CRLF is the client's, whatever comes after it.
      expect(sink.messages).toEqual([`text${end.replace("\r\n.", "\r\n")}${smuggled}`]);
    });
  }

  needsPython("holds a client back that does not read its replies, and answers all of it", async () => {
    await using sink = new Sink();
    const told = await askPython(
      await sink.port(),
      `
sock = connect(8192)
pair, pairs, left, held = b"HELP\\r\\nNOOP\\r\\n", 0, b"", False
while not held and pairs < 10000000:
    if not left:
        left = pair * 10000
        pairs += 10000
    # Two seconds without room: the server has stopped reading.
    held = not select.select([], [sock], [], 2)[1]
    if not held:
        sock.setblocking(False)
        left = left[sock.send(left):]
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1000000)
sock.settimeout(20)
rest = threading.Thread(target=sock.sendall, args=[left + b"QUIT\\r\\n"])
rest.start()
_, replies = read_all(sock).split("\\r\\n", 1)
rest.join()
answers = "214 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\\r\\n250 OK\\r\\n"
tell([held, replies == answers * pairs + "221 bye\\r\\n"])
`,
    );
    expect(told).toEqual([true, true]);
  });

  const bounded = needs(hasProc && python !== undefined, hasProc ? noPython : noProc);
  bounded("keeps no more of a message than the size limit while it comes in", async () => {
    using folder = new Folder();
    const file = path.resolve(import.meta.dir, "../../examples/classic/smtp-sink.ts");
    // Its process id is wanted; `env` becomes the program it starts.
    await using sink = new Foreign(["env", "PORT=0", process.execPath, file, folder.path, "1000000"]);
    await until(() => sink.stdout.includes("\n"), "its address");
    await using sender = pythonProgram(
      Number(/(\d+)\n/.exec(sink.stdout)?.[1]),
      `
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
client.ehlo()
client.mail("ann@example.org")
client.rcpt("bob@example.org")
client.docmd("DATA")
tell("begun")
sys.stdin.readline()
for _ in range(256):
    client.sock.sendall((b"x" * 1022 + b"\\r\\n") * 1024)
tell("sent")
sys.stdin.readline()
client.send(b".\\r\\n")
tell([client.getreply()[0], client.quit()[0]])
`,
    );
    await until(() => sender.stdout.includes("begun"), "the session");
    const before = residentBytes(sink.pid);
    await sender.tell("go\n");
    await until(() => sender.stdout.includes("sent"), "256 MiB");
    expect((residentBytes(sink.pid) - before) / 1024 / 1024).toBeLessThan(128);
    await sender.tell("go\n");
    expect([await sender.ended(), sender.stderr]).toEqual([0, ""]);
    expect(sender.stdout).toEndWith("[552, 221]\n");
  });

  needsPython("delivers nothing of a message whose end does not come", async () => {
    await using sink = new Sink();
    const port = await sink.port();
    const begun = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    const told = await askPython(
      port,
      `
sock = connect()
sock.sendall(sys.argv[2].encode() + b"cut\\r\\n.\\r")
sock.shutdown(socket.SHUT_WR)
cut = read_all(sock)
whole = connect()
whole.sendall(sys.argv[2].encode() + b"whole\\r\\n.\\r\\n")
whole.shutdown(socket.SHUT_WR)
tell([cut, read_all(whole)])
`,
      begun,
    );
    const replies = `${GREETING}${EHLO()}250 OK\r\n250 OK\r\n${GO_ON}`;
    expect((told as string[]).map(unnamed)).toEqual([replies, `${replies}250 OK NAME\r\n`]);
    expect(sink.messages).toEqual(["whole\r\n"]);
  });

  needsPython("says 421 where it cannot store a message, and goes on with the others", async () => {
    await using sink = new Sink();
    const port = await sink.port();
    rmSync(sink.folder, { recursive: true });
    const told = await askPython(
      port,
      `
other = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
other.ehlo()
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
try:
    client.sendmail("ann@example.org", "bob@example.org", b"lost")
except smtplib.SMTPDataError as error:
    tell([error.smtp_code, other.noop()[0], other.quit()[0]])
`,
    );
    expect(told).toEqual([421, 250, 221]);
    await until(() => sink.stdout.includes("ENOENT"), "what went wrong");
    expect(sink.stdout).toMatch(/\nerror: uncaptured exception, closing channel <SMTPChannel /);
  });

  needsNetcat("speaks with netcat, and stops on SIGINT", async () => {
    await using sink = new Sink();
    await using nc = netcat(await sink.port());
    await nc.tell("NOOP\r\n");
    await until(() => nc.stdout === `${GREETING}250 OK\r\n`, "the answer");
    sink.kill("SIGINT");
    await nc.endInput();
    expect([await nc.ended(), await sink.exited]).toEqual([0, 0]);
  });

  test("refuses a size limit that is none", async () => {
    for (const limit of ["0", "-1", "all", "1e3"]) {
      await using sink = new Program(["examples/classic/smtp-sink.ts", tmpdir(), limit], { PORT: "0" });
      expect(await sink.exited).toBe(1);
      await until(() => sink.stderr.includes(`the largest message in bytes, not ${limit}`), "the reason");
    }
  });
});

// --- the MUD -------------------------------------------------------------------------------------------------

const HALL = "You are in a hall. A door leads north.\n";
const GARDEN = "You are in a garden. A door leads south.\n";
const QUESTION = "What is your name?\n";

/** netcat, in the hall under `name`. */
async function player(port: number, name: string): Promise<Foreign> {
  const nc = netcat(port);
  await nc.tell(`${name}\n`);
  await until(() => nc.stdout.includes(HALL), `${name} is in`);
  return nc;
}

describe("mud.ts", () => {
  needsBoth("tells who is in a room what is said there: two netcats and a Python socket", async () => {
    await using mud = new Program(["examples/classic/mud.ts"], { PORT: "0" });
    const port = await mud.port();
    await using ann = await player(port, "ann");
    await using bob = await player(port, "bob");
    await using carl = pythonProgram(
      port,
      `
sock = connect()
for part in b"ca", b"rl\\r\\nno", b"rth\\nsay nobody hears\\nsou", b"th\\nsay he", b"llo \\x1b[31m\\n":
    sock.sendall(part)
heard = b""
while b"says" not in heard:
    heard += sock.recv(1000)
sock.sendall(b"who\\nquit\\nsay not any more\\n")
tell(heard.decode() + read_all(sock))
`,
    );
    await until(() => ann.stdout.includes("hello"), "ann heard carl");
    await bob.tell("say welcome, carl\nlook\n");
    expect([await carl.ended(), carl.stderr]).toEqual([0, ""]);
    const heard = "carl comes in.\ncarl goes north.\ncarl comes in.\ncarl says: hello [31m\n";
    await until(() => bob.stdout.includes("fades"), "bob saw carl go");
    await until(() => ann.stdout.includes("fades"), "ann saw carl go");
    const here = "ann is here.\nbob is here.\n";
    expect(JSON.parse(carl.stdout)).toBe(
      `${QUESTION}${HALL}${here}${GARDEN}${HALL}${here}bob says: welcome, carl\nann, bob, carl\n`,
    );
    expect(ann.stdout).toBe(
      `${QUESTION}${HALL}bob comes in.\n${heard}bob says: welcome, carl\ncarl fades away.\n`,
    );
    expect(bob.stdout).toBe(
      `${QUESTION}${HALL}ann is here.\n${heard}${HALL}ann is here.\ncarl is here.\ncarl fades away.\n`,
    );
    await ann.endInput();
    expect(await ann.ended()).toBe(0);
    await until(() => bob.stdout.endsWith("ann fades away.\n"), "bob saw ann go");
    mud.kill("SIGTERM");
    await bob.endInput();
    expect([await bob.ended(), await mud.exited]).toEqual([0, 0]);
  });

  needsBoth("cuts off who never reads, and nobody else notices", async () => {
    await using mud = new Program(["examples/classic/mud.ts"], { PORT: "0" });
    const port = await mud.port();
    await using ann = await player(port, "ann");
    await using bob = await player(port, "bob");
    await using deaf = pythonProgram(
      port,
      `
sock = connect(4096)
sock.sendall(b"deaf\\n")
tell("in")
sys.stdin.read()
try:
    read_all(sock)
except ConnectionResetError:
    tell("reset")
`,
    );
    await until(() => ann.stdout.includes("deaf comes in.\n"), "the deaf one is in");
    const lines = `say ${"x".repeat(1000)}\n`.repeat(1000);
    for (let i = 0; i < 100 && !ann.stdout.includes("deaf fades"); i++) {
      await bob.tell(lines);
      await until(() => ann.stdout.length >= (i + 1) * lines.length, "ann heard it all");
    }
    await bob.tell("say still here\n");
    await until(() => ann.stdout.endsWith("bob says: still here\n"), "ann and bob go on");
    expect(ann.stdout.replaceAll(/bob says: x{1000}\n/g, "")).toBe(
      `${QUESTION}${HALL}bob comes in.\ndeaf comes in.\ndeaf fades away.\nbob says: still here\n`,
    );
    await deaf.endInput();
    expect([await deaf.ended(), deaf.stderr, deaf.stdout]).toEqual([0, "", '"in"\n"reset"\n']);
    expect(mud.stdout).toContain("ENOBUFS");
  });

  needsNetcat("refuses a name that is taken or none, and cuts off a line that is too long", async () => {
    await using mud = new Program(["examples/classic/mud.ts"], { PORT: "0" });
    const port = await mud.port();
    await using ann = await player(port, "ann");
    await using other = netcat(port);
    await other.tell("ann\n\na b\nconstructor\nconstructor\nup\n");
    const refused = "Another name, please.\n".repeat(3);
    const expected = `${QUESTION}${refused}${HALL}ann is here.\n${"You cannot do that here.\n".repeat(2)}`;
    await until(() => other.stdout === expected, "the answers");
    await other.tell(`say ${"x".repeat(1020)}\n`);
    await until(() => ann.stdout.endsWith(`constructor says: ${"x".repeat(1020)}\n`), "the longest line");
    await other.tell(`say ${"x".repeat(1021)}`);
    await until(() => ann.stdout.endsWith("constructor fades away.\n"), "the cut");
    await other.endInput();
    expect(await other.ended()).toBe(0);
    mud.kill("SIGINT");
    await ann.endInput();
    expect([await ann.ended(), await mud.exited]).toEqual([0, 0]);
  });
});
