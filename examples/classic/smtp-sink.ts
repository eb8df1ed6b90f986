// An SMTP server that takes every message (RFC 5321 with SIZE, 8BITMIME, PIPELINING) and delivers none. Try it:
// `bun examples/classic/smtp-sink.ts /tmp/mail`, then `swaks --server 127.0.0.1:8025 --to you@example.org`. Messages become
// files in the folder named, without one they are only counted; a second argument is the largest message in bytes.
// PORT and HOST choose the address; Ctrl-C ends it.
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";

import { formatAddress } from "asyncore";
import * as asyncore from "asyncore/classic";

/** Of a command line, its CRLF included. The RFC asks for 512, and 43 more for the parameters of SIZE and 8BITMIME. */
const MAX_COMMAND_BYTES = 1024;
/** Of one message. The RFC asks for at least 100. */
const MAX_RECIPIENTS = 1000;
/** Replies that the client has not taken; beyond, it is not read. */
const MAX_UNREAD_BYTES = 65_536;

const EMPTY = Buffer.alloc(0);
const CRLF = Buffer.from("\r\n");
const DOT = 0x2e;

/** `<local@domain>`, local part quoted or not, domain or none; or `<>`. A source route is skipped. Parameters follow. */
const PATH = /^<(?:@[^\s<>":]+:)?((?:[^\s<>"@]+|"(?:[^"\\]|\\.)+")(?:@[^\s<>"@]+)?|)>(?: +(.+))?$/;

class SMTPChannel extends asyncore.async_chat {
  // Lines of any length come here; keep() bounds what is made of them.
  static override maxCollectBytes = Infinity;

  server: SMTPServer;
  peer: string;
  greeted = false;
  mail_from: string | undefined;
  rcpt_tos: string[] = [];
  /** Between DATA and the line with a dot. */
  in_data = false;
  /** The command or the message so far: the first `kept` bytes. */
  text = EMPTY;
  kept = 0;
  /** The limit was passed, and nothing is kept any more. */
  too_long = false;
  /** Of the line that is coming in: bytes so far, and whether it is one of a message and begins with a dot. */
  line_length = 0;
  dotted = false;

  constructor(server: SMTPServer, sock: asyncore.Socket, addr: asyncore.Address) {
    super(sock);
    this.server = server;
    this.peer = formatAddress(addr);
    // Always, in a message too: a bare CR or LF ends nothing, so no message can smuggle in another.
    this.set_terminator("\r\n");
    this.reply(`220 ${hostname()} ESMTP sink`);
  }

  reply(text: string) {
    this.push(`${text}\r\n`);
  }

  // Who sends commands and does not read the replies is held back, not cut off; writable() makes the loop wait for room.
  override readable() {
    return this.bufferedAmount < MAX_UNREAD_BYTES;
  }
  override writable() {
    return !this.readable() || super.writable();
  }

  override collect_incoming_data(data: Buffer) {
    const begins = this.line_length === 0;
    if (begins) this.dotted = this.in_data && data[0] === DOT;
    this.line_length += data.length;
    // The dot that begins a line was put there by the client; one of the text's own follows it.
    this.keep(begins && this.dotted ? data.subarray(1) : data);
  }

  override found_terminator() {
    const lone_dot = this.dotted && this.line_length === 1;
    this.dotted = false;
    this.line_length = 0;
    if (lone_dot) return this.found_message();
    if (this.in_data) return this.keep(CRLF);
    const line = this.take()?.toString("latin1").replace(/ +$/, "");
    if (line === undefined) return this.reply("500 line too long");
    if (/[^ -~]/.test(line)) return this.reply("500 control character or 8 bits in a command");
    this.reply(this.found_command(line));
    // Not close_when_done(): commands that came with this one would still run.
    if (/^QUIT$/i.test(line)) this.close();
    return undefined;
  }

  // One buffer and not a list of lines: where these are short, the list would be many times as large.
  keep(data: Buffer) {
    const limit = this.in_data ? this.server.data_size_limit : MAX_COMMAND_BYTES - CRLF.length;
    const needed = this.kept + data.length;
    this.too_long ||= needed > limit;
    if (this.too_long) return;
    if (needed > this.text.length) {
      this.text = Buffer.concat([this.text], Math.max(needed, Math.min(2 * this.text.length, limit)));
    }
    data.copy(this.text, this.kept);
    this.kept = needed;
  }

  /** What was kept, undefined if there was too much; begins anew. */
  take() {
    const data = this.too_long ? undefined : this.text.subarray(0, this.kept);
    this.text = EMPTY;
    this.kept = 0;
    this.too_long = false;
    return data;
  }

  // Until this has settled nothing more is read.
  async found_message() {
    const [data, from = "", to] = [this.take(), this.mail_from, this.rcpt_tos];
    this.in_data = false;
    this.reset();
    if (data === undefined) this.reply(`552 more than ${this.server.data_size_limit} bytes`);
    else this.reply(await this.server.process_message(this.peer, from, to, data));
  }

  found_command(line: string) {
    const [, word = "", arg = ""] = /^(\S*) *(.*)$/.exec(line) ?? [];
    const verb = word.toUpperCase();
    if (arg !== "" && /^(RSET|DATA|QUIT)$/.test(verb)) return `501 syntax: ${verb}`;
    if (arg === "" && /^(HELO|EHLO|VRFY)$/.test(verb)) return `501 syntax: ${verb} name`;
    switch (verb) {
      case "HELO":
      case "EHLO":
        this.greeted = true;
        this.reset();
        if (verb === "HELO") return `250 ${hostname()}`;
        return `250-${hostname()}\r\n250-SIZE ${this.server.data_size_limit}\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 HELP`;
      case "MAIL":
        return this.smtp_MAIL(arg);
      case "RCPT":
        return this.smtp_RCPT(arg);
      case "DATA":
        if (this.rcpt_tos.length === 0) return "503 RCPT first";
        this.in_data = true;
        return "354 go on, and end with a dot on a line of its own";
      case "RSET":
        this.reset();
        return "250 OK";
      case "NOOP":
        return "250 OK";
      case "VRFY":
        return "252 not verified, but a message would be taken";
      case "HELP":
        return "214 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT";
      case "QUIT":
        return "221 bye";
      case "EXPN":
        return "502 not implemented";
      default:
        return "500 unknown command";
    }
  }

  reset() {
    this.mail_from = undefined;
    this.rcpt_tos = [];
  }

  smtp_MAIL(arg: string) {
    if (!this.greeted) return "503 HELO or EHLO first";
    if (this.mail_from !== undefined) return "503 there is a sender already";
    const [, address, parameters] = PATH.exec(arg.replace(/^FROM: ?/i, "")) ?? [];
    if (address === undefined || !/^FROM:/i.test(arg)) return "501 syntax: MAIL FROM:<address>";
    for (const parameter of parameters?.split(/ +/) ?? []) {
      const [, size] = /^SIZE=(\d+)$/i.exec(parameter) ?? [];
      if (Number(size) > this.server.data_size_limit)
        return `552 more than ${this.server.data_size_limit} bytes`;
      if (size === undefined && !/^BODY=(7BIT|8BITMIME)$/i.test(parameter)) return "555 unknown parameter";
    }
    this.mail_from = address;
    return "250 OK";
  }

  smtp_RCPT(arg: string) {
    if (this.mail_from === undefined) return "503 MAIL first";
    const [, address = "", parameters] = PATH.exec(arg.replace(/^TO: ?/i, "")) ?? [];
    if (address === "" || !/^TO:/i.test(arg)) return "501 syntax: RCPT TO:<address>";
    if (parameters !== undefined) return "555 unknown parameter";
    if (this.rcpt_tos.length === MAX_RECIPIENTS) return "452 too many recipients";
    this.rcpt_tos.push(address);
    return "250 OK";
  }

  // A message that could not be stored, or a mistake in this program: the client is to try again later.
  override handle_error(error: unknown) {
    this.reply("421 failed, try again later");
    return super.handle_error(error);
  }
}

class SMTPServer extends asyncore.dispatcher {
  folder: string | undefined;
  data_size_limit: number;
  count = 0;

  constructor(localaddr: asyncore.Address, folder: string | undefined, data_size_limit: number) {
    super();
    this.folder = folder;
    this.data_size_limit = data_size_limit;
    this.create_socket();
    this.set_reuse_addr();
    this.bind(localaddr);
    this.listen(100);
  }

  override handle_accepted(sock: asyncore.Socket, addr: asyncore.Address) {
    new SMTPChannel(this, sock, addr);
  }

  /** A message as it was before dots were doubled. Gives the reply. */
  async process_message(peer: string, mail_from: string, rcpt_tos: string[], data: Buffer) {
    const name = `${Date.now()}-${++this.count}.eml`;
    if (this.folder !== undefined) await writeFile(`${this.folder}/${name}`, data, { flag: "wx" });
    console.log(`${name}: ${data.length} bytes from ${peer} <${mail_from}> to <${rcpt_tos.join("> <")}>`);
    return `250 OK ${name}`;
  }
}

const [folder, limit = "33554432"] = process.argv.slice(2);
if (!/^[1-9]\d{0,9}$/.test(limit)) throw new RangeError(`the largest message in bytes, not ${limit}`);
if (folder !== undefined) mkdirSync(folder, { recursive: true });
const address: asyncore.Address = [process.env["HOST"] ?? "127.0.0.1", Number(process.env["PORT"] ?? 8025)];
const server = new SMTPServer(address, folder, Number(limit));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => asyncore.close_all());
console.log(`SMTP sink on ${formatAddress(server.getsockname())}`);
await asyncore.loop();
