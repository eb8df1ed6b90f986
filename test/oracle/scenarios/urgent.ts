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
};
