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

  async connect_to_an_address_that_cannot_be_reached(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    const address = t.family === "tcp4" ? "224.0.0.1" : "ff02::1";
    t.attempt("connect", () => c.connect([address, 9]));
    await t.quiet();
    t.state(c);
  },

  async connect_to_port_0(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    t.attempt("connect", () => c.connect(t.free()));
    await t.quiet();
    t.state(c);
  },

  async connect_to_a_path_that_is_not_there(t: Test) {
    if (t.family !== "unix") {
      return;
    }
    const c = t.channel();
    t.attempt("connect", () => c.connect(t.free()));
    await t.quiet();
    t.state(c);
  },

  async connect_to_a_file_that_is_no_socket(t: Test) {
    if (t.family !== "unix") {
      return;
    }
    const c = t.channel();
    const path = t.regular("text");
    t.attempt("connect", () => c.connect(path));
    await t.quiet();
    t.state(c);
  },

  async two_refused_connects_one_after_the_other(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens("refuser");
    const c = t.client(address);
    await t.quiet();
    c.create_socket(t.af);
    c.connect(address);
    await t.quiet();
    t.state(c);
  },

  async a_refused_connect_and_a_connection(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens("refuser");
    const good = await t.peer_listens("listen", "m");
    const c = t.client(address);
    await t.quiet();
    t.state(c);
    c.create_socket(t.af);
    c.connect(good);
    await t.peer("accept", "p", { listener: "m" });
    await t.quiet();
    t.state(c);
  },

  async a_refused_connect_beside_a_connection(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const a = t.client(await t.peer_listens("refuser", "r"), { name: "a" });
    const b = t.client(await t.peer_listens(), { name: "b" });
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(a);
    t.state(b);
  },

  async a_refused_connect_that_is_not_closed(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens("refuser"), {
      handle_error: (me) => {
        t.log("stays");
        me.del_channel();
      },
    });
    await t.quiet();
    t.log(c.connected ? "connected" : "not connected");
    c.close();
    t.state(c);
  },

  async a_refused_connect_of_with_send(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens("refuser"), { kind: "send" });
    await t.quiet();
    t.state(c);
  },

  async a_refused_connect_of_a_chat_with_data_pushed(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens("refuser"), { kind: "chat" });
    c.push("never sent");
    c.close_when_done();
    await t.quiet();
    t.state(c);
  },

  async connect_twice(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens();
    const c = t.client(address);
    t.attempt("connect", () => c.connect(address));
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
  },

  async connect_when_connected(t: Test) {
    const c = await t.connected();
    const address = await t.peer_listens("listen", "m");
    t.attempt("connect", () => c.connect(address));
    t.state(c);
  },

  async connect_of_a_closed_channel(t: Test) {
    const c = await t.connected();
    const address = await t.peer_listens("listen", "m");
    c.close();
    t.attempt("connect", () => c.connect(address));
    c.close();
    t.state(c);
  },

  async connect_without_a_socket(t: Test) {
    const c = t.nothing();
    const address = await t.peer_listens();
    t.attempt("connect", () => c.connect(address));
  },

  async bind_twice(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    t.attempt("bind", () => c.bind(t.free()));
    t.attempt("bind", () => c.bind(t.free()));
  },

  async bind_to_an_address_that_is_not_ours(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    const address = t.family === "tcp4" ? "192.0.2.1" : "2001:db8::1";
    t.attempt("bind", () => c.bind([address, 0]));
    t.state(c);
  },

  async bind_of_a_connected_channel(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = await t.connected();
    t.attempt("bind", () => c.bind(t.free()));
    t.state(c);
  },

  async listen_of_a_connected_channel(t: Test) {
    const c = await t.connected();
    t.attempt("listen", () => c.listen(5));
    c.accepting = false;
    t.state(c);
  },

  async what_a_connection_knows_of_itself(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens();
    const c = t.client(address);
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.log(t.same(t.peer_of(c), address) ? "the peer's address" : "another address");
    t.log(!t.same(t.where(c), address) ? "a name of its own" : "the peer's name");
    c.close();
    t.attempt("getpeername", () => t.peer_of(c));
  },

  async the_end_while_handle_connect_runs_late(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { handle_connect: (me) => me.send("hello") });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("send", "p", { data: "early" });
    await t.peer("close");
    await t.quiet();
    t.state(c);
  },

  async a_reset_before_anybody_has_looked(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { quietly: true });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer("rst");
    await t.quiet();
    t.state(c);
  },

  async a_channel_made_anew_after_each_end(t: Test) {
    const c = await t.connected();
    for (const id of ["q", "r", "s"]) {
      const address = await t.peer_listens("listen", "m" + id);
      c.close();
      c.create_socket(t.af);
      c.connect(address);
      await t.peer("accept", id, { listener: "m" + id });
      await t.quiet();
      await t.sends("to " + id, id);
    }
    t.state(c);
    t.log("channels " + String(t.channels().length));
  },

  async connect_without_a_host(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server();
    const c = t.channel();
    t.attempt("connect", () => c.connect(["", Number(t.where(s)[1])]));
    c.clear_hooks();
    c.close();
  },
};
