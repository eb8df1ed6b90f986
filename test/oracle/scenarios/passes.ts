/** Passes: the order of events, the predicates, `count`, `timeout` and `map`. The same scenarios as in `passes.py`. */
import { exit_now, type Logged, type Scenario, type Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async reads_before_writes_of_two_channels(t: Test) {
    const a = await t.connected({ name: "a", peer: "p" });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "q", { data: "2" });
    await t.peer("send", "p", { data: "1" });
    a.wants_write = true;
    b.wants_write = true;
    await t.loop();
    t.log("pass");
    await t.loop();
    a.wants_write = false;
    t.log("pass");
    await t.loop();
  },

  async reads_in_the_order_of_the_map(t: Test) {
    await t.connected({ name: "a", peer: "p" });
    await t.connected({ name: "b", peer: "q" });
    await t.connected({ name: "c", peer: "r" });
    await t.peer("send", "r", { data: "3" });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.log("pass");
    await t.quiet();
  },

  async the_predicates_are_asked_once_a_pass_in_order(t: Test) {
    await t.connected({ name: "a", peer: "p" });
    await t.connected({ name: "b", peer: "q" });
    for (const c of t.channels()) {
      c.hooks["readable"] = (me: Logged) => t.answer_with(me, "readable", true);
      c.hooks["writable"] = (me: Logged) => t.answer_with(me, "writable", false);
    }
    await t.loop();
    t.log("pass");
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.log("pass");
    await t.loop();
  },

  async a_listener_is_not_asked_to_write(t: Test) {
    const s = t.server({ writable: (me) => t.answer_with(me, "writable", true) });
    s.wants_write = true;
    await t.loop(2);
    t.state(s);
  },

  async readable_switched_off_and_on(t: Test) {
    const c = await t.connected();
    await t.sends("1");
    c.wants_read = false;
    await t.sends("2");
    await t.sends("3");
    t.log("on");
    c.wants_read = true;
    await t.quiet();
    c.wants_read = false;
    await t.sends("4");
    await t.ends("fin");
    t.log("on");
    c.wants_read = true;
    await t.quiet();
    t.state(c);
  },

  async writable_switched_on_and_off(t: Test) {
    const c = await t.connected();
    await t.loop(2);
    t.log("on");
    c.wants_write = true;
    await t.loop();
    t.log("pass");
    await t.loop();
    c.wants_write = false;
    t.log("off");
    await t.loop(2);
  },

  async handle_write_switches_itself_off(t: Test) {
    const c = await t.connected();
    c.hooks["handle_write"] = (me: Logged) => {
      me.send("once");
      me.stop_writing();
    };
    c.wants_write = true;
    await t.quiet();
    await t.peer_reads(4);
    t.log("on");
    c.wants_write = true;
    await t.quiet();
    await t.peer_reads(4);
  },

  async readable_that_switches_by_itself(t: Test) {
    let turns = 0;
    const every_other = () => {
      turns += 1;
      t.log("asked");
      return turns % 2 === 0;
    };
    const c = await t.connected();
    await t.peer("send", "p", { data: "data" });
    c.hooks["readable"] = every_other;
    await t.loop();
    t.log("pass");
    await t.loop();
    c.clear_hooks();
  },

  async a_pass_reads_and_writes_one_channel(t: Test) {
    const c = await t.connected();
    c.wants_write = true;
    await t.peer("send", "p", { data: "data" });
    await t.loop();
  },

  async handle_read_closes_before_handle_write(t: Test) {
    const c = await t.connected({ handle_read: (me) => me.close() });
    c.wants_write = true;
    await t.peer("send", "p", { data: "data" });
    await t.loop();
    t.state(c);
  },

  async a_channel_closes_the_next(t: Test) {
    const b: Logged[] = [];
    await t.connected({
      name: "a",
      peer: "p",
      handle_read: (me) => {
        me.take();
        b[0]?.close();
      },
    });
    b.push(await t.connected({ name: "b", peer: "q" }));
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.state(b[0]);
    await t.quiet();
  },

  async a_channel_closes_the_one_before(t: Test) {
    const a = await t.connected({ name: "a", peer: "p" });
    await t.connected({
      name: "b",
      peer: "q",
      handle_read: (me) => {
        me.take();
        a.close();
      },
    });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.state(a);
    await t.quiet();
  },

  async a_channel_takes_the_next_out_of_the_map(t: Test) {
    const b: Logged[] = [];
    await t.connected({
      name: "a",
      peer: "p",
      handle_read: (me) => {
        me.take();
        b[0]?.del_channel();
      },
    });
    b.push(await t.connected({ name: "b", peer: "q" }));
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.state(b[0]);
    await t.quiet();
  },

  async a_channel_that_takes_itself_out_gets_no_more(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        me.del_channel();
      },
    });
    await t.connected({ name: "keeper", peer: "q" });
    await t.sends("1");
    await t.sends("2");
    t.state(c);
  },

  async a_channel_added_during_a_pass_waits_for_the_next(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.peer("send", "p", { data: "early" });
    await t.loop();
    t.log("pass");
    await t.loop();
  },

  async a_client_made_in_a_hook(t: Test) {
    const address = await t.peer_listens("listen", "m");
    await t.connected({
      handle_read: (me) => {
        me.take();
        t.client(address, { name: "d" });
      },
    });
    await t.sends("go");
    await t.peer("accept", "q", { listener: "m" });
    await t.quiet();
    await t.sends("hello", "q");
  },

  async a_stopped_channel_is_turned_by_another(t: Test) {
    const a = await t.connected({ name: "a", peer: "p" });
    a.wants_read = false;
    await t.connected({
      name: "b",
      peer: "q",
      handle_read: (me) => {
        me.take();
        a.start_reading();
      },
    });
    await t.sends("1", "p");
    await t.peer("send", "q", { data: "2" });
    await t.loop();
    t.log("pass");
    await t.loop();
  },

  async count_limits_the_passes(t: Test) {
    const c = await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(1))) });
    await t.peer("send", "p", { data: "abcdef" });
    await t.loop(2);
    t.log("two");
    await t.loop(3);
    t.log("five");
    await t.loop(1);
    t.state(c);
  },

  async count_of_zero(t: Test) {
    await t.connected();
    await t.peer("send", "p", { data: "data" });
    await t.loop(0);
    t.log("nothing yet");
    await t.loop(1);
  },

  async the_timeout_of_a_pass_with_nothing_to_do(t: Test) {
    await t.connected();
    await t.timed(0.06, 1);
    await t.timed(0.03, 2);
  },

  async the_timeout_of_a_pass_with_something_to_do(t: Test) {
    await t.connected();
    await t.peer("send", "p", { data: "data" });
    await t.timed(1, 1);
  },

  async the_timeout_when_nobody_wants_anything(t: Test) {
    const c = await t.connected();
    c.wants_read = false;
    await t.peer("send", "p", { data: "data" });
    await t.timed(0.06, 1);
  },

  async an_empty_map_returns_at_once(t: Test) {
    await t.timed(1, 3);
  },

  async a_timeout_of_zero_looks_and_goes_on(t: Test) {
    await t.connected();
    await t.loop(1, 0);
    t.log("nothing");
    await t.peer("send", "p", { data: "data" });
    await t.loop(3, 0);
    t.log("read");
  },

  async two_maps_are_apart(t: Test) {
    const a = await t.connected({ name: "a", peer: "p" });
    const other = await t.other_map();
    const b = await t.connected({ name: "b", peer: "q" });
    b.del_channel(t.map);
    t.revive(b, other);
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.quiet();
    t.log("the other");
    await t.loop_other(other);
    t.state(a);
  },

  async poll_is_one_pass(t: Test) {
    await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(1))) });
    await t.peer("send", "p", { data: "abc" });
    await t.poll_once();
    t.log("pass");
    await t.poll_once();
  },

  async writes_of_three_channels_in_order(t: Test) {
    await t.connected({ name: "a", peer: "p" });
    await t.connected({ name: "b", peer: "q" });
    await t.connected({ name: "c", peer: "r" });
    for (const c of t.channels()) {
      c.wants_write = true;
    }
    await t.loop();
    t.log("pass");
    await t.loop();
  },

  async a_closed_and_a_new_channel_in_one_pass(t: Test) {
    await t.connected({
      handle_read: (me) => {
        me.take();
        me.close();
        t.server();
      },
    });
    await t.peer("send", "p", { data: "go" });
    await t.quiet();
    for (const c of t.channels()) {
      t.state(c);
    }
  },

  async echo_of_two_channels_in_step(t: Test) {
    await t.connected({ name: "a", peer: "p", handle_read: (me) => me.echo() });
    await t.connected({ name: "b", peer: "q", handle_read: (me) => me.echo() });
    await t.sends("to a", "p");
    await t.sends("to b", "q");
    await t.peer_reads(4, "q");
    await t.peer_reads(4, "p");
    await t.sends("again", "q");
    await t.peer_reads(5, "q");
  },

  async a_relay_between_two_channels(t: Test) {
    const b: Logged[] = [];
    const a = await t.connected({ name: "a", peer: "p", handle_read: (me) => t.forward(me, b[0]) });
    b.push(await t.connected({ name: "b", peer: "q", handle_read: (me) => t.forward(me, a) }));
    await t.sends("forward", "p");
    await t.peer_reads(7, "q");
    await t.sends("backward", "q");
    await t.peer_reads(8, "p");
    await t.ends("fin", "p");
    t.state(b[0]);
  },

  async add_channel_twice(t: Test) {
    const c = await t.connected();
    c.add_channel();
    t.log("channels " + String(t.channels().length));
    await t.sends("once");
  },

  async out_of_the_map_and_back(t: Test) {
    const c = await t.connected();
    await t.connected({ name: "keeper", peer: "q" });
    c.del_channel();
    await t.sends("meanwhile");
    t.state(c);
    t.revive(c, t.map);
    await t.quiet();
    t.state(c);
  },

  async reads_writes_and_urgent_of_two_channels_in_one_pass(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const a = await t.connected({ name: "a", handle_expt: (me) => me.urgent() });
    const b = await t.connected({ name: "b", peer: "q", handle_expt: (me) => me.urgent() });
    for (const id of ["q", "p"]) {
      await t.peer("send", id, { data: "data" });
      await t.peer("oob", id, { data: "!" });
    }
    a.wants_write = true;
    b.wants_write = true;
    await t.rest();
    await t.loop();
    a.wants_write = false;
    b.wants_write = false;
    t.log("pass");
    await t.quiet();
  },

  async an_accept_a_read_a_write_and_an_end_in_one_pass(t: Test) {
    const s = t.server({ child: { handle_read: (me) => me.echo() } });
    const a = await t.connected({ name: "a", peer: "p" });
    const b = await t.connected({ name: "b", peer: "q" });
    const c = await t.connected({ name: "c", peer: "r" });
    await t.peer("fin", "r");
    await t.peer("send", "p", { data: "data" });
    await t.peer("connect", "n", { address: t.where(s) });
    b.wants_write = true;
    await t.loop();
    b.wants_write = false;
    t.log("pass");
    await t.sends("to the new one", "n");
    await t.peer_reads(14, "n");
    t.state(a);
    t.state(c);
  },

  async readable_of_a_server_channel_switched_off_and_on(t: Test) {
    const c = await t.accepted();
    await t.sends("1");
    c.wants_read = false;
    await t.sends("2");
    t.log("on");
    c.wants_read = true;
    await t.quiet();
  },

  async readable_of_a_listener_switched_off_and_on(t: Test) {
    const s = t.server();
    await t.comes(s, "p");
    s.wants_read = false;
    await t.comes(s, "q");
    t.log("on");
    s.wants_read = true;
    await t.quiet();
    t.state(s);
  },

  async writable_of_a_server_channel_switched_on_and_off(t: Test) {
    const c = await t.accepted();
    await t.loop(2);
    t.log("on");
    c.wants_write = true;
    await t.loop(2);
    c.wants_write = false;
    t.log("off");
    await t.loop(2);
  },

  async writable_where_the_peer_does_not_read(t: Test) {
    const c = await t.connected({ handle_write: () => t.log("room") });
    t.fill(c);
    c.wants_write = true;
    await t.loop(2);
    t.log("full");
    c.wants_write = false;
    t.state(c);
  },

  async readable_switched_off_in_handle_read(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        t.log("piece " + t.show(me.recv(3)));
        me.stop_reading();
      },
    });
    await t.sends("abcdefgh");
    t.log("on");
    c.wants_read = true;
    await t.quiet();
    t.log("on");
    c.wants_read = true;
    await t.quiet();
  },

  async writable_switched_on_in_handle_read(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        me.start_writing();
      },
    });
    c.hooks["handle_write"] = (me: Logged) => {
      me.send("answer");
      me.stop_writing();
    };
    await t.peer("send", "p", { data: "question" });
    await t.loop();
    t.log("pass");
    await t.loop();
    await t.peer_reads(6);
    await t.sends("another");
    await t.peer_reads(6);
  },

  async handle_write_closes_the_next(t: Test) {
    const a = await t.connected({ name: "a", peer: "p", handle_connect: () => t.log("up") });
    const b = await t.connected({ name: "b", peer: "q" });
    a.hooks["handle_write"] = (me: Logged) => {
      b.close();
      me.stop_writing();
    };
    a.wants_write = true;
    b.wants_write = true;
    await t.loop();
    t.log("pass");
    await t.loop();
    t.state(b);
  },

  async a_channel_closes_all_others_in_a_pass(t: Test) {
    const others: Logged[] = [];
    await t.connected({
      name: "a",
      peer: "p",
      handle_read: (me) => {
        me.take();
        t.close_each(others);
      },
    });
    others.push(await t.connected({ name: "b", peer: "q" }));
    others.push(await t.connected({ name: "c", peer: "r" }));
    await t.peer("send", "r", { data: "3" });
    await t.peer("send", "q", { data: "2" });
    await t.peer("send", "p", { data: "1" });
    await t.loop();
    t.log("pass");
    await t.quiet();
    t.log("channels " + String(t.channels().length));
  },

  async a_channel_added_by_a_write_waits_for_the_next_pass(t: Test) {
    const address = await t.peer_listens("listen", "m");
    const c = await t.connected({ handle_connect: () => t.log("up") });
    c.hooks["handle_write"] = (me: Logged) => {
      me.stop_writing();
      t.client(address, { name: "d" });
    };
    if (t.family === "unix") {
      return;
    }
    c.wants_write = true;
    await t.loop();
    t.log("pass");
    await t.peer("accept", "q", { listener: "m" });
    await t.quiet();
    await t.sends("hello", "q");
  },

  async a_channel_out_and_in_again_during_a_pass(t: Test) {
    const b: Logged[] = [];
    await t.connected({
      name: "a",
      peer: "p",
      handle_read: (me) => {
        me.take();
        b[0]?.del_channel();
        if (b[0] !== undefined) t.revive(b[0], t.map);
      },
    });
    b.push(await t.connected({ name: "b", peer: "q" }));
    await t.peer("send", "q", { data: "2" });
    await t.peer("send", "p", { data: "1" });
    await t.loop();
    t.log("pass");
    await t.quiet();
    t.state(b[0]);
  },

  async the_map_cleared_during_a_pass(t: Test) {
    const a = await t.connected({
      name: "a",
      peer: "p",
      handle_read: (me) => {
        me.take();
        t.map.clear();
      },
    });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "q", { data: "2" });
    await t.peer("send", "p", { data: "1" });
    await t.loop();
    t.log("pass");
    await t.loop(3);
    t.state(a);
    t.state(b);
    a.close();
    b.close();
  },

  async a_new_socket_during_a_pass(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens("listen", "m");
    const c = await t.connected({
      handle_close: (me) => {
        me.close();
        me.create_socket(t.af);
        me.connect(address);
      },
    });
    await t.ends("fin");
    await t.peer("accept", "q", { listener: "m" });
    await t.quiet();
    await t.sends("again", "q");
    t.state(c);
    t.log("channels " + String(t.channels().length));
    c.clear_hooks();
  },

  async a_count_below_zero(t: Test) {
    await t.connected();
    await t.peer("send", "p", { data: "data" });
    await t.loop(-1);
    t.log("nothing yet");
    await t.loop();
  },

  async the_map_seen_from_a_hook(t: Test) {
    await t.connected({
      handle_read: (me) => {
        me.take();
        t.log("channels " + String(t.channels().length));
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.loop();
  },

  async loop_without_a_count_ends_with_exit_now(t: Test) {
    await t.connected({
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.caught(() => t.loop_to_the_end());
    t.log("channels " + String(t.channels().length));
  },

  async poll_with_a_channel_that_ends(t: Test) {
    const c = await t.connected();
    await t.peer("fin");
    await t.poll_once();
    t.state(c);
    await t.poll_once();
  },

  async the_timeout_of_a_loop_without_end(t: Test) {
    await t.connected({
      handle_read: (me) => {
        me.take();
        me.close();
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.loop_for_ever();
    t.log("ended");
  },

  async five_channels_in_order(t: Test) {
    for (const id of ["a", "b", "c", "d", "e"]) {
      await t.connected({ name: id, peer: "p" + id });
    }
    for (const id of ["e", "c", "a", "d", "b"]) {
      await t.peer("send", "p" + id, { data: id });
    }
    for (const c of t.channels()) {
      c.wants_write = true;
    }
    await t.loop();
    for (const c of t.channels()) {
      c.wants_write = false;
    }
    t.log("pass");
    for (const id of ["b", "e", "a", "d", "c"]) {
      await t.peer("fin", "p" + id);
    }
    await t.loop();
    t.log("channels " + String(t.channels().length));
  },

  async a_class_without_handle_write_and_writable(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "plain" });
    await t.peer("accept", "p", { listener: "l" });
    await t.loop(3);
    t.state(c);
  },
};
