/**
 * Things in the order in which they were last active: adding, moving to the end and taking out cost the same however many
 * there are. Kept by `admission.ts` to know which connection has been idle the longest.
 *
 *     #head ⇄ [longest idle] ⇄ [ … ] ⇄ [last active] ⇄ #head
 */

/** A place in a {@link RecencyList}. */
export class Place<T> {
  readonly value: T | undefined;
  before: Place<T> = this;
  after: Place<T> = this;

  constructor(value: T | undefined) {
    this.value = value;
  }
}

export class RecencyList<T> {
  readonly #head = new Place<T>(undefined);

  /** Whoever has been idle the longest, undefined when the list is empty. */
  get oldest(): T | undefined {
    return this.#head.after.value;
  }

  /** Puts `place` at the end, whether it is in this list already or in none. */
  touch(place: Place<T>): void {
    unlink(place);
    const head = this.#head;
    place.before = head.before;
    place.after = head;
    head.before.after = place;
    head.before = place;
  }
}

/** Takes `place` out of its list. Harmless when it is in none. */
export function unlink(place: Place<unknown>): void {
  place.before.after = place.after;
  place.after.before = place.before;
  place.before = place;
  place.after = place;
}
