// Where bun:ffi is missing (ASYNCORE_FFI=0 stands for it) everything but socket options works. Each family in a
// process of its own; then the files of this folder that need no C library, run once more.
import { afterAll, describe, expect, test } from "bun:test";

import { families } from "./support/family.ts";
import { freeAddress, removePaths } from "./support/place.ts";
import { Program } from "./support/program.ts";

const env = { ASYNCORE_FFI: "0" };

afterAll(removePaths);

describe.concurrent("without the C library", () => {
  for (const family of families) {
    test(`Dispatcher serves and connects over ${family}, and options say ENOSYS`, async () => {
      await using child = Program.bun("without-libc.ts", [family, JSON.stringify(freeAddress(family))], env);
      expect(await child.answer(() => true, "the results")).toEqual({
        libc: false,
        addressKnown: true,
        echoed: { bytes: 1_048_577, badAt: -1, failure: "" },
        idleSet: "ENOTSOCK",
        listenerSet: "ENOSYS",
        listenerGet: "ENOSYS",
        reuse: "returned 1",
        connectedSet: "ENOSYS",
        acceptedSet: "ENOSYS",
        bindTwice: "EADDRINUSE",
        refused: family === "unix" ? "ENOENT" : "ECONNREFUSED",
      });
      expect(await child.exited).toBe(0);
    });
  }

  /** Runs tests of this folder in a process without the C library. @returns the last lines of what it says */
  async function rerun(
    file: string,
    pattern: string,
  ): Promise<{ code: number; passed: number; said: string }> {
    const command = [
      process.execPath,
      "test",
      "--timeout",
      "30000",
      `test/integration/${file}`,
      "-t",
      pattern,
    ];
    const child = Bun.spawn(command, {
      cwd: `${import.meta.dirname}/../..`,
      env: { ...process.env, ...env },
      stdout: "ignore",
      stderr: "pipe",
    });
    const said = await new Response(child.stderr).text();
    return { code: await child.exited, passed: Number(/(\d+) pass/.exec(said)?.[1] ?? 0), said };
  }

  test("Dispatcher.bind() and close() treat unix paths as they do with it", async () => {
    const { code, passed, said } = await rerun("unix-paths.test.ts", ".");
    if (code !== 0) console.error(said);
    expect({ code, passed }).toEqual({ code: 0, passed: 13 });
  });

  test("Dispatcher.close() loses nothing there either", async () => {
    // Every family, behaviour, way and role, with peers on Bun's sockets, at a size above the kernel's buffers.
    const { code, passed, said } = await rerun(
      "nothing-lost.test.ts",
      "of 16 MiB sent .* (tcp|unix).* Bun peer$",
    );
    if (code !== 0) console.error(said);
    expect({ code, passed }).toEqual({ code: 0, passed: 91 });
  });
});
