/**
 * Scenarios in which ours differs from CPython's asyncore, on purpose, and why. The test holds that each of them still
 * differs and that ours does what is said here: who makes one agree takes it off.
 */
import type { Variant } from "./harness.ts";

export interface Difference {
  /** In which variants: those whose name has all of these words in it. */
  readonly where: Where;
  /** What our log has somewhere, lines joined by ` | `. */
  readonly ours: string;
  /** A sentence of PORTING.md. */
  readonly why: string;
}

type Where = "" | "select" | "poll" | "unix" | "tcp" | "unix poll" | "tcp poll";
type Case = readonly [where: Where, ours: string];

/** By the reason, the scenarios. */
export const reasons: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  // --- connecting
  "connect() never raises what the network says: handle_error() is told": {
    a_refused_connect: ["unix", "connect returned nothing | c handle_error ECONNREFUSED"],
    connect_to_an_address_that_cannot_be_reached: [
      "tcp",
      "connect returned nothing | c handle_error ENETUNREACH | c is nothing",
    ],
    connect_to_a_path_that_is_not_there: [
      "unix",
      "connect returned nothing | c handle_error ENOENT | c is nothing",
    ],
    connect_to_a_file_that_is_no_socket: [
      "unix",
      "connect returned nothing | c handle_error ECONNREFUSED | c is nothing",
    ],
  },
  "asyncore's connect() calls handle_connect() inside when a unix connect succeeds at once": {
    exception_in_handle_connect: ["unix", "c handle_error Boom | c is nothing"],
  },
  "asyncore sets `connected` after handle_connect() even when the hook has closed the channel": {
    close_in_handle_connect: ["", "c handle_connect | c is nothing"],
    close_in_handle_connect_of_with_send: ["tcp", 'c handle_connect | peer p got "" eof | c is nothing'],
  },
  "the connection stands, so a handle_connect() that raises is not called again; asyncore's stays connecting and calls it again":
    {
      exit_now_in_handle_connect: ["", "the loop raised ExitNow"],
      exception_in_handle_connect_that_does_not_close: ["tcp", "goes on | c is connected mapped"],
    },
  "a second connect() is a program's mistake: EALREADY or EISCONN is raised; asyncore calls handle_connect() again":
    {
      connect_twice: ["tcp", "connect raised EALREADY | c handle_connect"],
      connect_when_connected: ["", "connect raised EISCONN | c is connected mapped"],
    },
  "port 0 is no port to connect to, and a program's mistake; the kernel refuses the connection": {
    connect_to_port_0: ["tcp", "connect raised ValueError | c is mapped"],
  },
  "connect() wants a host; Python takes the empty one for this machine": {
    connect_without_a_host: ["tcp", "connect raised TypeError"],
  },
  "a second listen() is taken for a program's mistake; asyncore sets the backlog anew, as listen(2) does": {
    listen_twice: ["", "listen raised EINVAL"],
  },
  "a unix path we bound is removed at close; asyncore leaves it behind and the next bind() fails": {
    the_path_of_a_closed_unix_listener: ["unix", "there | gone"],
  },
  "a channel without a socket says ENOTSOCK; in Python its socket is None, which has no such method": {
    connect_without_a_socket: ["", "connect raised ENOTSOCK"],
    recv_without_a_socket: ["", "recv raised ENOTSOCK"],
  },

  // --- receiving
  "recv() with nothing to read returns an empty buffer, so that reading until empty is a loop": {
    recv_with_nothing_there: ["", 'recv returned "" | c is connected mapped'],
    recv_of_a_file_with_nothing_there: ["", 'recv returned "" | f is connected mapped'],
  },
  "recv(0) is no end of the stream; asyncore takes the empty result for one and calls handle_close()": {
    recv_of_nothing: ["", 'recv returned "" | c is connected mapped'],
  },
  "recv() of a unix socket that is not connected is handle_close(), as of every other; the kernel says EINVAL there, which asyncore raises":
    {
      recv_before_connect: ["unix", 'c handle_close | recv returned "" | c is nothing'],
      recv_of_a_listener: ["unix", 's handle_close | recv returned ""'],
    },
  "a closed channel is a program's mistake: EBADF is raised; asyncore calls handle_close() again": {
    recv_after_close: ["", "recv raised EBADF"],
    send_after_close: ["", "send raised EBADF"],
    recv_of_a_closed_file: ["", "recv raised EBADF"],
  },
  "send() to a closed channel is 0 in another channel's hook; asyncore calls handle_close() of the closed one again":
    { send_to_a_channel_that_has_closed: ["", 'a recv "data" | send returned 0 | b is nothing'] },

  // --- sending
  "a loss that a send() outside hooks meets is told in the next pass; asyncore calls handle_close() inside send()":
    {
      send_of_a_reader_after_the_peer_has_reset: [
        "",
        "send returned 0 | c is connected mapped | c handle_close | c is nothing",
      ],
      send_after_the_peer_has_reset: ["", "c handle_close"],
      one_send_after_the_peer_has_reset: ["", "send returned 0 | c handle_close | c is nothing"],
      send_on_a_reader: ["", "send returned 0 | f handle_close | f is nothing"],
    },
  "sending before connect() is a program's mistake: ENOTCONN is raised; asyncore calls handle_close(), returns 0":
    {
      send_before_connect: ["", "send raised ENOTCONN"],
      sends_before_connect: ["", "send raised ENOTCONN"],
      send_of_a_listener: ["tcp", "send raised ENOTCONN"],
    },
  "sending after one's own shutdown() is a program's mistake: EPIPE is raised; asyncore calls handle_close()":
    {
      send_after_our_half_close: ["", "send raised EPIPE | c is connected mapped"],
    },
  "shutdown() before connect() is ENOTCONN on unix sockets too, where the kernel allows it": {
    shutdown_of_a_channel_that_is_not_connected: ["unix", "shutdown raised ENOTCONN"],
  },

  // --- ends and errors
  "asyncore's poll2() calls handle_close() once more for POLLHUP when handle_read() has closed already": {
    reset_to_a_client: ["poll", "c handle_read | c handle_close | c is"],
    reset_to_a_server_channel: ["poll", "s1 handle_read | s1 handle_close | s1 is"],
    our_half_close_and_the_answer: ["poll", "c handle_read | c handle_close | c is"],
    the_peer_closes_with_our_bytes_unread: ["poll", "c handle_read | c handle_close | c is"],
    close_by_the_peer: ["unix poll", "c handle_read | c handle_close | c is"],
    a_whole_exchange_and_their_close: ["unix poll", "s1 handle_read | s1 handle_close | s1 is"],
    with_send_resets: ["poll", "c handle_read | c handle_close | c is"],
    reset_in_the_middle_of_a_frame: ["poll", "c handle_close | c is"],
    the_end_while_handle_connect_runs_late: ["tcp poll", "c handle_read | c handle_close | c is"],
    reset_after_our_half_close: ["poll", "c handle_read | c handle_close | c is"],
    a_server_half_closes_and_hears_the_rest: ["poll", "s1 handle_read | s1 handle_close | s1 is"],
    shutdown_of_both_directions: ["poll", "c handle_read | c handle_close | peer"],
    a_whole_program_without_timeout: ["tcp poll", "c handle_read | c handle_close | ended"],
    a_producer_where_the_peer_does_not_read: ["poll", "writable | c handle_close | some is left"],
    urgent_and_a_reset: ["tcp poll", "c handle_read | c handle_close | c is"],
    a_terminal_that_hangs_up: ["poll", "f handle_read | f handle_close | f is"],
  },
  "asyncore's poll2() closes on POLLHUP after one read, whatever is left to read; ours reads to the end": {
    a_connection_that_has_ended_before_it_is_accepted: [
      "unix poll",
      's1 recv "short" | s1 handle_read | s1 handle_close',
    ],
    data_and_reset: ["poll", 'c recv "last words" | c handle_read | c handle_close | c is'],
    data_and_reset_to_a_server_channel: [
      "poll",
      's1 recv "last words" | s1 handle_read | s1 handle_close | s1 is',
    ],
    data_and_close_to_a_server_channel: [
      "unix poll",
      's1 recv "last words" | s1 handle_read | s1 handle_close | s1 is',
    ],
    data_and_the_end_come_together: ["poll", 'f recv "last words" | f handle_read | f handle_close'],
    the_end_while_unread_bytes_wait: [
      "poll",
      'piece "abc" | f handle_read | piece "def" | f handle_read | piece "gh"',
    ],
    much_is_read: ["poll", "> | f handle_read | f handle_close"],
    a_relay_from_one_fifo_to_another: ["poll", 'r recv "and out" | r handle_read | r handle_close'],
    both_ends_of_a_pipe: ["poll", 'r recv "inside" | r handle_read | r handle_close'],
  },
  "asyncore's poll2() tells the end of a pipe by handle_close() alone; ours reads it first, as with select()":
    {
      a_reader_reads_to_the_end: ["poll", "f handle_read | f handle_close"],
      a_reader_before_any_writer: ["poll", "f handle_read | f handle_close"],
      a_reader_of_two_writers: ["poll", "f handle_read | f handle_close"],
      the_descriptor_is_duplicated: ["poll", "f handle_read | f handle_close"],
      exit_now_in_a_reader: ["poll", "f handle_read | f handle_close"],
      exit_now_in_handle_close_of_a_reader: ["poll", "f handle_read | f handle_close"],
      files_and_sockets_of_one_map: ["poll", "f handle_read | f handle_close"],
    },
  "asyncore's poll2() calls handle_write() of a channel that handle_read() has closed": {
    handle_read_closes_before_handle_write: ["poll", "c handle_read | c is nothing"],
  },
  "an OSError that comes out of a hook is handle_error()'s, whatever its number; asyncore's poll2() calls handle_close() for ECONNRESET and the like":
    {
      a_hook_raises_a_lost_connection: ["poll", "c handle_error ECONNRESET | c is nothing"],
      a_reset_before_anybody_has_looked: ["tcp poll", "c handle_error ECONNRESET | c is nothing"],
    },
  "the end is told once; asyncore calls handle_close() in every pass until the channel is closed": {
    handle_close_that_neither_closes_nor_stops_reading: [
      "",
      "c handle_read | c handle_close | goes on | c is connected mapped",
    ],
  },
  "close() reads and drops what came, so that the kernel does not reset what the peer has not read yet": {
    we_close_with_their_bytes_unread: ["", 'peer p got "" eof'],
  },
  "no hook runs after close(): an exception that follows it is logged; asyncore calls handle_error()": {
    a_close_that_raises_in_close_all_of_a_hook: ["", 'a recv "data" | a is nothing'],
    exception_after_close_in_a_hook: ["", 'c recv "data" | c is nothing'],
  },
  "a handle_error() that fails costs its own channel, which is cut; asyncore's loop ends with it": {
    exception_in_handle_error: ["", "c handle_error Boom | c is connected"],
    exception_in_log_info: ["", "event | c is nothing"],
  },

  // --- passes
  "asyncore hands the closed descriptor to select(), and the whole loop ends with EBADF": {
    close_in_readable: ["select", "readable | c is nothing"],
    close_in_writable: ["select", "writable | c is nothing"],
  },
  "an exception in a predicate costs its own channel, as in a hook; asyncore's loop ends with it": {
    exception_in_readable: ["", "c handle_error Boom | c is nothing"],
  },
  "writable() of a listener, whose answer asyncore throws away, is not asked": {
    a_listener_is_not_asked_to_write: ["", "s is accepting mapped"],
  },
  "a class with neither a writable() nor a handle_write() of its own has no write events; asyncore's default handle_write() warns in every pass":
    { a_class_without_handle_write_and_writable: ["", "unhandled write event | c is connected mapped"] },
  "a channel is in one map at a time: add_channel() of another takes it out of the first": {
    add_channel_with_another_map: ["", "c is not in socket_map"],
  },

  // --- frames
  "a closed channel gets no more frames; asynchat goes on with what it has read": {
    close_in_collect: ["", "c handle_connect | c is nothing"],
    close_in_found_terminator: ["", 'c found after "one" | c is nothing'],
  },
  "a producer is asked in a pass: what it raises does not come out of push_with_producer()": {
    exit_now_in_a_producer: ["", "push_with_producer returned nothing | the loop raised ExitNow"],
    a_producer_that_raises_outside_hooks: ["", "push_with_producer returned nothing | c handle_error Boom"],
  },

  // --- urgent data
  "send() of an urgent byte returns 0 while something is queued that it could not overtake; Python's socket raises EAGAIN":
    { our_urgent_byte_where_nobody_reads: ["tcp", "send returned 0 | c is connected mapped"] },
  "recv() of an urgent byte that is not there returns an empty buffer; Python's socket raises EINVAL": {
    recv_of_urgent_data_that_is_not_there: ["tcp", 'c urgent returned ""'],
  },
  "urgent data is watched for where a class has a handle_expt() of its own, and nowhere else warned of": {
    urgent_to_a_class_without_handle_expt: ["tcp", "unhandled write event | c is connected mapped"],
  },
  "asyncore's poll2() hears of urgent data only for channels that read, its poll() and ours also for those that write":
    { urgent_for_a_writer: ["tcp poll", 'room | c handle_expt | c urgent returned "!"'] },

  // --- files
  "what is sent goes out at the end of the turn: that nobody reads a pipe any more is told by the next event, not inside send()":
    {
      writing_where_the_reader_has_vanished: ["", "send returned 1 | f handle_write | f handle_close"],
      a_write_between_passes_where_the_reader_has_vanished: ["", "send returned 1"],
      a_wrapper_whose_reader_vanishes: ["", "write returned 1 | write raised EPIPE"],
    },
  "that nobody reads a pipe any more is handle_close() at once, as with asyncore's poll2(); its poll() calls handle_read() first":
    { an_idle_writer_whose_reader_vanishes: ["select", "f handle_close | f is nothing"] },
  "a file that is open for writing only is not read; asyncore reads it and takes EBADF for its end": {
    a_regular_file_that_is_only_written: ["", "f is connected mapped"],
    a_wrapper_in_the_wrong_direction: ["", "read returned nothing | write raised EBADF"],
  },
  "read() of a file_wrapper gives undefined when there is nothing now; Python raises BlockingIOError": {
    a_wrapper_with_nothing_there: ["", "read returned nothing"],
  },
  "what only a socket has is ENOTSOCK for a file_wrapper; Python raises NotImplementedError": {
    the_options_of_a_wrapper: ["", "SO_ERROR returned 0 | SO_RCVBUF raised ENOTSOCK"],
  },
};

const differs: Readonly<Record<string, Difference>> = Object.fromEntries(
  Object.entries(reasons).flatMap(([why, cases]) =>
    Object.entries(cases).map(([name, [where, ours]]) => [name, { where, ours, why }] as const),
  ),
);

/** The difference that counts in `variant`, if one does. */
export function differenceIn(name: string, variant: Variant): Difference | undefined {
  const one = differs[name];
  return one?.where.split(" ").every((word) => variant.includes(word)) === true ? one : undefined;
}
