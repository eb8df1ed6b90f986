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
