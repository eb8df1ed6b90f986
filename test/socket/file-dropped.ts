// Drops ten files and collects until their descriptors are closed.
import { FileSocket } from "../../src/socket/file.ts";
import { makePipe, openCount } from "../dispatcher/file-kit.ts";

const pipe = makePipe();
const before = openCount();
function drop(): void {
  for (let i = 0; i < 10; i++) {
    const socket = new FileSocket(pipe.read);
    socket.observe({ socketReady() {}, socketChanged() {} });
    socket.observe(undefined);
  }
}
drop();
if (openCount() < before + 10) console.log("closed too early");
for (let i = 0; i < 100 && openCount() > before; i++) {
  Bun.gc(true);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(openCount() > before ? "still open" : "collected");
