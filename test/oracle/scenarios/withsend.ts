/** dispatcher_with_send. The same scenarios as in `withsend.py`. */
import { boom, close_it, type Scenario, type Test } from "../oracle-rt.ts";

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

  async handle_connect_of_with_send_sends(t: Test) {
    const c = await t.connected({ kind: "send", handle_connect: (me) => me.send("hello") });
    await t.peer_reads(5);
    t.state(c);
  },

  async much_before_connected(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "send" });
    c.send("z".repeat(1000000));
    await t.peer("accept", "p", { listener: "l" });
    await t.peer_reads(1000000);
    await t.quiet();
    t.log(c.writable() ? "writable" : "not writable");
    t.state(c);
  },

  async sends_before_connect(t: Test) {
    const c = t.channel({ kind: "send" });
    t.attempt("send", () => c.send("nobody there"));
    t.state(c);
  },

  async a_server_that_answers_much(t: Test) {
    await t.accepted({
      kind: "send",
      handle_read: (me) => {
        if (me.take().length > 0) me.send("a".repeat(1000000));
      },
    });
    await t.sends("please");
    await t.peer_reads(1000000);
    await t.ends("fin");
  },

  async with_send_where_the_peer_does_not_read(t: Test) {
    const c = await t.connected({ kind: "send" });
    const sent = t.fill(c);
    await t.loop(3);
    t.log(c.writable() ? "writable" : "not writable");
    await t.drains(c, sent);
    t.state(c);
  },

  async with_send_and_reset_while_sending(t: Test) {
    if (t.use_poll) {
      return;
    }
    const c = await t.connected({ kind: "send", handle_read: (me) => me.take() });
    t.fill(c);
    await t.loop(3);
    await t.ends("rst");
    t.state(c);
  },

  async initiate_send_by_hand(t: Test) {
    const c = await t.connected({ kind: "send" });
    c.send("hello");
    t.attempt("initiate_send", () => c.initiate_send());
    await t.peer_reads(5);
    t.state(c);
  },

  async send_in_handle_close_of_with_send(t: Test) {
    const c = await t.accepted({
      kind: "send",
      handle_close: (me) => {
        me.send("last");
        me.close();
      },
    });
    await t.ends("fin");
    await t.peer_reads();
    t.state(c);
  },

  async exception_in_handle_read_of_with_send(t: Test) {
    const c = await t.connected({ kind: "send", handle_read: boom });
    await t.sends("data");
    t.state(c);
    await t.peer_ends();
  },

  async close_in_handle_connect_of_with_send(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "send", handle_connect: close_it });
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.peer_reads();
    t.state(c);
  },

  async a_dialogue_of_two_with_send(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server({ kind: "send", child: { handle_read: (me) => me.echo() } });
    const c = t.client(t.where(s), {
      kind: "send",
      handle_read: (me) => {
        me.take();
        me.close();
      },
    });
    c.send("round trip");
    await t.quiet();
    t.state(c);
    t.state(s.children[0]);
    s.close();
  },
};
