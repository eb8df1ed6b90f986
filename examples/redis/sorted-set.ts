/**
 * Members in the order of their scores, and of their bytes where scores are equal. Runs of at most 512 entries: finding
 * a place is two binary searches, and an insertion moves no more than one run.
 *
 *     [ 1 a, 1 b, 2 a ] [ 2 c, 7 x ] [ 9 z ]       no run is empty
 */
interface Entry {
  readonly member: string;
  readonly score: number;
}

const MAX_RUN = 512;

export class SortedSet {
  readonly #runs: Entry[][] = [];
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  score(member: string): number | undefined {
    return this.#entries.get(member)?.score;
  }

  /** Adds `member`, or gives it another score. */
  set(member: string, score: number): void {
    const old = this.#entries.get(member);
    if (old !== undefined) {
      if (old.score === score) return;
      this.#remove(old);
    }
    const entry = { member, score };
    this.#entries.set(member, entry);
    const at = this.#runOf(entry);
    const run = this.#runs[at];
    if (run === undefined) {
      // Behind everything: at the end of the last run, or the first entry of all.
      const last = this.#runs.at(-1);
      if (last !== undefined && last.length < MAX_RUN) last.push(entry);
      else this.#runs.push([entry]);
      return;
    }
    run.splice(placeIn(run, entry), 0, entry);
    if (run.length > MAX_RUN) this.#runs.splice(at + 1, 0, run.splice(MAX_RUN / 2));
  }

  /** The entry with the lowest score, which is taken out. The set is not empty. */
  popMin(): Entry {
    const first = (this.#runs[0] as Entry[])[0] as Entry;
    this.#entries.delete(first.member);
    this.#remove(first);
    return first;
  }

  #remove(entry: Entry): void {
    const at = this.#runOf(entry);
    const run = this.#runs[at] as Entry[];
    run.splice(placeIn(run, entry), 1);
    if (run.length === 0) this.#runs.splice(at, 1);
  }

  // The first run that does not end before `entry`.
  #runOf(entry: Entry): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore((this.#runs[middle] as Entry[]).at(-1) as Entry, entry)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// Where the first entry is that is not before `entry`.
function placeIn(run: readonly Entry[], entry: Entry): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(run[middle] as Entry, entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.score < other.score || (one.score === other.score && one.member < other.member);
}
