/** The examples with TLS, with clients that are not ours: openssl, swaks, Python's smtplib. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { noPython, python } from "../integration/support/python.ts";
import { pathOf } from "../support/certificates.ts";
import { Program } from "../support/program.ts";
import { until } from "../support/until.ts";
import { askPython, Foreign } from "./foreign.ts";

/** `test`, skipped where a foreign program is missing, with the reason in the test's name. */
function needs(found: boolean, reason: string): (name: string, body: () => Promise<void>) => void {
  return (name, body) => test.skipIf(!found)(found ? name : `${name} (SKIPPED: ${reason})`, body);
}
const needsOpenssl = needs(Bun.which("openssl") !== null, "no openssl");
// swaks speaks TLS by a Perl module that is not among what it needs.
const swaksHasTls =
  Bun.which("swaks") !== null && Bun.spawnSync(["perl", "-MNet::SSLeay", "-e", "1"]).exitCode === 0;
const needsSwaks = needs(swaksHasTls, "no swaks with Perl's Net::SSLeay");
const needsPython = needs(python !== undefined, noPython.replace("SKIPPED: ", ""));

const env = { PORT: "0", TLS_KEY: pathOf("server-key"), TLS_CERT: pathOf("server") };
const trust = ["-CAfile", pathOf("ca"), "-verify_return_error"];

function client(port: number, name: string, ...more: string[]): Foreign {
  const asked = ["-servername", name, "-verify_hostname", name, ...trust, ...more];
  return new Foreign(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-quiet", ...asked]);
}

describe("tls-echo.ts", () => {
  needsOpenssl("answers openssl with each version, and stops on SIGINT", async () => {
    await using server = new Program(["examples/tls-echo.ts"], env);
    const port = await server.port();
    for (const [option, protocol] of [
      ["-tls1_2", "TLSv1.2"],
      ["-tls1_3", "TLSv1.3"],
    ] as const) {
      await using asking = client(port, "localhost", option, "-no_ign_eof");
      await asking.tell("hello\n");
      await until(() => asking.stdout === "hello\n", "the echo");
      await asking.endInput();
      expect(await asking.ended()).toBe(0);
      await until(() => server.stdout.includes(`speaks ${protocol} with `), "the server's line");
    }
    server.kill("SIGINT");
    expect(await server.exited).toBe(0);
  });

  test("tells of a client without TLS, and goes on", async () => {
    await using server = new Program(["examples/tls-echo.ts"], env);
    const port = await server.port();
    const socket = net.connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
    socket.on("error", () => undefined);
    await until(() => server.stdout.includes("warning: handshake failed: "), "the warning");
    expect(server.stdout).toContain("HTTP_REQUEST");
    socket.destroy();
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });

  needsOpenssl(
    "reads its certificate again on SIGHUP, and keeps the old one when the new one is bad",
    async () => {
      const folder = mkdtempSync(path.join(tmpdir(), "asyncore-"));
      const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
      const use = (name: string, keyName = `${name}-key`): void => {
        copyFileSync(pathOf(keyName), key);
        copyFileSync(pathOf(name), cert);
      };
      try {
        use("server");
        await using server = new Program(["examples/tls-echo.ts"], {
          PORT: "0",
          TLS_KEY: key,
          TLS_CERT: cert,
        });
        const port = await server.port();
        await using old = client(port, "localhost");
        await old.tell("one\n");
        await until(() => old.stdout === "one\n", "the first echo");

        use("other");
        server.kill("SIGHUP");
        await until(() => server.stdout.includes("read the certificate again"), "the renewal");
        await using renewed = client(port, "other.example");
        await renewed.tell("two\n");
        await until(() => renewed.stdout === "two\n", "the echo under the new name");
        await old.tell("three\n");
        await until(() => old.stdout === "one\nthree\n", "the old connection's echo");

        use("other", "server-key");
        server.kill("SIGHUP");
        await until(() => server.stdout.includes("still the old certificate"), "the refusal");
        await using again = client(port, "other.example");
        await again.tell("four\n");
        await until(() => again.stdout === "four\n", "the echo after the refusal");
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  needsOpenssl("makes the certificate of its head comment, and is trusted with it", async () => {
    const text = readFileSync(`${import.meta.dir}/../../examples/tls-echo.ts`, "utf8");
    const lines = text.split("\n").filter((line) => line.startsWith("//   "));
    const commands = lines.map((line) => line.slice(3).trim()).join("\n");
    const [make = "", connect = ""] = commands.replaceAll("\\\n", "").split("\n");
    const folder = mkdtempSync(path.join(tmpdir(), "asyncore-"));
    try {
      const made = Bun.spawnSync(["sh", "-c", make], { cwd: folder });
      expect([made.exitCode, made.stderr.toString()]).toEqual([0, expect.any(String)]);
      const files = { TLS_KEY: path.join(folder, "key.pem"), TLS_CERT: path.join(folder, "cert.pem") };
      await using server = new Program(["examples/tls-echo.ts"], { PORT: "0", ...files });
      const port = await server.port();
      const command = connect.replace("8443", String(port)).replace("cert.pem", files.TLS_CERT);
      await using asking = new Foreign([...command.split(" "), "-verify_return_error"]);
      await asking.tell("hello\n");
      await until(() => asking.stdout === "hello\n", "the echo");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const PYTHON_CONTEXT = `
import ssl
context = ssl.create_default_context(cafile=sys.argv[2])
`;

describe("starttls-smtp.ts", () => {
  const smtp = (): Program => new Program(["examples/starttls-smtp.ts"], env);

  needsSwaks("takes a message from swaks through TLS", async () => {
    await using server = smtp();
    const port = await server.port();
    const mail = ["--to", "you@example.org", "--from", "me@example.org", "--body", "one line"];
    const command = [
      "swaks",
      "--tls",
      "--server",
      `127.0.0.1:${port}`,
      "--header",
      "Subject: by swaks",
      ...mail,
    ];
    await using sending = new Foreign(command);
    expect(await sending.ended()).toBe(0);
    expect(sending.stdout).toContain("=== TLS started with cipher");
    await until(() => server.stdout.includes("Subject: by swaks"), "the message");
    expect(server.stdout).toMatch(/TLSv1\.[23]: .*Subject: by swaks.* \| one line/);
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });

  needsPython("takes a message from smtplib.starttls(), and none without it", async () => {
    await using server = smtp();
    const port = await server.port();
    const told = await askPython(
      port,
      `${PYTHON_CONTEXT}
from smtplib import SMTP, SMTPResponseException
told = []
with SMTP("localhost", int(sys.argv[1])) as client:
    client.ehlo()
    told.append(client.has_extn("starttls"))
    try:
        client.sendmail("me@example.org", ["you@example.org"], "in plain")
    except SMTPResponseException as error:
        told.append(error.smtp_code)
with SMTP("localhost", int(sys.argv[1])) as client:
    told.append(client.starttls(context=context)[0])
    client.ehlo()
    told.append(client.has_extn("starttls"))
    client.sendmail("me@example.org", ["you@example.org"], "Subject: by smtplib\\n\\n.a dot\\n")
tell(told)
`,
      pathOf("ca"),
    );
    expect(told).toEqual([true, 530, 220, false]);
    await until(() => server.stdout.includes("by smtplib"), "the message");
    expect(server.stdout).toContain("Subject: by smtplib |  | .a dot");
    expect(server.stdout).not.toContain("in plain");
  });

  needsPython("refuses what is injected behind STARTTLS, in the same packet or after it", async () => {
    await using server = smtp();
    const port = await server.port();
    const injection = "STARTTLS\\r\\nEHLO injected\\r\\nMAIL FROM:<injected@example.org>\\r\\n";
    const told = await askPython(
      port,
      `${PYTHON_CONTEXT}
def attempt(*packets):
    sock = connect()
    lines = sock.makefile("rb")
    lines.readline()
    for packet in packets:
        sock.sendall(packet)
    # What a client does that has not noticed: begins TLS at the go-ahead, and listens.
    try:
        said = lines.readline()
        if said:
            sock = context.wrap_socket(sock, server_hostname="localhost")
            said += sock.recv(1000)
    except (ssl.SSLError, OSError) as error:
        return "refused"
    return said.decode() or "closed"
tell([attempt(b"${injection}"), attempt(b"STARTTLS\\r\\n", b"EHLO injected\\r\\n")])
`,
      pathOf("ca"),
    );
    for (const outcome of told as string[]) expect(outcome).toMatch(/^(refused|closed)$/);
    await until(() => server.stdout.includes("plaintext"), "the complaint");
    // A good one is served as before.
    const good = await askPython(
      port,
      `${PYTHON_CONTEXT}
from smtplib import SMTP
with SMTP("localhost", int(sys.argv[1])) as client:
    told = [client.starttls(context=context)[0], client.mail("me@example.org")[0]]
tell(told)
`,
      pathOf("ca"),
    );
    expect(good).toEqual([220, 250]);
    expect(server.stdout).not.toContain("injected@example.org |");
  });
});
