/**
 * What is true of a stream, as bits of one field: fields of their own would make every idle connection larger by 8 bytes
 * each. For `stream-socket.ts` alone.
 */

/** The peer's FIN, or the end of everything, was recorded. */
export const EOF = 1;
/** `recv()` has told the end of the stream. */
export const EOF_TOLD = 2;
export const READ_SHUT = 4;
/** close() was called while connecting, with bytes to deliver. */
export const CLOSE_WANTED = 8;
/** A FIN is to follow what is queued. */
export const FIN_WANTED = 16;
export const FIN_SENT = 32;
/** The last write came short; drain will tell. */
export const BLOCKED = 64;
/** The queue reached the high water mark and has not fallen to the low one. */
export const HIGH = 128;
export const PAUSED = 256;
export const FLUSH_QUEUED = 512;
/** After close() the peer took too long to take what was queued. */
export const CLOSE_TIMED_OUT = 1024;
