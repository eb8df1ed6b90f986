"""Passes: the order of events, the predicates, `count`, `timeout` and `map`."""
from oracle_rt import Test, exit_now, scenario


@scenario
def reads_before_writes_of_two_channels(t: Test):
    a = t.connected(name="a", peer="p")
    b = t.connected(name="b", peer="q")
    t.peer("send", "q", data="2")
    t.peer("send", "p", data="1")
    a.wants_write = True
    b.wants_write = True
    t.loop()
    t.log("pass")
    t.loop()
    a.wants_write = False
    t.log("pass")
    t.loop()


@scenario
def reads_in_the_order_of_the_map(t: Test):
    t.connected(name="a", peer="p")
    t.connected(name="b", peer="q")
    t.connected(name="c", peer="r")
    t.peer("send", "r", data="3")
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.loop()
    t.log("pass")
    t.quiet()


@scenario
def the_predicates_are_asked_once_a_pass_in_order(t: Test):
    t.connected(name="a", peer="p")
    t.connected(name="b", peer="q")
    for c in t.channels():
        c.hooks["readable"] = lambda me: t.answer_with(me, "readable", True)
        c.hooks["writable"] = lambda me: t.answer_with(me, "writable", False)
    t.loop()
    t.log("pass")
    t.peer("send", "q", data="2")
    t.loop()
    t.log("pass")
    t.loop()


@scenario
def a_listener_is_not_asked_to_write(t: Test):
    s = t.server(writable=lambda me: t.answer_with(me, "writable", True))
    s.wants_write = True
    t.loop(2)
    t.state(s)


@scenario
def readable_switched_off_and_on(t: Test):
    c = t.connected()
    t.sends("1")
    c.wants_read = False
    t.sends("2")
    t.sends("3")
    t.log("on")
    c.wants_read = True
    t.quiet()
    c.wants_read = False
    t.sends("4")
    t.ends("fin")
    t.log("on")
    c.wants_read = True
    t.quiet()
    t.state(c)


@scenario
def writable_switched_on_and_off(t: Test):
    c = t.connected()
    t.loop(2)
    t.log("on")
    c.wants_write = True
    t.loop()
    t.log("pass")
    t.loop()
    c.wants_write = False
    t.log("off")
    t.loop(2)


@scenario
def handle_write_switches_itself_off(t: Test):
    c = t.connected()
    c.hooks["handle_write"] = lambda me: [me.send(b"once"), me.stop_writing()]
    c.wants_write = True
    t.quiet()
    t.peer_reads(4)
    t.log("on")
    c.wants_write = True
    t.quiet()
    t.peer_reads(4)


@scenario
def readable_that_switches_by_itself(t: Test):
    turns = [0]

    def every_other(me):
        turns[0] += 1
        t.log("asked")
        return turns[0] % 2 == 0

    c = t.connected()
    t.peer("send", data="data")
    c.hooks["readable"] = every_other
    t.loop()
    t.log("pass")
    t.loop()
    c.clear_hooks()


@scenario
def a_pass_reads_and_writes_one_channel(t: Test):
    c = t.connected()
    c.wants_write = True
    t.peer("send", data="data")
    t.loop()


@scenario
def handle_read_closes_before_handle_write(t: Test):
    c = t.connected(handle_read=lambda me: me.close())
    c.wants_write = True
    t.peer("send", data="data")
    t.loop()
    t.state(c)


@scenario
def a_channel_closes_the_next(t: Test):
    b = []
    t.connected(name="a", peer="p", handle_read=lambda me: [me.take(), b[0].close()])
    b.append(t.connected(name="b", peer="q"))
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.loop()
    t.state(b[0])
    t.quiet()


@scenario
def a_channel_closes_the_one_before(t: Test):
    a = t.connected(name="a", peer="p")
    t.connected(name="b", peer="q", handle_read=lambda me: [me.take(), a.close()])
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.loop()
    t.state(a)
    t.quiet()


@scenario
def a_channel_takes_the_next_out_of_the_map(t: Test):
    b = []
    t.connected(name="a", peer="p", handle_read=lambda me: [me.take(), b[0].del_channel()])
    b.append(t.connected(name="b", peer="q"))
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.loop()
    t.state(b[0])
    t.quiet()


@scenario
def a_channel_that_takes_itself_out_gets_no_more(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), me.del_channel()])
    t.connected(name="keeper", peer="q")
    t.sends("1")
    t.sends("2")
    t.state(c)


@scenario
def a_channel_added_during_a_pass_waits_for_the_next(t: Test):
    s = t.server()
    t.peer("connect", address=t.where(s))
    t.peer("send", data="early")
    t.loop()
    t.log("pass")
    t.loop()


@scenario
def a_client_made_in_a_hook(t: Test):
    address = t.peer_listens(id="m")
    t.connected(handle_read=lambda me: [me.take(), t.client(address, name="d")])
    t.sends("go")
    t.peer("accept", "q", listener="m")
    t.quiet()
    t.sends("hello", "q")


@scenario
def a_stopped_channel_is_turned_by_another(t: Test):
    a = t.connected(name="a", peer="p")
    a.wants_read = False
    t.connected(name="b", peer="q", handle_read=lambda me: [me.take(), a.start_reading()])
    t.sends("1", "p")
    t.peer("send", "q", data="2")
    t.loop()
    t.log("pass")
    t.loop()


@scenario
def count_limits_the_passes(t: Test):
    c = t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(1))))
    t.peer("send", data="abcdef")
    t.loop(2)
    t.log("two")
    t.loop(3)
    t.log("five")
    t.loop(1)
    t.state(c)


@scenario
def count_of_zero(t: Test):
    t.connected()
    t.peer("send", data="data")
    t.loop(0)
    t.log("nothing yet")
    t.loop(1)


@scenario
def the_timeout_of_a_pass_with_nothing_to_do(t: Test):
    t.connected()
    t.timed(0.06, 1)
    t.timed(0.03, 2)


@scenario
def the_timeout_of_a_pass_with_something_to_do(t: Test):
    t.connected()
    t.peer("send", data="data")
    t.timed(1, 1)


@scenario
def the_timeout_when_nobody_wants_anything(t: Test):
    c = t.connected()
    c.wants_read = False
    t.peer("send", data="data")
    t.timed(0.06, 1)


@scenario
def an_empty_map_returns_at_once(t: Test):
    t.timed(1, 3)


@scenario
def a_timeout_of_zero_looks_and_goes_on(t: Test):
    t.connected()
    t.loop(1, 0)
    t.log("nothing")
    t.peer("send", data="data")
    t.loop(3, 0)
    t.log("read")


@scenario
def two_maps_are_apart(t: Test):
    a = t.connected(name="a", peer="p")
    other = t.other_map()
    b = t.connected(name="b", peer="q")
    b.del_channel(t.map)
    t.revive(b, other)
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.quiet()
    t.log("the other")
    t.loop_other(other)
    t.state(a)


@scenario
def poll_is_one_pass(t: Test):
    t.connected(handle_read=lambda me: t.log("piece " + t.show(me.recv(1))))
    t.peer("send", data="abc")
    t.poll_once()
    t.log("pass")
    t.poll_once()


@scenario
def writes_of_three_channels_in_order(t: Test):
    t.connected(name="a", peer="p")
    t.connected(name="b", peer="q")
    t.connected(name="c", peer="r")
    for c in t.channels():
        c.wants_write = True
    t.loop()
    t.log("pass")
    t.loop()


@scenario
def a_closed_and_a_new_channel_in_one_pass(t: Test):
    t.connected(handle_read=lambda me: [me.take(), me.close(), t.server()])
    t.peer("send", data="go")
    t.quiet()
    for c in t.channels():
        t.state(c)


@scenario
def echo_of_two_channels_in_step(t: Test):
    t.connected(name="a", peer="p", handle_read=lambda me: me.echo())
    t.connected(name="b", peer="q", handle_read=lambda me: me.echo())
    t.sends("to a", "p")
    t.sends("to b", "q")
    t.peer_reads(4, "q")
    t.peer_reads(4, "p")
    t.sends("again", "q")
    t.peer_reads(5, "q")


@scenario
def a_relay_between_two_channels(t: Test):
    b = []
    a = t.connected(name="a", peer="p", handle_read=lambda me: t.forward(me, b[0]))
    b.append(t.connected(name="b", peer="q", handle_read=lambda me: t.forward(me, a)))
    t.sends("forward", "p")
    t.peer_reads(7, "q")
    t.sends("backward", "q")
    t.peer_reads(8, "p")
    t.ends("fin", "p")
    t.state(b[0])


@scenario
def add_channel_twice(t: Test):
    c = t.connected()
    c.add_channel()
    t.log("channels " + str(len(t.channels())))
    t.sends("once")


@scenario
def out_of_the_map_and_back(t: Test):
    c = t.connected()
    t.connected(name="keeper", peer="q")
    c.del_channel()
    t.sends("meanwhile")
    t.state(c)
    t.revive(c, t.map)
    t.quiet()
    t.state(c)


@scenario
def reads_writes_and_urgent_of_two_channels_in_one_pass(t: Test):
    if t.family == "unix":
        return
    a = t.connected(name="a", handle_expt=lambda me: me.urgent())
    b = t.connected(name="b", peer="q", handle_expt=lambda me: me.urgent())
    for id in ("q", "p"):
        t.peer("send", id, data="data")
        t.peer("oob", id, data="!")
    a.wants_write = True
    b.wants_write = True
    t.rest()
    t.loop()
    a.wants_write = False
    b.wants_write = False
    t.log("pass")
    t.quiet()


@scenario
def an_accept_a_read_a_write_and_an_end_in_one_pass(t: Test):
    s = t.server(child=dict(handle_read=lambda me: me.echo()))
    a = t.connected(name="a", peer="p")
    b = t.connected(name="b", peer="q")
    c = t.connected(name="c", peer="r")
    t.peer("fin", "r")
    t.peer("send", "p", data="data")
    t.peer("connect", "n", address=t.where(s))
    b.wants_write = True
    t.loop()
    b.wants_write = False
    t.log("pass")
    t.sends("to the new one", "n")
    t.peer_reads(14, "n")
    t.state(a)
    t.state(c)


@scenario
def readable_of_a_server_channel_switched_off_and_on(t: Test):
    c = t.accepted()
    t.sends("1")
    c.wants_read = False
    t.sends("2")
    t.log("on")
    c.wants_read = True
    t.quiet()


@scenario
def readable_of_a_listener_switched_off_and_on(t: Test):
    s = t.server()
    t.comes(s, "p")
    s.wants_read = False
    t.comes(s, "q")
    t.log("on")
    s.wants_read = True
    t.quiet()
    t.state(s)


@scenario
def writable_of_a_server_channel_switched_on_and_off(t: Test):
    c = t.accepted()
    t.loop(2)
    t.log("on")
    c.wants_write = True
    t.loop(2)
    c.wants_write = False
    t.log("off")
    t.loop(2)


@scenario
def writable_where_the_peer_does_not_read(t: Test):
    c = t.connected(handle_write=lambda me: t.log("room"))
    t.fill(c)
    c.wants_write = True
    t.loop(2)
    t.log("full")
    c.wants_write = False
    t.state(c)


@scenario
def readable_switched_off_in_handle_read(t: Test):
    c = t.connected(handle_read=lambda me: [t.log("piece " + t.show(me.recv(3))), me.stop_reading()])
    t.sends("abcdefgh")
    t.log("on")
    c.wants_read = True
    t.quiet()
    t.log("on")
    c.wants_read = True
    t.quiet()


@scenario
def writable_switched_on_in_handle_read(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), me.start_writing()])
    c.hooks["handle_write"] = lambda me: [me.send(b"answer"), me.stop_writing()]
    t.peer("send", data="question")
    t.loop()
    t.log("pass")
    t.loop()
    t.peer_reads(6)
    t.sends("another")
    t.peer_reads(6)


@scenario
def handle_write_closes_the_next(t: Test):
    a = t.connected(name="a", peer="p", handle_connect=lambda me: t.log("up"))
    b = t.connected(name="b", peer="q")
    a.hooks["handle_write"] = lambda me: [b.close(), me.stop_writing()]
    a.wants_write = True
    b.wants_write = True
    t.loop()
    t.log("pass")
    t.loop()
    t.state(b)


@scenario
def a_channel_closes_all_others_in_a_pass(t: Test):
    others = []
    t.connected(name="a", peer="p", handle_read=lambda me: [me.take(), t.close_each(others)])
    others.append(t.connected(name="b", peer="q"))
    others.append(t.connected(name="c", peer="r"))
    t.peer("send", "r", data="3")
    t.peer("send", "q", data="2")
    t.peer("send", "p", data="1")
    t.loop()
    t.log("pass")
    t.quiet()
    t.log("channels " + str(len(t.channels())))


@scenario
def a_channel_added_by_a_write_waits_for_the_next_pass(t: Test):
    address = t.peer_listens(id="m")
    c = t.connected(handle_connect=lambda me: t.log("up"))
    c.hooks["handle_write"] = lambda me: [me.stop_writing(), t.client(address, name="d")]
    if t.family == "unix":
        return
    c.wants_write = True
    t.loop()
    t.log("pass")
    t.peer("accept", "q", listener="m")
    t.quiet()
    t.sends("hello", "q")


@scenario
def a_channel_out_and_in_again_during_a_pass(t: Test):
    b = []
    t.connected(name="a", peer="p", handle_read=lambda me: [me.take(), b[0].del_channel(), t.revive(b[0], t.map)])
    b.append(t.connected(name="b", peer="q"))
    t.peer("send", "q", data="2")
    t.peer("send", "p", data="1")
    t.loop()
    t.log("pass")
    t.quiet()
    t.state(b[0])


@scenario
def the_map_cleared_during_a_pass(t: Test):
    a = t.connected(name="a", peer="p", handle_read=lambda me: [me.take(), t.map.clear()])
    b = t.connected(name="b", peer="q")
    t.peer("send", "q", data="2")
    t.peer("send", "p", data="1")
    t.loop()
    t.log("pass")
    t.loop(3)
    t.state(a)
    t.state(b)
    a.close()
    b.close()


@scenario
def a_new_socket_during_a_pass(t: Test):
    if t.family == "unix":
        return
    address = t.peer_listens(id="m")
    c = t.connected(handle_close=lambda me: [me.close(), me.create_socket(t.af), me.connect(address)])
    t.ends("fin")
    t.peer("accept", "q", listener="m")
    t.quiet()
    t.sends("again", "q")
    t.state(c)
    t.log("channels " + str(len(t.channels())))
    c.clear_hooks()


@scenario
def a_count_below_zero(t: Test):
    t.connected()
    t.peer("send", data="data")
    t.loop(-1)
    t.log("nothing yet")
    t.loop()


@scenario
def the_map_seen_from_a_hook(t: Test):
    t.connected(handle_read=lambda me: [me.take(), t.log("channels " + str(len(t.channels())))])
    t.peer("send", data="data")
    t.loop()


@scenario
def loop_without_a_count_ends_with_exit_now(t: Test):
    t.connected(handle_read=lambda me: [me.take(), exit_now(me)])
    t.peer("send", data="data")
    t.caught(lambda: t.loop_to_the_end())
    t.log("channels " + str(len(t.channels())))


@scenario
def poll_with_a_channel_that_ends(t: Test):
    c = t.connected()
    t.peer("fin")
    t.poll_once()
    t.state(c)
    t.poll_once()


@scenario
def the_timeout_of_a_loop_without_end(t: Test):
    """None: as long as it takes, which is until the peer speaks."""
    t.connected(handle_read=lambda me: [me.take(), me.close()])
    t.peer("send", data="data")
    t.loop_for_ever()
    t.log("ended")


@scenario
def five_channels_in_order(t: Test):
    for id in ("a", "b", "c", "d", "e"):
        t.connected(name=id, peer="p" + id)
    for id in ("e", "c", "a", "d", "b"):
        t.peer("send", "p" + id, data=id)
    for c in t.channels():
        c.wants_write = True
    t.loop()
    for c in t.channels():
        c.wants_write = False
    t.log("pass")
    for id in ("b", "e", "a", "d", "c"):
        t.peer("fin", "p" + id)
    t.loop()
    t.log("channels " + str(len(t.channels())))


@scenario
def a_class_without_handle_write_and_writable(t: Test):
    c = t.client(t.peer_listens(), kind="plain")
    t.peer("accept", listener="l")
    t.loop(3)
    t.state(c)
