// The other direction of "nothing lost": what a peer sends arrives whole, however the channel takes it. The peer is
// our own sender, which `nothing-lost.test.ts` has proved against others.
import { afterAll, describe, expect, test } from "bun:test";

import { ChannelMap, Dispatcher, loop, poll, type Socket } from "asyncore";

import { afOf, families } from "./support/family.ts";
import { freeAddress, removePaths } from "./support/place.ts";
import { Sender } from "./support/sender.ts";
import { type Report, StreamCheck, wholeReport } from "./support/stream.ts";
import { until } from "../support/until.ts";

const SIZE = 5 * 1024 * 1024 + 1;

/** Takes chunks as they come. */
class Receiver extends Dispatcher {
  report: Report | undefined;
  protected readonly check: StreamCheck = new StreamCheck();

  override handleRead(): void | Promise<void> {
    this.check.update(this.recv());
  }
  override handleClose(): void {
    this.report ??= this.check.report("fin");
    this.close();
  }
  override handleError(): void {
    this.report ??= this.check.report("reset");
    this.close();
  }
}
/** Leaves most of a chunk for the next turn. */
class Nibbling extends Receiver {
  override handleRead(): void {
    this.check.update(this.recv(7001));
  }
}
/** Takes all there is. */
class Draining extends Receiver {
  override handleRead(): void {
    for (;;) {
      const chunk = this.recv(4096);
      if (chunk.length === 0) return;
      this.check.update(chunk);
    }
  }
}
/** Says no at every other question, and has itself asked again. */
class Pausing extends Receiver {
  #wants = false;

  override readable(): boolean {
    this.#wants = !this.#wants;
    if (!this.#wants) setTimeout(() => this.wake(), 0);
    return this.#wants;
  }
}
/** Waits before it takes anything. */
class Waiting extends Receiver {
  override async handleRead(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    this.check.update(this.recv());
  }
}
/** Answers, so that both directions are full. */
class Answering extends Receiver {
  override handleRead(): void {
    const chunk = this.recv();
    this.check.update(chunk);
    this.send(chunk);
  }
}

const receivers: Readonly<Record<string, new (socket: Socket, map: ChannelMap) => Receiver>> = {
  "takes chunks as they come": Receiver,
  "takes 7001 bytes at a time": Nibbling,
  "takes all there is": Draining,
  "is paused by readable()": Pausing,
  "is async": Waiting,
  "answers each chunk": Answering,
};

afterAll(removePaths);

describe("all is received", () => {
  for (const family of families) {
    for (const [manner, Kind] of Object.entries(receivers)) {
      for (const mode of ["push", "poll"]) {
        test(`Dispatcher.recv() gets 5 MiB+1 over ${family} in ${mode} mode when handleRead() ${manner}`, async () => {
          const map = new ChannelMap();
          let receiver: Receiver | undefined;
          class Server extends Dispatcher {
            override handleAccepted(socket: Socket): void {
              receiver = new Kind(socket, map);
              this.close();
            }
          }
          if (mode === "poll") await poll(0, map);
          const server = new Server(undefined, map);
          server.createSocket(afOf[family]);
          server.bind(freeAddress(family));
          server.listen();
          const sender = new Sender(SIZE, "in pieces");
          sender.createSocket(afOf[family]);
          sender.start(server.getsockname());
          if (mode === "poll") await loop({ map });
          await until(() => receiver?.report !== undefined, "the end");
          expect(receiver?.report).toEqual(wholeReport(SIZE));
        });
      }
    }
  }
});
