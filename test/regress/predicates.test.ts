/** Predicates that hang on something of the channel's own. */
import net from "node:net";

import { expect, test } from "bun:test";

import { Dispatcher, type Socket } from "asyncore";

import { until, untilSteady } from "../support/until.ts";
import { inMode, modes } from "./modes.ts";

const ANSWER_BYTES = 1_000_000;

test.each([...modes])(
  "Dispatcher.readable() is asked again when the channel's queue drains, in %s mode",
  async (mode) => {
    await inMode(mode, async (map) => {
      let questions = 0;
      class Answering extends Dispatcher {
        override readable(): boolean {
          return this.bufferedAmount < ANSWER_BYTES / 16;
        }
        override handleRead(): void {
          questions += this.recv().length;
          this.send(Buffer.alloc(ANSWER_BYTES));
        }
        override handleClose(): void {
          this.close();
        }
      }
      class Server extends Dispatcher {
        override handleAccepted(socket: Socket): void {
          new Answering(socket, map);
        }
      }
      const server = new Server(undefined, map);
      server.createSocket();
      server.bind(["127.0.0.1", 0]);
      server.listen();
      const peer = net.connect(server.getsockname()[1] as number, "127.0.0.1");
      try {
        peer.pause();
        const feed = setInterval(() => peer.write("x"), 2);
        await until(() => questions > 2, "some answers");
        await untilSteady(() => questions, "the channel to be held back");
        clearInterval(feed);
        peer.on("data", () => undefined);
        peer.resume();
        await until(() => questions === peer.bytesWritten, "all questions to be read");
        expect(questions).toBe(peer.bytesWritten);
      } finally {
        peer.destroy();
      }
    });
  },
);
