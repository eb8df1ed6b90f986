/** Commands about the server. */
import type { Client } from "../client.ts";
import { type Command, fits, NO_KEY, runSubcommand, type Subcommand } from "../command-table.ts";
import { globMatches } from "../glob.ts";
import type { Replies } from "../replies.ts";
import type { RequestParser } from "../request-parser.ts";

function info(request: RequestParser, reply: Replies, { host }: Client): void {
  const wanted = new Set<string>();
  for (let index = 1; index < request.count; index++) wanted.add(request.text(index).toLowerCase());
  const all = wanted.size === 0 || ["all", "everything", "default"].some((word) => wanted.has(word));
  const sections = Object.entries(host.info()).filter(([title]) => all || wanted.has(title.toLowerCase()));
  const texts = sections.map(([title, lines]) => {
    const fields = Object.entries(lines).map(([name, value]) => `${name}:${value}\r\n`);
    return `# ${title}\r\n${fields.join("")}`;
  });
  reply.verbatim(texts.join("\r\n"));
}

function configGet(request: RequestParser, reply: Replies, { host }: Client): void {
  const patterns: string[] = [];
  for (let index = 2; index < request.count; index++) patterns.push(request.text(index));
  const found = Object.entries(host.settings).filter(([name]) =>
    patterns.some((pattern) => globMatches(pattern, name, true)),
  );
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.bulk(name);
    reply.bulk(value);
  }
}

const configSubcommands: Readonly<Record<string, Subcommand>> = { get: { arity: -3, run: configGet } };

/** COMMAND, which tells about all commands, itself included. */
function commandCommand(all: () => readonly Command[]): Command {
  const describe = (reply: Replies, { name, arity, flags, keys }: Command): void => {
    reply.array(10);
    reply.bulk(name);
    reply.integer(arity);
    const words = flags === "" ? [] : flags.split(" ");
    reply.set(words.length);
    for (const word of words) reply.status(word);
    for (const place of keys) reply.integer(place);
    // ACL categories, tips, key specifications, subcommands.
    for (let empty = 0; empty < 4; empty++) reply.array(0);
  };
  const subcommands: Readonly<Record<string, Subcommand>> = {
    count: { arity: 2, run: (_request, reply) => reply.integer(all().length) },
    // Documentation is optional for every command.
    docs: { arity: -2, run: (_request, reply) => reply.map(0) },
    list: {
      arity: 2,
      run: (_request, reply) => {
        reply.array(all().length);
        for (const { name } of all()) reply.bulk(name);
      },
    },
    info: {
      arity: -2,
      run: (request, reply) => {
        reply.array(request.count - 2);
        for (let index = 2; index < request.count; index++) {
          const name = request.text(index).toLowerCase();
          const found = all().find((command) => command.name === name);
          if (found === undefined) reply.nilArray();
          else describe(reply, found);
        }
      },
    },
  };
  return {
    name: "command",
    arity: -1,
    flags: "loading stale",
    keys: NO_KEY,
    run: (request, reply, client) => {
      if (!fits({ arity: 1 }, request.count)) {
        runSubcommand("command", subcommands, request, reply, client);
        return;
      }
      reply.array(all().length);
      for (const command of all()) describe(reply, command);
    },
  };
}

/** `all` is asked when a client wants to know. */
export function serverCommands(all: () => readonly Command[]): readonly Command[] {
  return [
    { name: "info", arity: -1, flags: "loading stale", keys: NO_KEY, run: info },
    {
      name: "config",
      arity: -2,
      flags: "",
      keys: NO_KEY,
      run: (...call) => runSubcommand("config", configSubcommands, ...call),
    },
    commandCommand(all),
  ];
}
