/**
 * Runs scenarios on `asyncore/classic` and prints their logs as JSON; the main program of `oracle_rt.py`, our side.
 *
 * usage: run.ts FAMILY SELECT_OR_POLL DIRECTORY GROUP...
 */
import { closeSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import * as asyncore from "asyncore/classic";

import { Logged, LoggedFile, type Scenario, Test } from "./oracle-rt.ts";
import { PeerProcess } from "./peer-process.ts";
import { nameOf } from "./words.ts";

const SCENARIO_DEADLINE_MS = 30_000;

async function main(): Promise<void> {
  const [family = "", mode = "", directory = "", ...groups] = process.argv.slice(2);
  const peer = new PeerProcess();
  // From the first poll() on a map's hooks run in passes only, also while a scenario waits for the peer.
  await asyncore.poll();
  const result: Record<string, Record<string, string[]>> = {};
  for (const group of groups) {
    const module = (await import(`./scenarios/${group}.ts`)) as {
      readonly scenarios: Record<string, Scenario>;
    };
    const logs: Record<string, string[]> = {};
    result[group] = logs;
    let number = 0;
    for (const [name, scenario] of Object.entries(module.scenarios)) {
      const own = join(directory, `${group.slice(0, 3)}${number++}`);
      mkdirSync(own);
      const t = new Test(peer, family, mode === "poll", own);
      await asyncore.poll(0, t.map);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error("the scenario did not end")), SCENARIO_DEADLINE_MS);
      });
      try {
        await Promise.race([scenario(t), late]);
      } catch (error) {
        t.log(`the scenario raised ${nameOf(error)}`);
        if (process.env["ORACLE_DEBUG"] !== undefined) console.error(name, error);
      }
      clearTimeout(timer);
      for (const map of [t.map, asyncore.socket_map]) {
        for (const c of map.values()) if (c instanceof Logged || c instanceof LoggedFile) c.clear_hooks();
        asyncore.close_all(map, true);
      }
      for (const fd of t.fds) closeSync(fd);
      t.tell("reset");
      while (t.asked > 0) await t.answer();
      logs[name] = t.lines();
    }
  }
  await peer.end();
  await Bun.write(Bun.stdout, JSON.stringify(result));
  process.exit(0);
}

await main();
