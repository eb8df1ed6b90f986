/** Waiting for conditions, never for time. */

/** Thrown by {@link until} when the condition did not come true in time. */
export class TooLate extends Error {
  override name = "TooLate";
}

/** Looks every few milliseconds until `condition` holds. @throws {TooLate} after `deadlineMs` */
export async function until(
  condition: () => boolean,
  what: string = "the condition",
  deadlineMs: number = 10_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new TooLate(`${what} did not come true within ${deadlineMs} ms`);
    await tick();
  }
}

/** Until `value()` is the same at eight looks in a row: whoever changes it has come to rest. */
export async function untilSteady(value: () => number, what: string, deadlineMs?: number): Promise<void> {
  let last = Number.NaN;
  let same = 0;
  await until(
    () => {
      const now = value();
      same = now === last ? same + 1 : 0;
      last = now;
      return same >= 8;
    },
    what,
    deadlineMs,
  );
}

/** `promise`, or {@link TooLate}. */
export async function within<T>(promise: Promise<T>, what: string, deadlineMs: number = 20_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TooLate(`${what} did not come within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const tick = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 2);
  });

/** Lets `count` turns of the event loop pass: for showing that nothing (more) happens. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
