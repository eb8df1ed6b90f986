"""close_all(): what a close() of its may raise, and what becomes of the others."""
from oracle_rt import Act, Test, boom, close_all, exit_now, fail, scenario


def with_the_second_of_three(t: Test, act: Act, ignore_all: bool):
    """The second of three channels does `act` when it is closed."""
    a = t.connected(name="a", peer="p")
    b = t.connected(name="b", peer="q", close=act)
    c = t.connected(name="c", peer="r")
    t.attempt("close_all", lambda: close_all(t.map, ignore_all))
    t.state(a)
    t.state(b)
    t.state(c)
    t.log("channels " + str(len(t.channels())))
    b.clear_hooks()
    b.close()


@scenario
def a_close_that_raises(t: Test):
    with_the_second_of_three(t, boom, False)


@scenario
def a_close_that_raises_and_is_ignored(t: Test):
    with_the_second_of_three(t, boom, True)


@scenario
def a_close_that_exits(t: Test):
    with_the_second_of_three(t, exit_now, False)


@scenario
def a_close_that_exits_is_not_ignored(t: Test):
    with_the_second_of_three(t, exit_now, True)


@scenario
def a_close_that_raises_ebadf(t: Test):
    with_the_second_of_three(t, fail("EBADF"), False)


@scenario
def a_close_that_raises_ebadf_and_is_ignored(t: Test):
    with_the_second_of_three(t, fail("EBADF"), True)


@scenario
def a_close_that_raises_enotconn(t: Test):
    with_the_second_of_three(t, fail("ENOTCONN"), False)


@scenario
def a_close_that_raises_enotconn_and_is_ignored(t: Test):
    with_the_second_of_three(t, fail("ENOTCONN"), True)


@scenario
def a_close_that_raises_eio(t: Test):
    with_the_second_of_three(t, fail("EIO"), False)


@scenario
def a_close_that_raises_eio_and_is_ignored(t: Test):
    with_the_second_of_three(t, fail("EIO"), True)


@scenario
def a_close_that_raises_after_closing(t: Test):
    a = t.connected(name="a", close=lambda me: [me.del_channel(), boom(me)])
    b = t.connected(name="b", peer="q")
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(a)
    t.state(b)
    a.clear_hooks()
    a.close()


@scenario
def a_close_that_closes_the_next(t: Test):
    b = []
    t.connected(name="a", close=lambda me: b[0].close())
    b.append(t.connected(name="b", peer="q", close=lambda me: t.log("b closes")))
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(b[0])
    t.peer_reads(id="q")


@scenario
def a_close_that_closes_the_one_before(t: Test):
    a = t.connected(name="a", close=lambda me: t.log("a closes"))
    t.connected(name="b", peer="q", close=lambda me: a.close())
    t.attempt("close_all", lambda: close_all(t.map))
    t.log("channels " + str(len(t.channels())))


@scenario
def a_close_that_makes_another_channel(t: Test):
    made = []
    a = t.connected(name="a", close=lambda me: made.append(t.channel(name="new")))
    t.attempt("close_all", lambda: close_all(t.map))
    t.log("made " + str(len(made)))
    t.state(made[0])
    t.state(a)
    t.log("channels " + str(len(t.channels())))
    made[0].close()


@scenario
def a_close_that_connects_anew(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens(id="m")
    made = []

    def anew(me):
        made.append(t.client(address, name="new", close=anew))

    a = t.connected(name="a", close=anew)
    t.attempt("close_all", lambda: close_all(t.map))
    t.log("made " + str(len(made)))
    t.state(a)
    t.log("channels " + str(len(t.channels())))
    for c in made:
        c.clear_hooks()
        c.close()


@scenario
def close_all_twice(t: Test):
    a = t.connected(name="a", close=lambda me: t.log("a closes"))
    t.attempt("close_all", lambda: close_all(t.map))
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(a)


@scenario
def close_all_of_every_kind(t: Test):
    s = t.server()
    t.comes(s, "q")
    c = t.connected()
    n = t.channel(name="n")
    f = t.reader("r")
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(s)
    t.state(s.children[0])
    t.state(c)
    t.state(n)
    t.state(f)
    t.peer_reads()
    t.peer_reads(id="q")


@scenario
def close_all_while_connecting(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens())
    t.state(c)
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(c)
    t.quiet()


@scenario
def close_all_with_bytes_unread(t: Test):
    c = t.connected(readable=lambda me: False)
    t.sends("never read")
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(c)
    t.peer_ends()


@scenario
def close_all_with_bytes_sent(t: Test):
    c = t.connected()
    c.send(b"good bye")
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(c)
    t.peer_reads()


@scenario
def close_all_in_handle_connect(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), handle_write=lambda me: close_all(t.map))
    t.peer("accept", listener="l")
    t.try_quiet()
    t.state(c)


@scenario
def close_all_in_handle_write(t: Test):
    a = t.connected(name="a", handle_write=lambda me: close_all(t.map))
    b = t.connected(name="b", peer="q")
    a.wants_write = True
    b.wants_write = True
    t.loop()
    t.state(a)
    t.state(b)


@scenario
def close_all_in_handle_close(t: Test):
    a = t.connected(name="a", handle_close=lambda me: close_all(t.map))
    b = t.connected(name="b", peer="q")
    t.peer("fin")
    t.loop()
    t.state(a)
    t.state(b)


@scenario
def close_all_in_handle_accept(t: Test):
    s = t.server(handle_accept=lambda me: close_all(t.map))
    c = t.connected(peer="q")
    t.peer("connect", address=t.where(s))
    t.loop()
    t.state(s)
    t.state(c)


@scenario
def close_all_in_handle_accepted(t: Test):
    s = t.server(handle_accepted=lambda me: [me.adopt(me.sock), close_all(t.map)])
    t.peer("connect", address=t.where(s))
    t.loop()
    t.state(s)
    t.state(s.children[0])
    t.peer_reads()


@scenario
def close_all_in_handle_error(t: Test):
    a = t.connected(name="a", handle_read=boom, handle_error=lambda me: close_all(t.map))
    b = t.connected(name="b", peer="q")
    t.peer("send", data="data")
    t.loop()
    t.state(a)
    t.state(b)


@scenario
def close_all_after_exit_now(t: Test):
    a = t.connected(name="a", handle_read=lambda me: [me.take(), exit_now(me)])
    b = t.connected(name="b", peer="q")
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.try_loop()
    t.attempt("close_all", lambda: close_all(t.map))
    t.state(a)
    t.state(b)
    t.quiet()


@scenario
def a_close_that_raises_in_close_all_of_a_hook(t: Test):
    a = t.connected(name="a", handle_read=lambda me: [me.take(), close_all(t.map)])
    b = t.connected(name="b", peer="q", close=boom)
    t.peer("send", data="data")
    t.loop()
    t.state(a)
    t.state(b)
    b.clear_hooks()
    b.close()


@scenario
def a_close_that_exits_in_close_all_of_a_hook(t: Test):
    a = t.connected(name="a", handle_read=lambda me: [me.take(), close_all(t.map, True)])
    b = t.connected(name="b", peer="q", close=exit_now)
    t.peer("send", data="data")
    t.try_loop()
    t.state(a)
    t.state(b)
    b.clear_hooks()
    b.close()
