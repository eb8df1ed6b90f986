/** Listening and accepting. The same scenarios as in `accepts.py`. */
import { boom, type Logged, type Scenario, type Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async a_listener_is_accepting(t: Test) {
    const s = t.server();
    t.state(s);
    await t.quiet();
    s.close();
    t.state(s);
  },

  async accept_one(t: Test) {
    const s = t.server();
    await t.comes(s);
    t.state(s);
    t.state(s.children[0]);
    await t.sends("hello");
  },

  async accept_three_that_came_at_once(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.peer("connect", "r", { address: t.where(s) });
    await t.quiet();
    await t.sends("1", "p");
    await t.sends("2", "q");
    await t.sends("3", "r");
  },

  async one_handle_accept_a_pass(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.peer("connect", "r", { address: t.where(s) });
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.quiet();
  },

  async accept_until_there_is_none(t: Test) {
    const everybody = (me: Logged) => {
      let pair = me.accept();
      while (pair !== null) {
        me.adopt(pair[0]);
        pair = me.accept();
      }
    };
    const s = t.server({ handle_accept: everybody });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.peer("connect", "r", { address: t.where(s) });
    await t.quiet();
    t.log("children " + String(s.children.length));
  },

  async accept_with_nobody_there(t: Test) {
    const s = t.server();
    t.attempt("accept", () => s.accept());
  },

  async accept_on_a_closed_listener(t: Test) {
    const s = t.server();
    s.close();
    t.attempt("accept", () => s.accept());
  },

  async accept_without_listening(t: Test) {
    const c = t.channel();
    t.attempt("accept", () => c.accept());
  },

  async handle_accept_that_accepts_nobody_is_called_again(t: Test) {
    const s = t.server({ handle_accept: () => t.log("not now") });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    s.clear_hooks();
    await t.quiet();
  },

  async an_unreadable_listener_accepts_later(t: Test) {
    const s = t.server({ readable: () => false });
    await t.comes(s);
    t.log("now");
    s.clear_hooks();
    await t.quiet();
    await t.sends("hello");
  },

  async an_accepted_connection_is_turned_away(t: Test) {
    const s = t.server({ handle_accepted: (me) => me.sock?.close() });
    await t.comes(s);
    await t.peer_reads();
    t.state(s);
  },

  async a_greeting_for_everybody(t: Test) {
    const s = t.server({ handle_accepted: (me) => me.adopt(me.sock)?.send("hello") });
    await t.comes(s);
    await t.peer_reads(5);
  },

  async a_greeting_and_good_bye(t: Test) {
    const greet = (me: Logged) => {
      const child = me.adopt(me.sock);
      child.send("hello and good bye");
      child.close();
    };
    const s = t.server({ handle_accepted: greet });
    await t.comes(s);
    await t.peer_reads();
  },

  async a_connection_that_has_ended_before_it_is_accepted(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("send", "p", { data: "short" });
    await t.peer("close");
    await t.quiet();
    t.state(s);
  },

  async data_that_came_before_accept(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("send", "p", { data: "early" });
    await t.loop();
    t.log("pass");
    await t.quiet();
  },

  async the_listener_closes_and_its_channels_live_on(t: Test) {
    const s = t.server();
    await t.comes(s);
    s.close();
    await t.sends("hello");
    t.state(s);
    t.state(s.children[0]);
  },

  async two_listeners(t: Test) {
    const a = t.server({ name: "a" });
    const b = t.server({ name: "b" });
    await t.peer("connect", "q", { address: t.where(b) });
    await t.peer("connect", "p", { address: t.where(a) });
    await t.loop();
    t.log("pass");
    await t.quiet();
  },

  async a_listener_and_a_client_of_one_map(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server({ child: { handle_read: (me) => me.echo() } });
    const c = t.client(t.where(s), { handle_connect: (me) => me.send("round trip") });
    await t.quiet();
    t.state(c);
    c.close();
    await t.quiet();
    t.state(s);
  },

  async bind_to_an_address_in_use(t: Test) {
    const s = t.server();
    const c = t.channel();
    t.attempt("bind", () => c.bind(t.where(s)));
    t.state(c);
  },

  async listen_twice(t: Test) {
    const s = t.server();
    t.attempt("listen", () => s.listen(1));
    await t.comes(s);
    t.state(s);
  },

  async a_channel_made_from_a_socket_is_connected(t: Test) {
    const c = await t.accepted();
    t.state(c);
    t.log(c.addr ? "has an address" : "has none");
  },

  async connect_to_a_listener_that_closed(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server();
    const address = t.where(s);
    s.close();
    await t.quiet();
    const c = t.client_quietly(address);
    await t.quiet();
    t.state(c);
  },

  async pending_connections_of_a_listener_that_closes(t: Test) {
    const s = t.server({ readable: () => false });
    await t.comes(s);
    s.close();
    await t.peer_ends();
    t.state(s);
  },

  async the_path_of_a_closed_unix_listener(t: Test) {
    if (t.family !== "unix") {
      return;
    }
    const s = t.server();
    const path = t.where(s);
    t.log(t.exists(path) ? "there" : "gone");
    s.close();
    await t.quiet();
    t.log(t.exists(path) ? "there" : "gone");
  },

  async handle_accept_in_the_old_manner(t: Test) {
    const old = (me: Logged) => {
      const pair = me.accept();
      if (pair !== null) {
        me.adopt(pair[0]).send("hello");
      }
    };
    const s = t.server({ handle_accept: old });
    await t.comes(s);
    await t.peer_reads(5);
    t.state(s);
  },

  async accept_between_passes(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.seen(s);
    const pair = s.accept();
    t.log(pair !== null ? "a pair" : "nobody");
    t.attempt("accept", () => s.accept());
    t.adopt_pair(s, pair);
    await t.sends("hello");
  },

  async listen_without_bind(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.channel({ name: "s" });
    t.attempt("listen", () => s.listen(5));
    t.state(s);
    s.clear_hooks();
    s.close();
  },

  async listen_after_close(t: Test) {
    const s = t.server();
    s.close();
    t.attempt("listen", () => s.listen(5));
    s.close();
    t.state(s);
  },

  async bind_after_close(t: Test) {
    const c = t.channel();
    c.close();
    t.attempt("bind", () => c.bind(t.free()));
  },

  async a_listener_with_a_backlog_of_one(t: Test) {
    const s = t.server({ backlog: 1 });
    await t.comes(s, "p");
    await t.comes(s, "q");
    t.state(s);
  },

  async a_listener_made_anew_on_its_address(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server();
    const address = t.where(s);
    s.close();
    await t.quiet();
    s.create_socket(t.af);
    s.set_reuse_addr();
    t.attempt("bind", () => s.bind(address));
    s.listen(5);
    await t.comes(s);
    t.state(s);
  },

  async a_reset_before_it_is_accepted(t: Test) {
    const s = t.server({ child: { quietly: true } });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("rst");
    await t.quiet();
    t.state(s);
  },

  async a_listener_that_closes_in_handle_accepted_with_others_waiting(t: Test) {
    const s = t.server({
      handle_accepted: (me) => {
        me.adopt(me.sock);
        me.close();
      },
    });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.quiet();
    await t.peer_ends("q");
    await t.sends("hello", "p");
    t.state(s);
  },

  async an_accepted_channel_closes_its_listener(t: Test) {
    const s = t.server();
    s.child_hooks = {
      handle_read: (me: Logged) => {
        me.take();
        s.close();
      },
    };
    await t.comes(s);
    await t.sends("stop");
    t.state(s);
    t.state(s.children[0]);
    await t.sends("still here");
  },

  async exception_in_handle_accepted_with_another_waiting(t: Test) {
    const count: Logged[] = [];
    const first_fails = (me: Logged) => {
      count.push(me);
      if (count.length === 1) {
        boom(me);
      }
      me.adopt(me.sock);
    };
    const s = t.server({ handle_accepted: first_fails, handle_error: () => t.log("goes on") });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.quiet();
    await t.sends("hello", "q");
    t.state(s);
  },

  async a_listener_asked_for_its_peer(t: Test) {
    const s = t.server();
    t.attempt("getpeername", () => t.peer_of(s));
  },

  async send_of_a_listener(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const s = t.server({ handle_close: () => t.log("stays") });
    t.attempt("send", () => s.send("x"));
    t.state(s);
  },

  async the_default_handle_accept_of_two(t: Test) {
    const s = t.bare_server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("connect", "q", { address: t.where(s) });
    await t.quiet();
    await t.peer_reads(undefined, "p");
    await t.peer_reads(undefined, "q");
    t.state(s);
  },
};
