"""Urgent data (TCP only)."""
from oracle_rt import Test, boom, exit_now, scenario


@scenario
def urgent_alone(t: Test):
    if t.family == "unix":
        return
    t.connected(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="!")
    t.quiet()
    t.sends("after")


@scenario
def urgent_after_data(t: Test):
    if t.family == "unix":
        return
    t.connected(handle_expt=lambda me: me.urgent())
    t.sends("before")
    t.peer("oob", data="!")
    t.quiet()


@scenario
def urgent_between_data(t: Test):
    if t.family == "unix":
        return
    t.connected(handle_expt=lambda me: me.urgent())
    t.sends("before")
    t.peer("oob", data="!")
    t.quiet()
    t.sends("after")
    t.ends("fin")


@scenario
def urgent_twice(t: Test):
    if t.family == "unix":
        return
    t.connected(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="1")
    t.quiet()
    t.sends("between")
    t.peer("oob", data="2")
    t.quiet()


@scenario
def urgent_with_its_own_bytes(t: Test):
    if t.family == "unix":
        return
    t.connected(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="abc!")
    t.quiet()


@scenario
def urgent_to_a_server_channel(t: Test):
    if t.family == "unix":
        return
    t.accepted(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="!")
    t.quiet()
    t.sends("after")


@scenario
def urgent_closes(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: me.close())
    t.peer("oob", data="!")
    t.quiet()
    t.state(c)


@scenario
def urgent_raises(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: [me.urgent(), boom(me)])
    t.peer("oob", data="!")
    t.quiet()
    t.state(c)


@scenario
def urgent_exits(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: [me.urgent(), exit_now(me)])
    t.peer("oob", data="!")
    t.try_quiet()
    t.state(c)


@scenario
def urgent_and_data_in_one_pass(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: me.urgent())
    t.peer("send", data="data")
    t.peer("oob", data="!")
    c.wants_write = True
    t.rest()
    t.loop()
    c.wants_write = False
    t.log("pass")
    t.quiet()
    t.state(c)


@scenario
def our_urgent_byte(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    c.send_urgent(b"!")
    c.send(b"after")
    t.peer_reads(5)


@scenario
def our_urgent_byte_is_taken(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    t.attempt("send", lambda: c.send_urgent(b"!"))
    t.peer_takes_urgent()
    c.send(b"after")
    t.peer_reads(5)
    t.state(c)


@scenario
def our_urgent_byte_between_data(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    c.send(b"before")
    c.send_urgent(b"!")
    c.send(b"after")
    t.peer_takes_urgent()
    t.peer_reads_to_mark()
    t.peer_reads(5)


@scenario
def our_urgent_byte_with_its_own_bytes(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    t.attempt("send", lambda: c.send_urgent(b"abc!"))
    c.send(b"after")
    t.peer_takes_urgent()
    t.peer_reads_to_mark()
    t.peer_reads(5)


@scenario
def our_urgent_bytes_twice(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    c.send_urgent(b"1")
    t.peer_takes_urgent()
    c.send(b"between")
    c.send_urgent(b"2")
    t.peer_takes_urgent()
    t.peer_reads_to_mark()
    c.close()
    t.peer_reads()


@scenario
def our_urgent_byte_from_a_server_channel(t: Test):
    if t.family == "unix":
        return
    c = t.accepted()
    c.send(b"before")
    c.send_urgent(b"!")
    c.send(b"after")
    t.peer_takes_urgent()
    t.peer_reads_to_mark()
    t.peer_reads(5)
    t.state(c)


@scenario
def our_urgent_byte_out_of_hooks(t: Test):
    if t.family == "unix":
        return
    t.accepted(handle_read=lambda me: [me.send(me.take()), me.send_urgent(b"!"), me.send(b" and more")])
    t.sends("echo")
    t.peer_takes_urgent()
    t.peer_reads_to_mark()
    t.peer_reads(9)


@scenario
def our_urgent_byte_in_handle_connect(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_connect=lambda me: me.send_urgent(b"!"))
    t.peer_takes_urgent()
    t.state(c)


@scenario
def our_urgent_byte_and_close(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    c.send(b"before")
    c.send_urgent(b"!")
    c.close()
    t.peer_takes_urgent()
    t.peer_reads()


@scenario
def our_urgent_byte_where_nobody_reads(t: Test):
    """What is queued cannot be overtaken."""
    if t.family == "unix":
        return
    c = t.connected()
    t.fill(c)
    t.attempt("send", lambda: c.send_urgent(b"!"))
    t.state(c)


@scenario
def our_urgent_byte_on_a_closed_channel(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    c.close()
    t.attempt("send", lambda: c.send_urgent(b"!"))


@scenario
def urgent_bytes_both_ways(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: [me.urgent(), me.send_urgent(b"?")])
    t.peer("oob", data="!")
    t.quiet()
    t.peer_takes_urgent()
    t.sends("in")
    c.send(b"out")
    t.peer_reads(3)


@scenario
def urgent_to_two_channels_in_one_pass(t: Test):
    if t.family == "unix":
        return
    a = t.connected(name="a", handle_expt=lambda me: me.urgent())
    b = t.connected(name="b", peer="q", handle_expt=lambda me: me.urgent())
    t.peer("oob", "q", data="2")
    t.peer("oob", "p", data="1")
    a.wants_write = True
    b.wants_write = True
    t.rest()
    t.loop()
    a.wants_write = False
    b.wants_write = False
    t.log("pass")
    t.quiet()


@scenario
def urgent_before_anybody_watches(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), handle_expt=lambda me: me.urgent())
    t.peer("accept", listener="l")
    t.peer("oob", data="!")
    t.quiet()
    t.sends("after")
    t.state(c)


@scenario
def urgent_while_nobody_reads_or_writes(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: me.urgent(), readable=lambda me: False)
    t.peer("oob", data="!")
    t.quiet()
    t.log("now")
    c.hooks["readable"] = lambda me: True
    t.quiet()


@scenario
def urgent_for_a_writer(t: Test):
    """select() watches for it where a channel only writes, poll() does not."""
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: [me.urgent(), me.stop_writing()], readable=lambda me: False)
    c.hooks["handle_write"] = lambda me: t.log("room")
    t.peer("oob", data="!")
    t.rest()
    c.wants_write = True
    t.loop()
    c.wants_write = False
    t.state(c)


@scenario
def recv_of_urgent_data_that_is_not_there(t: Test):
    if t.family == "unix":
        return
    c = t.connected()
    t.attempt("urgent", lambda: c.urgent())


@scenario
def urgent_and_the_end(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="!")
    t.quiet()
    t.ends("fin")
    t.state(c)


@scenario
def urgent_and_a_reset(t: Test):
    if t.family == "unix":
        return
    c = t.connected(handle_expt=lambda me: me.urgent())
    t.peer("oob", data="!")
    t.quiet()
    t.ends("rst")
    t.state(c)


@scenario
def urgent_to_a_class_without_handle_expt(t: Test):
    if t.family == "unix":
        return
    c = t.connected(kind="bare")
    t.peer("oob", data="!")
    t.rest()
    t.loop()
    t.state(c)


@scenario
def handle_expt_event_overridden(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="bare")
    c.handle_expt_event = lambda: [t.log("urgent event"), c.close()]
    t.peer("accept", listener="l")
    t.quiet()
    t.peer("oob", data="!")
    t.rest()
    t.quiet()
    t.state(c)


@scenario
def urgent_to_a_chat(t: Test):
    if t.family == "unix":
        return
    c = t.connected(kind="chat", handle_expt=lambda me: t.log("urgent"))
    t.peer("oob", data="!")
    t.rest()
    t.loop()
    t.sends("line\n")
    t.state(c)
