/** Connecting: what a client sees of it. The same scenarios as in `connects.py`. */
import type { Scenario, Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async connect_is_told_by_the_next_pass(t: Test) {
    const c = t.client(await t.peer_listens());
    if (t.family !== "unix") {
      t.state(c);
    }
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
  },

  async connect_and_data_come_together(t: Test) {
    const c = t.client(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("send", "p", { data: "early" });
    await t.quiet();
    t.state(c);
  },

  async connect_and_the_end_come_together(t: Test) {
    const c = t.client(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("send", "p", { data: "early" });
    await t.peer("fin");
    await t.quiet();
    t.state(c);
  },

  async a_refused_connect(t: Test) {
    const address = await t.peer_listens("refuser");
    const c = t.channel();
    t.attempt("connect", () => c.connect(address));
    await t.quiet();
    t.state(c);
  },

  async a_channel_closed_before_it_is_connected(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens());
    t.state(c);
    c.close();
    await t.quiet();
    t.state(c);
  },

  async handle_connect_sends(t: Test) {
    const c = await t.connected({ handle_connect: (me) => me.send("hello") });
    await t.peer_reads(5);
    t.state(c);
  },

  async handle_connect_sees_the_state_before(t: Test) {
    await t.connected({ handle_connect: (me) => t.state(me) });
  },

  async a_second_connection_after_the_first_has_ended(t: Test) {
    const c = await t.connected();
    await t.ends("fin");
    t.state(c);
    const address = await t.peer_listens("listen", "m");
    c.create_socket(t.af);
    c.connect(address);
    await t.peer("accept", "q", { listener: "m" });
    await t.quiet();
    t.state(c);
    await t.sends("again", "q");
  },

  async two_clients_at_once(t: Test) {
    const address = await t.peer_listens();
    const a = t.client(address, { name: "a" });
    const b = t.client(address, { name: "b" });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("accept", "q", { listener: "l" });
    await t.quiet();
    t.state(a);
    t.state(b);
    await t.sends("to both", "p");
    await t.sends("to both", "q");
  },

  async an_unwritable_client_learns_of_its_connection_by_reading(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { writable: () => false });
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
    await t.sends("now");
    t.state(c);
  },

  async a_client_that_neither_reads_nor_writes_learns_nothing(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { writable: () => false, readable: () => false });
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
  },

  async the_address_of_a_client(t: Test) {
    const address = await t.peer_listens();
    const c = t.client(address);
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.log(t.same(c.addr, address) ? "addr is the address" : "addr is another");
  },

  async a_client_bound_before_it_connects(t: Test) {
    const address = await t.peer_listens();
    const c = t.channel();
    c.bind(t.free());
    c.connect(address);
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.sends("hello");
    t.state(c);
  },

  async a_client_with_reuse_addr(t: Test) {
    const address = await t.peer_listens();
    const c = t.channel();
    c.set_reuse_addr();
    c.connect(address);
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
  },

  async a_channel_with_a_socket_and_nothing_else(t: Test) {
    const c = t.channel({ writable: () => false, readable: () => false });
    t.state(c);
    await t.quiet();
    c.close();
    t.state(c);
  },

  async reading_before_the_connection_stands(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), {
      handle_connect: (me) => me.take(),
      handle_read: () => t.log("nothing left"),
    });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("send", "p", { data: "in time" });
    await t.quiet();
    t.state(c);
  },
};
