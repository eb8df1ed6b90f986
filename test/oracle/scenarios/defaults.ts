/** The default map: channels and functions that are told of no map. The same scenarios as in `defaults.py`. */
import { boom, close_all, exit_now, type Logged, type Scenario, type Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async a_channel_without_a_map_is_in_socket_map(t: Test) {
    t.default_map();
    t.count();
    const c = t.channel();
    t.count();
    t.in_default(c);
    c.close();
    t.count();
    t.in_default(c);
  },

  async a_channel_with_a_map_is_not_in_socket_map(t: Test) {
    const c = t.channel();
    t.count();
    t.in_default(c);
    t.state(c);
  },

  async a_channel_without_a_socket_is_in_no_map(t: Test) {
    t.default_map();
    t.nothing();
    t.count();
  },

  async loop_with_defaults_ends_with_the_last_channel(t: Test) {
    t.default_map();
    const c = await t.connected();
    await t.peer("send", "p", { data: "last words" });
    await t.peer("fin");
    await t.loop_with_defaults();
    t.log("ended");
    t.state(c);
    t.count();
  },

  async loop_with_defaults_of_a_server(t: Test) {
    t.default_map();
    const s = t.server({
      handle_accepted: (me) => {
        me.adopt(me.sock);
        me.close();
      },
      child: { handle_read: (me) => me.echo() },
    });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("send", "p", { data: "round trip" });
    await t.peer("fin");
    await t.loop_with_defaults();
    t.log("ended");
    await t.peer_reads();
    t.count();
  },

  async loop_with_defaults_and_nobody_there(t: Test) {
    t.default_map();
    await t.loop_with_defaults();
    await t.poll_with_defaults();
    t.log("ended");
  },

  async loop_with_defaults_ends_with_a_file(t: Test) {
    t.default_map();
    const f = await t.reader();
    await t.peer("send", "p", { data: "last words" });
    await t.peer("close");
    t.in_default(f);
    await t.loop_with_defaults();
    t.log("ended");
    t.in_default(f);
  },

  async poll_with_defaults_is_one_look(t: Test) {
    t.default_map();
    await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(1))) });
    await t.poll_with_defaults();
    t.log("nothing");
    await t.peer("send", "p", { data: "abc" });
    await t.poll_with_defaults();
    t.log("one");
    await t.poll_with_defaults();
  },

  async count_with_the_default_map(t: Test) {
    t.default_map();
    await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(1))) });
    await t.peer("send", "p", { data: "abc" });
    await t.loop(2);
    t.log("two");
    await t.loop();
    t.count();
  },

  async close_all_with_defaults(t: Test) {
    t.default_map();
    const a = await t.connected({ name: "a" });
    const b = await t.connected({ name: "b", peer: "q" });
    t.count();
    t.attempt("close_all", () => close_all());
    t.count();
    t.state(a);
    t.state(b);
    await t.peer_reads();
    await t.peer_reads(undefined, "q");
  },

  async close_all_with_defaults_ends_the_loop(t: Test) {
    t.default_map();
    await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        close_all();
      },
    });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "p", { data: "the end" });
    await t.loop_with_defaults();
    t.log("ended");
    t.state(b);
    t.count();
  },

  async close_all_with_defaults_leaves_other_maps(t: Test) {
    const own = await t.connected({ name: "own" });
    t.default_map();
    const c = await t.connected({ peer: "q" });
    close_all();
    t.state(c);
    t.log(own.connected ? "own is connected" : "own is not connected");
    own.close();
  },

  async close_all_with_defaults_and_ignored_errors(t: Test) {
    t.default_map();
    const a = await t.connected({ name: "a", close: boom });
    const b = await t.connected({ name: "b", peer: "q" });
    t.attempt("close_all", () => close_all(null, true));
    t.state(a);
    t.state(b);
    a.clear_hooks();
    a.close();
  },

  async socket_map_while_hooks_run(t: Test) {
    t.default_map();
    t.server({
      handle_accepted: (me) => {
        t.count();
        me.adopt(me.sock);
        t.count();
        me.close();
        t.count();
      },
      child: {
        handle_read: (me) => {
          t.count();
          me.take();
        },
        handle_close: (me) => {
          t.count();
          t.in_default(me);
          me.close();
          t.count();
          t.in_default(me);
        },
      },
    });
    await t.peer("connect", "p", { address: t.where(t.channels()[0]) });
    await t.sends("data");
    await t.ends("fin");
    t.count();
  },

  async the_loop_of_one_map_leaves_the_other_alone(t: Test) {
    const own = await t.connected({ name: "own" });
    const map = t.map;
    t.default_map();
    await t.connected({ name: "c", peer: "q" });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.quiet();
    t.log("the other");
    await t.loop_other(map);
    t.count();
    own.close();
  },

  async an_accepted_channel_is_in_the_default_map(t: Test) {
    const s = t.server({
      handle_accepted: (me) => {
        t.default_map();
        me.adopt(me.sock);
      },
    });
    const own = t.map;
    await t.peer("connect", "p", { address: t.where(s) });
    await t.loop();
    t.count();
    t.in_default(s);
    t.in_default(s.children[0]);
    await t.sends("hello");
    await t.loop_other(own);
    s.close();
  },

  async exit_now_out_of_the_default_loop(t: Test) {
    t.default_map();
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.loop_with_defaults();
    t.state(c);
    t.count();
    c.clear_hooks();
    await t.peer("fin");
    await t.loop_with_defaults();
    t.count();
  },

  async an_exception_in_the_default_loop(t: Test) {
    t.default_map();
    await t.connected({ handle_read: boom });
    await t.peer("send", "p", { data: "data" });
    await t.loop_with_defaults();
    t.log("ended");
    t.count();
  },

  async out_of_the_default_map_and_into_another(t: Test) {
    t.default_map();
    const c = await t.connected();
    const other = await t.other_map();
    c.del_channel();
    t.count();
    t.revive(c, other);
    t.count();
    await t.sends("meanwhile");
    await t.loop_other(other);
    close_all(other);
    t.count();
  },

  async add_channel_with_another_map(t: Test) {
    t.default_map();
    const c = await t.connected();
    const other = await t.other_map();
    c.add_channel(other);
    t.in_default(c);
    c.del_channel(other);
    t.in_default(c);
  },

  async del_channel_of_another_map(t: Test) {
    t.default_map();
    const c = await t.connected();
    c.del_channel(await t.other_map());
    t.in_default(c);
  },

  async socket_map_cleared_in_a_hook(t: Test) {
    t.default_map();
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        t.map.clear();
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.loop_with_defaults();
    t.log("ended");
    t.log(c.connected ? "connected" : "not connected");
    c.close();
    t.count();
  },

  async a_whole_program(t: Test) {
    if (t.family === "unix") {
      return;
    }
    t.fresh_map();
    const s = t.server({
      handle_accepted: (me) => {
        me.adopt(me.sock);
        me.close();
      },
      child: { handle_read: (me) => me.echo() },
    });
    t.client(t.where(s), {
      handle_connect: (me) => me.send("round trip"),
      handle_read: (me) => {
        me.take();
        me.close();
      },
    });
    await t.loop_to_the_end();
    t.log("ended");
  },

  async a_whole_program_with_two_clients(t: Test) {
    if (t.family === "unix") {
      return;
    }
    t.fresh_map();
    const s = t.server({
      child: {
        handle_read: (me) => me.echo(),
        handle_close: (me) => {
          me.close();
          t.log("left " + String(t.channels().length));
        },
      },
    });
    const heard: Logged[] = [];
    const hears = (me: Logged) => {
      me.take();
      me.close();
      heard.push(me);
      if (heard.length === 2) {
        s.close();
      }
    };
    t.client(t.where(s), { name: "a", handle_connect: (me) => me.send("from a"), handle_read: hears });
    t.client(t.where(s), { name: "b", handle_connect: (me) => me.send("from b"), handle_read: hears });
    await t.loop_to_the_end();
    t.log("ended");
  },

  async a_whole_program_without_timeout(t: Test) {
    if (t.family === "unix") {
      return;
    }
    t.fresh_map();
    const s = t.server({
      handle_accepted: (me) => {
        me.adopt(me.sock);
        me.close();
      },
      child: { handle_read: (me) => me.close() },
    });
    t.client(t.where(s), { handle_connect: (me) => me.send("hello") });
    await t.loop_for_ever();
    t.log("ended");
  },
};
