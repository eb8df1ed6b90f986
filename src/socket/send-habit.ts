/**
 * Whether the channels of a listener send once a turn, as those of an echo or of a server with one answer to a request do.
 * Then a turn's first send is its only one, and the socket need not wait for others: it writes at once, without a copy.
 * Shared by all connections that the kernel's listener gave, for they run the same program; every other socket has its own.
 */

/** After so many turns in which no channel sent twice, the next first send is taken for the only one. */
const LONE_TURNS = 8;

export class SendHabit {
  #turn = 0;
  #loneTurns = 0;

  /**
   * A channel sends in `turn`, and did so before in `last`. Outside of turns (0) nobody can tell whether more will follow.
   *
   * @returns whether it is to write at once
   */
  sends(turn: number, last: number): boolean {
    if (turn === 0 || turn === last) {
      this.#loneTurns = 0;
      return false;
    }
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#loneTurns++;
    }
    return this.#loneTurns > LONE_TURNS;
  }
}
