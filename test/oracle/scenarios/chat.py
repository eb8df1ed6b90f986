"""async_chat: terminators, producers, close_when_done."""
from oracle_rt import Failing, Pieces, Term, Test, boom, exit_now, scenario, simple_producer


def splits(t: Test, terminator: Term, text: str):
    """`text` in two pieces, cut at every place, and byte by byte."""
    c = t.connected(kind="chat", terminator=terminator)
    for at in range(1, len(text)):
        c.set_terminator(terminator)
        t.sends_to_a_pass(text[:at])
        t.log("cut")
        t.sends_to_a_pass(text[at:])
    c.set_terminator(terminator)
    for at in range(len(text)):
        t.sends_to_a_pass(text[at : at + 1])
    t.log("left " + t.show(c.collected()))


@scenario
def one_byte_terminator_at_every_split(t: Test):
    splits(t, b"\n", "ab\ncd\n\n")


@scenario
def two_byte_terminator_at_every_split(t: Test):
    splits(t, b"\r\n", "ab\r\n\r\nc\rd\n\r\n")


@scenario
def a_terminator_that_repeats_itself_at_every_split(t: Test):
    splits(t, b"aab", "aaabxaab")


@scenario
def a_long_terminator_at_every_split(t: Test):
    splits(t, b"--end--", "x--en--end--y--end--")


@scenario
def a_count_at_every_split(t: Test):
    splits(t, 4, "abcd")


@scenario
def no_terminator_at_every_split(t: Test):
    splits(t, None, "abcd")


@scenario
def an_empty_terminator_collects_everything(t: Test):
    splits(t, b"", "abc")


@scenario
def a_count_of_zero_collects_everything(t: Test):
    splits(t, 0, "abc")


@scenario
def the_pieces_that_are_collected(t: Test):
    t.connected(kind="chat", terminator=b"\r\n", collect=lambda me, data: t.log("collect " + t.show(data)))
    t.sends("abc\r\ndef\r")
    t.sends("\n\r\n")
    t.sends("g\rh")
    t.sends("\r")
    t.sends("i")


@scenario
def header_and_body(t: Test):
    t.connected(kind="chat", terminator=b"\r\n\r\n", found=lambda me: me.alternate(b"\r\n\r\n", 5))
    t.sends("Length: 5\r\n\r\nhelloLength: 5\r\n\r\nwo")
    t.sends("rld")


@scenario
def what_get_terminator_says(t: Test):
    c = t.connected(kind="chat", terminator=10)
    t.attempt("get", lambda: c.get_terminator())
    t.sends("abc")
    t.attempt("get", lambda: c.get_terminator())
    t.sends("defghijkl")
    t.attempt("get", lambda: c.get_terminator())
    c.set_terminator(b"xyz")
    t.attempt("get", lambda: t.show(c.get_terminator()))


@scenario
def a_negative_count(t: Test):
    c = t.connected(kind="chat")
    t.attempt("set", lambda: c.set_terminator(-1))


@scenario
def many_lines_in_one_read(t: Test):
    t.connected(kind="chat")
    t.sends("a\nb\nc\n\n\nd")
    t.ends("fin")


@scenario
def close_in_found_terminator_with_more_lines_there(t: Test):
    c = t.connected(kind="chat", found=lambda me: me.close_when_done())
    t.sends("one\n")
    t.quiet()
    t.state(c)
    t.peer_reads()


@scenario
def exception_in_found_terminator(t: Test):
    c = t.connected(kind="chat", found=boom)
    t.sends("one\n")
    t.state(c)


@scenario
def exception_in_collect(t: Test):
    c = t.connected(kind="chat", collect=lambda me, data: boom(me))
    t.sends("one\n")
    t.state(c)


@scenario
def exit_now_in_found_terminator(t: Test):
    c = t.connected(kind="chat", found=exit_now)
    t.peer("send", data="one\n")
    t.try_quiet()
    t.state(c)


@scenario
def the_terminator_changes_at_every_frame(t: Test):
    t.connected(kind="chat", terminator=b";", found=lambda me: me.alternate(b";", b","))
    t.sends("a;b,c;d,")
    t.sends("e;")
    t.sends("f,")


@scenario
def push_answers(t: Test):
    t.accepted(kind="chat", found=lambda me: me.push(b"ok\n"))
    t.sends("one\ntwo\n")
    t.peer_reads(6)


@scenario
def push_before_connected(t: Test):
    c = t.client(t.peer_listens(), kind="chat")
    c.push(b"early\n")
    t.peer("accept", listener="l")
    t.quiet()
    t.peer_reads(6)


@scenario
def push_much(t: Test):
    c = t.connected(kind="chat")
    c.push(b"p" * 2000000)
    t.peer_reads(2000000)
    t.quiet()
    t.log("writable" if c.writable() else "not writable")


@scenario
def push_in_order(t: Test):
    c = t.connected(kind="chat")
    c.push(b"1")
    c.push_with_producer(simple_producer(b"2" * 2000))
    c.push(b"3")
    c.push_with_producer(Pieces([b"4", b"5", b"6"]))
    c.push(b"7")
    t.peer_reads(2006)


@scenario
def a_simple_producer_with_small_pieces(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(simple_producer(b"abcdefghij", 3))
    t.peer_reads(10)


@scenario
def an_empty_producer(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(Pieces([]))
    c.push(b"after")
    t.peer_reads(5)
    t.log("writable" if c.writable() else "not writable")


@scenario
def a_producer_that_raises(t: Test):
    c = t.connected(kind="chat", found=lambda me: me.push_with_producer(Failing()))
    t.sends("go\n")
    t.state(c)


@scenario
def a_producer_that_raises_later(t: Test):
    c = t.connected(kind="chat", found=lambda me: me.push_with_producer(Failing(2)))
    t.sends("go\n")
    t.quiet()
    t.state(c)


@scenario
def a_large_producer(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(simple_producer(b"q" * 1000000, 10000))
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_with_nothing_queued(t: Test):
    c = t.connected(kind="chat")
    c.close_when_done()
    t.state(c)
    t.quiet()
    t.state(c)
    t.peer_reads()


@scenario
def close_when_done_with_data_queued(t: Test):
    c = t.connected(kind="chat")
    c.push(b"d" * 1000000)
    c.close_when_done()
    t.state(c)
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_behind_a_producer(t: Test):
    c = t.accepted(kind="chat")
    c.push_with_producer(Pieces([b"a", b"b", b"c"]))
    c.push(b"d")
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_before_connected(t: Test):
    c = t.client(t.peer_listens(), kind="chat")
    c.push(b"hello")
    c.close_when_done()
    t.peer("accept", listener="l")
    t.peer_reads()
    t.state(c)


@scenario
def push_after_close_when_done(t: Test):
    c = t.connected(kind="chat")
    c.push(b"before")
    c.close_when_done()
    c.push(b"after")
    t.peer_reads()
    t.state(c)


@scenario
def discard_buffers_drops_what_waits(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="chat")
    c.push(b"never sent")
    c.discard_buffers()
    t.peer("accept", listener="l")
    t.quiet()
    c.push(b"sent")
    t.peer_reads(4)


@scenario
def writable_of_a_chat(t: Test):
    c = t.client(t.peer_listens(), kind="chat")
    if t.family != "unix":
        t.log("writable" if c.writable() else "not writable")
    t.peer("accept", listener="l")
    t.quiet()
    t.log("writable" if c.writable() else "not writable")
    t.log("readable" if c.readable() else "not readable")
    c.close_when_done()
    t.log("writable" if c.writable() else "not writable")


@scenario
def fin_in_the_middle_of_a_frame(t: Test):
    c = t.connected(kind="chat")
    t.peer("send", data="whole\nhalf")
    t.ends("fin")
    t.log("left " + t.show(c.collected()))
    t.state(c)


@scenario
def reset_in_the_middle_of_a_frame(t: Test):
    c = t.connected(kind="chat")
    t.sends("whole\nhalf")
    t.ends("rst")
    t.state(c)


@scenario
def a_conversation(t: Test):
    c = t.accepted(kind="chat", terminator=b"\r\n", found=lambda me: me.push(b"250 ok\r\n"))
    c.push(b"220 hello\r\n")
    t.peer_reads(11)
    t.sends("HELO\r\n")
    t.peer_reads(8)
    t.sends("NOOP\r\nNOOP\r\n")
    t.peer_reads(16)
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def close_while_a_producer_waits(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="chat")
    c.push_with_producer(Pieces([b"a"]))
    c.close()
    t.quiet()
    t.state(c)


@scenario
def a_small_input_buffer(t: Test):
    c = t.connected(kind="chat", terminator=b"\r\n")
    c.ac_in_buffer_size = 3
    t.sends("abcdefg\r\nhi\r\n")
    t.sends("j\r\n\r\n")


@scenario
def find_prefix_at_end_of_everything(t: Test):
    for text in ["qwerty\r", "qwertydkjf", "ab--", "--e", "", "-"]:
        t.prefix(text, "\r\n")
        t.prefix(text, "--end")


def splits_of_frames(t: Test, text: str):
    """A line that says how long the body is, and the body: cut at every place."""
    c = t.connected(kind="chat", terminator=b"\n", found=lambda me: me.alternate(b"\n", 3))
    for at in range(1, len(text)):
        c.set_terminator(b"\n")
        t.sends_to_a_pass(text[:at])
        t.log("cut")
        t.sends_to_a_pass(text[at:])


@scenario
def a_line_and_a_count_at_every_split(t: Test):
    splits_of_frames(t, "3\nabc")


@scenario
def two_lines_and_two_counts_at_every_split(t: Test):
    splits_of_frames(t, "1\nabc2\ndef")


@scenario
def a_count_of_one_at_every_split(t: Test):
    splits(t, 1, "abc")


@scenario
def a_terminator_of_one_byte_twice_at_every_split(t: Test):
    splits(t, b"--", "a---b----c-")


@scenario
def a_terminator_that_is_all_there_is_at_every_split(t: Test):
    splits(t, b"abc", "abcabc")


@scenario
def bytes_of_every_value_in_terminators(t: Test):
    splits(t, b"\x00\xff", "a\x00\xff\xff\x00\x00\xffb")


@scenario
def three_cuts(t: Test):
    c = t.connected(kind="chat", terminator=b"\r\n.\r\n", collect=lambda me, data: t.log("collect " + t.show(data)))
    for piece in ("one\r", "\n.", "\r\ntwo\r\n", ".\r\nthree\r\n.", "x\r\n.\r", "\n"):
        t.sends(piece)
    t.log("left " + t.show(c.collected()))


@scenario
def the_terminator_changes_between_reads(t: Test):
    c = t.connected(kind="chat", terminator=b";")
    t.sends("a;b")
    c.set_terminator(None)
    t.sends("c;d")
    t.log("collected " + t.show(c.collected()))
    c.set_terminator(2)
    t.sends("efgh")
    c.set_terminator(b"!")
    t.sends("i!j")
    t.log("left " + t.show(c.collected()))


@scenario
def a_terminator_set_in_collect(t: Test):
    c = t.connected(kind="chat", terminator=b"\n", collect=lambda me, data: me.set_terminator(b";"))
    t.sends("one\ntwo;three;four")
    t.log("left " + t.show(c.collected()))


@scenario
def a_prefix_left_when_the_end_comes(t: Test):
    c = t.connected(kind="chat", terminator=b"\r\n")
    t.sends("half\r")
    t.ends("fin")
    t.log("left " + t.show(c.collected()))
    t.state(c)


@scenario
def push_nothing(t: Test):
    c = t.connected(kind="chat")
    c.push(b"")
    c.push(b"after")
    t.peer_reads(5)
    t.log("writable" if c.writable() else "not writable")
    t.state(c)


@scenario
def push_in_handle_connect(t: Test):
    c = t.connected(kind="chat", handle_connect=lambda me: me.push(b"hello\n"))
    t.peer_reads(6)
    t.state(c)


@scenario
def push_in_collect(t: Test):
    t.connected(kind="chat", terminator=None, collect=lambda me, data: me.push(data))
    t.sends("echo")
    t.peer_reads(4)


@scenario
def a_producer_pushed_in_handle_connect(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="chat", handle_connect=lambda me: me.push_with_producer(Pieces([b"a", b"b"])))
    t.peer("accept", listener="l")
    t.peer_reads(2)
    t.state(c)


@scenario
def a_producer_before_connected(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="chat")
    c.push_with_producer(Pieces([b"a", b"b"]))
    c.push(b"c")
    c.close_when_done()
    t.peer("accept", listener="l")
    t.peer_reads()
    t.state(c)


@scenario
def two_producers_and_an_empty_one_between(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(Pieces([b"a", b"b"]))
    c.push_with_producer(Pieces([]))
    c.push_with_producer(simple_producer(b"cdef", 3))
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def a_producer_where_the_peer_does_not_read(t: Test):
    """It is asked only as fast as the peer reads."""
    c = t.connected(kind="chat")
    endless = Pieces([b"q" * 65536] * 2000)
    c.push_with_producer(endless)
    t.loop(20)
    t.log("some is left" if len(endless.pieces) > 500 else "all was asked for")
    t.log("writable" if c.writable() else "not writable")
    t.ends("rst" if not t.use_poll else "close")
    t.log("some is left" if len(endless.pieces) > 500 else "all was asked for")


@scenario
def the_end_while_a_producer_waits(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(Pieces([b"a" * 1000, b"b" * 1000]))
    t.ends("fin")
    t.state(c)


@scenario
def a_producer_that_raises_outside_hooks(t: Test):
    c = t.connected(kind="chat")
    t.attempt("push_with_producer", lambda: c.push_with_producer(Failing()))
    t.try_quiet()
    t.state(c)


@scenario
def a_small_output_buffer(t: Test):
    c = t.connected(kind="chat")
    c.ac_out_buffer_size = 3
    c.push(b"abcdefgh")
    c.push_with_producer(simple_producer(b"ijklmnop"))
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_twice(t: Test):
    c = t.connected(kind="chat")
    c.push(b"bye")
    c.close_when_done()
    c.close_when_done()
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_and_close(t: Test):
    c = t.connected(kind="chat")
    c.close_when_done()
    c.close()
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_in_handle_close(t: Test):
    c = t.connected(kind="chat", handle_close=lambda me: [me.push(b"bye"), me.close_when_done(), me.clear_hooks()])
    t.ends("fin")
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_after_the_peers_end(t: Test):
    c = t.accepted(kind="chat", found=lambda me: [me.push(b"ok\n"), me.close_when_done()])
    t.peer("send", data="quit\n")
    t.peer("fin")
    t.peer_reads()
    t.state(c)


@scenario
def close_when_done_where_the_peer_does_not_read(t: Test):
    c = t.connected(kind="chat")
    c.push(b"d" * 3000000)
    c.close_when_done()
    t.loop(3)
    t.peer_reads()
    t.quiet()
    t.state(c)


@scenario
def initiate_send_of_a_chat_by_hand(t: Test):
    c = t.connected(kind="chat")
    c.push_with_producer(Pieces([b"a", b"b"]))
    t.attempt("initiate_send", lambda: c.initiate_send())
    t.peer_reads(2)
    t.state(c)


@scenario
def text_with_an_encoding(t: Test):
    c = t.accepted(kind="chat")
    c.use_encoding = 1
    c.set_terminator("é")
    t.peer("send", data="caf\xe9caf\xe9")
    t.quiet()
    t.state(c)


@scenario
def a_chat_reads_what_is_left_after_a_failing_found_terminator(t: Test):
    count = []

    def first_fails(me):
        count.append(me)
        if len(count) == 1:
            boom(me)

    c = t.connected(kind="chat", found=first_fails, handle_error=lambda me: t.log("goes on"))
    t.sends("one\ntwo\n")
    t.log("more")
    t.sends("three\n")
    t.state(c)


@scenario
def discard_buffers_in_found_terminator(t: Test):
    c = t.connected(kind="chat", found=lambda me: me.discard_buffers())
    t.sends("one\ntwo\nthree")
    t.sends("four\n")
    t.log("left " + t.show(c.collected()))
