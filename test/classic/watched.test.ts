/** Python's names cost nothing that the core's do not: only a class with a hook of its own is asked and watched. */
import { describe, expect, test } from "bun:test";
import { ChannelMap } from "asyncore";
import * as asyncore from "asyncore/classic";

async function asked(
  make: (map: ChannelMap) => asyncore.dispatcher,
): Promise<[write: boolean, asked: number]> {
  const map = new ChannelMap();
  const channel = make(map);
  channel.create_socket();
  channel.bind(["127.0.0.1", 0]);
  await asyncore.poll(0, map);
  const result: [boolean, number] = [channel.channelDispatch.watchesWrite(), map.asked.size];
  channel.close();
  return result;
}

describe("asyncore/classic", () => {
  test("a class without hooks for writing is not asked whether it wants to write", async () => {
    class Reads extends asyncore.dispatcher {
      override handle_read(): void {
        this.recv();
      }
    }
    expect(await asked((map) => new Reads(null, map))).toEqual([false, 0]);
    expect(await asked((map) => new asyncore.dispatcher(null, map))).toEqual([false, 0]);
  });

  test("one with a hook for writing is, whatever the hook is called and wherever it is", async () => {
    class Writes extends asyncore.dispatcher {
      override handle_write(): void {}
    }
    class WriteEvents extends asyncore.dispatcher {
      override handle_write_event(): void {}
    }
    class Camel extends asyncore.dispatcher {
      override handleWrite(): void {}
    }
    class Wants extends asyncore.dispatcher {
      override writable(): boolean {
        return true;
      }
    }
    for (const Class of [Writes, WriteEvents, Camel, Wants]) {
      expect(await asked((map) => new Class(null, map))).toEqual([true, 1]);
    }
    expect(
      await asked((map) => {
        const channel = new asyncore.dispatcher(null, map);
        channel.handle_write = () => {};
        return channel;
      }),
    ).toEqual([true, 1]);
    expect(await asked((map) => new asyncore.dispatcher_with_send(null, map))).toEqual([true, 1]);
    expect(await asked((map) => new asyncore.async_chat(null, map))).toEqual([true, 1]);
  });
});
