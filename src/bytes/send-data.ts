/** What a program may send, and the bytes it stands for. Called by everything that takes data from a user. */
import { ArgumentTypeError } from "../base/errors.ts";

/** Bytes a program may send. Strings go out as UTF-8. */
export type SendData = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** Whether `data` is nothing. Takes anything, for a caller without types may have sent anything. */
export function isEmpty(data: unknown): boolean {
  if (typeof data === "string") return data === "";
  return (data as { byteLength?: unknown } | null | undefined)?.byteLength === 0;
}

/**
 * A view of the bytes of `data`, not a copy.
 *
 * @throws {ArgumentTypeError} not bytes, detached memory, or a view out of its buffer's bounds
 */
export function bytesOf(data: Exclude<SendData, string>): Uint8Array {
  try {
    if (data instanceof Uint8Array) {
      // An empty one may be one whose memory is gone; keys() throws then.
      if (data.length === 0) data.keys();
      return data;
    }
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new Uint8Array(data);
  } catch {
    throw new ArgumentTypeError("send: the buffer is detached or the view out of bounds");
  }
  const what = data === null ? "null" : typeof data;
  throw new ArgumentTypeError(`send: text or bytes, not ${what}`);
}
