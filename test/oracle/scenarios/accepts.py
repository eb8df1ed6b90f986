"""Listening and accepting."""
from oracle_rt import Test, boom, scenario


@scenario
def a_listener_is_accepting(t: Test):
    s = t.server()
    t.state(s)
    t.quiet()
    s.close()
    t.state(s)


@scenario
def accept_one(t: Test):
    s = t.server()
    t.comes(s)
    t.state(s)
    t.state(s.children[0])
    t.sends("hello")


@scenario
def accept_three_that_came_at_once(t: Test):
    s = t.server()
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.peer("connect", "r", address=t.where(s))
    t.quiet()
    t.sends("1", "p")
    t.sends("2", "q")
    t.sends("3", "r")


@scenario
def one_handle_accept_a_pass(t: Test):
    s = t.server()
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.peer("connect", "r", address=t.where(s))
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.quiet()


@scenario
def accept_until_there_is_none(t: Test):
    def everybody(me):
        pair = me.accept()
        while pair is not None:
            me.adopt(pair[0])
            pair = me.accept()

    s = t.server(handle_accept=everybody)
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.peer("connect", "r", address=t.where(s))
    t.quiet()
    t.log("children " + str(len(s.children)))


@scenario
def accept_with_nobody_there(t: Test):
    s = t.server()
    t.attempt("accept", lambda: s.accept())


@scenario
def accept_on_a_closed_listener(t: Test):
    s = t.server()
    s.close()
    t.attempt("accept", lambda: s.accept())


@scenario
def accept_without_listening(t: Test):
    c = t.channel()
    t.attempt("accept", lambda: c.accept())


@scenario
def handle_accept_that_accepts_nobody_is_called_again(t: Test):
    s = t.server(handle_accept=lambda me: t.log("not now"))
    t.peer("connect", address=t.where(s))
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    s.clear_hooks()
    t.quiet()


@scenario
def an_unreadable_listener_accepts_later(t: Test):
    s = t.server(readable=lambda me: False)
    t.comes(s)
    t.log("now")
    s.clear_hooks()
    t.quiet()
    t.sends("hello")


@scenario
def an_accepted_connection_is_turned_away(t: Test):
    s = t.server(handle_accepted=lambda me: me.sock.close())
    t.comes(s)
    t.peer_reads()
    t.state(s)


@scenario
def a_greeting_for_everybody(t: Test):
    s = t.server(handle_accepted=lambda me: me.adopt(me.sock).send(b"hello"))
    t.comes(s)
    t.peer_reads(5)


@scenario
def a_greeting_and_good_bye(t: Test):
    def greet(me):
        child = me.adopt(me.sock)
        child.send(b"hello and good bye")
        child.close()

    s = t.server(handle_accepted=greet)
    t.comes(s)
    t.peer_reads()


@scenario
def a_connection_that_has_ended_before_it_is_accepted(t: Test):
    s = t.server()
    t.peer("connect", address=t.where(s))
    t.peer("send", data="short")
    t.peer("close")
    t.quiet()
    t.state(s)


@scenario
def data_that_came_before_accept(t: Test):
    s = t.server()
    t.peer("connect", address=t.where(s))
    t.peer("send", data="early")
    t.loop()
    t.log("pass")
    t.quiet()


@scenario
def the_listener_closes_and_its_channels_live_on(t: Test):
    s = t.server()
    t.comes(s)
    s.close()
    t.sends("hello")
    t.state(s)
    t.state(s.children[0])


@scenario
def two_listeners(t: Test):
    a = t.server(name="a")
    b = t.server(name="b")
    t.peer("connect", "q", address=t.where(b))
    t.peer("connect", "p", address=t.where(a))
    t.loop()
    t.log("pass")
    t.quiet()


@scenario
def a_listener_and_a_client_of_one_map(t: Test):
    if t.family == "unix":
        return
    s = t.server(child=dict(handle_read=lambda me: me.echo()))
    c = t.client(t.where(s), handle_connect=lambda me: me.send(b"round trip"))
    t.quiet()
    t.state(c)
    c.close()
    t.quiet()
    t.state(s)


@scenario
def bind_to_an_address_in_use(t: Test):
    s = t.server()
    c = t.channel()
    t.attempt("bind", lambda: c.bind(t.where(s)))
    t.state(c)


@scenario
def listen_twice(t: Test):
    s = t.server()
    t.attempt("listen", lambda: s.listen(1))
    t.comes(s)
    t.state(s)


@scenario
def a_channel_made_from_a_socket_is_connected(t: Test):
    c = t.accepted()
    t.state(c)
    t.log("has an address" if c.addr else "has none")


@scenario
def connect_to_a_listener_that_closed(t: Test):
    if t.family == "unix":
        return
    s = t.server()
    address = t.where(s)
    s.close()
    t.quiet()
    c = t.client_quietly(address)
    t.quiet()
    t.state(c)


@scenario
def pending_connections_of_a_listener_that_closes(t: Test):
    s = t.server(readable=lambda me: False)
    t.comes(s)
    s.close()
    t.peer_ends()
    t.state(s)


@scenario
def the_path_of_a_closed_unix_listener(t: Test):
    if t.family != "unix":
        return
    s = t.server()
    path = t.where(s)
    t.log("there" if t.exists(path) else "gone")
    s.close()
    t.quiet()
    t.log("there" if t.exists(path) else "gone")


@scenario
def handle_accept_in_the_old_manner(t: Test):
    """Programs from before handle_accepted() call accept() themselves."""
    def old(me):
        pair = me.accept()
        if pair is not None:
            me.adopt(pair[0]).send(b"hello")

    s = t.server(handle_accept=old)
    t.comes(s)
    t.peer_reads(5)
    t.state(s)


@scenario
def accept_between_passes(t: Test):
    s = t.server()
    t.peer("connect", address=t.where(s))
    t.seen(s)
    pair = s.accept()
    t.log("a pair" if pair is not None else "nobody")
    t.attempt("accept", lambda: s.accept())
    t.adopt_pair(s, pair)
    t.sends("hello")


@scenario
def listen_without_bind(t: Test):
    if t.family == "unix":
        return
    s = t.channel(name="s")
    t.attempt("listen", lambda: s.listen(5))
    t.state(s)
    s.clear_hooks()
    s.close()


@scenario
def listen_after_close(t: Test):
    s = t.server()
    s.close()
    t.attempt("listen", lambda: s.listen(5))
    s.close()
    t.state(s)


@scenario
def bind_after_close(t: Test):
    c = t.channel()
    c.close()
    t.attempt("bind", lambda: c.bind(t.free()))


@scenario
def a_listener_with_a_backlog_of_one(t: Test):
    s = t.server(backlog=1)
    t.comes(s, "p")
    t.comes(s, "q")
    t.state(s)


@scenario
def a_listener_made_anew_on_its_address(t: Test):
    if t.family == "unix":
        return
    s = t.server()
    address = t.where(s)
    s.close()
    t.quiet()
    s.create_socket(t.af)
    s.set_reuse_addr()
    t.attempt("bind", lambda: s.bind(address))
    s.listen(5)
    t.comes(s)
    t.state(s)


@scenario
def a_reset_before_it_is_accepted(t: Test):
    s = t.server(child=dict(quietly=True))
    t.peer("connect", address=t.where(s))
    t.peer("rst")
    t.quiet()
    t.state(s)


@scenario
def a_listener_that_closes_in_handle_accepted_with_others_waiting(t: Test):
    s = t.server(handle_accepted=lambda me: [me.adopt(me.sock), me.close()])
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.quiet()
    t.peer_ends("q")
    t.sends("hello", "p")
    t.state(s)


@scenario
def an_accepted_channel_closes_its_listener(t: Test):
    s = t.server()
    s.child_hooks = dict(handle_read=lambda me: [me.take(), s.close()])
    t.comes(s)
    t.sends("stop")
    t.state(s)
    t.state(s.children[0])
    t.sends("still here")


@scenario
def exception_in_handle_accepted_with_another_waiting(t: Test):
    count = []

    def first_fails(me):
        count.append(me)
        if len(count) == 1:
            boom(me)
        me.adopt(me.sock)

    s = t.server(handle_accepted=first_fails, handle_error=lambda me: t.log("goes on"))
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.quiet()
    t.sends("hello", "q")
    t.state(s)


@scenario
def a_listener_asked_for_its_peer(t: Test):
    s = t.server()
    t.attempt("getpeername", lambda: t.peer_of(s))


@scenario
def send_of_a_listener(t: Test):
    if t.family == "unix":
        return
    s = t.server(handle_close=lambda me: t.log("stays"))
    t.attempt("send", lambda: s.send(b"x"))
    t.state(s)


@scenario
def the_default_handle_accept_of_two(t: Test):
    s = t.bare_server()
    t.peer("connect", "p", address=t.where(s))
    t.peer("connect", "q", address=t.where(s))
    t.quiet()
    t.peer_reads(id="p")
    t.peer_reads(id="q")
    t.state(s)
