"""close(), an exception and ExitNow in each hook."""
from oracle_rt import Act, Hook, Test, boom, close_it, exit_now, scenario


def in_hook(t: Test, hook: Hook, act: Act):
    """A connection on which everything happens, and `act` in one hook."""
    c = t.client(t.peer_listens(), **{hook: act})
    t.peer("accept", listener="l")
    t.try_quiet()
    t.state(c)
    t.tries("send", data="data")
    t.try_quiet()
    c.wants_write = True
    t.try_loop()
    c.wants_write = False
    t.state(c)
    t.tries("fin")
    t.try_quiet()
    t.state(c)


def in_listener(t: Test, hook: Hook, act: Act):
    """A listener, a connection to it and `act` in one hook."""
    s = t.server(**{hook: act})
    t.peer("connect", address=t.where(s))
    t.try_loop()
    t.state(s)
    t.hangs_up(s)
    t.quiet()


def after_error(t: Test, act: Act):
    """handle_read fails and handle_error does `act`."""
    c = t.connected(handle_read=lambda me: [me.take(), boom(me)], handle_error=act)
    t.peer("send", data="data")
    t.try_quiet()
    t.state(c)
    t.tries("send", data="more")
    t.try_quiet()
    t.state(c)


@scenario
def close_in_handle_connect(t: Test):
    in_hook(t, "handle_connect", close_it)


@scenario
def close_in_handle_read(t: Test):
    in_hook(t, "handle_read", close_it)


@scenario
def close_in_handle_write(t: Test):
    in_hook(t, "handle_write", close_it)


@scenario
def close_in_handle_close(t: Test):
    in_hook(t, "handle_close", close_it)


@scenario
def close_in_readable(t: Test):
    in_predicate(t, "readable", close_it)


@scenario
def close_in_writable(t: Test):
    in_predicate(t, "writable", close_it)


@scenario
def close_in_handle_accept(t: Test):
    in_listener(t, "handle_accept", close_it)


@scenario
def close_in_handle_accepted(t: Test):
    in_listener(t, "handle_accepted", close_it)


@scenario
def close_in_handle_error(t: Test):
    after_error(t, close_it)


@scenario
def exception_in_handle_connect(t: Test):
    in_hook(t, "handle_connect", boom)


@scenario
def exception_in_handle_read(t: Test):
    in_hook(t, "handle_read", boom)


@scenario
def exception_in_handle_write(t: Test):
    in_hook(t, "handle_write", boom)


@scenario
def exception_in_handle_close(t: Test):
    in_hook(t, "handle_close", boom)


@scenario
def exception_in_handle_accept(t: Test):
    in_listener(t, "handle_accept", boom)


@scenario
def exception_in_handle_accepted(t: Test):
    in_listener(t, "handle_accepted", boom)


@scenario
def exception_in_handle_error(t: Test):
    after_error(t, boom)


@scenario
def exit_now_in_handle_connect(t: Test):
    in_hook(t, "handle_connect", exit_now)


@scenario
def exit_now_in_handle_read(t: Test):
    in_hook(t, "handle_read", lambda me: [me.take(), exit_now(me)])


@scenario
def exit_now_in_handle_write(t: Test):
    in_hook(t, "handle_write", exit_now)


@scenario
def exit_now_in_handle_close(t: Test):
    in_hook(t, "handle_close", lambda me: [me.close(), exit_now(me)])


@scenario
def exit_now_in_handle_accept(t: Test):
    in_listener(t, "handle_accept", lambda me: [me.accept(), exit_now(me)])


@scenario
def exit_now_in_handle_accepted(t: Test):
    in_listener(t, "handle_accepted", exit_now)


@scenario
def exit_now_in_handle_error(t: Test):
    after_error(t, exit_now)


def in_predicate(t: Test, hook: Hook, act: Act):
    """`act` in a predicate, once the connection stands."""
    c = t.connected()
    c.hooks[hook] = lambda me: [t.log(hook), act(me)]
    t.try_loop()
    c.clear_hooks()
    t.state(c)
    t.peer_reads()


@scenario
def exit_now_in_readable(t: Test):
    c = t.connected()
    c.hooks["readable"] = exit_now
    t.try_loop()
    c.clear_hooks()
    t.state(c)


@scenario
def exit_now_in_writable(t: Test):
    c = t.connected()
    c.hooks["writable"] = exit_now
    t.try_loop()
    c.clear_hooks()
    t.state(c)


@scenario
def exception_in_readable(t: Test):
    c = t.connected()
    c.hooks["readable"] = boom
    t.try_loop()
    c.clear_hooks()
    t.state(c)


@scenario
def the_default_handle_error_logs_and_closes(t: Test):
    c = t.connected(kind="bare")
    c.handle_read = lambda: boom(c)
    t.sends("data")
    t.state(c)
    t.peer_ends()


@scenario
def the_default_handle_read_warns(t: Test):
    c = t.connected(kind="bare")
    t.peer("send", data="data")
    t.loop()
    t.state(c)


@scenario
def the_default_handle_connect_and_handle_write_warn(t: Test):
    t.connected(kind="bare")


@scenario
def the_default_handle_close_warns_and_closes(t: Test):
    c = t.connected(kind="bare")
    c.handle_read = lambda: c.recv(10)
    t.ends("fin")
    t.state(c)


@scenario
def the_default_handle_accepted_warns_and_closes(t: Test):
    s = t.bare_server()
    t.comes(s)
    t.peer_reads()
    t.state(s)


@scenario
def an_exception_costs_one_channel_only(t: Test):
    a = t.connected(name="a", handle_read=boom)
    b = t.connected(name="b", peer="q")
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.quiet()
    t.state(a)
    t.state(b)


@scenario
def exit_now_leaves_the_other_channels_events(t: Test):
    t.connected(name="a", handle_read=lambda me: [me.take(), exit_now(me)])
    t.connected(name="b", peer="q")
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.try_loop()
    t.log("again")
    t.quiet()


@scenario
def handle_error_that_does_not_close(t: Test):
    after_error(t, lambda me: t.log("goes on"))


@scenario
def handle_read_that_takes_nothing_is_called_again(t: Test):
    c = t.connected(handle_read=lambda me: t.log("not now"))
    t.peer("send", data="data")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    c.clear_hooks()
    t.quiet()


@scenario
def exception_in_handle_connect_that_does_not_close(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), handle_connect=boom, handle_error=lambda me: t.log("goes on"))
    t.peer("accept", listener="l")
    t.loop()
    t.state(c)
