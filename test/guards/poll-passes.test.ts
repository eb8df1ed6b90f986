// select(2) asks every channel in every pass; here a pass asks those whose class has predicates of its own, and of the
// others it touches those that have an event. A thousand idle ones cost a pass nothing.
import { afterEach, describe, expect, spyOn, test } from "bun:test";

import { ChannelMap, closeAll, Dispatcher, loop, poll } from "asyncore";

import { Dispatch } from "../../src/dispatcher/dispatch.ts";
import { turns } from "../support/until.ts";
import { CountedSocket } from "./counted-socket.ts";

const IDLE = 1000;
const PASSES = 10;
const message = Buffer.alloc(64, "m");

let asked: Record<string, number> = {};
const count = (what: string): void => {
  asked[what] = (asked[what] ?? 0) + 1;
};

class Plain extends Dispatcher {
  override handleRead(): void {
    this.recv();
    count("read");
  }
}
class Asked extends Plain {
  override readable(): boolean {
    count("readable");
    return true;
  }
  override writable(): boolean {
    count("writable");
    return false;
  }
}
class AskedToRead extends Plain {
  override readable(): boolean {
    count("readable");
    return true;
  }
}

let map = new ChannelMap();
let restore: (() => void)[] = [];
afterEach(() => {
  for (const one of restore) one();
  restore = [];
  closeAll(map);
  map = new ChannelMap();
  asked = {};
});

function channels(
  howMany: number,
  make: new (socket: CountedSocket, map: ChannelMap) => Dispatcher,
): CountedSocket[] {
  return Array.from({ length: howMany }, () => {
    const socket = new CountedSocket();
    new make(socket, map);
    return socket;
  });
}

/** Counts what a pass does with channels, whatever their class, from now on. */
function watchDispatches(): void {
  const spies = (["isDue", "wants"] as const).map((name) => spyOn(Dispatch.prototype, name));
  for (const spy of spies) restore.push(() => spy.mockRestore());
  looks = () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
}
let looks = (): number => 0;

/** Passes until what came with the channels is done. */
async function settled(): Promise<void> {
  for (let pass = 0; pass < 3; pass++) await poll(0, map);
  asked = {};
  watchDispatches();
}

describe("a pass of poll()", () => {
  test("touches none of 1,000 idle channels with default predicates", async () => {
    channels(IDLE, Plain);
    await settled();
    for (let pass = 0; pass < PASSES; pass++) await poll(0, map);
    expect({ asked, looks: looks() }).toEqual({ asked: {}, looks: 0 });
  });

  test("asks each predicate of those who have them once, and nobody else", async () => {
    channels(IDLE, Plain);
    channels(7, Asked);
    channels(5, AskedToRead);
    await settled();
    for (let pass = 0; pass < PASSES; pass++) await poll(0, map);
    expect(asked).toEqual({ readable: (7 + 5) * PASSES, writable: 7 * PASSES });
  });

  // For each who is asked: its predicates, whether it is due before the wait and after, and what the hooks left. Measured
  // 6 to 8; the bound leaves room for another look, not for looks at those who are not asked.
  test("looks at those who are asked a few times each, and at nobody else", async () => {
    channels(IDLE, Plain);
    channels(10, Asked);
    await settled();
    for (let pass = 0; pass < PASSES; pass++) await poll(0, map);
    expect(looks()).toBeWithin(1, 10 * PASSES * 10 + 1);
  });

  test("looks at the one channel with an event, not at the 999 without", async () => {
    const [first] = channels(IDLE, Plain) as [CountedSocket];
    await settled();
    for (let pass = 0; pass < PASSES; pass++) {
      first.receive(message);
      await poll(0, map);
    }
    expect(asked).toEqual({ read: PASSES });
    expect(looks()).toBeWithin(1, 10 * PASSES + 1);
  });
});

describe("loop()", () => {
  test("makes no pass and looks at nobody while 1,000 channels are idle and a pass waits", async () => {
    const [first] = channels(IDLE, Plain) as [CountedSocket];
    channels(10, Asked);
    await settled();
    const stop = new AbortController();
    const running = loop({ map, signal: stop.signal });
    await turns(5);
    const before = { ...asked };
    const beforeLooks = looks();
    await turns(100);
    expect({ asked, looks: looks() }).toEqual({ asked: before, looks: beforeLooks });
    // And then it wakes for one.
    first.receive(message);
    await turns(5);
    expect(asked["read"]).toBe(1);
    stop.abort();
    await running;
  });
});

describe("push mode", () => {
  test("asks nobody but the channel that has an event", async () => {
    const [first] = channels(IDLE, Plain) as [CountedSocket];
    const [other] = channels(10, Asked) as [CountedSocket];
    // Each is asked once when it comes.
    await turns(3);
    asked = {};
    watchDispatches();
    await turns(20);
    expect({ asked, looks: looks() }).toEqual({ asked: {}, looks: 0 });
    first.receive(message);
    expect(asked).toEqual({ read: 1 });
    expect(looks()).toBeWithin(1, 6);
    asked = {};
    other.receive(message);
    expect(asked).toEqual({ read: 1, readable: 1, writable: 1 });
    await turns(3);
    expect(asked).toEqual({ read: 1, readable: 1, writable: 1 });
  });
});
