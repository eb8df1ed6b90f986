/** What the calls of every kind of socket take, checked: whoever gives something else is told so. */
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from "../base/constants.ts";
import { ArgumentRangeError } from "../base/errors.ts";

/** `recv()`: @throws {ArgumentRangeError} */
export function checkSize(size: number): void {
  if (size !== Infinity && (!Number.isInteger(size) || size < 0)) {
    throw new ArgumentRangeError(`recv: the size is an integer of at least 0, not ${String(size)}`);
  }
}

/** `shutdown()`: @throws {ArgumentRangeError} */
export function checkHow(how: number): void {
  if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) {
    throw new ArgumentRangeError(`shutdown: SHUT_RD, SHUT_WR or SHUT_RDWR, not ${String(how)}`);
  }
}

/** `listen()`: @throws {ArgumentRangeError} */
export function checkBacklog(backlog: number): void {
  if (!Number.isInteger(backlog) || backlog < 0) {
    throw new ArgumentRangeError(`listen: the backlog is an integer of at least 0, not ${String(backlog)}`);
  }
}
