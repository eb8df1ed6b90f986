/**
 * The behaviour that CPython's own test_asynchat checks, checked on `asyncore/classic`. Which test stands for which of
 * CPython's is said in `cpython-tests.ts`.
 */
import { describe, expect, test } from "bun:test";
import net from "node:net";

import { ChannelMap, osError } from "asyncore";
import * as asyncore from "asyncore/classic";

import { until } from "../support/until.ts";
import { Server, Setting } from "./cpython-kit.ts";

const QUIT = "QUIT\n";

/**
 * The other side, no channel of ours: collects until it is told to quit, then sends everything back, piece by piece,
 * and closes. A piece is sent when the one before has been received, so that pieces come as they were cut.
 */
class EchoPeer implements AsyncDisposable {
  collected = "";
  /** Whether it may send back. */
  mayAnswer = true;
  /** Its one connection has ended. */
  over = false;
  /** What went wrong on its side; a client that has closed resets what is sent to it. */
  error: Error | undefined;
  readonly #pieceBytes: number;
  readonly #received: () => number;
  readonly #server: net.Server = net.createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  #answered: Promise<void> = Promise.resolve();

  /** `received`: how many bytes the client has received so far. */
  constructor(pieceBytes: number, received: () => number) {
    this.#pieceBytes = pieceBytes;
    this.#received = received;
  }

  async listen(): Promise<asyncore.Address> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return ["127.0.0.1", (this.#server.address() as net.AddressInfo).port];
  }

  #serve(socket: net.Socket): void {
    socket.setNoDelay(true);
    socket.on("error", (error) => (this.error = error));
    socket.on("close", () => (this.over = true));
    socket.on("data", (data) => {
      const had = this.collected.includes(QUIT);
      this.collected += data.toString("latin1");
      if (!had && this.collected.includes(QUIT)) this.#answered = this.#answer(socket);
    });
  }

  async #answer(socket: net.Socket): Promise<void> {
    await until(() => this.mayAnswer, "the word to answer");
    const answer = Buffer.from(this.collected.replace(QUIT, ""), "latin1");
    for (let at = 0; at < answer.length && !socket.destroyed; at += this.#pieceBytes) {
      socket.write(answer.subarray(at, at + this.#pieceBytes));
      const end = Math.min(at + this.#pieceBytes, answer.length);
      await until(
        () => this.#received() >= end || socket.destroyed || socket.readableEnded,
        "the piece came",
      );
    }
    socket.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await this.#answered;
  }
}

/** Collects frames. */
class EchoClient extends asyncore.async_chat {
  readonly contents: string[] = [];
  buffer = "";
  readonly errors: unknown[] = [];

  constructor(map: ChannelMap, address: asyncore.Address, terminator: asyncore.Terminator) {
    super(null, map);
    this.create_socket();
    this.connect(address);
    this.set_terminator(terminator);
  }
  override handle_connect(): void {}
  override collect_incoming_data(data: Buffer): void {
    this.buffer += data.toString("latin1");
  }
  override found_terminator(): void {
    this.contents.push(this.buffer);
    this.buffer = "";
  }
  override handle_error(error: unknown): void {
    this.errors.push(error);
    this.close();
  }
}

interface Echoed {
  readonly contents: readonly string[];
  /** What was collected after the last terminator. */
  readonly rest: string;
}

/** What the client makes of the echo of what `push` gives it. */
async function echoed(
  use_poll: boolean,
  terminator: asyncore.Terminator,
  push: (client: EchoClient) => void,
  pieceBytes: number = 1,
): Promise<Echoed> {
  using setting = new Setting("tcp4", use_poll);
  let client: EchoClient | undefined;
  await using peer = new EchoPeer(pieceBytes, () => client?.socket?.bytesRead ?? 0);
  client = new EchoClient(setting.map, await peer.listen(), terminator);
  push(client);
  await setting.loop();
  expect([client.errors, peer.error]).toEqual([[], undefined]);
  return { contents: client.contents, rest: client.buffer };
}

const LINES = ["a first line", "and its second"];
const PLAIN = "no frame ends here, nor here\n";

for (const use_poll of [false, true]) {
  describe(use_poll ? "poll" : "select", () => {
    for (const [what, terminator] of [
      ["one character", "\n"],
      ["two characters", "\r\n"],
      ["three characters", "qqq"],
    ] as const) {
      test(`a terminator of ${what} ends a frame, in whatever pieces it comes`, async () => {
        for (const pieceBytes of [1, 2, 3]) {
          const push = (client: EchoClient): void => {
            client.push("a first ");
            client.push(`line${terminator}`);
            client.push(`and its second${terminator}`);
            client.push(QUIT);
          };
          const got = await echoed(use_poll, Buffer.from(terminator), push, pieceBytes);
          expect([pieceBytes, got]).toEqual([pieceBytes, { contents: LINES, rest: "" }]);
        }
      });
    }

    for (const count of [1, 6]) {
      test(`a terminator that is a count ends the frame after so many bytes: ${count}`, async () => {
        const push = (client: EchoClient): void => {
          client.push(PLAIN);
          client.push(QUIT);
        };
        expect(await echoed(use_poll, count, push)).toEqual({
          contents: [PLAIN.slice(0, count)],
          // Reached, the count is 0, and nothing ends a frame any more.
          rest: PLAIN.slice(count),
        });
      });
    }

    test("without a terminator everything is collected and no frame ends", async () => {
      const push = (client: EchoClient): void => {
        client.push(PLAIN);
        client.push(QUIT);
      };
      expect(await echoed(use_poll, null, push)).toEqual({ contents: [], rest: PLAIN });
    });

    test("push_with_producer() sends what a simple_producer cuts into pieces", async () => {
      const producer = new asyncore.simple_producer(`${LINES.join("\n")}\n${QUIT}`, 8);
      const push = (client: EchoClient): void => client.push_with_producer(producer);
      expect(await echoed(use_poll, "\n", push)).toEqual({ contents: LINES, rest: "" });
    });

    test("push_with_producer() sends bytes and text as they are, in their turn", async () => {
      const push = (client: EchoClient): void => {
        client.push_with_producer(Buffer.from(`${LINES.join("\n")}\n`));
        client.push_with_producer(["a producer's\n"]);
        client.push_with_producer("text\n");
        client.push_with_producer(new TextEncoder().encode(QUIT).buffer);
      };
      expect(await echoed(use_poll, "\n", push)).toEqual({
        contents: [...LINES, "a producer's", "text"],
        rest: "",
      });
    });

    test("two terminators in a row are an empty frame", async () => {
      const push = (client: EchoClient): void => {
        client.push(`${LINES.join("\n\n")}\n`);
        client.push(QUIT);
      };
      const [first, second] = LINES as [string, string];
      expect(await echoed(use_poll, "\n", push)).toEqual({ contents: [first, "", second], rest: "" });
    });

    test("close_when_done() closes when everything has been sent, and no hook is called after it", async () => {
      using setting = new Setting("tcp4", use_poll);
      await using peer = new EchoPeer(1, () => 0);
      peer.mayAnswer = false;
      const client = new EchoClient(setting.map, await peer.listen(), "\n");
      client.push(`${LINES.join("\n")}\n`);
      client.push(QUIT);
      client.close_when_done();
      await setting.loop();
      expect([client.connected, setting.map.size]).toEqual([false, 0]);
      // Only now, so that there was nothing that could have come before the close.
      peer.mayAnswer = true;
      await until(() => peer.over, "the peer's connection is over");
      expect(peer.collected).toBe(`${LINES.join("\n")}\n${QUIT}`);
      expect([client.contents, client.buffer, client.errors]).toEqual([[], "", []]);
    });

    test("push() takes every kind of bytes and refuses what is neither bytes nor text", async () => {
      const bytes = Buffer.from("bytes\n");
      const push = (client: EchoClient): void => {
        client.push(bytes);
        client.push(new Uint8Array(bytes));
        client.push(new DataView(new Uint8Array(bytes).buffer));
        for (const wrong of [10, null, undefined, {}, ["bytes\n"]]) {
          expect(() => client.push(wrong as string)).toThrow(TypeError);
        }
        // What Python 3 refuses: here text is sent as UTF-8.
        client.push("text\n");
        client.push(QUIT);
      };
      const { contents } = await echoed(use_poll, "\n", push);
      expect(contents).toEqual(["bytes", "bytes", "bytes", "text"]);
    });
  });
}

describe("async_chat", () => {
  class Chat extends asyncore.async_chat {
    readonly errors: unknown[] = [];
    asked = 0;
    collected = 0;
    override collect_incoming_data(data: Buffer): void {
      this.collected += data.length;
    }
    override handle_error(error: unknown): void {
      this.errors.push(error);
    }
  }

  /** A chat whose socket's recv() throws `failure`. */
  function failing(map: ChannelMap, failure: Error): Chat {
    const chat = new Chat(null, map);
    chat.create_socket();
    const { socket } = chat;
    if (socket === undefined) throw new Error("create_socket() made none");
    socket.recv = () => {
      chat.asked++;
      throw failure;
    };
    return chat;
  }

  test("handle_read() takes BlockingIOError from the socket for no error", () => {
    using setting = new Setting("tcp4", false);
    const chat = failing(setting.map, osError("EAGAIN", { syscall: "recv" }));
    void chat.handle_read();
    expect([chat.asked, chat.collected, chat.errors]).toEqual([1, 0, []]);
  });

  test("handle_read() takes nothing to read for no error", async () => {
    using setting = new Setting("tcp4", false);
    const chat = new Chat(null, setting.map);
    chat.handle_connect = () => {};
    chat.create_socket();
    chat.connect(new Server(setting).address);
    await setting.passes(() => chat.connected, "the connection");
    void chat.handle_read();
    expect([chat.connected, chat.collected, chat.errors]).toEqual([true, 0, []]);
  });

  test("handle_read() takes other errors for what they are", () => {
    using setting = new Setting("tcp4", false);
    const failure = osError("EIO", { syscall: "recv" });
    const chat = failing(setting.map, failure);
    expect(() => void chat.handle_read()).toThrow(failure);
    asyncore.read(chat);
    expect([chat.asked, chat.errors]).toEqual([2, [failure]]);
  });

  test("set_terminator() refuses a count that is negative", () => {
    const chat = new Chat(null, new ChannelMap());
    chat.set_terminator(3);
    expect(() => chat.set_terminator(-1)).toThrow(RangeError);
    expect(chat.get_terminator()).toBe(3);
  });
});
