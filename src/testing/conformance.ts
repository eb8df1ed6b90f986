/**
 * The contract of `socket/socket.ts` in running code: one suite for every kind of socket, also a user's own. The
 * cases are in the `conformance-….ts` files; this one makes them runnable by any test runner.
 */
import { abortCases } from "./conformance-abort.ts";
import { closeCases } from "./conformance-close.ts";
import { connectCases } from "./conformance-connect.ts";
import { deadlineCases } from "./conformance-deadline.ts";
import { halfCloseCases } from "./conformance-half-close.ts";
import { Rig } from "./conformance-kit.ts";
import { nameCases } from "./conformance-names.ts";
import { receiveCases } from "./conformance-receive.ts";
import { sendCases } from "./conformance-send.ts";
import type { SocketKind } from "./socket-kind.ts";

/** One thing that every socket does. */
export interface ConformanceCase {
  /** `Socket.method() does what when …` */
  readonly name: string;
  /** Why this kind cannot run it. */
  readonly skip?: string;
  /** Rejects when the kind does not conform. */
  run(): Promise<void>;
}

const cases = [
  ...sendCases,
  ...receiveCases,
  ...halfCloseCases,
  ...closeCases,
  ...abortCases,
  ...deadlineCases,
  ...connectCases,
  ...nameCases,
];

/**
 * The cases for `kind`, to be run one after the other.
 *
 * @example Without a test runner; with one, each case is a test of its own
 * ```ts
 * import { memoryKind, socketConformance } from "asyncore/testing";
 *
 * for (const { name, skip, run } of socketConformance(memoryKind("memory"))) {
 *   if (skip !== undefined) console.log(`${name}: skipped, ${skip}`);
 *   else await run();
 * }
 * ```
 */
export function socketConformance(kind: SocketKind): ConformanceCase[] {
  return cases.map((one) => {
    const skip = one.skip?.(kind);
    const run = async (): Promise<void> => {
      const rig = new Rig(kind);
      try {
        await one.run(rig);
      } finally {
        await rig.dispose();
      }
      rig.verify();
    };
    return skip === undefined ? { name: one.name, run } : { name: one.name, skip, run };
  });
}
