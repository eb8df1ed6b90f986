/**
 * What a timer costs that is set and taken back, which is what becomes of nearly every deadline: on the wheel that
 * timeouts use, by `callLater()`, and by `setTimeout()` beside it; alone, and with a million others waiting. And what a
 * million of each hold in memory.
 */
import { heapStats } from "bun:jsc";

import { systemClock } from "../../src/base/clock.ts";
import { TimerWheel, WheelEntry } from "../../src/base/timer-wheel.ts";
import { callLater, ChannelMap, Dispatcher, streamLimits } from "../../src/index.ts";
import { bench, finish } from "./harness.ts";
import { StandInSocket } from "./stand-in-socket.ts";

const MILLION = 1_000_000;
/** The delays of the million: from a second to a quarter of an hour. */
const delayOf = (index: number): number => 1000 + ((index * 7919) % 900_000);

class Entry extends WheelEntry {
  expired(): void {}
}

function nothing(): void {}

/** Nanoseconds for each of a million. */
function nanosEach(run: (index: number) => void): string {
  const start = performance.now();
  for (let index = 0; index < MILLION; index++) run(index);
  return (((performance.now() - start) / MILLION) * 1e6).toFixed(0);
}

/** What a million hold that `fill` sets, beyond what there was, for each: on the JS heap, and resident. */
function filled(what: string, fill: (index: number) => void): string {
  const used = (): number => heapStats().heapSize + heapStats().extraMemorySize;
  Bun.gc(true);
  const heap = used();
  const { rss } = process.memoryUsage();
  const nanos = nanosEach(fill);
  Bun.gc(true);
  const heapEach = ((used() - heap) / MILLION).toFixed(0);
  const rssEach = ((process.memoryUsage().rss - rss) / MILLION).toFixed(0);
  return `a million ${what}: ${nanos} ns to set, ${heapEach} B of heap and ${rssEach} B resident each`;
}

const lines: string[] = [];

// First and all at once: the million of setTimeout() must not be there when anything else is measured.
const timeouts: ReturnType<typeof setTimeout>[] = Array.from({ length: MILLION });
const filledTimeouts = filled("by setTimeout()", (index) => {
  timeouts[index] = setTimeout(nothing, delayOf(index));
});
const churn = nanosEach((index) => clearTimeout(setTimeout(nothing, delayOf(index))));
const cleared = nanosEach((index) => clearTimeout(timeouts[index]));
lines.push(`${filledTimeouts}, ${churn} ns to set and clear one more, ${cleared} ns to clear`);
timeouts.length = 0;
Bun.gc(true);

const wheel = new TimerWheel(systemClock);
const entries: Entry[] = Array.from({ length: MILLION });
const filledWheel = filled("new entries on the wheel", (index) => {
  const entry = new Entry();
  entries[index] = entry;
  wheel.arm(entry, delayOf(index));
});
lines.push(filledWheel);

const alone = new Entry();
const empty = new TimerWheel(systemClock);
await bench("wheel, nothing else armed: arm, cancel", () => {
  empty.arm(alone, 60_000);
  empty.cancel(alone);
});
const another = new Entry();
let next = 0;
await bench("wheel, a million armed: arm, cancel", () => {
  wheel.arm(another, delayOf(next++));
  wheel.cancel(another);
});
await bench("wheel, a million armed: move one", () => {
  next = (next + 7919) % MILLION;
  wheel.arm(entries[next] as Entry, delayOf(next + 1));
});
await bench("setTimeout(), clearTimeout()", () => clearTimeout(setTimeout(nothing, 60_000)));
await bench("setTimeout(), unref(), clearTimeout()", () => clearTimeout(setTimeout(nothing, 60_000).unref()));
await bench("callLater(), cancel()", () => callLater(60_000, nothing).cancel());

const socket = new StandInSocket();
socket.limits = streamLimits({ requestTimeoutMs: 60_000, idleTimeoutMs: 60_000 });
const channel = new Dispatcher(socket, new ChannelMap());
await bench("Dispatcher.beginRequest(), endRequest()", () => {
  channel.beginRequest();
  channel.endRequest();
});
await finish();

lines.push(
  `a million on the wheel: ${nanosEach((index) => wheel.cancel(entries[index] as Entry))} ns to cancel`,
);
if (wheel.size > 0) throw new Error(`${wheel.size} timers are left on the wheel`);
console.log(lines.join("\n"));
process.exit(0);
