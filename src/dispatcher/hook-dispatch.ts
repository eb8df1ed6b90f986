/**
 * The {@link Dispatch} of a class with asyncore's hooks. It knows which of them a class has of its own, so that nobody
 * is asked whose answer is known, and what is logged when no hook may be told of an error.
 */
import type { ChannelMap } from "./channel-map.ts";
import { type Describable, describeFailure } from "./describe.ts";
import { Dispatch, type Hooked, type HookResult } from "./dispatch.ts";
import { overrides } from "./hook-names.ts";
import { writeLine } from "./log.ts";

/** The hooks of which it matters whether a class has its own. */
interface Hooks extends Hooked, Describable {
  readonly channelDispatch: Dispatch;
  handleWrite(): HookResult;
  handleExpt(): HookResult;
}

/** Makes the class of dispatches for channels whose default hooks are `base`'s. */
export function dispatchWith(base: Hooks): new (channel: Hooks, map: ChannelMap) => Dispatch {
  return class HookDispatch extends Dispatch {
    declare readonly channel: Hooks;

    // Asked every turn: three comparisons for the classes that have none of these.
    override watchesWrite(): boolean {
      const { channel } = this;
      if (channel.writable !== base.writable) return true;
      if (channel.handleWrite === base.handleWrite && channel.handleWriteEvent === base.handleWriteEvent)
        return false;
      return overrides(channel, base, "handleWrite") || overrides(channel, base, "handleWriteEvent");
    }

    protected override watchesUrgent(): boolean {
      const { channel } = this;
      return overrides(channel, base, "handleExpt") || overrides(channel, base, "handleExptEvent");
    }

    protected override hasWritable(): boolean {
      return this.channel.writable !== base.writable;
    }

    override asksEachPass(): boolean {
      return this.channel.readable !== base.readable || this.watchesWrite();
    }

    protected override reportFatal(error: unknown): void {
      writeLine("stderr", `error: ${describeFailure(this.channel, error)}`);
    }
  };
}
