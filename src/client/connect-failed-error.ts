/** The error of a connect that has tried everything, or ran out of time. */
import { OSError, strerror } from "../base/errors.ts";

/** What {@link ConnectFailedError} is about. */
export interface ConnectFailure {
  /** Host or unix path. */
  readonly address: string;
  readonly port?: number;
  /** Of each attempt, and of each look-up that did not work, in the order they ended. */
  readonly errors: readonly OSError[];
  /** Default: the most telling one of `errors`; ENOTFOUND when there is none. */
  readonly code?: string;
}

// What says something about this end, or about the way, tells less than an answer of the other end.
const LESS_TELLING: ReadonlySet<string> = new Set([
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL",
  "EAFNOSUPPORT",
  "EINVAL",
  "ECANCELED",
]);
/** The name is there or not; that it has no address of one family is no failure. */
const ABSENT: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA", "EAI_NODATA", "EAI_ADDRFAMILY"]);

/**
 * No address of the target could be connected to. `code` is the most telling one: an answer of the other end before an
 * unreachable network, the last one among equals. ETIMEDOUT when the deadline passed.
 */
export class ConnectFailedError extends OSError {
  override name = "ConnectFailedError";
  /** Of each attempt, in the order they failed; of the look-ups, when they were what failed. */
  readonly errors: readonly OSError[];

  constructor(failure: ConnectFailure) {
    const errors = withoutNoise(failure.errors);
    const code = failure.code ?? mostTelling(errors);
    // One attempt at the address given says nothing more.
    const alone = errors.length === 1 && errors[0]?.address === failure.address && errors[0]?.code === code;
    const told = errors.length === 0 || alone ? "" : ` (${errors.map(({ message }) => message).join("; ")})`;
    super(code, {
      syscall: "connect",
      address: failure.address,
      ...(failure.port === undefined ? {} : { port: failure.port }),
      detail: strerror(code) + told,
    });
    this.errors = errors;
  }
}

function withoutNoise(errors: readonly OSError[]): readonly OSError[] {
  const telling = errors.filter(({ code }) => !ABSENT.has(code));
  return telling.length > 0 ? telling : errors;
}

function mostTelling(errors: readonly OSError[]): string {
  const error = errors.findLast(({ code }) => !LESS_TELLING.has(code)) ?? errors.at(-1);
  return error?.code ?? "ENOTFOUND";
}
