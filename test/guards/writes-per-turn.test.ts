// A write is a system call, the dearest thing a message costs: however often a channel sends in a turn, the wire is
// written once. Counted where the library calls the wire, so the figures are exact.
import { describe, expect, spyOn, test } from "bun:test";

import { AsyncChat, callLater, ChannelMap, Dispatcher, poll } from "asyncore";
import { Random } from "asyncore/testing";

import { turns, until } from "../support/until.ts";
import { CountedSocket } from "./counted-socket.ts";

const message = Buffer.alloc(64, "m");
const line = Buffer.from("a line of thirty-two bytes ....\n");
/** Turns with exactly one send that go before a send may be written at once. */
const STEADY_TURNS = 8;

class Answering extends Dispatcher {
  /** What a turn does when bytes have come. */
  answer: () => void | Promise<void> = () => undefined;
  override handleRead(): void | Promise<void> {
    this.recv();
    return this.answer();
  }
}

function channelOn(map: ChannelMap = new ChannelMap()): [CountedSocket, Answering] {
  const socket = new CountedSocket();
  return [socket, new Answering(socket, map)];
}

/** Has the channel send `sends` times in a turn of its own. @returns the writes of that turn */
function turnOf(socket: CountedSocket, channel: Answering, sends: number): number {
  channel.answer = () => {
    for (let count = 0; count < sends; count++) channel.send(line);
  };
  socket.receive(message);
  return socket.takeWrites();
}

/** The writes of each of `sends.length` turns. */
function writesOf(sends: readonly number[]): number[] {
  const [socket, channel] = channelOn();
  return sends.map((count) => turnOf(socket, channel, count));
}

const repeated = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe("Dispatcher.send() in a hook", () => {
  // From the first message on: neither too many, nor none that is left for later.
  test("is one write for one send a turn", () => {
    expect(writesOf(repeated(200, 1))).toEqual(repeated(200, 1));
  });

  test("is one write for 16 sends a turn", () => {
    expect(writesOf(repeated(200, 16))).toEqual(repeated(200, 1));
  });

  test("is no write for a turn that sends nothing", () => {
    expect(writesOf([0, 1, 0, 0, 1, 0])).toEqual([0, 1, 0, 0, 1, 0]);
    const between = Array.from({ length: 40 }, (_, turn) => turn % 2);
    expect(writesOf(between)).toEqual(between);
  });

  // A channel that has sent once in each of its last turns may be believed to do so again; it may be wrong once, when
  // it has begun to send more often.
  test("is one more write at most when a channel begins to send more often", () => {
    const sends = [1, 16, 1, 2].flatMap((count) => repeated(50, count));
    const writes = writesOf(sends);
    const more = writes.map((count) => count - 1);
    // At two of the three changes it sends more than before.
    expect(more.filter((count) => count !== 0).length).toBeLessThanOrEqual(2);
    expect(Math.max(...more)).toBeLessThanOrEqual(1);
    // And only in the very first of those turns.
    const changes = [50, 150];
    expect(more.filter((count, turn) => count !== 0 && !changes.includes(turn))).toEqual([]);
  });

  // The memory of whoever sends is written as it lies there, and the queue has no part in it.
  test("copies nothing in a steady state of one send a turn", () => {
    const [socket, channel] = channelOn();
    for (let turn = 0; turn < STEADY_TURNS; turn++) turnOf(socket, channel, 1);
    const copies = spyOn(Uint8Array.prototype, "set");
    try {
      for (let turn = 0; turn < 100; turn++) turnOf(socket, channel, 1);
      expect(copies.mock.calls.length).toBe(0);
      // And it counts.
      turnOf(socket, channel, 16);
      expect(copies.mock.calls.length).toBe(15);
    } finally {
      copies.mockRestore();
    }
  });

  // No pattern costs more than one write for nothing in nine turns: what is believed must have been so eight times.
  test.each([
    ["one and two in turn", (turn: number): number => 1 + (turn % 2)],
    ["two after seven times one", (turn: number): number => (turn % 8 === 7 ? 2 : 1)],
    ["two after eight times one", (turn: number): number => (turn % 9 === 8 ? 2 : 1)],
    ["one after eight times two", (turn: number): number => (turn % 9 === 8 ? 1 : 2)],
  ])("is no more than a ninth more writes when sends are %s", (_name, sendsOf) => {
    const count = 900;
    const writes = writesOf(Array.from({ length: count }, (_, turn) => sendsOf(turn)));
    expect(writes.every((of) => of === 1 || of === 2)).toBe(true);
    const total = writes.reduce((sum, of) => sum + of, 0);
    expect(total - count).toBeLessThanOrEqual(count / (STEADY_TURNS + 1));
  });

  test("writes every byte once, in order, whatever the pattern is", () => {
    const random = new Random(20);
    const [socket, channel] = channelOn();
    let sent = "";
    let serial = 0;
    let extra = 0;
    for (let turn = 0; turn < 2000; turn++) {
      const sends = random.chance(1 / 4) ? random.integer(0, 3) : 1;
      channel.answer = () => {
        for (let count = 0; count < sends; count++) {
          const text = `${serial++} `;
          sent += text;
          channel.send(count % 2 === 0 ? Buffer.from(text) : text);
        }
      };
      socket.receive(message);
      const writes = socket.takeWrites();
      expect(writes).toBeWithin(Math.min(sends, 1), Math.min(sends, 2) + 1);
      extra += Math.max(0, writes - 1);
    }
    expect(socket.written.join("")).toBe(sent);
    expect(extra).toBeLessThanOrEqual(2000 / (STEADY_TURNS + 1));
  });

  test("is one write for text and bytes mixed", () => {
    const [socket, channel] = channelOn();
    channel.answer = () => {
      channel.send("text, ");
      channel.send(Buffer.from("bytes, "));
      channel.send("");
      channel.send("täxt, ");
      channel.send(new Uint8Array(0));
      channel.send(new Uint8Array([0x2e, 0x0a]).buffer);
    };
    for (let turn = 0; turn < 20; turn++) {
      socket.receive(message);
      expect(socket.takeWrites()).toBe(1);
      expect(socket.written.pop()).toBe("text, bytes, t\u00C3\u00A4xt, .\n");
    }
  });

  test("is one write for each channel when a hook sends to 100 others", () => {
    const map = new ChannelMap();
    const [publisherSocket, publisher] = channelOn(map);
    const others = Array.from({ length: 100 }, () => channelOn(map));
    for (const sends of [1, 16, 1]) {
      publisher.answer = () => {
        for (let count = 0; count < sends; count++) for (const [, channel] of others) channel.send(line);
      };
      // The pattern changes in the first turn.
      publisherSocket.receive(message);
      for (const [socket] of others) expect(socket.takeWrites()).toBeWithin(1, 3);
      for (let turn = 0; turn < 20; turn++) {
        publisherSocket.receive(message);
        for (const [socket] of others) expect(socket.takeWrites()).toBe(1);
      }
    }
    expect(publisherSocket.writes).toBe(0);
  });

  // A block of 64 KiB that is full is written at once, so that a turn holds no more memory than that; what there is of the
  // next one stays. 1 MiB is 16 blocks, and the rest at the end of the turn.
  test("is one write for each 64 KiB of a turn that sends more than that", () => {
    const [socket, channel] = channelOn();
    const kibibyte = Buffer.alloc(1024, "k");
    channel.answer = () => {
      for (let count = 0; count < 1024; count++) channel.send(kibibyte);
    };
    socket.receive(message);
    expect(socket.written.join("").length).toBe(1024 * 1024);
    expect(socket.writes).toBeLessThanOrEqual(16 + 1);
  });

  test("is no write while the kernel is full, and one for what has collected when there is room", () => {
    const [socket, channel] = channelOn();
    for (let turn = 0; turn < 20; turn++) turnOf(socket, channel, 1);
    socket.full = true;
    // The one that finds out.
    expect(turnOf(socket, channel, 1)).toBe(1);
    for (let turn = 0; turn < 20; turn++) expect(turnOf(socket, channel, 1)).toBe(0);
    socket.written.length = 0;
    socket.drain();
    // What was there when the kernel was found to be full, and what came after.
    expect(socket.takeWrites()).toBeWithin(1, 3);
    expect(socket.written.join("")).toBe(line.toString().repeat(21));
  });
});

describe("Dispatcher.send() outside a hook's turn", () => {
  /** Sends some times, by `run`, and counts the writes when all is done. */
  async function writesAfter(sends: number, run: (send: () => void) => Promise<void>): Promise<number[]> {
    const [socket, channel] = channelOn();
    const writes: number[] = [];
    for (let time = 0; time < 12; time++) {
      await run(() => {
        for (let count = 0; count < sends; count++) channel.send(line);
      });
      await turns(1);
      writes.push(socket.takeWrites());
    }
    expect(socket.written.join("")).toBe(line.toString().repeat(12 * sends));
    return writes;
  }
  const places: Readonly<Record<string, (send: () => void) => Promise<void>>> = {
    "a timer": async (send) => {
      let ran = false;
      setTimeout(() => {
        send();
        ran = true;
      }, 1);
      await until(() => ran, "the timer");
    },
    "callLater()": async (send) => {
      const timer = callLater(1, send);
      await until(() => !timer.active, "the timer");
    },
    "a microtask": async (send) => {
      await Promise.resolve();
      send();
    },
    "setImmediate()": async (send) => {
      setImmediate(send);
      await turns(1);
    },
  };
  for (const [place, run] of Object.entries(places)) {
    for (const sends of [1, 16]) {
      test(`is one write for ${sends} in ${place}`, async () => {
        expect(await writesAfter(sends, run)).toEqual(repeated(12, 1));
      });
    }
  }

  test("is one write for 16 of an async hook that goes on, and for 16 of a channel's own timer", async () => {
    const [socket, channel] = channelOn();
    const send = (): void => {
      for (let count = 0; count < 16; count++) channel.send(line);
    };
    channel.answer = async () => {
      await Promise.resolve();
      send();
    };
    for (let time = 0; time < 12; time++) {
      socket.receive(message);
      await turns(1);
      expect(socket.takeWrites()).toBe(1);
      const timer = channel.callLater(1, send);
      await until(() => !timer.active, "the timer");
      expect(socket.takeWrites()).toBe(1);
    }
    channel.close();
  });

  test("is one write for each of 100 channels that a timer sends to", async () => {
    const others = Array.from({ length: 100 }, () => channelOn());
    for (let time = 0; time < 12; time++) {
      for (let count = 0; count < 16; count++) for (const [, channel] of others) channel.send(line);
      await turns(1);
      for (const [socket] of others) expect(socket.takeWrites()).toBe(1);
    }
  });
});

describe("Dispatcher.send() in poll mode", () => {
  test.each([1, 16])("is one write a pass for %i sends", async (sends) => {
    const map = new ChannelMap();
    const [socket, channel] = channelOn(map);
    channel.answer = () => {
      for (let count = 0; count < sends; count++) channel.send(line);
    };
    await poll(0, map);
    for (let pass = 0; pass < 20; pass++) {
      socket.receive(message);
      expect(socket.takeWrites()).toBe(0);
      await poll(0, map);
      expect(socket.takeWrites()).toBe(1);
    }
  });
});

describe("AsyncChat.push()", () => {
  class Lines extends AsyncChat {
    #line = "";
    override collectIncomingData(data: Buffer): void {
      this.#line += data.toString();
    }
    override foundTerminator(): void {
      this.push("you said: ");
      this.push(Buffer.from(this.#line));
      this.push("\n");
      this.#line = "";
    }
  }

  test("is one write for three pieces to each of 16 lines that came together", () => {
    const socket = new CountedSocket();
    const channel = new Lines(socket, new ChannelMap());
    channel.setTerminator("\n");
    for (let turn = 0; turn < 20; turn++) {
      socket.receive(Buffer.from("hello\n".repeat(16)));
      expect(socket.takeWrites()).toBe(1);
      expect(socket.written.pop()).toBe("you said: hello\n".repeat(16));
    }
  });
});
