/**
 * Scenarios in which ours differs from CPython's asyncore, on purpose, and why. The test holds that each of them still
 * differs and that ours does what is said here: who makes one agree takes it off.
 */
import type { Variant } from "./harness.ts";

export interface Difference {
  /** In which variants: all, or those whose name has this in it. */
  readonly where: "" | "select" | "poll" | "unix" | "tcp" | "unix poll";
  /** What our log has somewhere, lines joined by ` | `. */
  readonly ours: string;
  readonly why: string;
}

/** The difference that counts in `variant`, if one does. */
export function differenceIn(name: string, variant: Variant): Difference | undefined {
  const one = differs[name];
  return one !== undefined && variant.includes(one.where) ? one : undefined;
}

const TOLD_ONCE =
  "asyncore's poll2() calls handle_close() once more for POLLHUP when handle_read() has closed already";
const EBADF = "a closed channel is a program's mistake: EBADF is raised; asyncore calls handle_close() again";
const IN_CONNECT = "asyncore's connect() calls handle_connect() inside when a unix connect succeeds at once";
const CONNECTED_ONCE =
  "the connection stands, so a handle_connect() that raises is not called again; asyncore's stays connecting and calls it again";
const SELECT_FAILS = "asyncore hands the closed descriptor to select(), and the whole loop ends with EBADF";

/** On purpose. */
export const differs: Readonly<Record<string, Difference>> = {
  a_refused_connect: {
    where: "unix",
    ours: "connect returned nothing | c handle_error ECONNREFUSED",
    why: "connect() never raises what the network says: handle_error() is told",
  },
  exception_in_handle_connect: { where: "unix", ours: "c handle_error Boom | c is nothing", why: IN_CONNECT },
  close_in_handle_connect: {
    where: "",
    ours: "c handle_connect | c is nothing",
    why: "asyncore sets `connected` after handle_connect() even when the hook has closed the channel",
  },
  reset_to_a_client: { where: "poll", ours: "c handle_read | c handle_close | c is", why: TOLD_ONCE },
  reset_to_a_server_channel: {
    where: "poll",
    ours: "s1 handle_read | s1 handle_close | s1 is",
    why: TOLD_ONCE,
  },
  our_half_close_and_the_answer: {
    where: "poll",
    ours: "c handle_read | c handle_close | c is",
    why: TOLD_ONCE,
  },
  the_peer_closes_with_our_bytes_unread: {
    where: "poll",
    ours: "c handle_read | c handle_close | c is",
    why: TOLD_ONCE,
  },
  close_by_the_peer: { where: "unix poll", ours: "c handle_read | c handle_close | c is", why: TOLD_ONCE },
  a_whole_exchange_and_their_close: {
    where: "unix poll",
    ours: "s1 handle_read | s1 handle_close | s1 is",
    why: TOLD_ONCE,
  },
  with_send_resets: { where: "poll", ours: "c handle_read | c handle_close | c is", why: TOLD_ONCE },
  reset_in_the_middle_of_a_frame: { where: "poll", ours: "c handle_close | c is", why: TOLD_ONCE },
  a_connection_that_has_ended_before_it_is_accepted: {
    where: "unix poll",
    ours: 's1 recv "short" | s1 handle_read | s1 handle_close',
    why: "asyncore's poll2() closes on POLLHUP after one read, whatever is left to read; ours reads to the end",
  },
  handle_read_closes_before_handle_write: {
    where: "poll",
    ours: "c handle_read | c is nothing",
    why: "asyncore's poll2() calls handle_write() of a channel that handle_read() has closed",
  },
  recv_with_nothing_there: {
    where: "",
    ours: 'recv returned "" | c is connected mapped',
    why: "recv() with nothing to read returns an empty buffer, so that reading until empty is a loop",
  },
  recv_after_close: { where: "", ours: "recv raised EBADF", why: EBADF },
  send_after_close: { where: "", ours: "send raised EBADF", why: EBADF },
  send_of_a_reader_after_the_peer_has_reset: {
    where: "",
    ours: "send returned 0 | c is connected mapped | c handle_close | c is nothing",
    why: "a loss that a send() outside hooks meets is told in the next pass; asyncore calls handle_close() inside send()",
  },
  we_close_with_their_bytes_unread: {
    where: "",
    ours: 'peer p got "" eof',
    why: "close() reads and drops what came, so that the kernel does not reset what the peer has not read yet",
  },
  close_in_readable: { where: "select", ours: "readable | c is nothing", why: SELECT_FAILS },
  close_in_writable: { where: "select", ours: "writable | c is nothing", why: SELECT_FAILS },
  exception_in_readable: {
    where: "",
    ours: "c handle_error Boom | c is nothing",
    why: "an exception in a predicate costs its own channel, as in a hook; asyncore's loop ends with it",
  },
  exception_in_handle_error: {
    where: "",
    ours: "c handle_error Boom | c is connected",
    why: "a handle_error() that fails costs its own channel, which is cut; asyncore's loop ends with it",
  },
  a_listener_is_not_asked_to_write: {
    where: "",
    ours: "s is accepting mapped",
    why: "writable() of a listener, whose answer asyncore throws away, is not asked",
  },
  the_path_of_a_closed_unix_listener: {
    where: "unix",
    ours: "there | gone",
    why: "a unix path we bound is removed at close; asyncore leaves it behind and the next bind() fails",
  },
  exit_now_in_handle_connect: { where: "", ours: "the loop raised ExitNow", why: CONNECTED_ONCE },
  exception_in_handle_connect_that_does_not_close: {
    where: "tcp",
    ours: "goes on | c is connected mapped",
    why: CONNECTED_ONCE,
  },
  listen_twice: {
    where: "",
    ours: "listen raised EINVAL",
    why: "a second listen() is taken for a program's mistake; asyncore sets the backlog anew, as listen(2) does",
  },
  send_before_connect: {
    where: "",
    ours: "send raised ENOTCONN",
    why: "sending before connect() is a program's mistake: ENOTCONN is raised; asyncore calls handle_close(), returns 0",
  },
  send_after_the_peer_has_reset: {
    where: "",
    ours: "c handle_close",
    why: "a loss that a send outside the hooks meets is told in the next pass, and handle_close() does not run inside send()",
  },
};
