/** Urgent data (TCP only). The same scenarios as in `urgent.py`. */
import { boom, exit_now, type Scenario, type Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async urgent_alone(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.sends("after");
  },

  async urgent_after_data(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.connected({ handle_expt: (me) => me.urgent() });
    await t.sends("before");
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
  },

  async urgent_between_data(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.connected({ handle_expt: (me) => me.urgent() });
    await t.sends("before");
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.sends("after");
    await t.ends("fin");
  },

  async urgent_twice(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "1" });
    await t.quiet();
    await t.sends("between");
    await t.peer("oob", "p", { data: "2" });
    await t.quiet();
  },

  async urgent_with_its_own_bytes(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "abc!" });
    await t.quiet();
  },

  async urgent_to_a_server_channel(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.accepted({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.sends("after");
  },

  async urgent_closes(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_expt: (me) => me.close() });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    t.state(c);
  },

  async urgent_raises(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({
      handle_expt: (me) => {
        me.urgent();
        boom(me);
      },
    });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    t.state(c);
  },

  async urgent_exits(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({
      handle_expt: (me) => {
        me.urgent();
        exit_now(me);
      },
    });
    await t.peer("oob", "p", { data: "!" });
    await t.try_quiet();
    t.state(c);
  },

  async urgent_and_data_in_one_pass(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("send", "p", { data: "data" });
    await t.peer("oob", "p", { data: "!" });
    c.wants_write = true;
    await t.rest();
    await t.loop();
    c.wants_write = false;
    t.log("pass");
    await t.quiet();
    t.state(c);
  },

  async our_urgent_byte(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    c.send_urgent("!");
    c.send("after");
    await t.peer_reads(5);
  },

  async our_urgent_byte_is_taken(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    t.attempt("send", () => c.send_urgent("!"));
    await t.peer_takes_urgent();
    c.send("after");
    await t.peer_reads(5);
    t.state(c);
  },

  async our_urgent_byte_between_data(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    c.send("before");
    c.send_urgent("!");
    c.send("after");
    await t.peer_takes_urgent();
    await t.peer_reads_to_mark();
    await t.peer_reads(5);
  },

  async our_urgent_byte_with_its_own_bytes(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    t.attempt("send", () => c.send_urgent("abc!"));
    c.send("after");
    await t.peer_takes_urgent();
    await t.peer_reads_to_mark();
    await t.peer_reads(5);
  },

  async our_urgent_bytes_twice(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    c.send_urgent("1");
    await t.peer_takes_urgent();
    c.send("between");
    c.send_urgent("2");
    await t.peer_takes_urgent();
    await t.peer_reads_to_mark();
    c.close();
    await t.peer_reads();
  },

  async our_urgent_byte_from_a_server_channel(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.accepted();
    c.send("before");
    c.send_urgent("!");
    c.send("after");
    await t.peer_takes_urgent();
    await t.peer_reads_to_mark();
    await t.peer_reads(5);
    t.state(c);
  },

  async our_urgent_byte_out_of_hooks(t: Test) {
    if (t.family === "unix") {
      return;
    }
    await t.accepted({
      handle_read: (me) => {
        me.send(me.take());
        me.send_urgent("!");
        me.send(" and more");
      },
    });
    await t.sends("echo");
    await t.peer_takes_urgent();
    await t.peer_reads_to_mark();
    await t.peer_reads(9);
  },

  async our_urgent_byte_in_handle_connect(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_connect: (me) => me.send_urgent("!") });
    await t.peer_takes_urgent();
    t.state(c);
  },

  async our_urgent_byte_and_close(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    c.send("before");
    c.send_urgent("!");
    c.close();
    await t.peer_takes_urgent();
    await t.peer_reads();
  },

  async our_urgent_byte_where_nobody_reads(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    t.fill(c);
    t.attempt("send", () => c.send_urgent("!"));
    t.state(c);
  },

  async our_urgent_byte_on_a_closed_channel(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    c.close();
    t.attempt("send", () => c.send_urgent("!"));
  },

  async urgent_bytes_both_ways(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({
      handle_expt: (me) => {
        me.urgent();
        me.send_urgent("?");
      },
    });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.peer_takes_urgent();
    await t.sends("in");
    c.send("out");
    await t.peer_reads(3);
  },

  async urgent_to_two_channels_in_one_pass(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const a = await t.connected({ name: "a", handle_expt: (me) => me.urgent() });
    const b = await t.connected({ name: "b", peer: "q", handle_expt: (me) => me.urgent() });
    await t.peer("oob", "q", { data: "2" });
    await t.peer("oob", "p", { data: "1" });
    a.wants_write = true;
    b.wants_write = true;
    await t.rest();
    await t.loop();
    a.wants_write = false;
    b.wants_write = false;
    t.log("pass");
    await t.quiet();
  },

  async urgent_before_anybody_watches(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { handle_expt: (me) => me.urgent() });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.sends("after");
    t.state(c);
  },

  async urgent_while_nobody_reads_or_writes(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_expt: (me) => me.urgent(), readable: () => false });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    t.log("now");
    c.hooks["readable"] = () => true;
    await t.quiet();
  },

  async urgent_for_a_writer(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({
      handle_expt: (me) => {
        me.urgent();
        me.stop_writing();
      },
      readable: () => false,
    });
    c.hooks["handle_write"] = () => t.log("room");
    await t.peer("oob", "p", { data: "!" });
    await t.rest();
    c.wants_write = true;
    await t.loop();
    c.wants_write = false;
    t.state(c);
  },

  async recv_of_urgent_data_that_is_not_there(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    t.attempt("urgent", () => c.urgent());
  },

  async urgent_and_the_end(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.ends("fin");
    t.state(c);
  },

  async urgent_and_a_reset(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ handle_expt: (me) => me.urgent() });
    await t.peer("oob", "p", { data: "!" });
    await t.quiet();
    await t.ends("rst");
    t.state(c);
  },

  async urgent_to_a_class_without_handle_expt(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ kind: "bare" });
    await t.peer("oob", "p", { data: "!" });
    await t.rest();
    await t.loop();
    t.state(c);
  },

  async handle_expt_event_overridden(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "bare" });
    c.handle_expt_event = () => {
      t.log("urgent event");
      c.close();
    };
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.peer("oob", "p", { data: "!" });
    await t.rest();
    await t.quiet();
    t.state(c);
  },

  async urgent_to_a_chat(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected({ kind: "chat", handle_expt: () => t.log("urgent") });
    await t.peer("oob", "p", { data: "!" });
    await t.rest();
    await t.loop();
    await t.sends("line\n");
    t.state(c);
  },
};
