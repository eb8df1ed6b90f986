"""ExitNow, an exception and close() in the hooks that are not a client's, and in what hooks call."""
from oracle_rt import Act, Failing, Hook, Pieces, Test, boom, close_it, exit_now, fail, scenario


def in_server_hook(t: Test, hook: Hook, act: Act):
    """A channel that a listener has made, on which everything happens, and `act` in one hook."""
    c = t.accepted()
    c.hooks[hook] = act
    t.tries("send", data="data")
    t.try_quiet()
    c.wants_write = True
    t.try_loop()
    c.wants_write = False
    t.state(c)
    t.tries("fin")
    t.try_quiet()
    t.state(c)


@scenario
def close_in_handle_read_of_a_server(t: Test):
    in_server_hook(t, "handle_read", close_it)


@scenario
def close_in_handle_write_of_a_server(t: Test):
    in_server_hook(t, "handle_write", close_it)


@scenario
def close_in_handle_close_of_a_server(t: Test):
    in_server_hook(t, "handle_close", close_it)


@scenario
def exception_in_handle_read_of_a_server(t: Test):
    in_server_hook(t, "handle_read", boom)


@scenario
def exception_in_handle_write_of_a_server(t: Test):
    in_server_hook(t, "handle_write", boom)


@scenario
def exception_in_handle_close_of_a_server(t: Test):
    in_server_hook(t, "handle_close", boom)


@scenario
def exit_now_in_handle_read_of_a_server(t: Test):
    in_server_hook(t, "handle_read", lambda me: [me.take(), exit_now(me)])


@scenario
def exit_now_in_handle_write_of_a_server(t: Test):
    in_server_hook(t, "handle_write", exit_now)


@scenario
def exit_now_in_handle_close_of_a_server(t: Test):
    in_server_hook(t, "handle_close", lambda me: [me.close(), exit_now(me)])


@scenario
def exit_now_before_closing_in_handle_close(t: Test):
    c = t.connected(handle_close=lambda me: [me.stop_reading(), exit_now(me)])
    t.peer("fin")
    t.try_loop()
    t.state(c)
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_close_that_handle_close_calls(t: Test):
    c = t.connected(close=exit_now)
    t.peer("fin")
    t.try_loop()
    t.state(c)


@scenario
def exception_in_close_that_handle_close_calls(t: Test):
    c = t.connected(close=boom, handle_error=lambda me: me.clear_hooks())
    t.peer("fin")
    t.try_loop()
    t.state(c)
    c.close()
    t.state(c)


@scenario
def exit_now_in_handle_error_of_a_refused_connect(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens("refuser"), handle_error=lambda me: [me.close(), exit_now(me)])
    t.try_quiet()
    t.state(c)


@scenario
def exit_now_in_handle_error_of_a_listener(t: Test):
    s = t.server(handle_accepted=boom, handle_error=exit_now)
    t.peer("connect", address=t.where(s))
    t.try_loop()
    t.state(s)
    t.hangs_up(s)


@scenario
def exit_now_in_handle_error_of_handle_write(t: Test):
    c = t.connected(handle_error=exit_now)
    c.hooks["handle_write"] = boom
    c.wants_write = True
    t.try_loop()
    c.wants_write = False
    t.state(c)


@scenario
def exit_now_in_handle_error_of_handle_close(t: Test):
    c = t.connected(handle_close=lambda me: [me.stop_reading(), boom(me)], handle_error=exit_now)
    t.peer("fin")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_log_info(t: Test):
    c = t.connected(kind="bare")
    c.log_info = lambda message, type="info": exit_now(c)
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_log_info_of_the_default_handle_error(t: Test):
    c = t.connected(kind="bare")
    c.handle_read = lambda: boom(c)
    c.log_info = lambda message, type="info": exit_now(c)
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_log(t: Test):
    c = t.connected(handle_read=lambda me: me.log("a hit"))
    c.log = lambda message: exit_now(c)
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)
    c.clear_hooks()
    t.quiet()


@scenario
def exception_in_log(t: Test):
    c = t.connected(handle_read=lambda me: me.log("a hit"))
    c.log = lambda message: boom(c)
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def exception_in_log_info(t: Test):
    """The default hook's warning fails, and so does what handle_error() writes."""
    c = t.connected(kind="bare")
    c.log_info = lambda message, type="info": boom(c)
    t.peer("send", data="data")
    t.try_loop()
    c.close()
    t.state(c)


@scenario
def exit_now_of_two_channels_in_one_pass(t: Test):
    a = t.connected(name="a", handle_read=lambda me: [me.take(), exit_now(me)])
    b = t.connected(name="b", peer="q", handle_read=lambda me: [me.take(), exit_now(me)])
    t.peer("send", "p", data="1")
    t.peer("send", "q", data="2")
    t.try_loop()
    t.state(a)
    t.try_loop()
    t.state(b)
    t.try_loop()


@scenario
def exit_now_between_read_and_write(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), exit_now(me)])
    c.wants_write = True
    t.peer("send", data="data")
    t.try_loop()
    t.log("again")
    t.try_loop()
    c.wants_write = False


@scenario
def exit_now_and_what_was_sent(t: Test):
    c = t.connected(handle_read=lambda me: [me.send(me.take()), exit_now(me)])
    t.peer("send", data="answer me")
    t.try_loop()
    t.peer_reads(9)
    t.state(c)


@scenario
def exception_and_what_was_sent(t: Test):
    c = t.connected(handle_read=lambda me: [me.send(me.take()), boom(me)])
    t.peer("send", data="answer me")
    t.loop()
    t.peer_reads()
    t.state(c)


@scenario
def close_twice_in_a_hook(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), me.close(), me.close()])
    t.sends("data")
    t.state(c)
    t.peer_reads()


@scenario
def exception_after_close_in_a_hook(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), me.close(), boom(me)])
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_after_close_in_a_hook(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), me.close(), exit_now(me)])
    t.peer("send", data="data")
    t.try_loop()
    t.state(c)


@scenario
def a_hook_raises_a_lost_connection(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), fail("ECONNRESET")(me)])
    t.sends("data")
    t.state(c)


@scenario
def a_hook_raises_another_oserror(t: Test):
    c = t.connected(handle_read=lambda me: [me.take(), fail("ENOSPC")(me)])
    t.sends("data")
    t.state(c)


@scenario
def exit_now_in_handle_read_with_send(t: Test):
    c = t.connected(kind="send", handle_read=lambda me: [me.take(), me.send(b"yes"), exit_now(me)])
    t.peer("send", data="data")
    t.try_loop()
    t.peer_reads(3)
    t.state(c)


@scenario
def exit_now_in_handle_connect_with_send(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="send", handle_connect=exit_now)
    t.peer("accept", listener="l")
    t.try_loop()
    c.close()
    t.state(c)


@scenario
def exception_in_handle_connect_with_send(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="send", handle_connect=boom)
    t.peer("accept", listener="l")
    t.try_quiet()
    t.state(c)


@scenario
def exception_in_handle_close_with_send(t: Test):
    c = t.connected(kind="send", handle_close=boom)
    t.ends("fin")
    t.state(c)


@scenario
def exit_now_in_handle_close_with_send(t: Test):
    c = t.connected(kind="send", handle_close=lambda me: [me.close(), exit_now(me)])
    t.peer("fin")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_collect(t: Test):
    c = t.connected(kind="chat", collect=lambda me, data: exit_now(me))
    t.peer("send", data="one\n")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_handle_close_of_a_chat(t: Test):
    c = t.connected(kind="chat", handle_close=lambda me: [me.close(), exit_now(me)])
    t.peer("fin")
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_a_producer(t: Test):
    c = t.connected(kind="chat")
    t.attempt("push_with_producer", lambda: c.push_with_producer(Failing(0, exit_now)))
    t.try_loop()
    t.state(c)


@scenario
def exit_now_in_a_producer_that_a_hook_pushes(t: Test):
    c = t.connected(kind="chat", found=lambda me: me.push_with_producer(Failing(1, exit_now)))
    t.peer("send", data="go\n")
    t.try_quiet()
    t.log("again")
    t.try_quiet()
    t.state(c)
    c.close()
    t.peer_reads()


@scenario
def close_in_collect(t: Test):
    c = t.connected(kind="chat", collect=lambda me, data: me.close())
    t.sends("one\ntwo\n")
    t.state(c)


@scenario
def close_in_found_terminator(t: Test):
    c = t.connected(kind="chat", found=close_it)
    t.sends("one\ntwo\n")
    t.state(c)
    t.peer_reads()


@scenario
def close_when_done_in_handle_connect_of_a_chat(t: Test):
    if t.family == "unix":
        return
    c = t.client(t.peer_listens(), kind="chat", handle_connect=lambda me: [me.push(b"hello"), me.close_when_done()])
    t.peer("accept", listener="l")
    t.quiet()
    t.peer_reads()
    t.state(c)


@scenario
def exception_in_handle_close_after_close_when_done(t: Test):
    c = t.connected(kind="chat", handle_close=boom)
    c.push_with_producer(Pieces([b"bye"]))
    c.close_when_done()
    t.quiet()
    t.state(c)
    t.peer_reads()
