/**
 * A list that is quick at both ends: a ring whose size is a power of two.
 *
 *     [ d e f _ _ _ _ a b c ]        #head at a, length 6
 */
export class List {
  length = 0;
  #items: (string | undefined)[] = Array.from({ length: 4 }, () => undefined);
  #head = 0;

  pushLeft(item: string): void {
    if (this.length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.length++;
  }

  pushRight(item: string): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) & (this.#items.length - 1)] = item;
    this.length++;
  }

  /** The first item, which is taken off. The list is not empty. */
  popLeft(): string {
    const item = this.#items[this.#head] as string;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  /** The last item, which is taken off. The list is not empty. */
  popRight(): string {
    this.length--;
    const at = (this.#head + this.length) & (this.#items.length - 1);
    const item = this.#items[at] as string;
    this.#items[at] = undefined;
    return item;
  }

  /** `index` is at least 0 and below the length. */
  at(index: number): string {
    return this.#items[(this.#head + index) & (this.#items.length - 1)] as string;
  }

  // By push(): an array made with a large length at once is a slow one.
  #grow(): void {
    const items = this.#items;
    const size = items.length;
    for (let index = 0; index < size; index++) items.push(undefined);
    // What lies before the head goes behind the old end, where the ring goes on now.
    for (let index = 0; index < this.#head; index++) {
      items[size + index] = items[index];
      items[index] = undefined;
    }
  }
}
