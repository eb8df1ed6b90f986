/** close_all(): what a close() of its may raise, and what becomes of the others. The same scenarios as in `closeall.py`. */
import {
  type Act,
  boom,
  close_all,
  exit_now,
  fail,
  type Logged,
  type Scenario,
  type Test,
} from "../oracle-rt.ts";

/** The second of three channels does `act` when it is closed. */
async function with_the_second_of_three(t: Test, act: Act, ignore_all: boolean): Promise<void> {
  const a = await t.connected({ name: "a", peer: "p" });
  const b = await t.connected({ name: "b", peer: "q", close: act });
  const c = await t.connected({ name: "c", peer: "r" });
  t.attempt("close_all", () => close_all(t.map, ignore_all));
  t.state(a);
  t.state(b);
  t.state(c);
  t.log("channels " + String(t.channels().length));
  b.clear_hooks();
  b.close();
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  async a_close_that_raises(t: Test) {
    await with_the_second_of_three(t, boom, false);
  },

  async a_close_that_raises_and_is_ignored(t: Test) {
    await with_the_second_of_three(t, boom, true);
  },

  async a_close_that_exits(t: Test) {
    await with_the_second_of_three(t, exit_now, false);
  },

  async a_close_that_exits_is_not_ignored(t: Test) {
    await with_the_second_of_three(t, exit_now, true);
  },

  async a_close_that_raises_ebadf(t: Test) {
    await with_the_second_of_three(t, fail("EBADF"), false);
  },

  async a_close_that_raises_ebadf_and_is_ignored(t: Test) {
    await with_the_second_of_three(t, fail("EBADF"), true);
  },

  async a_close_that_raises_enotconn(t: Test) {
    await with_the_second_of_three(t, fail("ENOTCONN"), false);
  },

  async a_close_that_raises_enotconn_and_is_ignored(t: Test) {
    await with_the_second_of_three(t, fail("ENOTCONN"), true);
  },

  async a_close_that_raises_eio(t: Test) {
    await with_the_second_of_three(t, fail("EIO"), false);
  },

  async a_close_that_raises_eio_and_is_ignored(t: Test) {
    await with_the_second_of_three(t, fail("EIO"), true);
  },

  async a_close_that_raises_after_closing(t: Test) {
    const a = await t.connected({
      name: "a",
      close: (me) => {
        me.del_channel();
        boom(me);
      },
    });
    const b = await t.connected({ name: "b", peer: "q" });
    t.attempt("close_all", () => close_all(t.map));
    t.state(a);
    t.state(b);
    a.clear_hooks();
    a.close();
  },

  async a_close_that_closes_the_next(t: Test) {
    const b: Logged[] = [];
    await t.connected({ name: "a", close: () => b[0]?.close() });
    b.push(await t.connected({ name: "b", peer: "q", close: () => t.log("b closes") }));
    t.attempt("close_all", () => close_all(t.map));
    t.state(b[0]);
    await t.peer_reads(undefined, "q");
  },

  async a_close_that_closes_the_one_before(t: Test) {
    const a = await t.connected({ name: "a", close: () => t.log("a closes") });
    await t.connected({ name: "b", peer: "q", close: () => a.close() });
    t.attempt("close_all", () => close_all(t.map));
    t.log("channels " + String(t.channels().length));
  },

  async a_close_that_makes_another_channel(t: Test) {
    const made: Logged[] = [];
    const a = await t.connected({ name: "a", close: () => made.push(t.channel({ name: "new" })) });
    t.attempt("close_all", () => close_all(t.map));
    t.log("made " + String(made.length));
    t.state(made[0]);
    t.state(a);
    t.log("channels " + String(t.channels().length));
    made[0]?.close();
  },

  async a_close_that_connects_anew(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const address = await t.peer_listens("listen", "m");
    const made: Logged[] = [];
    const anew = (): void => {
      made.push(t.client(address, { name: "new", close: anew }));
    };
    const a = await t.connected({ name: "a", close: anew });
    t.attempt("close_all", () => close_all(t.map));
    t.log("made " + String(made.length));
    t.state(a);
    t.log("channels " + String(t.channels().length));
    for (const c of made) {
      c.clear_hooks();
      c.close();
    }
  },

  async close_all_twice(t: Test) {
    const a = await t.connected({ name: "a", close: () => t.log("a closes") });
    t.attempt("close_all", () => close_all(t.map));
    t.attempt("close_all", () => close_all(t.map));
    t.state(a);
  },

  async close_all_of_every_kind(t: Test) {
    const s = t.server();
    await t.comes(s, "q");
    const c = await t.connected();
    const n = t.channel({ name: "n" });
    const f = await t.reader({ peer: "r" });
    t.attempt("close_all", () => close_all(t.map));
    t.state(s);
    t.state(s.children[0]);
    t.state(c);
    t.state(n);
    t.state(f);
    await t.peer_reads();
    await t.peer_reads(undefined, "q");
  },

  async close_all_while_connecting(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens());
    t.state(c);
    t.attempt("close_all", () => close_all(t.map));
    t.state(c);
    await t.quiet();
  },

  async close_all_with_bytes_unread(t: Test) {
    const c = await t.connected({ readable: () => false });
    await t.sends("never read");
    t.attempt("close_all", () => close_all(t.map));
    t.state(c);
    await t.peer_ends();
  },

  async close_all_with_bytes_sent(t: Test) {
    const c = await t.connected();
    c.send("good bye");
    t.attempt("close_all", () => close_all(t.map));
    t.state(c);
    await t.peer_reads();
  },

  async close_all_in_handle_connect(t: Test) {
    if (t.family === "unix") {
      return;
    }
    const c = t.client(await t.peer_listens(), { handle_write: () => close_all(t.map) });
    await t.peer("accept", "p", { listener: "l" });
    await t.try_quiet();
    t.state(c);
  },

  async close_all_in_handle_write(t: Test) {
    const a = await t.connected({ name: "a", handle_write: () => close_all(t.map) });
    const b = await t.connected({ name: "b", peer: "q" });
    a.wants_write = true;
    b.wants_write = true;
    await t.loop();
    t.state(a);
    t.state(b);
  },

  async close_all_in_handle_close(t: Test) {
    const a = await t.connected({ name: "a", handle_close: () => close_all(t.map) });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("fin");
    await t.loop();
    t.state(a);
    t.state(b);
  },

  async close_all_in_handle_accept(t: Test) {
    const s = t.server({ handle_accept: () => close_all(t.map) });
    const c = await t.connected({ peer: "q" });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.loop();
    t.state(s);
    t.state(c);
  },

  async close_all_in_handle_accepted(t: Test) {
    const s = t.server({
      handle_accepted: (me) => {
        me.adopt(me.sock);
        close_all(t.map);
      },
    });
    await t.peer("connect", "p", { address: t.where(s) });
    await t.loop();
    t.state(s);
    t.state(s.children[0]);
    await t.peer_reads();
  },

  async close_all_in_handle_error(t: Test) {
    const a = await t.connected({ name: "a", handle_read: boom, handle_error: () => close_all(t.map) });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "p", { data: "data" });
    await t.loop();
    t.state(a);
    t.state(b);
  },

  async close_all_after_exit_now(t: Test) {
    const a = await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        exit_now(me);
      },
    });
    const b = await t.connected({ name: "b", peer: "q" });
    await t.peer("send", "p", { data: "1" });
    await t.peer("send", "q", { data: "2" });
    await t.try_loop();
    t.attempt("close_all", () => close_all(t.map));
    t.state(a);
    t.state(b);
    await t.quiet();
  },

  async a_close_that_raises_in_close_all_of_a_hook(t: Test) {
    const a = await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        close_all(t.map);
      },
    });
    const b = await t.connected({ name: "b", peer: "q", close: boom });
    await t.peer("send", "p", { data: "data" });
    await t.loop();
    t.state(a);
    t.state(b);
    b.clear_hooks();
    b.close();
  },

  async a_close_that_exits_in_close_all_of_a_hook(t: Test) {
    const a = await t.connected({
      name: "a",
      handle_read: (me) => {
        me.take();
        close_all(t.map, true);
      },
    });
    const b = await t.connected({ name: "b", peer: "q", close: exit_now });
    await t.peer("send", "p", { data: "data" });
    await t.try_loop();
    t.state(a);
    t.state(b);
    b.clear_hooks();
    b.close();
  },
};
