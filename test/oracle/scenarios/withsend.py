"""dispatcher_with_send."""
from oracle_rt import Test, boom, close_it, scenario


@scenario
def send_once_connected(t: Test):
    c = t.connected(kind="send")
    c.send(b"hello")
    t.peer_reads(5)
    t.state(c)


@scenario
def send_before_connected(t: Test):
    c = t.client(t.peer_listens(), kind="send")
    c.send(b"early")
    t.peer("accept", listener="l")
    t.quiet()
    t.peer_reads(5)
    t.state(c)


@scenario
def send_before_and_after_connected(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="send", handle_connect=lambda me: me.send(b"2"))
    c.send(b"1")
    t.peer("accept", listener="l")
    t.quiet()
    c.send(b"3")
    t.peer_reads(3)


@scenario
def echo_with_send(t: Test):
    t.accepted(kind="send", handle_read=lambda me: me.echo())
    t.sends("one")
    t.peer_reads(3)
    t.sends("two")
    t.peer_reads(3)
    t.ends("fin")


@scenario
def much_with_send(t: Test):
    c = t.connected(kind="send")
    c.send(b"z" * 2000000)
    t.peer_reads(2000000)
    t.quiet()
    t.log("writable" if c.writable() else "not writable")
    t.state(c)


@scenario
def writable_of_with_send(t: Test):
    c = t.client(t.peer_listens(), kind="send")
    if t.family != "unix":
        t.log("writable" if c.writable() else "not writable")
    t.peer("accept", listener="l")
    t.quiet()
    t.log("writable" if c.writable() else "not writable")


@scenario
def send_then_close(t: Test):
    c = t.connected(kind="send")
    c.send(b"bye")
    c.close()
    t.peer_reads()
    t.state(c)


@scenario
def send_nothing(t: Test):
    c = t.connected(kind="send")
    c.send(b"")
    t.quiet()
    t.state(c)


@scenario
def many_small_sends(t: Test):
    c = t.connected(kind="send")
    for i in range(50):
        c.send(b"0123456789")
    t.peer_reads(500)
    t.state(c)


@scenario
def with_send_and_fin(t: Test):
    c = t.connected(kind="send", handle_close=lambda me: [me.send(b"bye"), me.close()])
    t.sends("hello")
    t.ends("fin")
    t.peer_reads()
    t.state(c)


@scenario
def with_send_resets(t: Test):
    c = t.connected(kind="send")
    t.ends("rst")
    t.state(c)


@scenario
def what_send_returns(t: Test):
    c = t.connected()
    t.attempt("send", lambda: c.send(b"hello"))
    t.attempt("send", lambda: c.send(b""))
    t.peer_reads(5)


@scenario
def send_before_connect(t: Test):
    c = t.channel()
    t.attempt("send", lambda: c.send(b"nobody there"))
    t.state(c)


@scenario
def handle_connect_of_with_send_sends(t: Test):
    c = t.connected(kind="send", handle_connect=lambda me: me.send(b"hello"))
    t.peer_reads(5)
    t.state(c)


@scenario
def much_before_connected(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="send")
    c.send(b"z" * 1000000)
    t.peer("accept", listener="l")
    t.peer_reads(1000000)
    t.quiet()
    t.log("writable" if c.writable() else "not writable")
    t.state(c)


@scenario
def sends_before_connect(t: Test):
    """Before connect(), not only before it is done."""
    c = t.channel(kind="send")
    t.attempt("send", lambda: c.send(b"nobody there"))
    t.state(c)


@scenario
def a_server_that_answers_much(t: Test):
    t.accepted(kind="send", handle_read=lambda me: me.take() and me.send(b"a" * 1000000))
    t.sends("please")
    t.peer_reads(1000000)
    t.ends("fin")


@scenario
def with_send_where_the_peer_does_not_read(t: Test):
    c = t.connected(kind="send")
    sent = t.fill(c)
    t.loop(3)
    t.log("writable" if c.writable() else "not writable")
    t.drains(c, sent)
    t.state(c)


@scenario
def with_send_and_reset_while_sending(t: Test):
    if t.use_poll:
        return
    c = t.connected(kind="send", handle_read=lambda me: me.take())
    t.fill(c)
    t.loop(3)
    t.ends("rst")
    t.state(c)


@scenario
def initiate_send_by_hand(t: Test):
    c = t.connected(kind="send")
    c.send(b"hello")
    t.attempt("initiate_send", lambda: c.initiate_send())
    t.peer_reads(5)
    t.state(c)


@scenario
def send_in_handle_close_of_with_send(t: Test):
    c = t.accepted(kind="send", handle_close=lambda me: [me.send(b"last"), me.close()])
    t.ends("fin")
    t.peer_reads()
    t.state(c)


@scenario
def exception_in_handle_read_of_with_send(t: Test):
    c = t.connected(kind="send", handle_read=boom)
    t.sends("data")
    t.state(c)
    t.peer_ends()


@scenario
def close_in_handle_connect_of_with_send(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="send", handle_connect=close_it)
    t.peer("accept", listener="l")
    t.quiet()
    t.peer_reads()
    t.state(c)


@scenario
def a_dialogue_of_two_with_send(t: Test):
    if t.family == "unix":
        return
    s = t.server(kind="send", child=dict(handle_read=lambda me: me.echo()))
    c = t.client(t.where(s), kind="send", handle_read=lambda me: [me.take(), me.close()])
    c.send(b"round trip")
    t.quiet()
    t.state(c)
    t.state(s.children[0])
    s.close()
