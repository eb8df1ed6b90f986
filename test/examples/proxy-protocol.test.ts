import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";

import { HAProxy, hasHAProxy, noHAProxy } from "../support/haproxy.ts";
import { Program } from "../support/program.ts";
import { until, within } from "../support/until.ts";

const example = "examples/proxy-protocol.ts";

/** A line to `port`, and the answer; an empty answer when the connection was reset. */
async function ask(port: number, text: string): Promise<[asked: string, answer: string]> {
  const { promise, resolve } = Promise.withResolvers<[string, string]>();
  let own = "";
  const socket = net.connect(port, "127.0.0.1", () => {
    own = `127.0.0.1:${socket.localPort}`;
    socket.write(text);
  });
  socket.on("data", (chunk) => resolve([own, chunk.toString()]));
  socket.on("error", () => resolve([own, ""]));
  socket.on("close", () => resolve([own, ""]));
  try {
    return await within(promise, "an answer");
  } finally {
    socket.destroy();
  }
}

describe("proxy-protocol.ts", () => {
  test("believes a header from loopback, and resets who has none", async () => {
    await using server = new Program([example], { PORT: "0" });
    const port = await server.port();
    const [, answer] = await ask(port, "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\nwho?\n");
    expect(answer).toBe("you are 192.0.2.1:56324\n");
    expect((await ask(port, "who?\n"))[1]).toBe("");
    await until(() => server.stdout.includes("MISSING"), "the complaint");
    server.kill("SIGINT");
    await server.exited;
    expect(server.signal).toBe("SIGINT");
  });

  test.skipIf(!hasHAProxy)(`works with the HAProxy of its head comment${noHAProxy}`, async () => {
    const text = readFileSync(`${import.meta.dir}/../../${example}`, "utf8");
    const config = text
      .split("\n")
      .filter((line) => line.startsWith("//   "))
      .map((line) => line.slice(5))
      .join("\n");
    expect(config).toContain("bind 127.0.0.1:8014");
    await using server = new Program([example], { PORT: "0" });
    const port = await server.port();
    await using proxy = await HAProxy.start(
      1,
      ([bind = ""]) => `${config.replace("127.0.0.1:8014", bind).replace(":8013", `:${port}`)}\n`,
    );
    const [own, answer] = await ask(proxy.ports[0] ?? 0, "who?\n");
    expect(answer).toBe(`you are ${own}\n`);
  });
});
