/** asyncore's `compact_traceback`: the core's, in the shape of Python's tuple. */
import { compactTraceback } from "../dispatcher/traceback.ts";

/** `[[file, function, line], type, value, info]`; type and value as texts, as a `%s` would write them. */
export type CompactTracebackTuple = readonly [
  at: readonly [file: string, fn: string, line: string],
  type: string,
  value: string,
  info: string,
];

/** Where `error` came from; Python takes it from `sys.exc_info()`. Empty texts for a value without a stack. */
export function compact_traceback(error: unknown): CompactTracebackTuple {
  const { at, type, message, info } = compactTraceback(error);
  const place =
    at === undefined ? (["", "", ""] as const) : ([at.file, at.function, String(at.line)] as const);
  return [place, type, message, info];
}
