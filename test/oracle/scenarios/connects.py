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


@scenario
def connect_to_an_address_that_cannot_be_reached(t: Test):
    """The kernel refuses a stream to a multicast address itself: nothing is sent."""
    if t.family == "unix":
        return
    c = t.channel()
    address = "224.0.0.1" if t.family == "tcp4" else "ff02::1"
    t.attempt("connect", lambda: c.connect((address, 9)))
    t.quiet()
    t.state(c)


@scenario
def connect_to_port_0(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    t.attempt("connect", lambda: c.connect(t.free()))
    t.quiet()
    t.state(c)


@scenario
def connect_to_a_path_that_is_not_there(t: Test):
    if t.family != "unix":
        return
    c = t.channel()
    t.attempt("connect", lambda: c.connect(t.free()))
    t.quiet()
    t.state(c)


@scenario
def connect_to_a_file_that_is_no_socket(t: Test):
    if t.family != "unix":
        return
    c = t.channel()
    path = t.regular("text")
    t.attempt("connect", lambda: c.connect(path))
    t.quiet()
    t.state(c)


@scenario
def two_refused_connects_one_after_the_other(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens("refuser")
    c = t.client(address)
    t.quiet()
    c.create_socket(t.af)
    c.connect(address)
    t.quiet()
    t.state(c)


@scenario
def a_refused_connect_and_a_connection(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens("refuser")
    good = t.peer_listens(id="m")
    c = t.client(address)
    t.quiet()
    t.state(c)
    c.create_socket(t.af)
    c.connect(good)
    t.peer("accept", listener="m")
    t.quiet()
    t.state(c)


@scenario
def a_refused_connect_beside_a_connection(t: Test):
    if t.family == "unix":
        return
    a = t.client(t.peer_listens("refuser", id="r"), name="a")
    b = t.client(t.peer_listens(), name="b")
    t.peer("accept", listener="l")
    t.quiet()
    t.state(a)
    t.state(b)


@scenario
def a_refused_connect_that_is_not_closed(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens("refuser"), handle_error=lambda me: [t.log("stays"), me.del_channel()])
    t.quiet()
    t.log("connected" if c.connected else "not connected")
    c.close()
    t.state(c)


@scenario
def a_refused_connect_of_with_send(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens("refuser"), kind="send")
    t.quiet()
    t.state(c)


@scenario
def a_refused_connect_of_a_chat_with_data_pushed(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens("refuser"), kind="chat")
    c.push(b"never sent")
    c.close_when_done()
    t.quiet()
    t.state(c)


@scenario
def connect_twice(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens()
    c = t.client(address)
    t.attempt("connect", lambda: c.connect(address))
    t.peer("accept", listener="l")
    t.quiet()
    t.state(c)


@scenario
def connect_when_connected(t: Test):
    c = t.connected()
    address = t.peer_listens(id="m")
    t.attempt("connect", lambda: c.connect(address))
    t.state(c)


@scenario
def connect_of_a_closed_channel(t: Test):
    c = t.connected()
    address = t.peer_listens(id="m")
    c.close()
    t.attempt("connect", lambda: c.connect(address))
    c.close()
    t.state(c)


@scenario
def connect_without_a_socket(t: Test):
    c = t.nothing()
    address = t.peer_listens()
    t.attempt("connect", lambda: c.connect(address))


@scenario
def bind_twice(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    t.attempt("bind", lambda: c.bind(t.free()))
    t.attempt("bind", lambda: c.bind(t.free()))


@scenario
def bind_to_an_address_that_is_not_ours(t: Test):
    if t.family == "unix":
        return
    c = t.channel()
    address = "192.0.2.1" if t.family == "tcp4" else "2001:db8::1"
    t.attempt("bind", lambda: c.bind((address, 0)))
    t.state(c)


@scenario
def bind_of_a_connected_channel(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    t.attempt("bind", lambda: c.bind(t.free()))
    t.state(c)


@scenario
def listen_of_a_connected_channel(t: Test):
    c = t.connected()
    t.attempt("listen", lambda: c.listen(5))
    c.accepting = False
    t.state(c)


@scenario
def what_a_connection_knows_of_itself(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens()
    c = t.client(address)
    t.peer("accept", listener="l")
    t.quiet()
    t.log("the peer's address" if t.same(t.peer_of(c), address) else "another address")
    t.log("a name of its own" if not t.same(t.where(c), address) else "the peer's name")
    c.close()
    t.attempt("getpeername", lambda: t.peer_of(c))


@scenario
def the_end_while_handle_connect_runs_late(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), handle_connect=lambda me: me.send(b"hello"))
    t.peer("accept", listener="l")
    t.peer("send", data="early")
    t.peer("close")
    t.quiet()
    t.state(c)


@scenario
def a_reset_before_anybody_has_looked(t: Test):
    """It reaches a client that has not been told that it is connected."""
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), quietly=True)
    t.peer("accept", listener="l")
    t.peer("rst")
    t.quiet()
    t.state(c)


@scenario
def a_channel_made_anew_after_each_end(t: Test):
    c = t.connected()
    for id in ("q", "r", "s"):
        address = t.peer_listens(id="m" + id)
        c.close()
        c.create_socket(t.af)
        c.connect(address)
        t.peer("accept", id, listener="m" + id)
        t.quiet()
        t.sends("to " + id, id)
    t.state(c)
    t.log("channels " + str(len(t.channels())))


@scenario
def connect_without_a_host(t: Test):
    if t.family == "unix":
        return
    s = t.server()
    c = t.channel()
    t.attempt("connect", lambda: c.connect(("", t.where(s)[1])))
    c.clear_hooks()
    c.close()
