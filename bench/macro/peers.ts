/** The servers that several workloads compare, by what they serve. The programs are in `bench/peers/`. */
import type { Peer } from "./workload.ts";

type Peers<Names extends string> = Readonly<Record<Names, Peer>>;
type Made = Pick<Peer, "runtime" | "args">;
const peer = (name: string, program: string, made: Made = {}): Peer => ({ name, program, ...made });

const poll: Made = { args: ["--poll"] };
const node: Made = { runtime: "node" };
const python: Made = { runtime: "python" };
const pythonPoll: Made = { runtime: "python", args: ["--poll"] };
const asyncio = (role: string): Peer =>
  peer("asyncio", "asyncio-peer.py", { runtime: "python", args: [role] });
const uvloop = (role: string): Peer =>
  peer("uvloop", "asyncio-peer.py", { runtime: "uvloop", args: [role, "--uvloop"] });
const twisted = (role: string): Peer =>
  peer("Twisted", "twisted-peer.py", { runtime: "twisted", args: [role] });
const go = (role: string): Peer => peer("Go", "go-peer", { runtime: "built", args: [role] });
const tokio = (role: string): Peer => peer("tokio", "tokio-peer", { runtime: "built", args: [role] });

export const echo: Peers<
  | "raw"
  | "asyncore"
  | "asyncorePoll"
  | "nodeOnBun"
  | "nodeOnNode"
  | "python"
  | "pythonPoll"
  | "asyncio"
  | "uvloop"
  | "twisted"
  | "epoll"
  | "libuv"
  | "go"
  | "tokio"
> = {
  raw: peer("raw Bun.listen", "raw-bun-echo.ts"),
  asyncore: peer("asyncore", "asyncore-echo.ts"),
  asyncorePoll: peer("asyncore loop()", "asyncore-echo.ts", poll),
  nodeOnBun: peer("node:net on Bun", "node-net-echo.ts"),
  nodeOnNode: peer("node:net on Node", "node-net-echo.ts", node),
  python: peer("CPython asyncore, select", "cpython-echo.py", python),
  pythonPoll: peer("CPython asyncore, poll", "cpython-echo.py", pythonPoll),
  asyncio: asyncio("echo"),
  uvloop: uvloop("echo"),
  twisted: twisted("echo"),
  epoll: peer("epoll in C", "epoll-echo", { runtime: "built" }),
  libuv: peer("libuv in C", "libuv-echo", { runtime: "built" }),
  go: go("echo"),
  tokio: tokio("echo"),
};

export const lines: Peers<
  | "raw"
  | "rawTuned"
  | "asyncore"
  | "chat"
  | "chatPoll"
  | "nodeOnBun"
  | "nodeOnNode"
  | "python"
  | "pythonPoll"
  | "asyncio"
  | "uvloop"
  | "twisted"
  | "go"
  | "tokio"
> = {
  raw: peer("raw Bun.listen", "raw-bun-lines.ts"),
  rawTuned: peer("raw Bun.listen, tuned", "raw-bun-lines-tuned.ts"),
  asyncore: peer("asyncore", "asyncore-lines.ts"),
  chat: peer("asyncore", "asyncore-chat.ts"),
  chatPoll: peer("asyncore loop()", "asyncore-chat.ts", poll),
  nodeOnBun: peer("node:net on Bun", "node-net-lines.ts"),
  nodeOnNode: peer("node:net on Node", "node-net-lines.ts", node),
  python: peer("CPython asyncore, select", "cpython-lines.py", python),
  pythonPoll: peer("CPython asyncore, poll", "cpython-lines.py", pythonPoll),
  asyncio: asyncio("lines"),
  uvloop: uvloop("lines"),
  twisted: twisted("lines"),
  go: go("lines"),
  tokio: tokio("lines"),
};

export const frames: Peers<"raw" | "rawTuned" | "asyncore" | "python" | "asyncio" | "twisted" | "go"> = {
  raw: peer("raw Bun.listen", "raw-bun-frames.ts"),
  rawTuned: peer("raw Bun.listen, tuned", "raw-bun-frames.ts", { args: ["--tuned"] }),
  asyncore: peer("asyncore", "asyncore-frames.ts"),
  python: peer("CPython asyncore, select", "cpython-frames.py", python),
  asyncio: asyncio("frames"),
  twisted: twisted("frames"),
  go: go("frames"),
};

export const fanout: Peers<
  "raw" | "rawTuned" | "asyncore" | "nodeOnBun" | "nodeOnNode" | "asyncio" | "uvloop" | "go" | "tokio"
> = {
  raw: peer("raw Bun.listen", "raw-bun-fanout.ts"),
  rawTuned: peer("raw Bun.listen, tuned", "raw-bun-fanout.ts", { args: ["--tuned"] }),
  asyncore: peer("asyncore", "asyncore-fanout.ts"),
  nodeOnBun: peer("node:net on Bun", "node-net-fanout.ts"),
  nodeOnNode: peer("node:net on Node", "node-net-fanout.ts", node),
  asyncio: asyncio("fanout"),
  uvloop: uvloop("fanout"),
  go: go("fanout"),
  tokio: tokio("fanout"),
};

export const passes: Peers<"asyncore" | "asked" | "python" | "pythonPoll"> = {
  asyncore: peer("asyncore", "asyncore-passes.ts"),
  asked: peer("asyncore, asked", "asyncore-passes.ts", { args: ["--asked"] }),
  python: peer("CPython asyncore, select", "cpython-passes.py", python),
  pythonPoll: peer("CPython asyncore, poll", "cpython-passes.py", pythonPoll),
};
