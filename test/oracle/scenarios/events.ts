/** The event methods, overridden and called, and read(), write() and readwrite(). The same scenarios as in `events.py`. */
import {
  type Act,
  boom,
  exit_now,
  fail,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  read,
  readwrite,
  type Scenario,
  type Test,
  write,
} from "../oracle-rt.ts";

/** read(), write() and readwrite() of a channel whose handlers do `act`. */
async function by_hand(t: Test, act: Act): Promise<void> {
  const c = t.nothing();
  c.hooks["handle_close"] = () => t.log("closing");
  c.handle_read_event = () => {
    t.log("read");
    act(c);
  };
  c.handle_write_event = () => {
    t.log("write");
    act(c);
  };
  c.handle_expt_event = () => {
    t.log("expt");
    act(c);
  };
  t.attempt("read()", () => read(c));
  t.attempt("write()", () => write(c));
  for (const flags of [
    0,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLERR,
    POLLHUP,
    POLLNVAL,
    POLLIN | POLLOUT | POLLPRI | POLLHUP,
  ]) {
    t.attempt("readwrite() " + String(flags), () => readwrite(c, flags));
  }
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  async handle_read_event_overridden(t: Test) {
    const c = await t.connected();
    c.handle_read_event = () => {
      t.log("read event");
      c.take();
    };
    await t.sends("data");
    await t.ends("fin");
    t.state(c);
  },

  async handle_write_event_overridden(t: Test) {
    const c = await t.connected();
    c.handle_write_event = () => t.log("write event");
    c.wants_write = true;
    await t.loop();
    c.wants_write = false;
    t.state(c);
  },

  async handle_connect_event_overridden(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    c.handle_connect_event = () => {
      t.log("connect event");
      t.becomes_connected(c);
    };
    c.connect(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
    await t.sends("data");
  },

  async handle_read_event_of_a_listener_overridden(t: Test) {
    const s = t.server();
    s.handle_read_event = () => {
      t.log("read event");
      s.handle_accept();
    };
    await t.comes(s);
    t.state(s);
  },

  async handle_write_event_of_a_connecting_client_overridden(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    c.handle_write_event = () => {
      t.log("write event");
      void c.handle_connect_event();
    };
    c.connect(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.quiet();
    t.state(c);
  },

  async exception_in_handle_read_event(t: Test) {
    const c = await t.connected();
    c.handle_read_event = () => boom(c);
    await t.sends("data");
    t.state(c);
  },

  async exit_now_in_handle_read_event(t: Test) {
    const c = await t.connected();
    c.handle_read_event = () => exit_now(c);
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(c);
  },

  async exit_now_in_handle_write_event(t: Test) {
    const c = await t.connected();
    c.handle_write_event = () => exit_now(c);
    c.wants_write = true;
    await t.try_loop();
    c.wants_write = false;
    t.state(c);
  },

  async exit_now_in_handle_connect_event(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    c.handle_connect_event = () => exit_now(c);
    c.connect(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.try_loop();
    c.close();
    t.state(c);
  },

  async exception_in_handle_connect_event(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.channel();
    c.handle_connect_event = () => boom(c);
    c.connect(await t.peer_listens());
    await t.peer("accept", "p", { listener: "l" });
    await t.try_loop();
    t.state(c);
  },

  async handle_read_event_called_by_hand(t: Test) {
    const c = await t.connected();
    await t.peer("send", "p", { data: "data" });
    await t.seen(c);
    t.attempt("handle_read_event", () => c.handle_read_event());
    t.state(c);
  },

  async handle_write_event_called_by_hand(t: Test) {
    const c = await t.connected();
    c.wants_write = true;
    t.attempt("handle_write_event", () => c.handle_write_event());
  },

  async handle_expt_event_called_by_hand(t: Test) {
    const c = await t.connected();
    t.attempt("handle_expt_event", () => c.handle_expt_event());
    t.state(c);
  },

  async handle_accept_called_by_hand_with_nobody_there(t: Test) {
    const s = t.server();
    t.attempt("handle_accept", () => s.handle_accept());
    t.state(s);
  },

  async handle_write_event_of_a_listener_called_by_hand(t: Test) {
    const s = t.server();
    s.wants_write = true;
    t.attempt("handle_write_event", () => s.handle_write_event());
    t.state(s);
  },

  async readwrite_of_handlers(t: Test) {
    await by_hand(t, () => t.log("done"));
  },

  async readwrite_of_handlers_that_raise(t: Test) {
    await by_hand(t, boom);
  },

  async readwrite_of_handlers_that_exit(t: Test) {
    await by_hand(t, exit_now);
  },

  async readwrite_of_handlers_that_lose_the_connection(t: Test) {
    await by_hand(t, fail("ECONNRESET"));
  },

  async readwrite_of_handlers_that_meet_another_error(t: Test) {
    await by_hand(t, fail("ETIMEDOUT"));
  },

  async readwrite_of_a_connection(t: Test) {
    const c = await t.connected();
    c.wants_write = true;
    await t.peer("send", "p", { data: "data" });
    await t.seen(c);
    readwrite(c, POLLIN | POLLOUT);
    t.state(c);
    readwrite(c, POLLHUP);
    t.state(c);
  },

  async read_of_a_listener(t: Test) {
    const s = t.server();
    await t.peer("connect", "p", { address: t.where(s) });
    await t.seen(s);
    read(s);
    t.state(s);
    t.state(s.children[0]);
  },
};
