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
const FRAME = /^\s+at (?:(?:async )?(.+?) \()?(.+?):(\d+)(?::\d+)?\)?$/;

// A path is at most 4096 bytes; on a longer line the pattern would only lose time, which is quadratic.
const LONGEST_FRAME = 4096 + 512;

/** Takes an error's stack apart. Frames of this library, of Bun and of node are left out. */
export function compactTraceback(error: unknown): CompactTraceback {
  const frames: Frame[] = [];
  const message = messageOf(error);
  for (const line of stackOf(error, message).split("\n")) {
    if (line.length > LONGEST_FRAME) continue;
    const match = FRAME.exec(line);
    const file = match?.[2];
    if (match === null || file === undefined || file.startsWith(ownFolder) || isRuntime(file)) continue;
    frames.push({ file, function: match[1] ?? "?", line: Number(match[3]) });
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
