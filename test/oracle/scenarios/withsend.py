"""dispatcher_with_send."""
from oracle_rt import Test, scenario


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
