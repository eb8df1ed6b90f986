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
    await t.sends(text.slice(0, at));
    t.log("cut");
    await t.sends(text.slice(at));
  }
  c.set_terminator(terminator);
  for (let at = 0; at < text.length; at++) {
    await t.sends(text.slice(at, at + 1));
  }
  t.log("left " + t.show(c.collected()));
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
};
