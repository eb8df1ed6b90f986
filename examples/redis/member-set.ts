/** A set of strings that can tell a random member at once: an array, and where in it each member is. */
export class MemberSet {
  readonly #members: string[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#members.length;
  }

  has(member: string): boolean {
    return this.#places.has(member);
  }

  /** @returns whether it was not there */
  add(member: string): boolean {
    const places = this.#places;
    const { size } = places;
    places.set(member, places.get(member) ?? size);
    if (places.size === size) return false;
    this.#members.push(member);
    return true;
  }

  /** @returns whether it was there */
  delete(member: string): boolean {
    const place = this.#places.get(member);
    if (place === undefined) return false;
    this.#places.delete(member);
    // The last one takes its place.
    const last = this.#members.pop() as string;
    if (last !== member) {
      this.#members[place] = last;
      this.#places.set(last, place);
    }
    return true;
  }

  /** A random member, which is taken out. The set is not empty. */
  popRandom(): string {
    const member = this.#members[Math.floor(Math.random() * this.#members.length)] as string;
    this.delete(member);
    return member;
  }

  [Symbol.iterator](): ArrayIterator<string> {
    return this.#members.values();
  }
}
