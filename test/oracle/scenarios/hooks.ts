/** close(), an exception and ExitNow in each hook. The same scenarios as in `hooks.py`. */
import {
  type Act,
  boom,
  close_it,
  exit_now,
  type Hook,
  type Logged,
  type Scenario,
  type Test,
} from "../oracle-rt.ts";

/** A connection on which everything happens, and `act` in one hook. */
async function in_hook(t: Test, hook: Hook, act: Act): Promise<void> {
  const c = t.client(await t.peer_listens(), { [hook]: act });
  await t.peer("accept", "p", { listener: "l" });
  await t.try_quiet();
  t.state(c);
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

/** A listener, a connection to it and `act` in one hook. */
async function in_listener(t: Test, hook: Hook, act: Act): Promise<void> {
  const s = t.server({ [hook]: act });
  await t.peer("connect", "p", { address: t.where(s) });
  await t.try_loop();
  t.state(s);
  t.hangs_up(s);
  await t.quiet();
}

/** handle_read fails and handle_error does `act`. */
async function after_error(t: Test, act: Act): Promise<void> {
  const c = await t.connected({
    handle_read: (me) => {
      me.take();
      boom(me);
    },
    handle_error: act,
  });
  await t.peer("send", "p", { data: "data" });
  await t.try_quiet();
  t.state(c);
  await t.tries("send", "p", { data: "more" });
  await t.try_quiet();
  t.state(c);
}

/** `act` in a predicate, once the connection stands. */
async function in_predicate(t: Test, hook: Hook, act: Act): Promise<void> {
  const c = await t.connected();
  c.hooks[hook] = (me: Logged) => {
    t.log(hook);
    act(me);
  };
  await t.try_loop();
  c.clear_hooks();
  t.state(c);
  await t.peer_reads();
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  async close_in_handle_connect(t: Test) {
    await in_hook(t, "handle_connect", close_it);
  },

  async close_in_handle_read(t: Test) {
    await in_hook(t, "handle_read", close_it);
  },

  async close_in_handle_write(t: Test) {
    await in_hook(t, "handle_write", close_it);
  },

  async close_in_handle_close(t: Test) {
    await in_hook(t, "handle_close", close_it);
  },

  async close_in_readable(t: Test) {
    await in_predicate(t, "readable", close_it);
  },

  async close_in_writable(t: Test) {
    await in_predicate(t, "writable", close_it);
  },

  async close_in_handle_accept(t: Test) {
    await in_listener(t, "handle_accept", close_it);
  },

  async close_in_handle_accepted(t: Test) {
    await in_listener(t, "handle_accepted", close_it);
  },

  async close_in_handle_error(t: Test) {
    await after_error(t, close_it);
  },

  async exception_in_handle_connect(t: Test) {
    await in_hook(t, "handle_connect", boom);
  },

  async exception_in_handle_read(t: Test) {
    await in_hook(t, "handle_read", boom);
  },

  async exception_in_handle_write(t: Test) {
    await in_hook(t, "handle_write", boom);
  },

  async exception_in_handle_close(t: Test) {
    await in_hook(t, "handle_close", boom);
  },

  async exception_in_handle_accept(t: Test) {
    await in_listener(t, "handle_accept", boom);
  },

  async exception_in_handle_accepted(t: Test) {
    await in_listener(t, "handle_accepted", boom);
  },

  async exception_in_handle_error(t: Test) {
    await after_error(t, boom);
  },

  async exit_now_in_handle_connect(t: Test) {
    await in_hook(t, "handle_connect", exit_now);
  },

  async exit_now_in_handle_read(t: Test) {
    await in_hook(t, "handle_read", (me) => {
      me.take();
      exit_now(me);
    });
  },

  async exit_now_in_handle_write(t: Test) {
    await in_hook(t, "handle_write", exit_now);
  },

  async exit_now_in_handle_close(t: Test) {
    await in_hook(t, "handle_close", (me) => {
      me.close();
      exit_now(me);
    });
  },

  async exit_now_in_handle_accept(t: Test) {
    await in_listener(t, "handle_accept", (me) => {
      me.accept();
      exit_now(me);
    });
  },

  async exit_now_in_handle_accepted(t: Test) {
    await in_listener(t, "handle_accepted", exit_now);
  },

  async exit_now_in_handle_error(t: Test) {
    await after_error(t, exit_now);
  },

  async exit_now_in_readable(t: Test) {
    const c = await t.connected();
    c.hooks["readable"] = exit_now;
    await t.try_loop();
    c.clear_hooks();
    t.state(c);
  },

  async exit_now_in_writable(t: Test) {
    const c = await t.connected();
    c.hooks["writable"] = exit_now;
    await t.try_loop();
    c.clear_hooks();
    t.state(c);
  },

  async exception_in_readable(t: Test) {
    const c = await t.connected();
    c.hooks["readable"] = boom;
    await t.try_loop();
    c.clear_hooks();
    t.state(c);
  },

  async the_default_handle_error_logs_and_closes(t: Test) {
    const c = await t.connected({ kind: "bare" });
    c.handle_read = () => boom(c);
    await t.sends("data");
    t.state(c);
    await t.peer_ends();
  },

  async the_default_handle_read_warns(t: Test) {
    const c = await t.connected({ kind: "bare" });
    await t.peer("send", "p", { data: "data" });
    await t.loop();
    t.state(c);
  },

  async the_default_handle_connect_and_handle_write_warn(t: Test) {
    await t.connected({ kind: "bare" });
  },

  async the_default_handle_close_warns_and_closes(t: Test) {
    const c = await t.connected({ kind: "bare" });
    c.handle_read = () => void c.recv(10);
    await t.ends("fin");
    t.state(c);
  },

  async the_default_handle_accepted_warns_and_closes(t: Test) {
    const s = t.bare_server();
    await t.comes(s);
    await t.peer_reads();
    t.state(s);
  },

  async an_exception_costs_one_channel_only(t: Test) {
    const a = await t.connected({ name: "a", handle_read: boom });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.quiet();
    t.state(a);
    t.state(b);
  },

  async exit_now_leaves_the_other_channels_events(t: Test) {
    await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.try_loop();
    t.log("again");
    await t.quiet();
  },

  async handle_error_that_does_not_close(t: Test) {
    await after_error(t, () => t.log("goes on"));
  },

  async handle_read_that_takes_nothing_is_called_again(t: Test) {
    const c = await t.connected({ handle_read: () => t.log("not now") });
    await t.peer("send", "p", { data: "data" });
    await t.loop();
    t.log("pass");
    await t.loop();
    t.log("pass");
    c.clear_hooks();
    await t.quiet();
  },

  async exception_in_handle_connect_that_does_not_close(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), {
      handle_connect: boom,
      handle_error: () => t.log("goes on"),
    });
    await t.peer("accept", "p", { listener: "l" });
    await t.loop();
    t.state(c);
  },
};
