/** file_dispatcher and file_wrapper: FIFOs, pipes, terminals and regular files. The family has no say in them. The same scenarios as in `files.py`. */
import {
  boom,
  exit_now,
  file_wrapper,
  type Logged,
  type Scenario,
  SO_ERROR,
  SO_RCVBUF,
  SOL_SOCKET,
  type Test,
} from "../oracle-rt.ts";

export const scenarios: Readonly<Record<string, Scenario>> = {
  async a_reader_reads_to_the_end(t: Test) {
    const f = await t.reader();
    t.state(f);
    await t.sends("hello");
    await t.sends("again");
    await t.ends("close");
    t.state(f);
  },

  async data_and_the_end_come_together(t: Test) {
    const f = await t.reader();
    await t.peer("send", "p", { data: "last words" });
    await t.ends("close");
    t.state(f);
  },

  async a_reader_takes_a_little_a_pass(t: Test) {
    const f = await t.reader({ handle_read: (me) => t.log("piece " + t.show(me.recv(3))) });
    await t.peer("send", "p", { data: "abcdefgh" });
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    await t.quiet();
    t.state(f);
  },

  async the_end_while_unread_bytes_wait(t: Test) {
    const f = await t.reader({ handle_read: (me) => t.log("piece " + t.show(me.recv(3))) });
    await t.peer("send", "p", { data: "abcdefgh" });
    await t.ends("close");
    t.state(f);
  },

  async much_is_read(t: Test) {
    const f = await t.reader();
    t.tell("flood", "p", { count: 1000000 });
    await t.until(() => t.answered());
    await t.answer();
    await t.quiet();
    await t.ends("close");
    t.state(f);
  },

  async a_reader_before_any_writer(t: Test) {
    const path = await t.fifo();
    const fd = t.opens(path, "r");
    const f = t.file(fd);
    await t.quiet();
    t.state(f);
    await t.peer("open", "p", { path, mode: "w" });
    await t.sends("now");
    await t.ends("close");
    t.state(f);
  },

  async a_reader_of_two_writers(t: Test) {
    const path = await t.fifo();
    const f = t.file(t.opens(path, "r"));
    await t.peer("open", "p", { path, mode: "w" });
    await t.peer("open", "q", { path, mode: "w" });
    await t.sends("one", "p");
    await t.ends("close", "p");
    t.log("one is left");
    await t.sends("two", "q");
    await t.ends("close", "q");
    t.state(f);
  },

  async an_unreadable_reader(t: Test) {
    const f = await t.reader({ readable: () => false });
    if (t.use_poll) {
      return;
    }
    await t.sends("later");
    t.log("now");
    f.clear_hooks();
    await t.quiet();
  },

  async a_reader_that_does_not_close_at_the_end(t: Test) {
    if (t.use_poll) {
      return;
    }
    const f = await t.reader({ handle_close: (me) => me.stop_reading() });
    await t.ends("close");
    t.state(f);
    f.close();
    t.state(f);
  },

  async a_writer_writes(t: Test) {
    const f = await t.writer({
      handle_write: (me) => {
        me.send("hello");
        me.stop_writing();
      },
    });
    t.state(f);
    f.wants_write = true;
    await t.quiet();
    await t.peer_reads(5);
    t.state(f);
    f.close();
    await t.peer_reads();
  },

  async a_write_between_passes(t: Test) {
    const f = await t.writer();
    t.attempt("send", () => f.send("hello"));
    await t.peer_reads(5);
    t.attempt("send", () => f.send("again"));
    f.close();
    t.state(f);
    await t.peer_reads();
  },

  async handle_write_is_called_while_there_is_room(t: Test) {
    const f = await t.writer();
    await t.loop();
    f.wants_write = true;
    t.log("on");
    await t.loop();
    t.log("pass");
    await t.loop();
    f.wants_write = false;
    t.log("off");
    await t.quiet();
  },

  async much_is_written(t: Test) {
    let left = "y".repeat(1000000);
    const f = await t.writer({
      handle_write: (me) => {
        const sent = me.send(left.slice(0, 65536));
        left = left.slice(sent);
        if (left === "") me.close();
      },
      quietly: true,
    });
    f.wants_write = true;
    await t.peer_reads();
    t.state(f);
  },

  async an_idle_writer_whose_reader_vanishes(t: Test) {
    const f = await t.writer();
    await t.ends("close");
    t.state(f);
  },

  async an_unreadable_writer_whose_reader_vanishes(t: Test) {
    if (t.use_poll) {
      return;
    }
    const f = await t.writer({ readable: () => false });
    await t.ends("close");
    t.state(f);
  },

  async writing_where_the_reader_has_vanished(t: Test) {
    const f = await t.writer({
      readable: () => false,
      handle_write: (me) => t.attempt("send", () => me.send("x")),
    });
    await t.peer("close");
    f.wants_write = true;
    await t.quiet();
    t.state(f);
  },

  async a_write_between_passes_where_the_reader_has_vanished(t: Test) {
    const f = await t.writer({ readable: () => false });
    await t.peer("close");
    t.attempt("send", () => f.send("x"));
    await t.quiet();
    t.state(f);
  },

  async a_relay_from_one_fifo_to_another(t: Test) {
    const w = await t.writer({ peer: "q", name: "w" });
    await t.reader({
      peer: "p",
      name: "r",
      handle_read: (me) => t.forward(me, w),
      handle_close: (me) => {
        me.close();
        w.close();
      },
    });
    await t.sends("through");
    await t.peer_reads(7, "q");
    await t.sends("and out");
    await t.ends("close");
    await t.peer_reads(undefined, "q");
  },

  async both_ends_of_a_pipe(t: Test) {
    const [r, w] = t.pipe();
    const reader = t.file(r, { name: "r" });
    const writer = t.file(w, { name: "w" });
    t.closes(r);
    t.closes(w);
    writer.hooks["handle_write"] = (me: Logged) => {
      me.send("inside");
      me.stop_writing();
    };
    writer.wants_write = true;
    await t.quiet();
    writer.close();
    await t.quiet();
    t.state(reader);
    t.state(writer);
  },

  async reads_before_writes_of_a_pipe(t: Test) {
    const [r, w] = t.pipe();
    const writer = t.file(w, { name: "w", handle_write: (me) => me.send("x") });
    t.file(r, { name: "r" });
    writer.wants_write = true;
    await t.loop();
    t.log("pass");
    await t.loop();
    writer.wants_write = false;
    t.log("pass");
    await t.loop();
  },

  async the_descriptor_is_duplicated(t: Test) {
    const [r, w] = t.pipe();
    const f = t.file(r);
    t.log(f.fileno() !== r ? "another number" : "the same number");
    t.closes(r);
    t.is_open(f.fileno());
    const g = t.file(w, { name: "g" });
    g.send("through the duplicates");
    await t.quiet();
    g.close();
    t.is_open(w);
    await t.quiet();
    t.log("the pipe is held");
    t.closes(w);
    await t.quiet();
    t.state(f);
  },

  async the_open_file_becomes_non_blocking(t: Test) {
    const [r, w] = t.pipe();
    t.is_blocking(r);
    const f = t.file(r);
    t.is_blocking(r);
    t.is_blocking(f.fileno());
    t.is_blocking(w);
    f.close();
    t.is_blocking(r);
  },

  async fileno_of_a_closed_file(t: Test) {
    const [r, _w] = t.pipe();
    const f = t.file(r);
    f.close();
    t.log("fileno " + String(f.fileno()));
    f.close();
    t.is_open(r);
    t.state(f);
  },

  async something_with_a_fileno(t: Test) {
    const [r, w] = t.pipe();
    const f = t.file(t.with_fileno(r));
    const g = t.file(w, { name: "g" });
    g.send("hello");
    await t.quiet();
    t.state(f);
  },

  async a_descriptor_that_is_not_open(t: Test) {
    const [r, _w] = t.pipe();
    t.closes(r);
    t.attempt("file_dispatcher", () => t.file(r));
    t.attempt("file_wrapper", () => new file_wrapper(r));
    t.log("channels " + String(t.channels().length));
  },

  async set_file_takes_another_file(t: Test) {
    const [r, w] = t.pipe();
    const f = t.file(t.opens(t.regular("one"), "r"), { readable: () => false });
    f.set_file(r);
    f.clear_hooks();
    const g = t.file(w, { name: "g" });
    g.send("of the pipe");
    await t.quiet();
    t.state(f);
  },

  async a_regular_file_is_read_to_the_end(t: Test) {
    const f = t.file(t.opens(t.regular("0123456789"), "r"), {
      handle_read: (me) => t.log("piece " + t.show(me.recv(4))),
    });
    await t.quiet();
    t.state(f);
  },

  async an_empty_file(t: Test) {
    const f = t.file(t.opens(t.regular(), "r"));
    await t.quiet();
    t.state(f);
  },

  async a_regular_file_is_written(t: Test) {
    const path = t.regular();
    const f = t.file(t.opens(path, "w"), {
      readable: () => false,
      handle_write: (me) => {
        me.send("abc");
        me.close();
      },
    });
    f.wants_write = true;
    await t.quiet();
    t.content(path);
    t.state(f);
  },

  async a_regular_file_that_is_only_written(t: Test) {
    const path = t.regular();
    const f = t.file(t.opens(path, "w"));
    await t.loop();
    t.state(f);
  },

  async the_null_device(t: Test) {
    const f = t.file(t.opens("/dev/null", "rw"));
    await t.quiet();
    t.state(f);
  },

  async a_terminal(t: Test) {
    const f = t.file(t.opens(await t.pty(), "rw"), { handle_read: (me) => me.send(me.take()) });
    await t.types("typed");
    await t.peer_reads(5);
    await t.types("\u0003\u0004\n");
    await t.peer_reads(3);
    t.state(f);
    f.close();
  },

  async a_terminal_that_hangs_up(t: Test) {
    const f = t.file(t.opens(await t.pty(), "rw"));
    await t.types("typed");
    await t.ends("close");
    t.state(f);
  },

  async exception_in_a_reader(t: Test) {
    const f = await t.reader({ handle_read: boom });
    await t.sends("data");
    t.state(f);
  },

  async exit_now_in_a_reader(t: Test) {
    const f = await t.reader({
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(f);
    f.clear_hooks();
    await t.ends("close");
  },

  async exit_now_in_handle_close_of_a_reader(t: Test) {
    const f = await t.reader({
      handle_close: (me) => {
        me.close();
        exit_now(me);
      },
    });
    await t.peer("close");
    await t.try_loop();
    t.state(f);
  },

  async close_in_handle_read_of_a_file(t: Test) {
    const f = await t.reader({ handle_read: (me) => me.close() });
    await t.sends("never read");
    t.state(f);
  },

  async recv_of_a_file_with_nothing_there(t: Test) {
    const f = await t.reader();
    t.attempt("recv", () => f.recv(10));
    t.state(f);
  },

  async recv_of_a_closed_file(t: Test) {
    const f = await t.reader();
    f.close();
    t.attempt("recv", () => f.recv(10));
  },

  async send_on_a_reader(t: Test) {
    const f = await t.reader();
    t.attempt("send", () => f.send("x"));
    await t.quiet();
    t.state(f);
  },

  async what_a_file_has_of_a_socket(t: Test) {
    const [r, _w] = t.pipe();
    const f = t.file(r, { readable: () => false });
    t.attempt("getsockopt", () => f.getsockopt(SOL_SOCKET, SO_ERROR));
    t.log(f.addr ? "has an address" : "has none");
    t.state(f);
  },

  async a_wrapper_reads_and_writes(t: Test) {
    const [r, w] = t.pipe();
    const reader = new file_wrapper(r);
    const writer = new file_wrapper(w);
    t.attempt("write", () => writer.write("hello"));
    t.attempt("send", () => writer.send(" again"));
    await t.rest();
    t.attempt("read", () => reader.read(5));
    t.attempt("recv", () => reader.recv(100));
    writer.close();
    t.closes(w);
    await t.rest();
    t.attempt("read", () => reader.read(5));
    t.attempt("read", () => reader.read(5));
    reader.close();
  },

  async a_wrapper_that_closes(t: Test) {
    const [r, _w] = t.pipe();
    const wrapper = new file_wrapper(r);
    t.log(wrapper.fileno() !== r ? "another number" : "the same number");
    const fd = wrapper.fileno();
    t.attempt("close", () => wrapper.close());
    t.is_open(fd);
    t.is_open(r);
    t.attempt("fileno", () => wrapper.fileno());
    t.attempt("close", () => wrapper.close());
    t.attempt("read", () => wrapper.read(5));
    t.attempt("write", () => wrapper.write("x"));
  },

  async a_wrapper_whose_reader_vanishes(t: Test) {
    const [r, w] = t.pipe();
    const writer = new file_wrapper(w);
    t.closes(r);
    t.attempt("write", () => writer.write("x"));
    await t.rest();
    t.attempt("write", () => writer.write("x"));
    writer.close();
  },

  async a_wrapper_in_the_wrong_direction(t: Test) {
    const [r, w] = t.pipe();
    const reader = new file_wrapper(r);
    const writer = new file_wrapper(w);
    t.attempt("read", () => writer.read(5));
    t.attempt("write", () => reader.write("x"));
    reader.close();
    writer.close();
  },

  async the_options_of_a_wrapper(t: Test) {
    const [r, _w] = t.pipe();
    const wrapper = new file_wrapper(r);
    t.attempt("SO_ERROR", () => wrapper.getsockopt(SOL_SOCKET, SO_ERROR));
    t.attempt("SO_RCVBUF", () => wrapper.getsockopt(SOL_SOCKET, SO_RCVBUF));
    wrapper.close();
  },

  async a_wrapper_with_nothing_there(t: Test) {
    const path = await t.fifo();
    const wrapper = new file_wrapper(t.opens(path, "r"));
    await t.peer("open", "p", { path, mode: "w" });
    t.attempt("read", () => wrapper.read(5));
    wrapper.close();
  },

  async files_and_sockets_of_one_map(t: Test) {
    const f = await t.reader({ peer: "q" });
    const c = await t.connected();
    await t.peer("send", "p", { data: "to the socket" });
    await t.peer("send", "q", { data: "to the file" });
    await t.loop();
    t.log("pass");
    await t.ends("close", "q");
    await t.ends("fin", "p");
    t.state(f);
    t.state(c);
  },
};
