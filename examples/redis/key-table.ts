/**
 * A hash table whose keys are looked up by their bytes, where they lie in a request: finding a key makes no string and
 * calls nothing outside JavaScript, which is quicker than a Map that needs a string made, and then hashed, each time.
 *
 * It grows by one bucket whenever there are more keys than buckets (linear hashing), so no insertion has to move all
 * keys at once. The first buckets have been split in this round, and their hashes are looked at with a bit more:
 *
 *     [ 0 ][ 1 ][ 2 ][ 3 ] [ 4 ][ 5 ]        mask 3: four buckets when the round began
 *      └ split ┘  ▲ #split  └ their other halves: 0 + 4, 1 + 4
 *
 * A key only ever moves to a bucket further behind, so who goes through the buckets in their order meets every key that
 * is there all the time, whatever comes and goes meanwhile. It does not shrink but by {@link KeyTable.clear}.
 */

/** A key and what belongs to it. */
export class Entry<Value> {
  /** A binary string: one character of 0 to 255 for each byte. */
  readonly key: string;
  readonly hash: number;
  value: Value;
  /** When it expires, in milliseconds since 1970; 0 for never. */
  deadline = 0;
  /** The next one in its bucket. */
  next: Entry<Value> | undefined = undefined;

  constructor(key: string, hash: number, value: Value) {
    this.key = key;
    this.hash = hash;
    this.value = value;
  }
}

const FIRST_BUCKETS = 16;
/** Not the same in every process, so that nobody can prepare keys that all share a bucket. */
const SEED = Math.trunc(Math.random() * 2 ** 32);

export class KeyTable<Value> {
  /** How many keys there are. */
  size = 0;
  #buckets: (Entry<Value> | undefined)[] = [];
  #mask = 0;
  #split = 0;

  constructor() {
    this.clear();
  }

  get buckets(): number {
    return this.#buckets.length;
  }
  /** The first entry of a bucket. */
  bucket(index: number): Entry<Value> | undefined {
    return this.#buckets[index];
  }

  /** The entry whose key is `bytes[start … end)`. */
  find(bytes: Uint8Array, start: number, end: number): Entry<Value> | undefined {
    const hash = hashOf(bytes, start, end);
    let entry = this.#buckets[this.#place(hash)];
    for (; entry !== undefined; entry = entry.next) {
      if (entry.hash === hash && isKey(entry.key, bytes, start, end)) return entry;
    }
    return undefined;
  }

  /** Adds an entry; its key is `bytes[start … end)`, which is not there, and `key` as a string. */
  add(bytes: Uint8Array, start: number, end: number, key: string, value: Value): Entry<Value> {
    const entry = new Entry(key, hashOf(bytes, start, end), value);
    const place = this.#place(entry.hash);
    entry.next = this.#buckets[place];
    this.#buckets[place] = entry;
    this.size++;
    if (this.size > this.#buckets.length) this.#splitOne();
    return entry;
  }

  /** Takes out an entry, which is there. */
  remove(entry: Entry<Value>): void {
    const place = this.#place(entry.hash);
    let before = this.#buckets[place];
    if (before === entry) this.#buckets[place] = entry.next;
    else {
      while (before !== undefined && before.next !== entry) before = before.next;
      if (before !== undefined) before.next = entry.next;
    }
    this.size--;
  }

  clear(): void {
    this.size = 0;
    this.#buckets = Array.from({ length: FIRST_BUCKETS }, () => undefined);
    this.#mask = FIRST_BUCKETS - 1;
    this.#split = 0;
  }

  #place(hash: number): number {
    const place = hash & this.#mask;
    return place < this.#split ? hash & (2 * this.#mask + 1) : place;
  }

  #splitOne(): void {
    const bit = this.#mask + 1;
    let [stays, goes]: (Entry<Value> | undefined)[] = [];
    let entry = this.#buckets[this.#split];
    while (entry !== undefined) {
      const { next } = entry;
      if ((entry.hash & bit) === 0) {
        entry.next = stays;
        stays = entry;
      } else {
        entry.next = goes;
        goes = entry;
      }
      entry = next;
    }
    this.#buckets[this.#split] = stays;
    this.#buckets.push(goes);
    this.#split++;
    if (this.#split <= this.#mask) return;
    this.#mask = 2 * this.#mask + 1;
    this.#split = 0;
  }
}

// Four bytes a step, then every bit is spread over the lower ones, which choose the bucket.
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = SEED ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const high = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    hash = Math.imul(hash ^ (low | (high << 16)), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function isKey(key: string, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = key;
  if (length !== end - start) return false;
  for (let index = 0; index < length; index++) {
    if (key.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
