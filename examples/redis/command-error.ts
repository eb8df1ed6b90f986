/** What a command replies instead of a result. The message is the whole line: its first word is the error's kind. */
export class CommandError extends Error {
  override name = "CommandError";
}

// Made once: a stack trace for each of a peer's mistakes would cost more than the command.
export const wrongType: CommandError = new CommandError(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);
export const syntaxError: CommandError = new CommandError("ERR syntax error");
export const notAnInteger: CommandError = new CommandError("ERR value is not an integer or out of range");
export const notPositive: CommandError = new CommandError("ERR value is out of range, must be positive");
export const notAFloat: CommandError = new CommandError("ERR value is not a valid float");
export const overflow: CommandError = new CommandError("ERR increment or decrement would overflow");

/** `name` is the command's, in lower case; a subcommand's is `client|setname`. */
export function wrongArity(name: string): CommandError {
  return new CommandError(`ERR wrong number of arguments for '${name}' command`);
}

/** What a client said, as C's printf() shows it in a message. */
export function cString(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
