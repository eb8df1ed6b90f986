/** Every ending of a connection, in both roles. The same scenarios as in `endings.py`. */
import { boom, close_all, type Logged, type Scenario, type Test } from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async fin_to_a_client(t: Test) {
    const c = await t.connected();
    await t.ends("fin");
    t.state(c);
    await t.peer_reads();
  },

  async fin_to_a_server_channel(t: Test) {
    const c = await t.accepted();
    await t.ends("fin");
    t.state(c);
    await t.peer_reads();
  },

  async data_and_fin(t: Test) {
    const c = await t.connected();
    await t.peer("send", "p", { data: "last words" });
    await t.ends("fin");
    t.state(c);
  },

  async close_by_the_peer(t: Test) {
    const c = await t.connected();
    await t.ends("close");
    t.state(c);
  },

  async reset_to_a_client(t: Test) {
    const c = await t.connected();
    await t.ends("rst");
    t.state(c);
  },

  async reset_to_a_server_channel(t: Test) {
    const c = await t.accepted();
    await t.ends("rst");
    t.state(c);
  },

  async reset_while_nobody_reads(t: Test) {
    if (t.use_poll) {
      return;
    }
    const c = await t.connected({ readable: () => false });
    await t.ends("rst");
    t.state(c);
    c.clear_hooks();
    await t.quiet();
    t.state(c);
  },

  async half_close_and_an_answer(t: Test) {
    const c = await t.connected({
      handle_close: (me) => {
        me.send("the answer");
        me.close();
      },
    });
    await t.sends("the question");
    await t.ends("fin");
    await t.peer_reads();
    t.state(c);
  },

  async half_close_and_an_answer_of_a_server(t: Test) {
    const c = await t.accepted({
      handle_close: (me) => {
        me.send("the answer");
        me.close();
      },
    });
    await t.sends("the question");
    await t.ends("fin");
    await t.peer_reads();
    t.state(c);
  },

  async our_half_close_and_the_answer(t: Test) {
    const c = await t.connected();
    c.send("the question");
    c.shutdown(1);
    await t.peer_reads();
    await t.sends("the answer");
    t.state(c);
    await t.ends("fin");
    t.state(c);
  },

  async our_close_while_idle(t: Test) {
    const c = await t.connected();
    c.close();
    t.state(c);
    await t.peer_reads();
    await t.quiet();
  },

  async our_close_after_sending(t: Test) {
    const c = await t.connected();
    c.send("bye");
    c.close();
    t.state(c);
    await t.peer_reads();
  },

  async server_close_after_sending(t: Test) {
    const c = await t.accepted();
    c.send("bye");
    c.close();
    t.state(c);
    await t.peer_reads();
  },

  async double_close(t: Test) {
    const c = await t.connected();
    c.close();
    t.attempt("close", () => c.close());
    t.state(c);
    await t.peer_reads();
  },

  async close_without_a_socket(t: Test) {
    const c = t.nothing();
    t.attempt("close", () => c.close());
    t.state(c);
  },

  async close_of_a_socket_that_never_connected(t: Test) {
    const c = t.channel();
    c.close();
    t.state(c);
    c.close();
    t.state(c);
  },

  async handle_close_that_does_not_close(t: Test) {
    const c = await t.connected({ handle_close: (me) => me.stop_reading() });
    await t.ends("fin");
    t.state(c);
    c.send("still here");
    await t.peer_reads(10);
    c.close();
    await t.peer_reads();
  },

  async a_whole_exchange_and_our_close(t: Test) {
    const c = await t.connected({ handle_read: (me) => me.echo() });
    await t.sends("one");
    await t.peer_reads(3);
    await t.sends("two");
    await t.peer_reads(3);
    c.close();
    await t.peer_reads();
    t.state(c);
  },

  async a_whole_exchange_and_their_close(t: Test) {
    const c = await t.accepted({ handle_read: (me) => me.echo() });
    await t.sends("one");
    await t.peer_reads(3);
    await t.sends("two");
    await t.peer_reads(3);
    await t.ends("close");
    t.state(c);
  },

  async close_all_between_passes(t: Test) {
    const a = await t.connected({ name: "a" });
    const b = await t.connected({ name: "b", peer: "q" });
    const s = t.server();
    close_all(t.map);
    t.state(a);
    t.state(b);
    t.state(s);
    await t.peer_reads();
    await t.peer_reads(undefined, "q");
    await t.quiet();
  },

  async close_all_in_a_hook(t: Test) {
    const a = await t.connected({ name: "a", handle_read: () => close_all(t.map) });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "q", { data: "never read" });
    await t.peer("send", "p", { data: "the end" });
    await t.loop();
    t.state(a);
    t.state(b);
    await t.quiet();
  },

  async close_all_of_nothing(t: Test) {
    t.attempt("close_all", () => close_all(t.map));
  },

  async close_all_when_a_close_raises(t: Test) {
    const a = await t.connected({ name: "a", close: boom });
    const b = await t.connected({ name: "b", peer: "q" });
    t.attempt("close_all", () => close_all(t.map));
    t.state(a);
    t.state(b);
    a.clear_hooks();
  },

  async close_all_that_ignores_errors(t: Test) {
    const a = await t.connected({ name: "a", close: boom });
    const b = await t.connected({ name: "b", peer: "q" });
    t.attempt("close_all", () => close_all(t.map, true));
    t.state(a);
    t.state(b);
    a.clear_hooks();
    a.close();
  },

  async the_loop_ends_with_the_last_channel(t: Test) {
    await t.connected();
    await t.peer("fin");
    await t.loop_to_the_end();
    t.log("ended");
  },

  async the_loop_ends_with_the_last_of_three(t: Test) {
    await t.connected({ name: "a", peer: "p" });
    await t.connected({ name: "b", peer: "q" });
    await t.connected({ name: "c", peer: "r" });
    await t.peer("fin", "p");
    await t.loop();
    await t.peer("fin", "r");
    await t.loop();
    await t.peer("fin", "q");
    await t.loop_to_the_end();
    t.log("ended");
  },

  async recv_after_close(t: Test) {
    const c = await t.connected();
    c.close();
    t.attempt("recv", () => c.recv(10));
  },

  async send_after_close(t: Test) {
    const c = await t.connected();
    c.close();
    t.attempt("send", () => c.send("too late"));
    t.state(c);
  },

  async send_after_the_peer_has_reset(t: Test) {
    const c = await t.connected({ readable: () => false });
    await t.peer("rst");
    t.attempt("send", () => c.send("too late"));
    t.attempt("send", () => c.send("too late"));
    await t.quiet();
    t.state(c);
  },

  async send_of_a_reader_after_the_peer_has_reset(t: Test) {
    const c = await t.connected();
    await t.peer("rst");
    t.attempt("send", () => c.send("too late"));
    t.state(c);
    await t.quiet();
    t.state(c);
  },

  async recv_with_nothing_there(t: Test) {
    const c = await t.connected();
    t.attempt("recv", () => c.recv(10));
    t.state(c);
  },

  async recv_in_pieces(t: Test) {
    await t.connected({ handle_read: (me) => me.take(3) });
    await t.sends("abcdefgh");
    await t.ends("fin");
  },

  async one_piece_a_pass(t: Test) {
    await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(3))) });
    await t.peer("send", "p", { data: "abcdefgh" });
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.quiet();
  },

  async fin_while_unread_bytes_wait(t: Test) {
    const c = await t.connected({ handle_read: (me) => t.log("piece " + t.show(me.recv(3))) });
    await t.peer("send", "p", { data: "abcdefgh" });
    await t.ends("fin");
    t.state(c);
  },

  async much_data_in(t: Test) {
    const c = await t.connected();
    t.tell("flood", "p", { count: 3000000 });
    await t.until(() => t.answered());
    await t.answer();
    await t.quiet();
    await t.ends("fin");
    t.state(c);
  },

  async much_data_out(t: Test) {
    let left = "y".repeat(3000000);
    const more = (me: Logged) => {
      const sent = me.send(left.slice(0, 65536));
      left = left.slice(sent);
      if (!left) {
        me.close();
      }
    };
    const c = await t.connected({ handle_write: more, quietly: true });
    c.wants_write = true;
    await t.peer_reads();
    t.state(c);
  },

  async the_peer_closes_with_our_bytes_unread(t: Test) {
    const c = await t.connected();
    c.send("never read");
    await t.loop();
    await t.ends("close");
    t.state(c);
  },

  async we_close_with_their_bytes_unread(t: Test) {
    const c = await t.connected({ readable: () => false });
    await t.sends("never read");
    c.close();
    t.state(c);
    await t.peer_reads();
  },

  async data_and_reset(t: Test) {
    const c = await t.connected();
    await t.peer("send", "p", { data: "last words" });
    await t.ends("rst");
    t.state(c);
  },

  async data_and_reset_to_a_server_channel(t: Test) {
    const c = await t.accepted();
    await t.peer("send", "p", { data: "last words" });
    await t.ends("rst");
    t.state(c);
  },

  async data_and_close_to_a_server_channel(t: Test) {
    const c = await t.accepted();
    await t.peer("send", "p", { data: "last words" });
    await t.ends("close");
    t.state(c);
  },

  async reset_while_writing(t: Test) {
    const c = await t.connected({ handle_write: (me) => me.send("x".repeat(65536)), quietly: true });
    c.wants_write = true;
    await t.loop(3);
    await t.peer("rst");
    await t.quiet();
    c.wants_write = false;
    t.state(c);
  },

  async reset_after_our_half_close(t: Test) {
    const c = await t.connected();
    c.shutdown(1);
    await t.peer_reads();
    await t.ends("rst");
    t.state(c);
  },

  async reset_after_the_peers_half_close(t: Test) {
    if (t.use_poll) {
      return;
    }
    const c = await t.connected({ handle_close: (me) => me.stop_reading() });
    await t.ends("fin");
    t.state(c);
    await t.ends("rst");
    t.state(c);
    c.close();
  },

  async a_server_half_closes_and_hears_the_rest(t: Test) {
    const c = await t.accepted();
    c.send("all I have to say");
    c.shutdown(1);
    await t.peer_reads();
    await t.sends("go on");
    await t.ends("fin");
    t.state(c);
  },

  async half_close_twice(t: Test) {
    const c = await t.connected();
    t.attempt("shutdown", () => c.shutdown(1));
    t.attempt("shutdown", () => c.shutdown(1));
    await t.peer_reads();
    t.state(c);
  },

  async send_after_our_half_close(t: Test) {
    const c = await t.connected();
    c.shutdown(1);
    t.attempt("send", () => c.send("too late"));
    t.state(c);
  },

  async shutdown_of_both_directions(t: Test) {
    const c = await t.connected();
    t.attempt("shutdown", () => c.shutdown(2));
    await t.quiet();
    await t.peer_reads();
    t.state(c);
  },

  async shutdown_of_our_reading(t: Test) {
    const c = await t.connected();
    t.attempt("shutdown", () => c.shutdown(0));
    await t.quiet();
    t.state(c);
  },

  async shutdown_of_a_channel_that_is_not_connected(t: Test) {
    const c = t.channel();
    t.attempt("shutdown", () => c.shutdown(1));
  },

  async handle_close_that_neither_closes_nor_stops_reading(t: Test) {
    const c = await t.connected({ handle_close: () => t.log("goes on") });
    await t.peer("fin");
    await t.loop(4);
    t.state(c);
  },

  async close_in_the_middle_of_reading(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        t.log("piece " + t.show(me.recv(3)));
        me.close();
      },
    });
    await t.sends("abcdefgh");
    t.state(c);
  },

  async close_after_sending_in_handle_read(t: Test) {
    const c = await t.accepted({
      handle_read: (me) => {
        me.take();
        me.send("and good bye");
        me.close();
      },
    });
    await t.sends("hello");
    await t.peer_reads();
    t.state(c);
  },

  async close_in_handle_write_after_sending(t: Test) {
    const c = await t.connected({ handle_connect: () => t.log("up") });
    c.hooks["handle_write"] = (me: Logged) => {
      me.send("bye");
      me.close();
    };
    c.wants_write = true;
    await t.quiet();
    await t.peer_reads();
    t.state(c);
  },

  async two_channels_end_in_one_pass(t: Test) {
    const a = await t.connected({ name: "a" });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("fin", "q");
    await t.peer("fin", "p");
    await t.loop();
    t.state(a);
    t.state(b);
  },

  async one_channel_resets_and_another_goes_on(t: Test) {
    if (t.use_poll) {
      return;
    }
    const a = await t.connected({ name: "a" });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.ends("rst", "p");
    await t.sends("still here", "q");
    t.state(a);
    t.state(b);
  },

  async double_close_of_a_listener(t: Test) {
    const s = t.server();
    s.close();
    t.attempt("close", () => s.close());
    t.state(s);
  },

  async double_close_of_a_server_channel(t: Test) {
    const c = await t.accepted();
    c.close();
    t.attempt("close", () => c.close());
    await t.peer_reads();
    t.state(c);
  },

  async double_close_in_handle_close(t: Test) {
    const c = await t.connected({
      handle_close: (me) => {
        me.close();
        me.close();
      },
    });
    await t.ends("fin");
    t.state(c);
  },

  async close_of_a_socket_behind_the_channels_back(t: Test) {
    const c = await t.connected();
    c.del_channel();
    c.socket?.close();
    await t.peer_reads();
    t.attempt("close", () => c.close());
    t.state(c);
  },

  async recv_without_a_socket(t: Test) {
    const c = t.nothing();
    t.attempt("recv", () => c.recv(10));
  },

  async recv_before_connect(t: Test) {
    const c = t.channel();
    t.attempt("recv", () => c.recv(10));
    t.state(c);
  },

  async recv_of_a_listener(t: Test) {
    const s = t.server();
    t.attempt("recv", () => s.recv(10));
    s.clear_hooks();
    s.close();
  },

  async one_send_after_the_peer_has_reset(t: Test) {
    const c = await t.connected({ readable: () => false });
    await t.peer("rst");
    t.attempt("send", () => c.send("too late"));
    await t.quiet();
    t.state(c);
  },

  async recv_of_nothing(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        t.attempt("recv", () => me.recv(0));
        me.stop_reading();
      },
    });
    await t.sends("data");
    t.state(c);
  },

  async send_to_a_channel_that_has_closed(t: Test) {
    const b = await t.connected({ name: "b", peer: "q" });
    b.close();
    await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        t.attempt("send", () => b.send("are you there"));
      },
    });
    await t.sends("data");
    t.state(b);
  },
};
