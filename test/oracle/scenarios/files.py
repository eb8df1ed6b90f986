"""file_dispatcher and file_wrapper: FIFOs, pipes, terminals and regular files. The family has no say in them."""
from oracle_rt import SO_ERROR, SO_RCVBUF, SOL_SOCKET, Test, boom, exit_now, file_wrapper, scenario


@scenario
def a_reader_reads_to_the_end(t: Test):
    f = t.reader()
    t.state(f)
    t.sends("hello")
    t.sends("again")
    t.ends("close")
    t.state(f)


@scenario
def data_and_the_end_come_together(t: Test):
    f = t.reader()
    t.peer("send", data="last words")
    t.ends("close")
    t.state(f)


@scenario
def a_reader_takes_a_little_a_pass(t: Test):
    f = t.reader(handle_read=lambda me: t.log("piece " + t.show(me.recv(3))))
    t.peer("send", data="abcdefgh")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.loop()
    t.log("pass")
    t.quiet()
    t.state(f)


@scenario
def the_end_while_unread_bytes_wait(t: Test):
    f = t.reader(handle_read=lambda me: t.log("piece " + t.show(me.recv(3))))
    t.peer("send", data="abcdefgh")
    t.ends("close")
    t.state(f)


@scenario
def much_is_read(t: Test):
    f = t.reader()
    t.tell("flood", "p", count=1000000)
    t.until(lambda: t.answered())
    t.answer()
    t.quiet()
    t.ends("close")
    t.state(f)


@scenario
def a_reader_before_any_writer(t: Test):
    path = t.fifo()
    fd = t.opens(path, "r")
    f = t.file(fd)
    t.quiet()
    t.state(f)
    t.peer("open", path=path, mode="w")
    t.sends("now")
    t.ends("close")
    t.state(f)


@scenario
def a_reader_of_two_writers(t: Test):
    path = t.fifo()
    f = t.file(t.opens(path, "r"))
    t.peer("open", "p", path=path, mode="w")
    t.peer("open", "q", path=path, mode="w")
    t.sends("one", "p")
    t.ends("close", "p")
    t.log("one is left")
    t.sends("two", "q")
    t.ends("close", "q")
    t.state(f)


@scenario
def an_unreadable_reader(t: Test):
    f = t.reader(readable=lambda me: False)
    if t.use_poll:
        return
    t.sends("later")
    t.log("now")
    f.clear_hooks()
    t.quiet()


@scenario
def a_reader_that_does_not_close_at_the_end(t: Test):
    if t.use_poll:
        return
    f = t.reader(handle_close=lambda me: me.stop_reading())
    t.ends("close")
    t.state(f)
    f.close()
    t.state(f)


@scenario
def a_writer_writes(t: Test):
    f = t.writer(handle_write=lambda me: [me.send(b"hello"), me.stop_writing()])
    t.state(f)
    f.wants_write = True
    t.quiet()
    t.peer_reads(5)
    t.state(f)
    f.close()
    t.peer_reads()


@scenario
def a_write_between_passes(t: Test):
    f = t.writer()
    t.attempt("send", lambda: f.send(b"hello"))
    t.peer_reads(5)
    t.attempt("send", lambda: f.send(b"again"))
    f.close()
    t.state(f)
    t.peer_reads()


@scenario
def handle_write_is_called_while_there_is_room(t: Test):
    f = t.writer()
    t.loop()
    f.wants_write = True
    t.log("on")
    t.loop()
    t.log("pass")
    t.loop()
    f.wants_write = False
    t.log("off")
    t.quiet()


@scenario
def much_is_written(t: Test):
    left = [b"y" * 1000000]

    def more(me):
        sent = me.send(left[0][:65536])
        left[0] = left[0][sent:]
        if not left[0]:
            me.close()

    f = t.writer(handle_write=more, quietly=True)
    f.wants_write = True
    t.peer_reads()
    t.state(f)


@scenario
def an_idle_writer_whose_reader_vanishes(t: Test):
    f = t.writer()
    t.ends("close")
    t.state(f)


@scenario
def an_unreadable_writer_whose_reader_vanishes(t: Test):
    if t.use_poll:
        return
    f = t.writer(readable=lambda me: False)
    t.ends("close")
    t.state(f)


@scenario
def writing_where_the_reader_has_vanished(t: Test):
    f = t.writer(readable=lambda me: False, handle_write=lambda me: t.attempt("send", lambda: me.send(b"x")))
    t.peer("close")
    f.wants_write = True
    t.quiet()
    t.state(f)


@scenario
def a_write_between_passes_where_the_reader_has_vanished(t: Test):
    f = t.writer(readable=lambda me: False)
    t.peer("close")
    t.attempt("send", lambda: f.send(b"x"))
    t.quiet()
    t.state(f)


@scenario
def a_relay_from_one_fifo_to_another(t: Test):
    w = t.writer("q", name="w")
    t.reader("p", name="r", handle_read=lambda me: t.forward(me, w), handle_close=lambda me: [me.close(), w.close()])
    t.sends("through")
    t.peer_reads(7, "q")
    t.sends("and out")
    t.ends("close")
    t.peer_reads(None, "q")


@scenario
def both_ends_of_a_pipe(t: Test):
    r, w = t.pipe()
    reader = t.file(r, name="r")
    writer = t.file(w, name="w")
    t.closes(r)
    t.closes(w)
    writer.hooks["handle_write"] = lambda me: [me.send(b"inside"), me.stop_writing()]
    writer.wants_write = True
    t.quiet()
    writer.close()
    t.quiet()
    t.state(reader)
    t.state(writer)


@scenario
def reads_before_writes_of_a_pipe(t: Test):
    r, w = t.pipe()
    writer = t.file(w, name="w", handle_write=lambda me: me.send(b"x"))
    t.file(r, name="r")
    writer.wants_write = True
    t.loop()
    t.log("pass")
    t.loop()
    writer.wants_write = False
    t.log("pass")
    t.loop()


@scenario
def the_descriptor_is_duplicated(t: Test):
    r, w = t.pipe()
    f = t.file(r)
    t.log("another number" if f.socket.fileno() != r else "the same number")
    t.closes(r)
    t.is_open(f.socket.fileno())
    g = t.file(w, name="g")
    g.send(b"through the duplicates")
    t.quiet()
    g.close()
    t.is_open(w)
    t.quiet()
    t.log("the pipe is held")
    t.closes(w)
    t.quiet()
    t.state(f)


@scenario
def the_open_file_becomes_non_blocking(t: Test):
    r, w = t.pipe()
    t.is_blocking(r)
    f = t.file(r)
    t.is_blocking(r)
    t.is_blocking(f.socket.fileno())
    t.is_blocking(w)
    f.close()
    t.is_blocking(r)


@scenario
def fileno_of_a_closed_file(t: Test):
    r, _w = t.pipe()
    f = t.file(r)
    f.close()
    t.log("fileno " + str(f.socket.fileno()))
    f.close()
    t.is_open(r)
    t.state(f)


@scenario
def something_with_a_fileno(t: Test):
    r, w = t.pipe()
    f = t.file(t.with_fileno(r))
    g = t.file(w, name="g")
    g.send(b"hello")
    t.quiet()
    t.state(f)


@scenario
def a_descriptor_that_is_not_open(t: Test):
    r, _w = t.pipe()
    t.closes(r)
    t.attempt("file_dispatcher", lambda: t.file(r))
    t.attempt("file_wrapper", lambda: file_wrapper(r))
    t.log("channels " + str(len(t.channels())))


@scenario
def set_file_takes_another_file(t: Test):
    r, w = t.pipe()
    f = t.file(t.opens(t.regular("one"), "r"), readable=lambda me: False)
    f.set_file(r)
    f.clear_hooks()
    g = t.file(w, name="g")
    g.send(b"of the pipe")
    t.quiet()
    t.state(f)


@scenario
def a_regular_file_is_read_to_the_end(t: Test):
    f = t.file(t.opens(t.regular("0123456789"), "r"), handle_read=lambda me: t.log("piece " + t.show(me.recv(4))))
    t.quiet()
    t.state(f)


@scenario
def an_empty_file(t: Test):
    f = t.file(t.opens(t.regular(), "r"))
    t.quiet()
    t.state(f)


@scenario
def a_regular_file_is_written(t: Test):
    path = t.regular()
    f = t.file(t.opens(path, "w"), readable=lambda me: False, handle_write=lambda me: [me.send(b"abc"), me.close()])
    f.wants_write = True
    t.quiet()
    t.content(path)
    t.state(f)


@scenario
def a_regular_file_that_is_only_written(t: Test):
    path = t.regular()
    f = t.file(t.opens(path, "w"))
    t.loop()
    t.state(f)


@scenario
def the_null_device(t: Test):
    f = t.file(t.opens("/dev/null", "rw"))
    t.quiet()
    t.state(f)


@scenario
def a_terminal(t: Test):
    f = t.file(t.opens(t.pty(), "rw"), handle_read=lambda me: me.send(me.take()))
    t.types("typed")
    t.peer_reads(5)
    t.types("\x03\x04\n")
    t.peer_reads(3)
    t.state(f)
    f.close()


@scenario
def a_terminal_that_hangs_up(t: Test):
    f = t.file(t.opens(t.pty(), "rw"))
    t.types("typed")
    t.ends("close")
    t.state(f)


@scenario
def exception_in_a_reader(t: Test):
    f = t.reader(handle_read=boom)
    t.sends("data")
    t.state(f)


@scenario
def exit_now_in_a_reader(t: Test):
    f = t.reader(handle_read=lambda me: [me.take(), exit_now(me)])
    t.peer("send", data="data")
    t.try_loop()
    t.state(f)
    f.clear_hooks()
    t.ends("close")


@scenario
def exit_now_in_handle_close_of_a_reader(t: Test):
    f = t.reader(handle_close=lambda me: [me.close(), exit_now(me)])
    t.peer("close")
    t.try_loop()
    t.state(f)


@scenario
def close_in_handle_read_of_a_file(t: Test):
    f = t.reader(handle_read=lambda me: me.close())
    t.sends("never read")
    t.state(f)


@scenario
def recv_of_a_file_with_nothing_there(t: Test):
    f = t.reader()
    t.attempt("recv", lambda: f.recv(10))
    t.state(f)


@scenario
def recv_of_a_closed_file(t: Test):
    f = t.reader()
    f.close()
    t.attempt("recv", lambda: f.recv(10))


@scenario
def send_on_a_reader(t: Test):
    f = t.reader()
    t.attempt("send", lambda: f.send(b"x"))
    t.quiet()
    t.state(f)


@scenario
def what_a_file_has_of_a_socket(t: Test):
    r, _w = t.pipe()
    f = t.file(r, readable=lambda me: False)
    t.attempt("getsockopt", lambda: f.socket.getsockopt(SOL_SOCKET, SO_ERROR))
    t.log("has an address" if f.addr else "has none")
    t.state(f)


@scenario
def a_wrapper_reads_and_writes(t: Test):
    r, w = t.pipe()
    reader = file_wrapper(r)
    writer = file_wrapper(w)
    t.attempt("write", lambda: writer.write(b"hello"))
    t.attempt("send", lambda: writer.send(b" again"))
    t.rest()
    t.attempt("read", lambda: reader.read(5))
    t.attempt("recv", lambda: reader.recv(100))
    writer.close()
    t.closes(w)
    t.rest()
    t.attempt("read", lambda: reader.read(5))
    t.attempt("read", lambda: reader.read(5))
    reader.close()


@scenario
def a_wrapper_that_closes(t: Test):
    r, _w = t.pipe()
    wrapper = file_wrapper(r)
    t.log("another number" if wrapper.fileno() != r else "the same number")
    fd = wrapper.fileno()
    t.attempt("close", lambda: wrapper.close())
    t.is_open(fd)
    t.is_open(r)
    t.attempt("fileno", lambda: wrapper.fileno())
    t.attempt("close", lambda: wrapper.close())
    t.attempt("read", lambda: wrapper.read(5))
    t.attempt("write", lambda: wrapper.write(b"x"))


@scenario
def a_wrapper_whose_reader_vanishes(t: Test):
    r, w = t.pipe()
    writer = file_wrapper(w)
    t.closes(r)
    t.attempt("write", lambda: writer.write(b"x"))
    t.rest()
    t.attempt("write", lambda: writer.write(b"x"))
    writer.close()


@scenario
def a_wrapper_in_the_wrong_direction(t: Test):
    r, w = t.pipe()
    reader = file_wrapper(r)
    writer = file_wrapper(w)
    t.attempt("read", lambda: writer.read(5))
    t.attempt("write", lambda: reader.write(b"x"))
    reader.close()
    writer.close()


@scenario
def the_options_of_a_wrapper(t: Test):
    r, _w = t.pipe()
    wrapper = file_wrapper(r)
    t.attempt("SO_ERROR", lambda: wrapper.getsockopt(SOL_SOCKET, SO_ERROR))
    t.attempt("SO_RCVBUF", lambda: wrapper.getsockopt(SOL_SOCKET, SO_RCVBUF))
    wrapper.close()


@scenario
def a_wrapper_with_nothing_there(t: Test):
    path = t.fifo()
    wrapper = file_wrapper(t.opens(path, "r"))
    t.peer("open", path=path, mode="w")
    t.attempt("read", lambda: wrapper.read(5))
    wrapper.close()


@scenario
def files_and_sockets_of_one_map(t: Test):
    f = t.reader("q")
    c = t.connected()
    t.peer("send", "p", data="to the socket")
    t.peer("send", "q", data="to the file")
    t.loop()
    t.log("pass")
    t.ends("close", "q")
    t.ends("fin", "p")
    t.state(f)
    t.state(c)
