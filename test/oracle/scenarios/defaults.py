"""The default map: channels and functions that are told of no map."""
from oracle_rt import Test, boom, close_all, exit_now, scenario


@scenario
def a_channel_without_a_map_is_in_socket_map(t: Test):
    t.default_map()
    t.count()
    c = t.channel()
    t.count()
    t.in_default(c)
    c.close()
    t.count()
    t.in_default(c)


@scenario
def a_channel_with_a_map_is_not_in_socket_map(t: Test):
    c = t.channel()
    t.count()
    t.in_default(c)
    t.state(c)


@scenario
def a_channel_without_a_socket_is_in_no_map(t: Test):
    t.default_map()
    t.nothing()
    t.count()


@scenario
def loop_with_defaults_ends_with_the_last_channel(t: Test):
    t.default_map()
    c = t.connected()
    t.peer("send", data="last words")
    t.peer("fin")
    t.loop_with_defaults()
    t.log("ended")
    t.state(c)
    t.count()


@scenario
def loop_with_defaults_of_a_server(t: Test):
    t.default_map()
    s = t.server(handle_accepted=lambda me: [me.adopt(me.sock), me.close()], child=dict(handle_read=lambda me: me.echo()))
    t.peer("connect", address=t.where(s))
    t.peer("send", data="round trip")
    t.peer("fin")
    t.loop_with_defaults()
    t.log("ended")
    t.peer_reads()
    t.count()


@scenario
def loop_with_defaults_and_nobody_there(t: Test):
    t.default_map()
    t.loop_with_defaults()
    t.poll_with_defaults()
    t.log("ended")


@scenario
def loop_with_defaults_ends_with_a_file(t: Test):
    t.default_map()
    f = t.reader()
    t.peer("send", data="last words")
    t.peer("close")
    t.in_default(f)
    t.loop_with_defaults()
    t.log("ended")
    t.in_default(f)


@scenario
def poll_with_defaults_is_one_look(t: Test):
    t.default_map()
    t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(1))))
    t.poll_with_defaults()
    t.log("nothing")
    t.peer("send", data="abc")
    t.poll_with_defaults()
    t.log("one")
    t.poll_with_defaults()


@scenario
def count_with_the_default_map(t: Test):
    t.default_map()
    t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(1))))
    t.peer("send", data="abc")
    t.loop(2)
    t.log("two")
    t.loop()
    t.count()


@scenario
def close_all_with_defaults(t: Test):
    t.default_map()
    a = t.connected(name="a")
    b = t.connected(name="b", peer="q")
    t.count()
    t.attempt("close_all", lambda: close_all())
    t.count()
    t.state(a)
    t.state(b)
    t.peer_reads()
    t.peer_reads(id="q")


@scenario
def close_all_with_defaults_ends_the_loop(t: Test):
    t.default_map()
    t.connected(name="a", handle_read=lambda me: [me.take(), close_all()])
    b = t.connected(name="b", peer="q")
    t.peer("send", "p", data="the end")
    t.loop_with_defaults()
    t.log("ended")
    t.state(b)
    t.count()


@scenario
def close_all_with_defaults_leaves_other_maps(t: Test):
    own = t.connected(name="own")
    t.default_map()
    c = t.connected(peer="q")
    close_all()
    t.state(c)
    t.log("own is connected" if own.connected else "own is not connected")
    own.close()


@scenario
def close_all_with_defaults_and_ignored_errors(t: Test):
    t.default_map()
    a = t.connected(name="a", close=boom)
    b = t.connected(name="b", peer="q")
    t.attempt("close_all", lambda: close_all(None, True))
    t.state(a)
    t.state(b)
    a.clear_hooks()
    a.close()


@scenario
def socket_map_while_hooks_run(t: Test):
    t.default_map()
    t.server(
        handle_accepted=lambda me: [t.count(), me.adopt(me.sock), t.count(), me.close(), t.count()],
        child=dict(
            handle_read=lambda me: [t.count(), me.take()],
            handle_close=lambda me: [t.count(), t.in_default(me), me.close(), t.count(), t.in_default(me)],
        ),
    )
    t.peer("connect", address=t.where(t.channels()[0]))
    t.sends("data")
    t.ends("fin")
    t.count()


@scenario
def the_loop_of_one_map_leaves_the_other_alone(t: Test):
    own = t.connected(name="own")
    map = t.map
    t.default_map()
    t.connected(name="c", peer="q")
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.quiet()
    t.log("the other")
    t.loop_other(map)
    t.count()
    own.close()


@scenario
def an_accepted_channel_is_in_the_default_map(t: Test):
    """Its listener's map has no say in it."""
    s = t.server(handle_accepted=lambda me: [t.default_map(), me.adopt(me.sock)])
    own = t.map
    t.peer("connect", address=t.where(s))
    t.loop()
    t.count()
    t.in_default(s)
    t.in_default(s.children[0])
    t.sends("hello")
    t.loop_other(own)
    s.close()


@scenario
def exit_now_out_of_the_default_loop(t: Test):
    t.default_map()
    c = t.connected(handle_read=lambda me: [me.take(), exit_now(me)])
    t.peer("send", data="data")
    t.loop_with_defaults()
    t.state(c)
    t.count()
    c.clear_hooks()
    t.peer("fin")
    t.loop_with_defaults()
    t.count()


@scenario
def an_exception_in_the_default_loop(t: Test):
    t.default_map()
    t.connected(handle_read=boom)
    t.peer("send", data="data")
    t.loop_with_defaults()
    t.log("ended")
    t.count()


@scenario
def out_of_the_default_map_and_into_another(t: Test):
    t.default_map()
    c = t.connected()
    other = t.other_map()
    c.del_channel()
    t.count()
    t.revive(c, other)
    t.count()
    t.sends("meanwhile")
    t.loop_other(other)
    close_all(other)
    t.count()


@scenario
def add_channel_with_another_map(t: Test):
    """Python puts it into both."""
    t.default_map()
    c = t.connected()
    other = t.other_map()
    c.add_channel(other)
    t.in_default(c)
    c.del_channel(other)
    t.in_default(c)


@scenario
def del_channel_of_another_map(t: Test):
    t.default_map()
    c = t.connected()
    c.del_channel(t.other_map())
    t.in_default(c)


@scenario
def socket_map_cleared_in_a_hook(t: Test):
    t.default_map()
    c = t.connected(handle_read=lambda me: [me.take(), t.map.clear()])
    t.peer("send", data="data")
    t.loop_with_defaults()
    t.log("ended")
    t.log("connected" if c.connected else "not connected")
    c.close()
    t.count()


@scenario
def a_whole_program(t: Test):
    """Nothing is waited for before loop() begins."""
    if t.family == "unix":
        return
    t.fresh_map()
    s = t.server(handle_accepted=lambda me: [me.adopt(me.sock), me.close()], child=dict(handle_read=lambda me: me.echo()))
    t.client(
        t.where(s),
        handle_connect=lambda me: me.send(b"round trip"),
        handle_read=lambda me: [me.take(), me.close()],
    )
    t.loop_to_the_end()
    t.log("ended")


@scenario
def a_whole_program_with_two_clients(t: Test):
    if t.family == "unix":
        return
    t.fresh_map()
    s = t.server(child=dict(handle_read=lambda me: me.echo(), handle_close=lambda me: [me.close(), t.log("left " + str(len(t.channels())))]))

    heard = []

    def hears(me):
        me.take()
        me.close()
        heard.append(me)
        if len(heard) == 2:
            s.close()

    t.client(t.where(s), name="a", handle_connect=lambda me: me.send(b"from a"), handle_read=hears)
    t.client(t.where(s), name="b", handle_connect=lambda me: me.send(b"from b"), handle_read=hears)
    t.loop_to_the_end()
    t.log("ended")


@scenario
def a_whole_program_without_timeout(t: Test):
    if t.family == "unix":
        return
    t.fresh_map()
    s = t.server(handle_accepted=lambda me: [me.adopt(me.sock), me.close()], child=dict(handle_read=lambda me: me.close()))
    t.client(t.where(s), handle_connect=lambda me: me.send(b"hello"))
    t.loop_for_ever()
    t.log("ended")
