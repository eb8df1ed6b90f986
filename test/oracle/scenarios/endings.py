"""Every ending of a connection, in both roles."""
from oracle_rt import Test, boom, close_all, scenario


@scenario
def fin_to_a_client(t: Test):
    c = t.connected()
    t.ends("fin")
    t.state(c)
    t.peer_reads()


@scenario
def fin_to_a_server_channel(t: Test):
    c = t.accepted()
    t.ends("fin")
    t.state(c)
    t.peer_reads()


@scenario
def data_and_fin(t: Test):
    c = t.connected()
    t.peer("send", data="last words")
    t.ends("fin")
    t.state(c)


@scenario
def close_by_the_peer(t: Test):
    c = t.connected()
    t.ends("close")
    t.state(c)


@scenario
def reset_to_a_client(t: Test):
    c = t.connected()
    t.ends("rst")
    t.state(c)


@scenario
def reset_to_a_server_channel(t: Test):
    c = t.accepted()
    t.ends("rst")
    t.state(c)


@scenario
def reset_while_nobody_reads(t: Test):
    if t.use_poll:
        return
    c = t.connected(readable=lambda me: False)
    t.ends("rst")
    t.state(c)
    c.clear_hooks()
    t.quiet()
    t.state(c)


@scenario
def half_close_and_an_answer(t: Test):
    c = t.connected(handle_close=lambda me: [me.send(b"the answer"), me.close()])
    t.sends("the question")
    t.ends("fin")
    t.peer_reads()
    t.state(c)


@scenario
def half_close_and_an_answer_of_a_server(t: Test):
    c = t.accepted(handle_close=lambda me: [me.send(b"the answer"), me.close()])
    t.sends("the question")
    t.ends("fin")
    t.peer_reads()
    t.state(c)


@scenario
def our_half_close_and_the_answer(t: Test):
    c = t.connected()
    c.send(b"the question")
    c.socket.shutdown(1)
    t.peer_reads()
    t.sends("the answer")
    t.state(c)
    t.ends("fin")
    t.state(c)


@scenario
def our_close_while_idle(t: Test):
    c = t.connected()
    c.close()
    t.state(c)
    t.peer_reads()
    t.quiet()


@scenario
def our_close_after_sending(t: Test):
    c = t.connected()
    c.send(b"bye")
    c.close()
    t.state(c)
    t.peer_reads()


@scenario
def server_close_after_sending(t: Test):
    c = t.accepted()
    c.send(b"bye")
    c.close()
    t.state(c)
    t.peer_reads()


@scenario
def double_close(t: Test):
    c = t.connected()
    c.close()
    t.attempt("close", lambda: c.close())
    t.state(c)
    t.peer_reads()


@scenario
def close_without_a_socket(t: Test):
    c = t.nothing()
    t.attempt("close", lambda: c.close())
    t.state(c)


@scenario
def close_of_a_socket_that_never_connected(t: Test):
    c = t.channel()
    c.close()
    t.state(c)
    c.close()
    t.state(c)


@scenario
def handle_close_that_does_not_close(t: Test):
    c = t.connected(handle_close=lambda me: me.stop_reading())
    t.ends("fin")
    t.state(c)
    c.send(b"still here")
    t.peer_reads(10)
    c.close()
    t.peer_reads()


@scenario
def a_whole_exchange_and_our_close(t: Test):
    c = t.connected(handle_read=lambda me: me.echo())
    t.sends("one")
    t.peer_reads(3)
    t.sends("two")
    t.peer_reads(3)
    c.close()
    t.peer_reads()
    t.state(c)


@scenario
def a_whole_exchange_and_their_close(t: Test):
    c = t.accepted(handle_read=lambda me: me.echo())
    t.sends("one")
    t.peer_reads(3)
    t.sends("two")
    t.peer_reads(3)
    t.ends("close")
    t.state(c)


@scenario
def close_all_between_passes(t: Test):
    a = t.connected(name="a")
    b = t.connected(name="b", peer="q")
    s = t.server()
    close_all(t.map)
    t.state(a)
    t.state(b)
    t.state(s)
    t.peer_reads()
    t.peer_reads(id="q")
    t.quiet()


@scenario
def close_all_in_a_hook(t: Test):
    a = t.connected(name="a", handle_read=lambda me: close_all(t.map))
    b = t.connected(name="b", peer="q")
    t.peer("send", "q", data="never read")
    t.peer("send", "p", data="the end")
    t.loop()
    t.state(a)
    t.state(b)
    t.quiet()


@scenario
def close_all_of_nothing(t: Test):
    t.attempt("close_all", lambda: close_all(t.map))


@scenario
def close_all_when_a_close_raises(t: Test):
    a = t.connected(name="a", close=boom)
    b = t.connected(name="b", peer="q")
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(a)
    t.state(b)
    a.clear_hooks()


@scenario
def close_all_that_ignores_errors(t: Test):
    a = t.connected(name="a", close=boom)
    b = t.connected(name="b", peer="q")
    t.attempt("close_all", lambda: close_all(t.map, True))
    t.state(a)
    t.state(b)
    a.clear_hooks()
    a.close()


@scenario
def the_loop_ends_with_the_last_channel(t: Test):
    t.connected()
    t.peer("fin")
    t.loop_to_the_end()
    t.log("ended")


@scenario
def the_loop_ends_with_the_last_of_three(t: Test):
    t.connected(name="a", peer="p")
    t.connected(name="b", peer="q")
    t.connected(name="c", peer="r")
    t.peer("fin", "p")
    t.loop()
    t.peer("fin", "r")
    t.loop()
    t.peer("fin", "q")
    t.loop_to_the_end()
    t.log("ended")


@scenario
def recv_after_close(t: Test):
    c = t.connected()
    c.close()
    t.attempt("recv", lambda: c.recv(10))


@scenario
def send_after_close(t: Test):
    c = t.connected()
    c.close()
    t.attempt("send", lambda: c.send(b"too late"))
    t.state(c)


@scenario
def send_after_the_peer_has_reset(t: Test):
    c = t.connected(readable=lambda me: False)
    t.peer("rst")
    t.attempt("send", lambda: c.send(b"too late"))
    t.attempt("send", lambda: c.send(b"too late"))
    t.quiet()
    t.state(c)


@scenario
def send_of_a_reader_after_the_peer_has_reset(t: Test):
    c = t.connected()
    t.peer("rst")
    t.attempt("send", lambda: c.send(b"too late"))
    t.state(c)
    t.quiet()
    t.state(c)


@scenario
def recv_with_nothing_there(t: Test):
    c = t.connected()
    t.attempt("recv", lambda: c.recv(10))
    t.state(c)


@scenario
def recv_in_pieces(t: Test):
    t.connected(handle_read=lambda me: me.take(3))
    t.sends("abcdefgh")
    t.ends("fin")


@scenario
def one_piece_a_pass(t: Test):
    t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(3))))
    t.peer("send", data="abcdefgh")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.quiet()


@scenario
def fin_while_unread_bytes_wait(t: Test):
    c = t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(3))))
    t.peer("send", data="abcdefgh")
    t.ends("fin")
    t.state(c)


@scenario
def much_data_in(t: Test):
    c = t.connected()
    t.tell("flood", "p", count=3000000)
    t.until(lambda: t.answered())
    t.answer()
    t.quiet()
    t.ends("fin")
    t.state(c)


@scenario
def much_data_out(t: Test):
    left = [b"y" * 3000000]

    def more(me):
        sent = me.send(left[0][:65536])
        left[0] = left[0][sent:]
        if not left[0]:
            me.close()

    c = t.connected(handle_write=more, quietly=True)
    c.wants_write = True
    t.peer_reads()
    t.state(c)


@scenario
def the_peer_closes_with_our_bytes_unread(t: Test):
    c = t.connected()
    c.send(b"never read")
    t.loop()
    t.ends("close")
    t.state(c)


@scenario
def we_close_with_their_bytes_unread(t: Test):
    c = t.connected(readable=lambda me: False)
    t.sends("never read")
    c.close()
    t.state(c)
    t.peer_reads()


@scenario
def data_and_reset(t: Test):
    c = t.connected()
    t.peer("send", data="last words")
    t.ends("rst")
    t.state(c)


@scenario
def data_and_reset_to_a_server_channel(t: Test):
    c = t.accepted()
    t.peer("send", data="last words")
    t.ends("rst")
    t.state(c)


@scenario
def data_and_close_to_a_server_channel(t: Test):
    c = t.accepted()
    t.peer("send", data="last words")
    t.ends("close")
    t.state(c)


@scenario
def reset_while_writing(t: Test):
    c = t.connected(handle_write=lambda me: me.send(b"x" * 65536), quietly=True)
    c.wants_write = True
    t.loop(3)
    t.peer("rst")
    t.quiet()
    c.wants_write = False
    t.state(c)


@scenario
def reset_after_our_half_close(t: Test):
    c = t.connected()
    c.socket.shutdown(1)
    t.peer_reads()
    t.ends("rst")
    t.state(c)


@scenario
def reset_after_the_peers_half_close(t: Test):
    """The first end was told and left the channel open."""
    if t.use_poll:
        return
    c = t.connected(handle_close=lambda me: me.stop_reading())
    t.ends("fin")
    t.state(c)
    t.ends("rst")
    t.state(c)
    c.close()


@scenario
def a_server_half_closes_and_hears_the_rest(t: Test):
    c = t.accepted()
    c.send(b"all I have to say")
    c.socket.shutdown(1)
    t.peer_reads()
    t.sends("go on")
    t.ends("fin")
    t.state(c)


@scenario
def half_close_twice(t: Test):
    c = t.connected()
    t.attempt("shutdown", lambda: c.socket.shutdown(1))
    t.attempt("shutdown", lambda: c.socket.shutdown(1))
    t.peer_reads()
    t.state(c)


@scenario
def send_after_our_half_close(t: Test):
    c = t.connected()
    c.socket.shutdown(1)
    t.attempt("send", lambda: c.send(b"too late"))
    t.state(c)


@scenario
def shutdown_of_both_directions(t: Test):
    c = t.connected()
    t.attempt("shutdown", lambda: c.socket.shutdown(2))
    t.quiet()
    t.peer_reads()
    t.state(c)


@scenario
def shutdown_of_our_reading(t: Test):
    c = t.connected()
    t.attempt("shutdown", lambda: c.socket.shutdown(0))
    t.quiet()
    t.state(c)


@scenario
def shutdown_of_a_channel_that_is_not_connected(t: Test):
    c = t.channel()
    t.attempt("shutdown", lambda: c.socket.shutdown(1))


@scenario
def handle_close_that_neither_closes_nor_stops_reading(t: Test):
    c = t.connected(handle_close=lambda me: t.log("goes on"))
    t.peer("fin")
    t.loop(4)
    t.state(c)


@scenario
def close_in_the_middle_of_reading(t: Test):
    c = t.connected(handle_read=lambda me: [t.log("piece " + t.show(me.recv(3))), me.close()])
    t.sends("abcdefgh")
    t.state(c)


@scenario
def close_after_sending_in_handle_read(t: Test):
    c = t.accepted(handle_read=lambda me: [me.take(), me.send(b"and good bye"), me.close()])
    t.sends("hello")
    t.peer_reads()
    t.state(c)


@scenario
def close_in_handle_write_after_sending(t: Test):
    c = t.connected(handle_connect=lambda me: t.log("up"))
    c.hooks["handle_write"] = lambda me: [me.send(b"bye"), me.close()]
    c.wants_write = True
    t.quiet()
    t.peer_reads()
    t.state(c)


@scenario
def two_channels_end_in_one_pass(t: Test):
    a = t.connected(name="a")
    b = t.connected(name="b", peer="q")
    t.peer("fin", "q")
    t.peer("fin", "p")
    t.loop()
    t.state(a)
    t.state(b)


@scenario
def one_channel_resets_and_another_goes_on(t: Test):
    if t.use_poll:
        return
    a = t.connected(name="a")
    b = t.connected(name="b", peer="q")
    t.ends("rst", "p")
    t.sends("still here", "q")
    t.state(a)
    t.state(b)


@scenario
def double_close_of_a_listener(t: Test):
    s = t.server()
    s.close()
    t.attempt("close", lambda: s.close())
    t.state(s)


@scenario
def double_close_of_a_server_channel(t: Test):
    c = t.accepted()
    c.close()
    t.attempt("close", lambda: c.close())
    t.peer_reads()
    t.state(c)


@scenario
def double_close_in_handle_close(t: Test):
    c = t.connected(handle_close=lambda me: [me.close(), me.close()])
    t.ends("fin")
    t.state(c)


@scenario
def close_of_a_socket_behind_the_channels_back(t: Test):
    """The channel is taken out first; its socket is the program's then."""
    c = t.connected()
    c.del_channel()
    c.socket.close()
    t.peer_reads()
    t.attempt("close", lambda: c.close())
    t.state(c)


@scenario
def recv_without_a_socket(t: Test):
    c = t.nothing()
    t.attempt("recv", lambda: c.recv(10))


@scenario
def recv_before_connect(t: Test):
    c = t.channel()
    t.attempt("recv", lambda: c.recv(10))
    t.state(c)


@scenario
def recv_of_a_listener(t: Test):
    s = t.server()
    t.attempt("recv", lambda: s.recv(10))
    s.clear_hooks()
    s.close()


@scenario
def one_send_after_the_peer_has_reset(t: Test):
    """By a channel that does not read, and so hears nothing of a reset."""
    c = t.connected(readable=lambda me: False)
    t.peer("rst")
    t.attempt("send", lambda: c.send(b"too late"))
    t.quiet()
    t.state(c)


@scenario
def recv_of_nothing(t: Test):
    c = t.connected(handle_read=lambda me: [t.attempt("recv", lambda: me.recv(0)), me.stop_reading()])
    t.sends("data")
    t.state(c)


@scenario
def send_to_a_channel_that_has_closed(t: Test):
    """By another channel's hook, as a broadcast does."""
    b = t.connected(name="b", peer="q")
    b.close()
    t.connected(name="a", handle_read=lambda me: [me.take(), t.attempt("send", lambda: b.send(b"are you there"))])
    t.sends("data")
    t.state(b)
