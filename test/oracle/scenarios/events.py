"""The event methods, overridden and called, and read(), write() and readwrite()."""
from oracle_rt import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, Act, Test, boom, exit_now, fail, read, readwrite, scenario, write


@scenario
def handle_read_event_overridden(t: Test):
    c = t.connected()
    c.handle_read_event = lambda: [t.log("read event"), c.take()]
    t.sends("data")
    t.ends("fin")
    t.state(c)


@scenario
def handle_write_event_overridden(t: Test):
    c = t.connected()
    c.handle_write_event = lambda: t.log("write event")
    c.wants_write = True
    t.loop()
    c.wants_write = False
    t.state(c)


@scenario
def handle_connect_event_overridden(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    c.handle_connect_event = lambda: [t.log("connect event"), t.becomes_connected(c)]
    c.connect(t.peer_listens())
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)
    t.sends("data")


@scenario
def handle_read_event_of_a_listener_overridden(t: Test):
    s = t.server()
    s.handle_read_event = lambda: [t.log("read event"), s.handle_accept()]
    t.comes(s)
    t.state(s)


@scenario
def handle_write_event_of_a_connecting_client_overridden(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    c.handle_write_event = lambda: [t.log("write event"), c.handle_connect_event()]
    c.connect(t.peer_listens())
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)


@scenario
def exception_in_handle_read_event(t: Test):
    c = t.connected()
    c.handle_read_event = lambda: boom(c)
    t.sends("data")
    t.state(c)


@scenario
def exit_now_in_handle_read_event(t: Test):
    c = t.connected()
    c.handle_read_event = lambda: exit_now(c)
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_handle_write_event(t: Test):
    c = t.connected()
    c.handle_write_event = lambda: exit_now(c)
    c.wants_write = True
    t.try_loop()
    c.wants_write = False
    t.state(c)


@scenario
def exit_now_in_handle_connect_event(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    c.handle_connect_event = lambda: exit_now(c)
    c.connect(t.peer_listens())
    t.peer("accept", listener="l")
    t.try_loop()
    c.close()
    t.state(c)


@scenario
def exception_in_handle_connect_event(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    c.handle_connect_event = lambda: boom(c)
    c.connect(t.peer_listens())
    t.peer("accept", listener="l")
    t.try_loop()
    t.state(c)


@scenario
def handle_read_event_called_by_hand(t: Test):
    c = t.connected()
    t.peer("send", data="data")
    t.seen(c)
    t.attempt("handle_read_event", lambda: c.handle_read_event())
    t.state(c)


@scenario
def handle_write_event_called_by_hand(t: Test):
    c = t.connected()
    c.wants_write = True
    t.attempt("handle_write_event", lambda: c.handle_write_event())


@scenario
def handle_expt_event_called_by_hand(t: Test):
    c = t.connected()
    t.attempt("handle_expt_event", lambda: c.handle_expt_event())
    t.state(c)


@scenario
def handle_accept_called_by_hand_with_nobody_there(t: Test):
    s = t.server()
    t.attempt("handle_accept", lambda: s.handle_accept())
    t.state(s)


@scenario
def handle_write_event_of_a_listener_called_by_hand(t: Test):
    s = t.server()
    s.wants_write = True
    t.attempt("handle_write_event", lambda: s.handle_write_event())
    t.state(s)


def by_hand(t: Test, act: Act):
    """read(), write() and readwrite() of a channel whose handlers do `act`."""
    c = t.nothing()
    c.hooks["handle_close"] = lambda me: t.log("closing")
    c.handle_read_event = lambda: [t.log("read"), act(c)]
    c.handle_write_event = lambda: [t.log("write"), act(c)]
    c.handle_expt_event = lambda: [t.log("expt"), act(c)]
    t.attempt("read()", lambda: read(c))
    t.attempt("write()", lambda: write(c))
    for flags in (0, POLLIN, POLLOUT, POLLPRI, POLLERR, POLLHUP, POLLNVAL, POLLIN | POLLOUT | POLLPRI | POLLHUP):
        t.attempt("readwrite() " + str(flags), lambda: readwrite(c, flags))


@scenario
def readwrite_of_handlers(t: Test):
    by_hand(t, lambda me: t.log("done"))


@scenario
def readwrite_of_handlers_that_raise(t: Test):
    by_hand(t, boom)


@scenario
def readwrite_of_handlers_that_exit(t: Test):
    by_hand(t, exit_now)


@scenario
def readwrite_of_handlers_that_lose_the_connection(t: Test):
    by_hand(t, fail("ECONNRESET"))


@scenario
def readwrite_of_handlers_that_meet_another_error(t: Test):
    by_hand(t, fail("ETIMEDOUT"))


@scenario
def readwrite_of_a_connection(t: Test):
    c = t.connected()
    c.wants_write = True
    t.peer("send", data="data")
    t.seen(c)
    readwrite(c, POLLIN | POLLOUT)
    t.state(c)
    readwrite(c, POLLHUP)
    t.state(c)


@scenario
def read_of_a_listener(t: Test):
    s = t.server()
    t.peer("connect", address=t.where(s))
    t.seen(s)
    read(s)
    t.state(s)
    t.state(s.children[0])
