/** Where an error came from, in one line: what `handleError` logs (asyncore's `compact_traceback`). */
import { dirname } from "node:path";

/** One frame of a traceback. */
export interface Frame {
  readonly file: string;
  /** `"?"` for code outside any function. */
  readonly function: string;
  readonly line: number;
}

/** What {@link compactTraceback} found out. */
export interface CompactTraceback {
  /** The innermost frame of the user's source; undefined for a value thrown without a stack. */
  readonly at: Frame | undefined;
  /** The error's class. */
  readonly type: string;
  readonly message: string;
  /** All of the user's frames, outermost first: `[file|function|line] [file|function|line]`. */
  readonly info: string;
}

// This library's own frames say nothing about the mistake.
const ownFolder = `${dirname(import.meta.dirname)}/`;

// What is looked at: an engine prints far fewer frames, and a path has at most 4096 bytes.
const MOST_LINES = 200;
const LONGEST_LINE = 4096 + 512;

/** Takes an error's stack apart. Frames of this library, of Bun and of node are left out. */
export function compactTraceback(error: unknown): CompactTraceback {
  const frames: Frame[] = [];
  const message = messageOf(error);
  for (const line of stackOf(error, message).split("\n").slice(0, MOST_LINES)) {
    const frame = frameOf(line);
    if (frame === undefined || frame.file.startsWith(ownFolder) || isRuntime(frame.file)) continue;
    frames.push(frame);
  }
  return {
    at: frames[0],
    type: typeName(error),
    message,
    info: frames
      .toReversed()
      .map((frame) => `[${frame.file}|${frame.function}|${frame.line}]`)
      .join(" "),
  };
}

// `at name (file:line:column)` or `at file:line:column`. Only searches that are linear, for a peer may have written the
// line: an error's message can quote what it sent.
function frameOf(line: string): Frame | undefined {
  const text = line.trim();
  if (text.length > LONGEST_LINE || !text.startsWith("at ")) return undefined;
  const named = text.endsWith(")") ? text.indexOf(" (") : -1;
  const place = named < 0 ? text.slice(3) : text.slice(named + 2, -1);
  // file:line:column, or file:line; the file may have colons of its own.
  const fields = place.split(":");
  if (fields.length < 2 || !isNumber(fields.at(-1))) return undefined;
  const last = fields.length > 2 && isNumber(fields.at(-2)) ? 2 : 1;
  const file = fields.slice(0, -last).join(":");
  const name = named < 0 ? "?" : text.slice(3, named).replace(/^async /, "");
  return { file, function: name, line: Number(fields.at(-last)) };
}

// The lines below the message: what is in the message, which may be a peer's words, is no frame.
function stackOf(error: unknown, message: string): string {
  try {
    const stack: unknown = error instanceof Error ? error.stack : undefined;
    if (typeof stack !== "string") return "";
    const at = message === "" ? -1 : stack.indexOf(message);
    return at < 0 ? stack : stack.slice(at + message.length);
  } catch {
    return "";
  }
}

function isNumber(field: string | undefined): boolean {
  return field !== undefined && /^\d+$/.test(field);
}

function isRuntime(file: string): boolean {
  return (
    file === "native" || file.startsWith("node:") || file.startsWith("bun:") || file.startsWith("internal:")
  );
}

function typeName(error: unknown): string {
  try {
    if (error instanceof Error) {
      const kind: unknown = error.constructor;
      const name: unknown = typeof kind === "function" && kind !== Object ? kind.name : error.name;
      return String(name);
    }
  } catch {
    // A getter of the thrown value's.
  }
  return error === null ? "null" : typeof error;
}

// A thrown value may be anything, and its text may throw in turn.
function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "(a value whose text cannot be had)";
  }
}
