/** ExitNow, an exception and close() in the hooks that are not a client's, and in what hooks call. The same scenarios as in `exits.py`. */
import {
  type Act,
  boom,
  close_it,
  exit_now,
  fail,
  Failing,
  type Hook,
  Pieces,
  type Scenario,
  type Test,
} from "../oracle-rt.ts";

/** A channel that a listener has made, on which everything happens, and `act` in one hook. */
async function in_server_hook(t: Test, hook: Hook, act: Act): Promise<void> {
  const c = await t.accepted();
  c.hooks[hook] = act;
  await t.tries("send", "p", { data: "data" });
  await t.try_quiet();
  c.wants_write = true;
  await t.try_loop();
  c.wants_write = false;
  t.state(c);
  await t.tries("fin");
  await t.try_quiet();
  t.state(c);
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  async close_in_handle_read_of_a_server(t: Test) {
    await in_server_hook(t, "handle_read", close_it);
  },

  async close_in_handle_write_of_a_server(t: Test) {
    await in_server_hook(t, "handle_write", close_it);
  },

  async close_in_handle_close_of_a_server(t: Test) {
    await in_server_hook(t, "handle_close", close_it);
  },

  async exception_in_handle_read_of_a_server(t: Test) {
    await in_server_hook(t, "handle_read", boom);
  },

  async exception_in_handle_write_of_a_server(t: Test) {
    await in_server_hook(t, "handle_write", boom);
  },

  async exception_in_handle_close_of_a_server(t: Test) {
    await in_server_hook(t, "handle_close", boom);
  },

  async exit_now_in_handle_read_of_a_server(t: Test) {
    await in_server_hook(t, "handle_read", (me) => {
      me.take();
      exit_now(me);
    });
  },

  async exit_now_in_handle_write_of_a_server(t: Test) {
    await in_server_hook(t, "handle_write", exit_now);
  },

  async exit_now_in_handle_close_of_a_server(t: Test) {
    await in_server_hook(t, "handle_close", (me) => {
      me.close();
      exit_now(me);
    });
  },

  async exit_now_before_closing_in_handle_close(t: Test) {
    const c = await t.connected({
      handle_close: (me) => {
        me.stop_reading();
        exit_now(me);
      },
    });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_close_that_handle_close_calls(t: Test) {
    const c = await t.connected({ close: exit_now });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
  },

  async exception_in_close_that_handle_close_calls(t: Test) {
    const c = await t.connected({ close: boom, handle_error: (me) => me.clear_hooks() });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
    c.close();
    t.state(c);
  },

  async exit_now_in_handle_error_of_a_refused_connect(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens("refuser"), {
      handle_error: (me) => {
        me.close();
        exit_now(me);
      },
    });
    await t.try_quiet();
    t.state(c);
  },

  async exit_now_in_handle_error_of_a_listener(t: Test) {
    const s = t.server({ handle_accepted: boom, handle_error: exit_now });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.try_loop();
    t.state(s);
    t.hangs_up(s);
  },

  async exit_now_in_handle_error_of_handle_write(t: Test) {
    const c = await t.connected({ handle_error: exit_now });
    c.hooks["handle_write"] = boom;
    c.wants_write = true;
    await t.try_loop();
    c.wants_write = false;
    t.state(c);
  },

  async exit_now_in_handle_error_of_handle_close(t: Test) {
    const c = await t.connected({
      handle_close: (me) => {
        me.stop_reading();
        boom(me);
      },
      handle_error: exit_now,
    });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_log_info(t: Test) {
    const c = await t.connected({ kind: "bare" });
    c.log_info = () => exit_now(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_log_info_of_the_default_handle_error(t: Test) {
    const c = await t.connected({ kind: "bare" });
    c.handle_read = () => boom(c);
    c.log_info = () => exit_now(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_log(t: Test) {
    const c = await t.connected({ handle_read: (me) => me.log("a hit") });
    c.log = () => exit_now(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
    c.clear_hooks();
    await t.quiet();
  },

  async exception_in_log(t: Test) {
    const c = await t.connected({ handle_read: (me) => me.log("a hit") });
    c.log = () => boom(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async exception_in_log_info(t: Test) {
    const c = await t.connected({ kind: "bare" });
    c.log_info = () => boom(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    c.close();
    t.state(c);
  },

  async exit_now_of_two_channels_in_one_pass(t: Test) {
    const a = await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    const b = await t.connected({
      name: "b",
      peer: "q",
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.try_loop();
    t.state(a);
    await t.try_loop();
    t.state(b);
    await t.try_loop();
  },

  async exit_now_between_read_and_write(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    c.wants_write = true;
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.log("again");
    await t.try_loop();
    c.wants_write = false;
  },

  async exit_now_and_what_was_sent(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.send(me.take());
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "answer me" });
    await t.try_loop();
    await t.peer_reads(9);
    t.state(c);
  },

  async exception_and_what_was_sent(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.send(me.take());
        boom(me);
      },
    });
    await t.peer("send", "p", { data: "answer me" });
    await t.loop();
    await t.peer_reads();
    t.state(c);
  },

  async close_twice_in_a_hook(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        me.close();
        me.close();
      },
    });
    await t.sends("data");
    t.state(c);
    await t.peer_reads();
  },

  async exception_after_close_in_a_hook(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        me.close();
        boom(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async exit_now_after_close_in_a_hook(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        me.close();
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async a_hook_raises_a_lost_connection(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        fail("ECONNRESET")(me);
      },
    });
    await t.sends("data");
    t.state(c);
  },

  async a_hook_raises_another_oserror(t: Test) {
    const c = await t.connected({
      handle_read: (me) => {
        me.take();
        fail("ENOSPC")(me);
      },
    });
    await t.sends("data");
    t.state(c);
  },

  async exit_now_in_handle_read_with_send(t: Test) {
    const c = await t.connected({
      kind: "send",
      handle_read: (me) => {
        me.take();
        me.send("yes");
        exit_now(me);
      },
    });
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    await t.peer_reads(3);
    t.state(c);
  },

  async exit_now_in_handle_connect_with_send(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "send", handle_connect: exit_now });
    await t.peer("accept", "p", { listener: "l" });
    await t.try_loop();
    c.close();
    t.state(c);
  },

  async exception_in_handle_connect_with_send(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { kind: "send", handle_connect: boom });
    await t.peer("accept", "p", { listener: "l" });
    await t.try_quiet();
    t.state(c);
  },

  async exception_in_handle_close_with_send(t: Test) {
    const c = await t.connected({ kind: "send", handle_close: boom });
    await t.ends("fin");
    t.state(c);
  },

  async exit_now_in_handle_close_with_send(t: Test) {
    const c = await t.connected({
      kind: "send",
      handle_close: (me) => {
        me.close();
        exit_now(me);
      },
    });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_collect(t: Test) {
    const c = await t.connected({ kind: "chat", collect: (me) => exit_now(me) });
    await t.peer("send", "p", { data: "one\n" });
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_handle_close_of_a_chat(t: Test) {
    const c = await t.connected({
      kind: "chat",
      handle_close: (me) => {
        me.close();
        exit_now(me);
      },
    });
    await t.peer("fin");
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_a_producer(t: Test) {
    const c = await t.connected({ kind: "chat" });
    t.attempt("push_with_producer", () => c.push_with_producer(new Failing(0, exit_now)));
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_a_producer_that_a_hook_pushes(t: Test) {
    const c = await t.connected({
      kind: "chat",
      found: (me) => me.push_with_producer(new Failing(1, exit_now)),
    });
    await t.peer("send", "p", { data: "go\n" });
    await t.try_quiet();
    t.log("again");
    await t.try_quiet();
    t.state(c);
    c.close();
    await t.peer_reads();
  },

  async close_in_collect(t: Test) {
    const c = await t.connected({ kind: "chat", collect: (me) => me.close() });
    await t.sends("one\ntwo\n");
    t.state(c);
  },

  async close_in_found_terminator(t: Test) {
    const c = await t.connected({ kind: "chat", found: close_it });
    await t.sends("one\ntwo\n");
    t.state(c);
    await t.peer_reads();
  },

  async close_when_done_in_handle_connect_of_a_chat(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), {
      kind: "chat",
      handle_connect: (me) => {
        me.push("hello");
        me.close_when_done();
      },
    });
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    await t.peer_reads();
    t.state(c);
  },

  async exception_in_handle_close_after_close_when_done(t: Test) {
    const c = await t.connected({ kind: "chat", handle_close: boom });
    c.push_with_producer(new Pieces(["bye"]));
    c.close_when_done();
    await t.quiet();
    t.state(c);
    await t.peer_reads();
  },
};
