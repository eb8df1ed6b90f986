/** Runs a test's channels in push mode, or in poll mode with a `loop()` beside it. */
import { ChannelMap, closeAll, loop, poll } from "asyncore";

export const modes = ["push", "poll"] as const;
export type Mode = (typeof modes)[number];

/** Gives `body` a map of its own; closes its channels afterwards. A rejection of `loop()` fails the test. */
export async function inMode(mode: Mode, body: (map: ChannelMap) => Promise<void>): Promise<void> {
  const map = new ChannelMap();
  const stop = new AbortController();
  // The first pass puts the map into poll mode while it is empty.
  if (mode === "poll") await poll(0, map);
  const running = mode === "poll" ? keepLooping(map, stop.signal) : undefined;
  try {
    await body(map);
  } finally {
    stop.abort();
    closeAll(map, true);
    await running;
  }
}

// loop() ends with an empty map, and a test may fill it again.
async function keepLooping(map: ChannelMap, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await loop({ map, timeout: 5, signal });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
