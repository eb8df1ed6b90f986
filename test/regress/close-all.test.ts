// closeAll() of channels whose close() puts others into the map.
import { expect, test } from "bun:test";

import { ChannelMap, closeAll, Dispatcher } from "asyncore";

/** Has a successor as soon as it is closed, as a client that connects anew. */
class Restless extends Dispatcher {
  static made = 0;
  readonly #into: ChannelMap;

  constructor(into: ChannelMap) {
    super(undefined, into);
    this.#into = into;
    Restless.made++;
    this.createSocket();
  }
  override close(): void {
    super.close();
    if (Restless.made < 10) new Restless(this.#into);
  }
}

test("closeAll() closes what is in the map when it begins, and forgets what a close() puts there", () => {
  const map = new ChannelMap();
  new Restless(map);
  new Restless(map);
  closeAll(map);
  expect([Restless.made, map.size]).toEqual([4, 0]);
});
