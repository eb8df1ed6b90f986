/** dispatcher_with_send. The same scenarios as in `withsend.py`. */
import type { Scenario, Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async send_once_connected(t: Test) {
    const c = await t.connected({ kind: "send" });
    c.send("hello");
    await t.peer_reads(5);
    t.state(c);
  },

  async send_before_connected(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "send" });
    c.send("early");
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.peer_reads(5);
    t.state(c);
  },

  async send_before_and_after_connected(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "send", handle_connect: (me) => me.send("2") });
    c.send("1");
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    c.send("3");
    await t.peer_reads(3);
  },

  async echo_with_send(t: Test) {
    await t.accepted({ kind: "send", handle_read: (me) => me.echo() });
    await t.sends("one");
    await t.peer_reads(3);
    await t.sends("two");
    await t.peer_reads(3);
    await t.ends("fin");
  },

  async much_with_send(t: Test) {
    const c = await t.connected({ kind: "send" });
    c.send("z".repeat(2000000));
    await t.peer_reads(2000000);
    await t.quiet();
    t.log(c.writable() ? "writable" : "not writable");
    t.state(c);
  },

  async writable_of_with_send(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "send" });
    if (t.family !== "unix") {
      t.log(c.writable() ? "writable" : "not writable");
    }
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.log(c.writable() ? "writable" : "not writable");
  },

  async send_then_close(t: Test) {
    const c = await t.connected({ kind: "send" });
    c.send("bye");
    c.close();
    await t.peer_reads();
    t.state(c);
  },

  async send_nothing(t: Test) {
    const c = await t.connected({ kind: "send" });
    c.send("");
    await t.quiet();
    t.state(c);
  },

  async many_small_sends(t: Test) {
    const c = await t.connected({ kind: "send" });
    for (let i = 0; i < 50; i++) {
      c.send("0123456789");
    }
    await t.peer_reads(500);
    t.state(c);
  },

  async with_send_and_fin(t: Test) {
    const c = await t.connected({
      kind: "send",
      handle_close: (me) => {
        me.send("bye");
        me.close();
      },
    });
    await t.sends("hello");
    await t.ends("fin");
    await t.peer_reads();
    t.state(c);
  },

  async with_send_resets(t: Test) {
    const c = await t.connected({ kind: "send" });
    await t.ends("rst");
    t.state(c);
  },

  async what_send_returns(t: Test) {
    const c = await t.connected();
    t.attempt("send", () => c.send("hello"));
    t.attempt("send", () => c.send(""));
    await t.peer_reads(5);
  },

  async send_before_connect(t: Test) {
    const c = t.channel();
    t.attempt("send", () => c.send("nobody there"));
    t.state(c);
  },
};
