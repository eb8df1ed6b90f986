/**
 * The keys, their values and their deadlines. A key is an argument of a request, and is looked up where it lies. One
 * whose deadline has passed is gone for whoever asks; a sweep that does a bounded amount of work each time removes those
 * nobody asks for.
 */
import { callEvery, type Timer } from "asyncore";

import { wrongType } from "./command-error.ts";
import { type Entry, KeyTable } from "./key-table.ts";
import { List } from "./list.ts";
import { MemberSet } from "./member-set.ts";
import type { RequestParser } from "./request-parser.ts";
import { SortedSet } from "./sorted-set.ts";

export type Hash = Map<string, string>;
/** Strings, like keys, are binary: one character of 0 to 255 for each byte. They cost a byte each. */
export type Value = string | List | Hash | MemberSet | SortedSet;
export type Key = Entry<Value>;

const SWEEP_EVERY_MS = 100;
/** A sweep looks at so many deadlines, and goes on while a quarter of them have passed, but not longer than … */
const SWEEP_KEYS = 20;
/** … this. */
const SWEEP_MS = 2;

export class Keyspace {
  /** Keys that were removed because their deadline had passed. */
  expired = 0;
  readonly #table = new KeyTable<Value>();
  /** Those with a deadline. */
  readonly #volatile = new Set<Key>();
  #sweeper: Timer | undefined;
  /** Where the last sweep stopped. */
  #swept: SetIterator<Key> | undefined;

  /** How many keys there are, those included whose deadline has passed unnoticed. */
  get size(): number {
    return this.#table.size;
  }
  /** How many of them have a deadline. */
  get volatileSize(): number {
    return this.#volatile.size;
  }

  // --- one key -------------------------------------------------------------------------------------------------

  /** The key that argument `index` names. */
  find(request: RequestParser, index: number): Key | undefined {
    const { bytes, offsets } = request;
    const start = offsets[2 * index] as number;
    const key = this.#table.find(bytes, start, offsets[2 * index + 1] as number);
    if (key === undefined || key.deadline === 0 || key.deadline > Date.now()) return key;
    this.remove(key);
    this.expired++;
    return undefined;
  }

  /** Adds the key that argument `index` names, which is not there. */
  add(request: RequestParser, index: number, value: Value): Key {
    const { bytes, offsets } = request;
    const start = offsets[2 * index] as number;
    return this.#table.add(bytes, start, offsets[2 * index + 1] as number, request.text(index), value);
  }

  /** Gives the key that argument `index` names a value, whatever it had, and takes its deadline off. */
  set(request: RequestParser, index: number, value: Value): Key {
    const key = this.find(request, index);
    if (key === undefined) return this.add(request, index, value);
    key.value = value;
    if (key.deadline !== 0) this.persist(key);
    return key;
  }

  remove(key: Key): void {
    if (key.deadline !== 0) this.#volatile.delete(key);
    this.#table.remove(key);
  }

  // --- values by type: undefined when there is no such key, and a WRONGTYPE thrown when it is of another -----------

  text(request: RequestParser, index: number): string | undefined {
    return this.findText(request, index)?.value;
  }
  /** The key itself, whose value is a string. */
  findText(request: RequestParser, index: number): (Key & { value: string }) | undefined {
    const key = this.find(request, index);
    if (key === undefined || typeof key.value === "string") return key as Key & { value: string };
    throw wrongType;
  }
  list(request: RequestParser, index: number): List | undefined {
    const value = this.find(request, index)?.value;
    if (value === undefined || value instanceof List) return value;
    throw wrongType;
  }
  hash(request: RequestParser, index: number): Hash | undefined {
    const value = this.find(request, index)?.value;
    if (value === undefined || value instanceof Map) return value;
    throw wrongType;
  }
  members(request: RequestParser, index: number): MemberSet | undefined {
    const value = this.find(request, index)?.value;
    if (value === undefined || value instanceof MemberSet) return value;
    throw wrongType;
  }
  sorted(request: RequestParser, index: number): SortedSet | undefined {
    const value = this.find(request, index)?.value;
    if (value === undefined || value instanceof SortedSet) return value;
    throw wrongType;
  }

  // --- all keys ------------------------------------------------------------------------------------------------

  /**
   * Calls `visit` for keys from `cursor` on, which is 0 or what the last call returned, until there were `count` of them.
   * Every key that is there all the time is met, perhaps more than once.
   *
   * @returns where to go on; 0 when all have been met
   */
  scan(cursor: number, count: number, visit: (key: Key) => void): number {
    const now = Date.now();
    let met = 0;
    for (let at = cursor; at < this.#table.buckets; at++) {
      if (met >= count) return at;
      for (let key = this.#table.bucket(at); key !== undefined; key = key.next) {
        met++;
        if (key.deadline === 0 || key.deadline > now) visit(key);
      }
    }
    return 0;
  }

  clear(): void {
    this.#table.clear();
    this.#volatile.clear();
    this.close();
  }

  // --- deadlines -----------------------------------------------------------------------------------------------

  /** From `at`, in milliseconds since 1970, on the key is not there. */
  expireAt(key: Key, at: number): void {
    if (at <= Date.now()) {
      this.remove(key);
      return;
    }
    key.deadline = at;
    this.#volatile.add(key);
    this.#sweeper ??= callEvery(SWEEP_EVERY_MS, () => this.#sweep());
  }

  /** Takes the key's deadline off, which it has. */
  persist(key: Key): void {
    key.deadline = 0;
    this.#volatile.delete(key);
  }

  /** Stops the sweeps. */
  close(): void {
    this.#sweeper?.cancel();
    this.#sweeper = undefined;
    this.#swept = undefined;
  }

  // Goes round all that have a deadline, a few at a time.
  #sweep(): void {
    const now = Date.now();
    const started = performance.now();
    let passed: number;
    do {
      passed = 0;
      for (let looked = 0; looked < SWEEP_KEYS; looked++) {
        this.#swept ??= this.#volatile.values();
        const { value: key, done } = this.#swept.next();
        if (done === true) {
          this.#swept = undefined;
          break;
        }
        if (key.deadline > now) continue;
        this.remove(key);
        this.expired++;
        passed++;
      }
    } while (passed > SWEEP_KEYS / 4 && performance.now() - started < SWEEP_MS);
    if (this.#volatile.size === 0) this.close();
  }
}

/** The key that the first argument names holds nothing any more: there are no empty lists, hashes and sets. */
export function removeEmpty(request: RequestParser, keys: Keyspace): void {
  const key = keys.find(request, 1);
  if (key !== undefined) keys.remove(key);
}
