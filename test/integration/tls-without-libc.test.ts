// TLS where bun:ffi is missing (ASYNCORE_FFI=0 stands for it): the same tests once more, in processes of their own. What
// needs a socket option, a paused listener or a preface is skipped there, or says ENOSYS.
import { describe, expect, test } from "bun:test";

async function rerun(
  file: string,
  pattern: string,
): Promise<{ code: number; passed: number; failed: number }> {
  const child = Bun.spawn([process.execPath, "test", "--timeout", "30000", file, "-t", pattern], {
    cwd: `${import.meta.dirname}/../..`,
    env: { ...process.env, ASYNCORE_FFI: "0" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  const code = await child.exited;
  if (code !== 0) console.error(said);
  const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(said)?.[1] ?? 0);
  return { code, passed: count("pass"), failed: count("fail") };
}

describe.concurrent("without the C library", () => {
  test.each([
    ["test/socket/tls.test.ts", ".", 98],
    ["test/integration/tls-session.test.ts", "breaks|the end of a session|held back", 28],
    ["test/integration/tls-close.test.ts", "inside a hook|dropped|slow peer|closing a listener", 40],
    ["test/integration/tls-handshake.test.ts", "with no handshake|refused", 50],
    ["test/integration/tls-renewal.test.ts", ".", 2],
    ["test/integration/nothing-lost.test.ts", "16 MiB sent .* TLS.* Bun peer$", 16],
  ])("%s passes", async (file, pattern, least) => {
    const { code, passed, failed } = await rerun(file, pattern);
    expect([code, failed]).toEqual([0, 0]);
    expect(passed).toBeGreaterThanOrEqual(least);
  });
});
