/** async_chat: terminators, producers, close_when_done. The same scenarios as in `chat.py`. */
import {
  boom,
  exit_now,
  Failing,
  Pieces,
  type Scenario,
  simple_producer,
  type Term,
  type Test,
} from "../oracle-rt.ts";

/** `text` in two pieces, cut at every place, and byte by byte. */
async function splits(t: Test, terminator: Term, text: string): Promise<void> {
  const c = await t.connected({ kind: "chat", terminator: terminator });
  for (let at = 1; at < text.length; at++) {
    c.set_terminator(terminator);
    await t.sends_to_a_pass(text.slice(0, at));
    t.log("cut");
    await t.sends_to_a_pass(text.slice(at));
  }
  c.set_terminator(terminator);
  for (let at = 0; at < text.length; at++) {
    await t.sends_to_a_pass(text.slice(at, at + 1));
  }
  t.log("left " + t.show(c.collected()));
}

/** A line that says how long the body is, and the body: cut at every place. */
async function splits_of_frames(t: Test, text: string): Promise<void> {
  const c = await t.connected({ kind: "chat", terminator: "\n", found: (me) => me.alternate("\n", 3) });
  for (let at = 1; at < text.length; at++) {
    c.set_terminator("\n");
    await t.sends_to_a_pass(text.slice(0, at));
    t.log("cut");
    await t.sends_to_a_pass(text.slice(at));
  }
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  async one_byte_terminator_at_every_split(t: Test) {
    await splits(t, "\n", "ab\ncd\n\n");
  },

  async two_byte_terminator_at_every_split(t: Test) {
    await splits(t, "\r\n", "ab\r\n\r\nc\rd\n\r\n");
  },

  async a_terminator_that_repeats_itself_at_every_split(t: Test) {
    await splits(t, "aab", "aaabxaab");
  },

  async a_long_terminator_at_every_split(t: Test) {
    await splits(t, "--end--", "x--en--end--y--end--");
  },

  async a_count_at_every_split(t: Test) {
    await splits(t, 4, "abcd");
  },

  async no_terminator_at_every_split(t: Test) {
    await splits(t, null, "abcd");
  },

  async an_empty_terminator_collects_everything(t: Test) {
    await splits(t, "", "abc");
  },

  async a_count_of_zero_collects_everything(t: Test) {
    await splits(t, 0, "abc");
  },

  async the_pieces_that_are_collected(t: Test) {
    await t.connected({
      kind: "chat",
      terminator: "\r\n",
      collect: (_me, data) => t.log("collect " + t.show(data)),
    });
    await t.sends("abc\r\ndef\r");
    await t.sends("\n\r\n");
    await t.sends("g\rh");
    await t.sends("\r");
    await t.sends("i");
  },

  async header_and_body(t: Test) {
    await t.connected({ kind: "chat", terminator: "\r\n\r\n", found: (me) => me.alternate("\r\n\r\n", 5) });
    await t.sends("Length: 5\r\n\r\nhelloLength: 5\r\n\r\nwo");
    await t.sends("rld");
  },

  async what_get_terminator_says(t: Test) {
    const c = await t.connected({ kind: "chat", terminator: 10 });
    t.attempt("get", () => c.get_terminator());
    await t.sends("abc");
    t.attempt("get", () => c.get_terminator());
    await t.sends("defghijkl");
    t.attempt("get", () => c.get_terminator());
    c.set_terminator("xyz");
    t.attempt("get", () => t.show(c.get_terminator()));
  },

  async a_negative_count(t: Test) {
    const c = await t.connected({ kind: "chat" });
    t.attempt("set", () => c.set_terminator(-1));
  },

  async many_lines_in_one_read(t: Test) {
    await t.connected({ kind: "chat" });
    await t.sends("a\nb\nc\n\n\nd");
    await t.ends("fin");
  },

  async close_in_found_terminator_with_more_lines_there(t: Test) {
    const c = await t.connected({ kind: "chat", found: (me) => me.close_when_done() });
    await t.sends("one\n");
    await t.quiet();
    t.state(c);
    await t.peer_reads();
  },

  async exception_in_found_terminator(t: Test) {
    const c = await t.connected({ kind: "chat", found: boom });
    await t.sends("one\n");
    t.state(c);
  },

  async exception_in_collect(t: Test) {
    const c = await t.connected({ kind: "chat", collect: (me, _data) => boom(me) });
    await t.sends("one\n");
    t.state(c);
  },

  async exit_now_in_found_terminator(t: Test) {
    const c = await t.connected({ kind: "chat", found: exit_now });
    await t.peer("send", "p", { data: "one\n" });
    await t.try_quiet();
    t.state(c);
  },

  async the_terminator_changes_at_every_frame(t: Test) {
    await t.connected({ kind: "chat", terminator: ";", found: (me) => me.alternate(";", ",") });
    await t.sends("a;b,c;d,");
    await t.sends("e;");
    await t.sends("f,");
  },

  async push_answers(t: Test) {
    await t.accepted({ kind: "chat", found: (me) => me.push("ok\n") });
    await t.sends("one\ntwo\n");
    await t.peer_reads(6);
  },

  async push_before_connected(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    c.push("early\n");
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.peer_reads(6);
  },

  async push_much(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("p".repeat(2000000));
    await t.peer_reads(2000000);
    await t.quiet();
    t.log(c.writable() ? "writable" : "not writable");
  },

  async push_in_order(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("1");
    c.push_with_producer(new simple_producer("2".repeat(2000)));
    c.push("3");
    c.push_with_producer(new Pieces(["4", "5", "6"]));
    c.push("7");
    await t.peer_reads(2006);
  },

  async a_simple_producer_with_small_pieces(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new simple_producer("abcdefghij", 3));
    await t.peer_reads(10);
  },

  async an_empty_producer(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new Pieces([]));
    c.push("after");
    await t.peer_reads(5);
    t.log(c.writable() ? "writable" : "not writable");
  },

  async a_producer_that_raises(t: Test) {
    const c = await t.connected({ kind: "chat", found: (me) => me.push_with_producer(new Failing()) });
    await t.sends("go\n");
    t.state(c);
  },

  async a_producer_that_raises_later(t: Test) {
    const c = await t.connected({ kind: "chat", found: (me) => me.push_with_producer(new Failing(2)) });
    await t.sends("go\n");
    await t.quiet();
    t.state(c);
  },

  async a_large_producer(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new simple_producer("q".repeat(1000000), 10000));
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_with_nothing_queued(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.close_when_done();
    t.state(c);
    await t.quiet();
    t.state(c);
    await t.peer_reads();
  },

  async close_when_done_with_data_queued(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("d".repeat(1000000));
    c.close_when_done();
    t.state(c);
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_behind_a_producer(t: Test) {
    const c = await t.accepted({ kind: "chat" });
    c.push_with_producer(new Pieces(["a", "b", "c"]));
    c.push("d");
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_before_connected(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    c.push("hello");
    c.close_when_done();
    await t.peer("accept", "p", { listener: "l" });
    await t.peer_reads();
    t.state(c);
  },

  async push_after_close_when_done(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("before");
    c.close_when_done();
    c.push("after");
    await t.peer_reads();
    t.state(c);
  },

  async discard_buffers_drops_what_waits(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    c.push("never sent");
    c.discard_buffers();
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    c.push("sent");
    await t.peer_reads(4);
  },

  async writable_of_a_chat(t: Test) {
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    if (t.family !== "unix") {
      t.log(c.writable() ? "writable" : "not writable");
    }
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.log(c.writable() ? "writable" : "not writable");
    t.log(c.readable() ? "readable" : "not readable");
    c.close_when_done();
    t.log(c.writable() ? "writable" : "not writable");
  },

  async fin_in_the_middle_of_a_frame(t: Test) {
    const c = await t.connected({ kind: "chat" });
    await t.peer("send", "p", { data: "whole\nhalf" });
    await t.ends("fin");
    t.log("left " + t.show(c.collected()));
    t.state(c);
  },

  async reset_in_the_middle_of_a_frame(t: Test) {
    const c = await t.connected({ kind: "chat" });
    await t.sends("whole\nhalf");
    await t.ends("rst");
    t.state(c);
  },

  async a_conversation(t: Test) {
    const c = await t.accepted({ kind: "chat", terminator: "\r\n", found: (me) => me.push("250 ok\r\n") });
    c.push("220 hello\r\n");
    await t.peer_reads(11);
    await t.sends("HELO\r\n");
    await t.peer_reads(8);
    await t.sends("NOOP\r\nNOOP\r\n");
    await t.peer_reads(16);
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async close_while_a_producer_waits(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    c.push_with_producer(new Pieces(["a"]));
    c.close();
    await t.quiet();
    t.state(c);
  },

  async a_small_input_buffer(t: Test) {
    const c = await t.connected({ kind: "chat", terminator: "\r\n" });
    c.ac_in_buffer_size = 3;
    await t.sends("abcdefg\r\nhi\r\n");
    await t.sends("j\r\n\r\n");
  },

  async find_prefix_at_end_of_everything(t: Test) {
    for (const text of ["qwerty\r", "qwertydkjf", "ab--", "--e", "", "-"]) {
      t.prefix(text, "\r\n");
      t.prefix(text, "--end");
    }
  },

  async a_line_and_a_count_at_every_split(t: Test) {
    await splits_of_frames(t, "3\nabc");
  },

  async two_lines_and_two_counts_at_every_split(t: Test) {
    await splits_of_frames(t, "1\nabc2\ndef");
  },

  async a_count_of_one_at_every_split(t: Test) {
    await splits(t, 1, "abc");
  },

  async a_terminator_of_one_byte_twice_at_every_split(t: Test) {
    await splits(t, "--", "a---b----c-");
  },

  async a_terminator_that_is_all_there_is_at_every_split(t: Test) {
    await splits(t, "abc", "abcabc");
  },

  async bytes_of_every_value_in_terminators(t: Test) {
    await splits(t, Buffer.of(0, 255), "a\u0000\u00ff\u00ff\u0000\u0000\u00ffb");
  },

  async three_cuts(t: Test) {
    const c = await t.connected({
      kind: "chat",
      terminator: "\r\n.\r\n",
      collect: (_me, data) => t.log("collect " + t.show(data)),
    });
    for (const piece of ["one\r", "\n.", "\r\ntwo\r\n", ".\r\nthree\r\n.", "x\r\n.\r", "\n"]) {
      await t.sends(piece);
    }
    t.log("left " + t.show(c.collected()));
  },

  async the_terminator_changes_between_reads(t: Test) {
    const c = await t.connected({ kind: "chat", terminator: ";" });
    await t.sends("a;b");
    c.set_terminator(null);
    await t.sends("c;d");
    t.log("collected " + t.show(c.collected()));
    c.set_terminator(2);
    await t.sends("efgh");
    c.set_terminator("!");
    await t.sends("i!j");
    t.log("left " + t.show(c.collected()));
  },

  async a_terminator_set_in_collect(t: Test) {
    const c = await t.connected({ kind: "chat", terminator: "\n", collect: (me) => me.set_terminator(";") });
    await t.sends("one\ntwo;three;four");
    t.log("left " + t.show(c.collected()));
  },

  async a_prefix_left_when_the_end_comes(t: Test) {
    const c = await t.connected({ kind: "chat", terminator: "\r\n" });
    await t.sends("half\r");
    await t.ends("fin");
    t.log("left " + t.show(c.collected()));
    t.state(c);
  },

  async push_nothing(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("");
    c.push("after");
    await t.peer_reads(5);
    t.log(c.writable() ? "writable" : "not writable");
    t.state(c);
  },

  async push_in_handle_connect(t: Test) {
    const c = await t.connected({ kind: "chat", handle_connect: (me) => me.push("hello\n") });
    await t.peer_reads(6);
    t.state(c);
  },

  async push_in_collect(t: Test) {
    await t.connected({ kind: "chat", terminator: null, collect: (me, data) => me.push(data) });
    await t.sends("echo");
    await t.peer_reads(4);
  },

  async a_producer_pushed_in_handle_connect(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), {
      kind: "chat",
      handle_connect: (me) => me.push_with_producer(new Pieces(["a", "b"])),
    });
    await t.peer("accept", "p", { listener: "l" });
    await t.peer_reads(2);
    t.state(c);
  },

  async a_producer_before_connected(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "chat" });
    c.push_with_producer(new Pieces(["a", "b"]));
    c.push("c");
    c.close_when_done();
    await t.peer("accept", "p", { listener: "l" });
    await t.peer_reads();
    t.state(c);
  },

  async two_producers_and_an_empty_one_between(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new Pieces(["a", "b"]));
    c.push_with_producer(new Pieces([]));
    c.push_with_producer(new simple_producer("cdef", 3));
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async a_producer_where_the_peer_does_not_read(t: Test) {
    const c = await t.connected({ kind: "chat" });
    const endless = new Pieces(Array<string>(2000).fill("q".repeat(65536)));
    c.push_with_producer(endless);
    await t.loop(20);
    t.log(endless.pieces.length > 500 ? "some is left" : "all was asked for");
    t.log(c.writable() ? "writable" : "not writable");
    await t.ends(t.use_poll ? "close" : "rst");
    t.log(endless.pieces.length > 500 ? "some is left" : "all was asked for");
  },

  async the_end_while_a_producer_waits(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new Pieces(["a".repeat(1000), "b".repeat(1000)]));
    await t.ends("fin");
    t.state(c);
  },

  async a_producer_that_raises_outside_hooks(t: Test) {
    const c = await t.connected({ kind: "chat" });
    t.attempt("push_with_producer", () => c.push_with_producer(new Failing()));
    await t.try_quiet();
    t.state(c);
  },

  async a_small_output_buffer(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.ac_out_buffer_size = 3;
    c.push("abcdefgh");
    c.push_with_producer(new simple_producer("ijklmnop"));
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_twice(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("bye");
    c.close_when_done();
    c.close_when_done();
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_and_close(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.close_when_done();
    c.close();
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_in_handle_close(t: Test) {
    const c = await t.connected({
      kind: "chat",
      handle_close: (me) => {
        me.push("bye");
        me.close_when_done();
        me.clear_hooks();
      },
    });
    await t.ends("fin");
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_after_the_peers_end(t: Test) {
    const c = await t.accepted({
      kind: "chat",
      found: (me) => {
        me.push("ok\n");
        me.close_when_done();
      },
    });
    await t.peer("send", "p", { data: "quit\n" });
    await t.peer("fin");
    await t.peer_reads();
    t.state(c);
  },

  async close_when_done_where_the_peer_does_not_read(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push("d".repeat(3000000));
    c.close_when_done();
    await t.loop(3);
    await t.peer_reads();
    await t.quiet();
    t.state(c);
  },

  async initiate_send_of_a_chat_by_hand(t: Test) {
    const c = await t.connected({ kind: "chat" });
    c.push_with_producer(new Pieces(["a", "b"]));
    t.attempt("initiate_send", () => c.initiate_send());
    await t.peer_reads(2);
    t.state(c);
  },

  async text_with_an_encoding(t: Test) {
    const c = await t.accepted({ kind: "chat" });
    c.use_encoding = 1;
    c.set_terminator("\u00e9");
    await t.peer("send", "p", { data: "caf\u00e9caf\u00e9" });
    await t.quiet();
    t.state(c);
  },

  async a_chat_reads_what_is_left_after_a_failing_found_terminator(t: Test) {
    const count: unknown[] = [];
    const first_fails = (me: unknown): void => {
      count.push(me);
      if (count.length === 1) {
        boom(me);
      }
    };
    const c = await t.connected({ kind: "chat", found: first_fails, handle_error: () => t.log("goes on") });
    await t.sends("one\ntwo\n");
    t.log("more");
    await t.sends("three\n");
    t.state(c);
  },

  async discard_buffers_in_found_terminator(t: Test) {
    const c = await t.connected({ kind: "chat", found: (me) => me.discard_buffers() });
    await t.sends("one\ntwo\nthree");
    await t.sends("four\n");
    t.log("left " + t.show(c.collected()));
  },
};
