import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test } from "bun:test";

import {
  AsyncChat,
  ChannelMap,
  closeAll,
  Dispatcher,
  SimpleProducer,
  type Socket,
  type Terminator,
} from "asyncore";
import * as fc from "fast-check";

import { connectTo, Listening, Logged } from "../support/channels.ts";
import { turns, until, untilSteady } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

/** Logs its frames; `next` gives the terminator after each. */
class Frames extends AsyncChat {
  readonly frames: string[] = [];
  error: unknown;
  closes = 0;
  #parts: Buffer[] = [];
  next: (frame: string) => Terminator | undefined = () => undefined;

  override collectIncomingData(data: Buffer): void | Promise<void> {
    this.#parts.push(data);
  }
  override foundTerminator(): void | Promise<void> {
    const frame = Buffer.concat(this.#parts.splice(0)).toString("latin1");
    this.frames.push(frame);
    const terminator = this.next(frame);
    if (terminator !== undefined) this.setTerminator(terminator);
  }
  get rest(): string {
    return Buffer.concat(this.#parts).toString("latin1");
  }
  override handleError(error: unknown): void {
    this.error = error;
    this.close();
  }
  override handleClose(): void {
    this.closes++;
    this.close();
  }
}

async function connected<T extends Dispatcher>(
  make: (socket: Socket, into: ChannelMap) => T,
): Promise<{ server: T; client: Logged }> {
  const listening = new Listening(map, make);
  const client = connectTo(new Logged(undefined, map), listening.address);
  await until(() => listening.accepted.length === 1 && client.connected, "the connection stands");
  listening.close();
  return { server: listening.accepted[0] as T, client };
}

/** A channel whose bytes come from the test, piece by piece, without a socket. */
class Fed extends Frames {
  #pieces: Buffer[] = [];
  override connected = true;
  /** Resolves when the hooks have settled; synchronous ones have run when it returns. */
  feed(...pieces: readonly (string | Buffer)[]): Promise<void> | undefined {
    for (const piece of pieces) {
      this.#pieces.push(Buffer.from(piece));
      const result = this.handleRead();
      if (result !== undefined) return result;
    }
    return undefined;
  }
  override recv(): Buffer {
    return this.#pieces.shift() ?? Buffer.alloc(0);
  }
}

/** Every way to cut `text` into up to three pieces. */
function* cuts(text: string): Generator<string[]> {
  for (let i = 0; i <= text.length; i++) {
    for (let j = i; j <= text.length; j++) yield [text.slice(0, i), text.slice(i, j), text.slice(j)];
  }
}

describe("AsyncChat", () => {
  test.each<[string, Terminator, string, string[], string]>([
    ["a line", "\r\n", "one\r\ntwo\r\n\r\nrest", ["one", "two", ""], "rest"],
    ["bytes", Buffer.from([0]), "a\0b\0c", ["a", "b"], "c"],
    ["a terminator that overlaps itself", "aab", "xaaaab-aab", ["xaa", "-"], ""],
    ["a beginning that comes to nothing", "END", "ENEND EN", ["EN"], " "],
    ["a terminator behind its own beginnings", "aaaab", "aaaaaaabaabaaaab", ["aaa", "aab"], ""],
    ["the end of a mail", "\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n.\r", ["a\r\n"], "b"],
    ["a count", 3, "abcdef", ["abc"], "def"],
    ["null", null, "anything\n", [], "anything\n"],
    ["empty text", "", "anything", [], "anything"],
  ])(
    "AsyncChat.foundTerminator() is called for %s at every split",
    (_name, terminator, text, frames, rest) => {
      for (const pieces of cuts(text)) {
        const chat = new Fed(undefined, map);
        chat.setTerminator(terminator);
        void chat.feed(...pieces.filter((piece) => piece !== ""));
        expect([pieces, chat.frames, chat.rest]).toEqual([pieces, frames, rest]);
      }
    },
  );

  test("AsyncChat.setTerminator() inside foundTerminator() takes effect at once, at every split", () => {
    for (const pieces of cuts("5\nhello3\nabc0\n")) {
      const chat = new Fed(undefined, map);
      chat.setTerminator("\n");
      chat.next = (frame) => (typeof chat.getTerminator() === "number" ? "\n" : Number(frame) || "\n");
      void chat.feed(...pieces.filter((piece) => piece !== ""));
      expect([pieces, chat.frames]).toEqual([pieces, ["5", "hello", "3", "abc", "0"]]);
    }
  });

  test("AsyncChat finds the same frames however the stream is cut, at once and with async hooks", async () => {
    class Slow extends Fed {
      override async collectIncomingData(data: Buffer): Promise<void> {
        await Promise.resolve();
        await super.collectIncomingData(data);
      }
      override async foundTerminator(): Promise<void> {
        await Promise.resolve();
        await super.foundTerminator();
      }
    }
    const letters = (maxLength: number): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom("a", "a", "b"), minLength: 1, maxLength });
    // Large chunks are joined in another way than small ones.
    const run = fc.integer({ min: 4000, max: 5000 }).map((length) => "a".repeat(length));
    const size = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 4096, max: 4200 }));
    const property = fc.asyncProperty(
      letters(40),
      fc.array(fc.oneof(letters(60), run), { maxLength: 6 }),
      fc.array(size, { minLength: 1, maxLength: 8 }),
      async (terminator, parts, sizes) => {
        const stream = Buffer.from(parts.join(terminator));
        const wanted = stream.toString().split(terminator);
        const last = wanted.pop() ?? "";
        for (const chat of [new Fed(undefined, map), new Slow(undefined, map)]) {
          chat.setTerminator(terminator);
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const next = at + (sizes[turn % sizes.length] ?? 1);
            await chat.feed(stream.subarray(at, next));
            at = next;
          }
          expect(chat.frames).toEqual(wanted);
          // A beginning of the terminator at the very end is still held back.
          const { rest } = chat;
          expect(last.startsWith(rest) && terminator.startsWith(last.slice(rest.length))).toBe(true);
        }
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test.each([0, 5000])(
    "AsyncChat.setTerminator() between chunks judges anew what was held back, %d bytes more in the chunk",
    async (more) => {
      const pad = "-".repeat(more);
      const cases: [Terminator, string, string[], string][] = [
        ["N", "D.N", ["E", "D."], ""],
        ["NDX", "DX", ["E"], ""],
        ["XYZ", "D", [], "END"],
        [3, "D.", ["END"], "."],
        [null, "D", [], "END"],
      ];
      for (const [terminator, text, frames, rest] of cases) {
        const chat = new Fed(undefined, map);
        chat.setTerminator("END.");
        await chat.feed("EN");
        expect(chat.rest).toBe("");
        chat.setTerminator(terminator);
        await chat.feed(text + pad);
        expect([terminator, chat.frames, chat.rest]).toEqual([terminator, frames, rest + pad]);
      }
    },
  );

  test("AsyncChat goes on after a hook that failed, when more comes", async () => {
    const chat = new Fed(undefined, map);
    chat.setTerminator("\r\n");
    chat.next = (frame) => {
      if (frame === "two") throw new Error("not two");
      return undefined;
    };
    // feed() throws what the hook threw, as handleRead() does.
    expect(() => void chat.feed("one\r\ntwo\r\nthree\r\nfo")).toThrow("not two");
    await chat.feed("ur\r\n");
    expect(chat.frames).toEqual(["one", "two", "three", "four"]);
  });

  test("AsyncChat.getTerminator() counts down across chunks", () => {
    const chat = new Fed(undefined, map);
    chat.setTerminator(10);
    void chat.feed("abcd");
    expect(chat.getTerminator()).toBe(6);
    void chat.feed("efghij");
    expect(chat.getTerminator()).toBe(0);
    expect(chat.frames).toEqual(["abcdefghij"]);
  });

  test("AsyncChat.setTerminator() refuses a count that is negative", () => {
    const chat = new AsyncChat(undefined, map);
    expect(() => chat.setTerminator(-1)).toThrow(RangeError);
  });

  test("AsyncChat.collectIncomingData() and foundTerminator() must be overridden", () => {
    const chat = new AsyncChat(undefined, map);
    expect(() => chat.collectIncomingData(Buffer.from("x"))).toThrow("must be overridden");
    expect(() => chat.foundTerminator()).toThrow("must be overridden");
  });

  test("AsyncChat fails with EMSGSIZE when no terminator comes within its bound", async () => {
    class Short extends Frames {
      static override maxCollectBytes = 10;
    }
    const { server, client } = await connected((socket, into) => new Short(socket, into));
    server.setTerminator("\n");
    client.send("0123456789\n01234");
    await until(() => server.frames.length === 1, "a line of the greatest length");
    client.send("567890");
    await until(() => server.error !== undefined, "the bound was passed");
    expect(server.error).toMatchObject({ code: "EMSGSIZE", name: "OSError" });
    expect(server.connected).toBe(false);
  });

  test("AsyncChat.foundTerminator() that is async holds the next frame back", async () => {
    const order: string[] = [];
    class Slow extends Frames {
      override async foundTerminator(): Promise<void> {
        order.push("begin");
        await super.foundTerminator();
        await turns(3);
        order.push("end");
      }
    }
    const { server, client } = await connected((socket, into) => new Slow(socket, into));
    server.setTerminator("\n");
    client.send("a\nb\nc\n");
    await until(() => order.length === 6, "three frames");
    expect(order).toEqual(["begin", "end", "begin", "end", "begin", "end"]);
    expect(server.frames).toEqual(["a", "b", "c"]);
  });

  test("AsyncChat.close() inside foundTerminator() ends the hooks", async () => {
    const { server, client } = await connected((socket, into) => new Frames(socket, into));
    server.setTerminator("\n");
    server.next = () => {
      server.close();
      return undefined;
    };
    client.send("a\nb\n");
    await until(() => client.events.includes("close"), "it closed");
    expect(server.frames).toEqual(["a"]);
  });

  test("AsyncChat.push() and pushWithProducer() keep their order, closeWhenDone() closes after all", async () => {
    const { server, client } = await connected((socket, into) => new Frames(socket, into));
    async function* slow(): AsyncGenerator<string> {
      yield "5";
      await turns(2);
      yield "6";
    }
    server.push("1");
    server.pushWithProducer(new SimpleProducer("2".repeat(5), 2));
    const reused = Buffer.from("3");
    server.push(reused);
    reused[0] = 0x78;
    server.pushWithProducer(["4", Buffer.from("4"), new Uint8Array([0x34]).buffer]);
    server.pushWithProducer(slow());
    server.pushWithProducer(new Blob(["777"]));
    server.push("8");
    server.closeWhenDone();
    await until(() => client.events.includes("close"), "everything and the end");
    expect(client.received).toBe("1222223444567778");
    expect(server.closes).toBe(1);
  });

  test("AsyncChat.closeWhenDone() with nothing queued closes", async () => {
    const { server, client } = await connected((socket, into) => new Frames(socket, into));
    server.closeWhenDone();
    await until(() => client.events.includes("close"), "the end");
    expect(server.closes).toBe(1);
  });

  test("AsyncChat.pushWithProducer() holds memory to the water marks while the peer does not read", async () => {
    let produced = 0;
    function* endless(): Generator<Buffer> {
      for (;;) {
        produced += 10_000;
        yield Buffer.alloc(10_000);
      }
    }
    class Deaf extends Dispatcher {
      override readable(): boolean {
        return false;
      }
      override handleConnect(): void {}
    }
    const listening = new Listening(map, (socket, into) => new Frames(socket, into));
    connectTo(new Deaf(undefined, map), listening.address);
    await until(() => listening.accepted.length === 1, "accepted");
    const server = listening.accepted[0] as Frames;
    server.pushWithProducer(endless());
    await until(() => server.bufferedAmount > 0, "the kernel is full");
    await turns(50);
    const stopped = produced;
    await turns(50);
    expect(produced).toBe(stopped);
    expect(server.bufferedAmount).toBeLessThan(80_000);
  });

  test("AsyncChat.pushWithProducer() streams a Bun.file(), and holds little of it while the peer does not read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "asyncore-chat-"));
    try {
      const bytes = randomBytes(24 * 1024 * 1024);
      await Bun.write(join(folder, "bulk"), bytes);
      const hash = createHash("sha256");
      let received = 0;
      let reading = false;
      let ended = false;
      class Late extends Dispatcher {
        override readable(): boolean {
          return reading;
        }
        override handleConnect(): void {}
        override handleRead(): void {
          const chunk = this.recv();
          received += chunk.length;
          hash.update(chunk);
        }
        override handleClose(): void {
          ended = true;
          this.close();
        }
      }
      const listening = new Listening(map, (socket, into) => new Frames(socket, into));
      const client = connectTo(new Late(undefined, map), listening.address);
      await until(() => listening.accepted.length === 1, "accepted");
      const server = listening.accepted[0] as Frames;
      server.pushWithProducer(Bun.file(join(folder, "bulk")));
      server.closeWhenDone();
      await until(() => server.bufferedAmount > 0, "the kernel is full");
      await untilSteady(() => server.socket?.bytesSent ?? 0, "the producer to be held back");
      expect(server.socket?.bytesSent ?? 0).toBeLessThan(bytes.length);
      // One piece of a file is at most 2 MiB.
      expect(server.bufferedAmount).toBeLessThan(4 * 1024 * 1024);
      reading = true;
      client.wake();
      await until(() => ended, "all of it, and the end");
      expect(received).toBe(bytes.length);
      expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("AsyncChat tells a producer that fails to handleError, and cancels it when closed", async () => {
    const { server } = await connected((socket, into) => new Frames(socket, into));
    async function* failing(): AsyncGenerator<string> {
      yield "x";
      throw new Error("dry");
    }
    server.pushWithProducer(failing());
    await until(() => server.error !== undefined, "the failure");
    expect(String(server.error)).toBe("Error: dry");
    let cancelled = false;
    function* never(): Generator<string> {
      try {
        for (;;) yield "x".repeat(100_000);
      } finally {
        cancelled = true;
      }
    }
    const second = await connected((socket, into) => new Frames(socket, into));
    second.server.pushWithProducer(never());
    await until(() => second.client.received !== "", "it produces");
    second.server.close();
    expect(cancelled).toBe(true);
  });

  test("AsyncChat.push() refuses what is neither text nor bytes", async () => {
    const { server } = await connected((socket, into) => new Frames(socket, into));
    for (const bad of [1, null, undefined, {}, []]) {
      expect(() => server.push(bad as string)).toThrow(TypeError);
    }
    expect(() => server.pushWithProducer(7 as unknown as string[])).toThrow(TypeError);
  });
});
