/** What a command is, and the table that finds it by the bytes of its name. */
import type { Client } from "./client.ts";
import { CommandError, cString, wrongArity } from "./command-error.ts";
import type { Replies } from "./replies.ts";
import type { RequestParser } from "./request-parser.ts";

/** Runs a command to its end: exactly one reply, or a {@link CommandError} thrown before anything was written. */
export type Run = (request: RequestParser, reply: Replies, client: Client) => void;

export interface Command {
  /** In lower case. */
  readonly name: string;
  /** How many arguments, the name included; -3 is three and more. */
  readonly arity: number;
  /** As COMMAND tells them. */
  readonly flags: string;
  /** Which arguments are keys: the first, the last (-1: of all), and every which; zeros for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly run: Run;
}

export const NO_KEY: readonly [number, number, number] = [0, 0, 0];
export const ONE_KEY: readonly [number, number, number] = [1, 1, 1];
export const ALL_KEYS: readonly [number, number, number] = [1, -1, 1];

/** Whether a request of `count` arguments can be this command's. */
export function fits({ arity }: { readonly arity: number }, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

const SLOTS = 512;
/** Takes the case off a letter. */
const UPPER = 0xdf;

/** A command in the table, with what the way of every request needs, all in one place. */
class Slot {
  readonly command: Command;
  readonly run: Run;
  readonly arity: number;
  readonly length: number;
  /** The first four letters, the next four, and the rest, if there is one. */
  readonly first: number;
  readonly second: number;
  readonly rest: string;
  readonly next: Slot | undefined;

  constructor(command: Command, next: Slot | undefined) {
    const name = Buffer.from(command.name);
    this.command = command;
    this.run = command.run;
    this.arity = command.arity;
    this.length = name.length;
    this.first = letters(name, 0, name.length);
    this.second = letters(name, 4, name.length);
    this.rest = command.name.slice(8).toUpperCase();
    this.next = next;
  }
}

export class CommandTable implements Iterable<Command> {
  readonly #commands: readonly Command[];
  readonly #slots: (Slot | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  /** Names consist of letters. */
  constructor(commands: readonly Command[]) {
    this.#commands = commands;
    for (const command of commands) {
      const name = Buffer.from(command.name);
      const place = placeOf(letters(name, 0, name.length), letters(name, 4, name.length));
      this.#slots[place] = new Slot(command, this.#slots[place]);
    }
  }

  get size(): number {
    return this.#commands.length;
  }
  [Symbol.iterator](): ArrayIterator<Command> {
    return this.#commands.values();
  }

  /** Runs what a request asks for. @throws {CommandError} no such command, too many arguments, or what the command throws */
  run(request: RequestParser, reply: Replies, client: Client): void {
    const { bytes, offsets, count } = request;
    const start = offsets[0] as number;
    const end = offsets[1] as number;
    const first = letters(bytes, start, end);
    const second = letters(bytes, start + 4, end);
    let slot = this.#slots[placeOf(first, second)];
    while (slot !== undefined && !isNamed(slot, first, second, bytes, start, end)) slot = slot.next;
    if (slot === undefined) throw unknownCommand(request);
    if (!fits(slot, count)) throw wrongArity(slot.command.name);
    slot.run(request, reply, client);
  }
}

function isNamed(
  slot: Slot,
  first: number,
  second: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { length, rest } = slot;
  if (slot.first !== first || slot.second !== second || length !== end - start) return false;
  if (length <= 8) return true;
  return (
    Buffer.from(bytes.subarray(start + 8, end))
      .toString("latin1")
      .toUpperCase() === rest
  );
}

// Up to four letters in one number, whatever their case is.
function letters(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  const stop = Math.min(start + 4, end);
  for (let at = start; at < stop; at++) word = (word << 8) | ((bytes[at] as number) & UPPER);
  return word;
}

function placeOf(first: number, second: number): number {
  const mixed = Math.imul(first ^ (second << 3), 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
}

/** What Redis says to a name it does not know. */
export function unknownCommand(request: RequestParser): CommandError {
  let args = "";
  for (let index = 1; index < request.count && args.length < 128; index++) {
    args += `'${cString(request.text(index)).slice(0, 128 - args.length)}' `;
  }
  const name = cString(request.text(0)).slice(0, 128);
  return new CommandError(`ERR unknown command '${name}', with args beginning with: ${args}`);
}

/** A command whose first argument names what to do. */
export interface Subcommand {
  readonly arity: number;
  readonly run: Run;
}

/** Runs the subcommand that the request names. @throws {CommandError} there is none, or it gets too much or too little */
export function runSubcommand(
  name: string,
  subcommands: Readonly<Record<string, Subcommand>>,
  ...call: Parameters<Run>
): void {
  const [request] = call;
  const said = request.text(1);
  const subcommand = Object.hasOwn(subcommands, said.toLowerCase())
    ? subcommands[said.toLowerCase()]
    : undefined;
  if (subcommand === undefined) {
    throw new CommandError(
      `ERR unknown subcommand '${cString(said).slice(0, 128)}'. Try ${name.toUpperCase()} HELP.`,
    );
  }
  if (!fits(subcommand, request.count)) throw wrongArity(`${name}|${said.toLowerCase()}`);
  subcommand.run(...call);
}
