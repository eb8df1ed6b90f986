/** Every Python name is there, has its row in the README, and the row's other side exists too. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import path from "node:path";

import * as core from "asyncore";
import * as classic from "asyncore/classic";

const readme = readFileSync(path.resolve(import.meta.dir, "../../README.md"), "utf8");
const section = /^## Coming from Python\n(.*?)^## /ms.exec(readme)?.[1] ?? "";
const rows = section
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").slice(1, 3) as [string, string]);

function names(cell: string): string[] {
  return [...cell.matchAll(/`(?:new |static )?([A-Za-z_]\w*)(?:\([^`]*\))?`/g)].map((m) => m[1] as string);
}

const instead = rows.filter(([left]) => !left.includes("Python only")).flatMap(([left]) => names(left));
const pythonOnly = rows.filter(([left]) => left.includes("Python only")).flatMap(([left]) => names(left));

/** What `prototype` has beyond `until`, its chain included. */
function members(prototype: object, until: object): string[] {
  const found: string[] = [];
  for (let at = prototype; at !== until; at = Object.getPrototypeOf(at) as object) {
    found.push(...Object.getOwnPropertyNames(at).filter((name) => name !== "constructor"));
  }
  return found;
}

/** The instances' members of every class of a module. */
function everyMember(module: object): Set<string> {
  const classes = Object.values(module).filter(
    (value) => typeof value === "function" && "prototype" in value,
  );
  return new Set(
    (classes as (new () => object)[]).flatMap((Class) =>
      Class.prototype === undefined ? [] : members(Class.prototype as object, Object.prototype),
    ),
  );
}

const socketless = (): object[] => [new core.Dispatcher(), new core.AsyncChat()];
const fields = new Set(socketless().flatMap((channel) => Object.keys(channel)));
const isSnake = (name: string): boolean => name.includes("_") && !/^[A-Z_\d]+$/.test(name);

describe("the README's table", () => {
  test("has a row for every export of asyncore/classic, and none twice", () => {
    // A map is what Python writes as {}.
    const exported = Object.keys(classic).filter((name) => name !== "ChannelMap");
    expect(exported.filter((name) => !instead.includes(name))).toEqual([]);
    expect(instead.filter((name, index) => instead.indexOf(name) !== index)).toEqual([]);
  });

  test("has a row for every member that asyncore/classic spells like Python", () => {
    const snake = new Set([
      ...members(classic.dispatcher.prototype, core.Dispatcher.prototype),
      ...members(classic.dispatcher_with_send.prototype, core.DispatcherWithSend.prototype),
      ...members(classic.async_chat.prototype, core.AsyncChat.prototype),
      ...members(classic.file_dispatcher.prototype, core.FileDispatcher.prototype),
      ...Object.keys(new classic.async_chat()).filter((name) => !fields.has(name)),
    ]);
    const wanted = [...snake].filter(isSnake);
    expect(wanted.length).toBeGreaterThan(30);
    expect(wanted.filter((name) => !instead.includes(name))).toEqual([]);
  });

  test("names on its left nothing that asyncore/classic lacks", () => {
    const there = new Set([...Object.keys(classic), ...everyMember(classic), ...fields, "incoming"]);
    expect(instead.filter((name) => !there.has(name))).toEqual([]);
    expect(pythonOnly.filter((name) => there.has(name))).toEqual([]);
  });

  test("names on its right nothing that asyncore lacks", () => {
    const there = new Set([...Object.keys(core), ...everyMember(core), ...fields, "ignoreLogTypes", "code"]);
    expect(rows.flatMap(([, right]) => names(right)).filter((name) => !there.has(name))).toEqual([]);
  });
});

const python = process.env["ASYNCORE_PYTHON"] ?? "python3";
// Names of both modules, and of their classes; what they import and what is private is not for programs.
const LIST = `
import asyncore, asynchat, inspect
found = set()
for module in (asyncore, asynchat):
    for name, value in vars(module).items():
        if not inspect.ismodule(value) and not (inspect.isclass(value) and value.__module__ not in ("asyncore", "asynchat")):
            found.add(name)
        if inspect.isclass(value) and value.__module__ == module.__name__ and value is not asyncore.file_wrapper:
            found.update(vars(value))
print(*sorted(name for name in found if not name.startswith("__")))
`;
const listed =
  Bun.which(python) === null
    ? undefined
    : Bun.spawnSync([python, "-W", "ignore", "-c", LIST], { stdio: ["ignore", "pipe", "ignore"] });
if (listed?.exitCode !== 0) {
  console.warn(
    `the comparison with Python's own names is skipped: ${python} has no asyncore (set ASYNCORE_PYTHON)`,
  );
}

test.skipIf(listed?.exitCode !== 0)("every public name of Python's two modules has a row", () => {
  const own = new Set(["_collect_incoming_data", "_get_data"]);
  const public_ = (listed?.stdout.toString().trim().split(" ") ?? []).filter(
    (name) => !name.startsWith("_") || own.has(name),
  );
  expect(public_.length).toBeGreaterThan(60);
  expect(public_.filter((name) => !instead.includes(name) && !pythonOnly.includes(name))).toEqual([]);
});
