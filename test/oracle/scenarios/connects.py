"""Connecting: what a client sees of it."""
from oracle_rt import Test, scenario


@scenario
def connect_is_told_by_the_next_pass(t: Test):
    c = t.client(t.peer_listens())
    if t.family != "unix":
        t.state(c)
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)


@scenario
def connect_and_data_come_together(t: Test):
    c = t.client(t.peer_listens())
    t.peer("accept", listener="l")
    t.peer("send", data="early")
    t.quiet()
    t.state(c)


@scenario
def connect_and_the_end_come_together(t: Test):
    c = t.client(t.peer_listens())
    t.peer("accept", listener="l")
    t.peer("send", data="early")
    t.peer("fin")
    t.quiet()
    t.state(c)


@scenario
def a_refused_connect(t: Test):
    address = t.peer_listens("refuser")
    c = t.channel()
    t.attempt("connect", lambda: c.connect(address))
    t.quiet()
    t.state(c)


@scenario
def a_channel_closed_before_it_is_connected(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens())
    t.state(c)
    c.close()
    t.quiet()
    t.state(c)


@scenario
def handle_connect_sends(t: Test):
    c = t.connected(handle_connect=lambda me: me.send(b"hello"))
    t.peer_reads(5)
    t.state(c)


@scenario
def handle_connect_sees_the_state_before(t: Test):
    t.connected(handle_connect=lambda me: t.state(me))


@scenario
def a_second_connection_after_the_first_has_ended(t: Test):
    c = t.connected()
    t.ends("fin")
    t.state(c)
    address = t.peer_listens(id="m")
    c.create_socket(t.af)
    c.connect(address)
    t.peer("accept", "q", listener="m")
    t.quiet()
    t.state(c)
    t.sends("again", "q")


@scenario
def two_clients_at_once(t: Test):
    address = t.peer_listens()
    a = t.client(address, name="a")
    b = t.client(address, name="b")
    t.peer("accept", "p", listener="l")
    t.peer("accept", "q", listener="l")
    t.quiet()
    t.state(a)
    t.state(b)
    t.sends("to both", "p")
    t.sends("to both", "q")


@scenario
def an_unwritable_client_learns_of_its_connection_by_reading(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), writable=lambda me: False)
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)
    t.sends("now")
    t.state(c)


@scenario
def a_client_that_neither_reads_nor_writes_learns_nothing(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), writable=lambda me: False, readable=lambda me: False)
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)


@scenario
def the_address_of_a_client(t: Test):
    address = t.peer_listens()
    c = t.client(address)
    t.peer("accept", listener="l")
    t.quiet()
    t.log("addr is the address" if t.same(c.addr, address) else "addr is another")


@scenario
def a_client_bound_before_it_connects(t: Test):
    address = t.peer_listens()
    c = t.channel()
    c.bind(t.free())
    c.connect(address)
    t.peer("accept", listener="l")
    t.quiet()
    t.sends("hello")
    t.state(c)


@scenario
def a_client_with_reuse_addr(t: Test):
    address = t.peer_listens()
    c = t.channel()
    c.set_reuse_addr()
    c.connect(address)
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)


@scenario
def a_channel_with_a_socket_and_nothing_else(t: Test):
    c = t.channel(writable=lambda me: False, readable=lambda me: False)
    t.state(c)
    t.quiet()
    c.close()
    t.state(c)


@scenario
def reading_before_the_connection_stands(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), handle_connect=lambda me: me.take(), handle_read=lambda me: t.log("nothing left"))
    t.peer("accept", listener="l")
    t.peer("send", data="in time")
    t.quiet()
    t.state(c)
