// Publishing: one message to a thousand subscribers. What is paid for each of them is what guards are here for: one
// entry in its queue, one write, and nothing that another subscriber causes.
import { afterEach, describe, expect, spyOn, test } from "bun:test";

import { ChannelMap, Dispatcher } from "asyncore";

import { CountedSocket } from "./counted-socket.ts";

const SUBSCRIBERS = 1000;
const message = Buffer.alloc(64, "m");

class Publisher extends Dispatcher {
  publish: () => void = () => undefined;
  override handleRead(): void {
    this.recv();
    this.publish();
  }
}

interface Subscriber {
  readonly socket: CountedSocket;
  readonly channel: Dispatcher;
}

let restore: (() => void)[] = [];
afterEach(() => {
  for (const one of restore) one();
  restore = [];
});

/** Counts what makes bytes of text, or a buffer of buffers. */
function encodings(): () => number {
  const spies = [
    spyOn(Buffer, "from"),
    spyOn(Buffer, "concat"),
    spyOn(Buffer.prototype, "write"),
    spyOn(TextEncoder.prototype, "encode"),
    spyOn(TextEncoder.prototype, "encodeInto"),
  ];
  for (const spy of spies) restore.push(() => spy.mockRestore());
  return () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
}

/** Counts the copies of bytes into other memory. */
function copies(): () => number {
  const spies = [spyOn(Uint8Array.prototype, "set"), spyOn(Buffer.prototype, "copy")];
  for (const spy of spies) restore.push(() => spy.mockRestore());
  return () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
}

/** A publisher and its subscribers; `turn()` is a message that comes in and lets it publish. */
function audience(): { subscribers: Subscriber[]; turn: (publish: () => void) => void } {
  const map = new ChannelMap();
  const subscribers = Array.from({ length: SUBSCRIBERS }, () => {
    const socket = new CountedSocket();
    return { socket, channel: new Dispatcher(socket, map) };
  });
  const socket = new CountedSocket();
  const publisher = new Publisher(socket, map);
  const turn = (publish: () => void): void => {
    publisher.publish = publish;
    socket.receive(message);
  };
  return { subscribers, turn };
}

/** How many subscribers had so many writes since the last look. */
function writesEach(subscribers: readonly Subscriber[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { socket } of subscribers) {
    const writes = socket.takeWrites();
    counts[writes] = (counts[writes] ?? 0) + 1;
  }
  return counts;
}

describe("a message to 1,000 subscribers", () => {
  test("is encoded by the publisher and never again, and copied once for each at most", () => {
    const { subscribers, turn } = audience();
    const encoded = encodings();
    const copied = copies();
    turn(() => {
      const bytes = Buffer.from("what was said\n");
      for (const { channel } of subscribers) channel.send(bytes);
    });
    const counts = { encoded: encoded(), copied: copied() };
    // The publisher's own.
    expect(counts.encoded).toBe(1);
    expect(counts.copied).toBeLessThanOrEqual(SUBSCRIBERS);
    expect(writesEach(subscribers)).toEqual({ 1: SUBSCRIBERS });
    for (const { socket } of subscribers) expect(socket.written).toEqual(["what was said\n"]);
  });

  // Text is encoded where it is to lie, so there is nothing to be copied after.
  test("is encoded once for each subscriber and not copied when it is text", () => {
    const { subscribers, turn } = audience();
    const encoded = encodings();
    const copied = copies();
    turn(() => {
      for (const { channel } of subscribers) channel.send("what was said\n");
    });
    expect({ encoded: encoded(), copied: copied() }).toEqual({ encoded: SUBSCRIBERS, copied: 0 });
    expect(writesEach(subscribers)).toEqual({ 1: SUBSCRIBERS });
  });

  test("is one flush and one write for each, again and again", () => {
    const { subscribers, turn } = audience();
    for (let time = 0; time < 12; time++) {
      turn(() => {
        for (const { channel } of subscribers) channel.send(message);
      });
      expect(writesEach(subscribers)).toEqual({ 1: SUBSCRIBERS });
      for (const { socket } of subscribers) expect(socket.takeFlushes()).toBeLessThanOrEqual(1);
    }
  });

  test("is one write for each when a turn publishes sixteen", () => {
    const { subscribers, turn } = audience();
    for (let time = 0; time < 12; time++) {
      turn(() => {
        for (let count = 0; count < 16; count++) for (const { channel } of subscribers) channel.send(message);
      });
      expect(writesEach(subscribers)).toEqual({ 1: SUBSCRIBERS });
      for (const { socket } of subscribers) expect(socket.takeFlushes()).toBe(1);
    }
  });

  test("costs the others nothing when one subscriber takes nothing", () => {
    const { subscribers, turn } = audience();
    const [stalled, ...others] = subscribers as [Subscriber, ...Subscriber[]];
    const publish = (): void => {
      for (const { channel } of subscribers) channel.send(message);
    };
    stalled.socket.full = true;
    turn(publish);
    // The write that finds out.
    expect(writesEach([stalled])).toEqual({ 1: 1 });
    expect(writesEach(others)).toEqual({ 1: SUBSCRIBERS - 1 });
    for (let time = 0; time < 12; time++) {
      turn(publish);
      expect(writesEach([stalled])).toEqual({ 0: 1 });
      expect(writesEach(others)).toEqual({ 1: SUBSCRIBERS - 1 });
    }
    // What has collected goes out when there is room: the piece that was refused, and the rest together.
    for (const { socket } of others) socket.takeFlushes();
    stalled.socket.drain();
    expect(stalled.socket.takeWrites()).toBeWithin(1, 3);
    expect(stalled.socket.written.join("")).toBe(message.toString().repeat(13));
    expect(writesEach(others)).toEqual({ 0: SUBSCRIBERS - 1 });
    for (const { socket } of others) expect(socket.takeFlushes()).toBe(0);
    turn(publish);
    expect(writesEach(subscribers)).toEqual({ 1: SUBSCRIBERS });
  });
});
