import { afterEach, describe, expect, test } from "bun:test";

import { ChannelMap, closeAll, DispatcherWithSend } from "asyncore";

import { connectTo, Listening, type Logged } from "../support/channels.ts";
import { until } from "../support/until.ts";

const map = new ChannelMap();
afterEach(() => closeAll(map));

describe("DispatcherWithSend", () => {
  test("DispatcherWithSend.send() between connect() and the connection is delivered", async () => {
    const listening = new Listening(map);
    const client = connectTo(new DispatcherWithSend(undefined, map), listening.address);
    client.handleConnect = () => {};
    expect(client.send("early ")).toBe(6);
    await until(() => client.connected, "the connection stands");
    client.send("and late");
    await until(() => listening.accepted.length === 1, "accepted");
    const server = listening.accepted[0] as Logged;
    await until(() => server.received === "early and late", "both");
  });

  test("DispatcherWithSend.writable() is true until connected and while something waits", async () => {
    const listening = new Listening(map);
    const client = connectTo(new DispatcherWithSend(undefined, map), listening.address);
    client.handleConnect = () => {};
    expect(client.writable()).toBe(true);
    await until(() => client.connected, "the connection stands");
    expect(client.writable()).toBe(false);
    client.send("x");
    expect([client.bufferedAmount, client.writable()]).toEqual([1, true]);
    client.initiateSend();
    expect([client.bufferedAmount, client.writable()]).toEqual([0, false]);
  });

  test("DispatcherWithSend.send() before connect() is refused as a dispatcher's is", () => {
    const client = new DispatcherWithSend(undefined, map);
    client.createSocket();
    expect(() => client.send("too early")).toThrow(expect.objectContaining({ code: "ENOTCONN" }));
  });
});
