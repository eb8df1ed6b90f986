/** Commands about the connection. */
import type { Client } from "../client.ts";
import { CommandError, cString, notAnInteger, wrongArity } from "../command-error.ts";
import { type Command, NO_KEY, runSubcommand, type Subcommand } from "../command-table.ts";
import { parseInt64 } from "../numbers.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

/** What clients look at to see what they can ask for. */
export const REDIS_VERSION = "7.0.0";

function ping(request: RequestParser, reply: Replies): void {
  if (request.count > 2) throw wrongArity("ping");
  if (request.count === 1) reply.pong();
  else reply.bulk(request.text(1));
}

function select(request: RequestParser, reply: Replies): void {
  const database = parseInt64(request.text(1));
  if (database === undefined) throw notAnInteger;
  if (database < -(2 ** 31) || database >= 2 ** 31) {
    throw new CommandError("ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (database !== 0) throw new CommandError("ERR DB index is out of range");
  reply.ok();
}

function hello(request: RequestParser, reply: Replies, client: Client): void {
  let protocol = client.protocol;
  if (request.count > 1) {
    const version = parseInt64(request.text(1));
    if (version === undefined) {
      throw new CommandError("ERR Protocol version is not an integer or out of range");
    }
    if (version !== 2 && version !== 3) throw new CommandError("NOPROTO unsupported protocol version");
    protocol = version;
  }
  for (let index = 2; index < request.count; index++) {
    const left = request.count - index - 1;
    if (request.is(index, "AUTH") && left >= 2) {
      checkUser(request.text(index + 1));
      index += 2;
    } else if (request.is(index, "SETNAME") && left >= 1) {
      client.name = checkName(request.text(++index));
    } else throw new CommandError(`ERR Syntax error in HELLO option '${cString(request.text(index))}'`);
  }
  client.protocol = protocol;
  reply.protocol = protocol;
  reply.map(7);
  const fields: readonly (readonly [string, string | number])[] = [
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", protocol],
    ["id", client.id],
    ["mode", "standalone"],
    ["role", "master"],
  ];
  for (const [field, value] of fields) {
    reply.bulk(field);
    if (typeof value === "number") reply.integer(value);
    else reply.bulk(value);
  }
  reply.bulk("modules");
  reply.array(0);
}

// There is one user, who needs no password.
function checkUser(user: string): void {
  if (user === "default") return;
  throw new CommandError("WRONGPASS invalid username-password pair or user is disabled.");
}

function checkName(name: string): string {
  if (/^[!-~]*$/u.test(name)) return name;
  throw new CommandError("ERR Client names cannot contain spaces, newlines or special characters.");
}

function setInfo(request: RequestParser, reply: Replies, client: Client): void {
  const value = request.text(3);
  const said = request.text(2);
  const field = said.toUpperCase();
  if (field !== "LIB-NAME" && field !== "LIB-VER") {
    throw new CommandError(`ERR Unrecognized option '${said}'`);
  }
  if (!/^[!-~]*$/u.test(value)) {
    throw new CommandError(
      `ERR ${field.toLowerCase()} cannot contain spaces, newlines or special characters.`,
    );
  }
  if (field === "LIB-NAME") client.libraryName = value;
  else client.libraryVersion = value;
  reply.ok();
}

const clientSubcommands: Readonly<Record<string, Subcommand>> = {
  id: { arity: 2, run: (_request, reply, { id }) => reply.integer(id) },
  getname: {
    arity: 2,
    run: (_request, reply, { name }) => (name === "" ? reply.nil() : reply.bulk(name)),
  },
  setname: {
    arity: 3,
    run: (request, reply, client) => {
      client.name = checkName(request.text(2));
      reply.ok();
    },
  },
  setinfo: { arity: 4, run: setInfo },
  info: { arity: 2, run: (_request, reply, client) => reply.verbatim(`${client.describe()}\n`) },
  list: {
    arity: 2,
    run: (_request, reply, { host }) =>
      reply.verbatim(Array.from(host.clients, (client) => `${client.describe()}\n`).join("")),
  },
};

function quit(_request: RequestParser, reply: Replies, client: Client): void {
  reply.ok();
  client.quit();
}

function reset(_request: RequestParser, reply: Replies, client: Client): void {
  client.name = "";
  client.protocol = 2;
  reply.protocol = 2;
  reply.status("RESET");
}

const flags = "noscript loading stale fast";

export const connectionCommands: readonly Command[] = [
  { name: "ping", arity: -1, flags: "fast", keys: NO_KEY, run: ping },
  {
    name: "echo",
    arity: 2,
    flags: "loading stale fast",
    keys: NO_KEY,
    run: (request, reply) => reply.bulk(request.text(1)),
  },
  { name: "select", arity: 2, flags: "loading stale fast", keys: NO_KEY, run: select },
  { name: "hello", arity: -1, flags, keys: NO_KEY, run: hello },
  { name: "quit", arity: -1, flags, keys: NO_KEY, run: quit },
  { name: "reset", arity: 1, flags, keys: NO_KEY, run: reset },
  {
    name: "client",
    arity: -2,
    flags: "",
    keys: NO_KEY,
    run: (...call) => runSubcommand("client", clientSubcommands, ...call),
  },
];
