// Uses up every descriptor, so that the poll set cannot be watched, then frees them.
import { closeSync, openSync, writeSync } from "node:fs";

import { FileSocket } from "../../src/socket/file.ts";
import { makePipe } from "../dispatcher/file-kit.ts";

const pipe = makePipe();
const first = new FileSocket(pipe.read);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch (error) {
  console.log((error as { code: string }).code);
}
first.observe({
  socketReady() {
    const chunk = first.recv();
    if (chunk === undefined) return;
    console.log(`read ${chunk.length}`);
    first.close();
  },
  socketChanged() {},
});
setTimeout(() => {
  writeSync(pipe.write, "hello");
  for (const fd of taken) closeSync(fd);
}, 30);
