/**
 * Which test of ours checks what each test of CPython 3.11's own test_asyncore and test_asynchat checks. One row for each
 * of theirs, also for those that a class inherits; every row has a test of ours. `cpython-tests.test.ts` holds that the
 * rows are CPython's tests, no more and no fewer, that ours exist, and that README.md has this table.
 */
import path from "node:path";

/** A test of ours. */
export interface Place {
  /** Below `test/`. */
  readonly file: string;
  /** Its `describe`s and its own title, joined by ` > `. With `*` at the end: every test that begins so. */
  readonly title: string;
}

export interface Row {
  /** `test_asyncore.DispatcherTests.test_log` */
  readonly theirs: string;
  readonly ours: readonly [Place, ...Place[]];
  /** What is not the same, and why. */
  readonly note?: string;
}

/** A method of a class of theirs: our titles, a note after them if there is one. */
interface Method {
  readonly titles: readonly [string, ...string[]];
  readonly note?: string;
  /** Another note where the family is unix. */
  readonly unixNote?: string;
}

const ASYNCORE = "classic/cpython-asyncore.test.ts";
const ASYNCHAT = "classic/cpython-asynchat.test.ts";

function row(theirs: string, file: string, titles: readonly [string, ...string[]], note?: string): Row {
  const place = (title: string): Place => ({ file, title });
  const [first, ...others] = titles;
  const ours: Row["ours"] = [place(first), ...others.map(place)];
  return note === undefined ? { theirs, ours } : { theirs, ours, note };
}

// --- test_asyncore: single classes -------------------------------------------------------------------------------

const functions: readonly Row[] = [
  row(
    "test_asyncore.HelperFunctionTests.test_readwriteexc",
    ASYNCORE,
    [
      "functions > read() lets ExitNow out and gives other errors to handle_error()",
      "functions > write() lets ExitNow out and gives other errors to handle_error()",
      "functions > readwrite(POLLPRI) lets ExitNow out and gives other errors to handle_error()",
    ],
    "`_exception()` is private; readwrite(POLLPRI) calls the same handler",
  ),
  row(
    "test_asyncore.HelperFunctionTests.test_readwrite",
    ASYNCORE,
    ["functions > readwrite() calls the one handler of *"],
    "one test for each flag",
  ),
  row("test_asyncore.HelperFunctionTests.test_closeall", ASYNCORE, [
    "functions > close_all(map) closes every channel of the map and empties it",
  ]),
  row(
    "test_asyncore.HelperFunctionTests.test_closeall_default",
    ASYNCORE,
    ["functions > close_all() closes the channels of socket_map and leaves other maps alone"],
    "a module's names cannot be set from outside: the real `socket_map` is used",
  ),
  row(
    "test_asyncore.HelperFunctionTests.test_compact_traceback",
    "classic/classic.test.ts",
    ["compact_traceback() > gives Python's tuple, innermost frame first and all of them in the text"],
    "the error is an argument; its type and value are texts",
  ),
];

const dispatcher: readonly Row[] = [
  row("test_asyncore.DispatcherTests.test_basic", ASYNCORE, [
    "dispatcher > readable() and writable() are true by default",
  ]),
  row(
    "test_asyncore.DispatcherTests.test_repr",
    ASYNCORE,
    ["dispatcher > its text names the class"],
    "`__repr__` is toString(); the channel's number stands for the address in memory",
  ),
  row("test_asyncore.DispatcherTests.test_log", ASYNCORE, ["dispatcher > log() writes to standard error"]),
  row("test_asyncore.DispatcherTests.test_log_info", ASYNCORE, [
    "dispatcher > log_info() writes to standard output, with the type in front",
  ]),
  row("test_asyncore.DispatcherTests.test_unhandled", ASYNCORE, [
    "dispatcher > events that nobody handles are warnings, once none is ignored",
  ]),
  row(
    "test_asyncore.DispatcherTests.test_strerror",
    ASYNCORE,
    [
      "dispatcher > an error says what the platform says for its code, and something for a code it does not have",
    ],
    "`_strerror()` is private; its texts are in the messages of errors",
  ),
  row(
    "test_asyncore.DispatcherWithSendTests.test_send",
    ASYNCORE,
    [
      "dispatcher_with_send > send() before the connection stands keeps what it is given until passes have sent it",
      "dispatcher_with_send > send() after the connection stands keeps what it is given until passes have sent it",
    ],
    "`bufferedAmount` says what `out_buffer` held",
  ),
];

const files: readonly Row[] = [
  row("test_asyncore.FileWrapperTest.test_recv", ASYNCORE, [
    "file_wrapper > recv() and read() read from a duplicate of the descriptor, until it is closed",
  ]),
  row("test_asyncore.FileWrapperTest.test_send", ASYNCORE, [
    "file_wrapper > write() and send() have appended to the file when close() returns",
  ]),
  row("test_asyncore.FileWrapperTest.test_dispatcher", ASYNCORE, [
    "file_wrapper > file_dispatcher's handle_read() has read the file after two passes with use_poll",
  ]),
  row(
    "test_asyncore.FileWrapperTest.test_resource_warning",
    "socket/file.test.ts",
    ["FileSocket > FileSocket that is dropped is closed by garbage collection"],
    "there is no ResourceWarning in JavaScript; that the descriptor is closed is checked",
  ),
  row("test_asyncore.FileWrapperTest.test_close_twice", ASYNCORE, [
    "file_wrapper > close() tells that somebody else has closed the descriptor, once",
  ]),
];

// --- test_asyncore: each family, with select() and with poll() ---------------------------------------------------

const UNIX_TOO = "CPython skips it for unix";

const api: Readonly<Record<string, Method>> = {
  test_handle_connect: { titles: ["handle_connect() runs when the connection stands"] },
  test_handle_accept: { titles: ["handle_accept() runs when somebody connects"] },
  test_handle_accepted: {
    titles: ["handle_accepted() is what the default handle_accept() calls, with socket and address"],
  },
  test_handle_read: { titles: ["handle_read() runs when data has come"] },
  test_handle_write: { titles: ["handle_write() runs when there is room"] },
  test_handle_close: { titles: ["handle_close() runs when recv() meets the end that the other side made"] },
  test_handle_close_after_conn_broken: {
    titles: [
      "handle_close() runs when send() meets a connection that the other side has closed",
      "handle_close() runs when send() meets a connection that the other side has reset",
    ],
    note: "close() reads on for `lingerTimeoutMs` before the kernel may reset; the test makes it short",
  },
  test_handle_expt: {
    titles: ["handle_expt() runs when urgent data has come, where the family has any"],
    unixNote: `${UNIX_TOO}; here it is checked that urgent data is refused`,
  },
  test_handle_error: {
    titles: ["handle_error() gets what a hook threw"],
    note: "the error is an argument",
  },
  test_connection_attributes: {
    titles: ["connected and accepting say what a server and a client are, from the beginning to the end"],
  },
  test_create_socket: {
    titles: [
      "create_socket() makes a stream socket of the family",
      "create_socket() makes a descriptor that does not block and that children do not get",
    ],
  },
  test_bind: { titles: ["bind() fails where somebody else listens"], unixNote: UNIX_TOO },
  test_set_reuse_addr: {
    titles: ["set_reuse_addr() sets SO_REUSEADDR, which is not set before"],
    unixNote: UNIX_TOO,
  },
  test_quick_connect: {
    titles: ["a server goes on when a client has connected and reset before it was accepted"],
    unixNote: UNIX_TOO,
  },
};

const variants = {
  TestAPI_UseIPv4Select: "tcp4 select",
  TestAPI_UseIPv4Poll: "tcp4 poll",
  TestAPI_UseIPv6Select: "tcp6 select",
  TestAPI_UseIPv6Poll: "tcp6 poll",
  TestAPI_UseUnixSocketsSelect: "unix select",
  TestAPI_UseUnixSocketsPoll: "unix poll",
} as const;

// --- test_asynchat -------------------------------------------------------------------------------------------------

const chat: Readonly<Record<string, Method>> = {
  test_line_terminator1: {
    titles: ["a terminator of one character ends a frame, in whatever pieces it comes"],
  },
  test_line_terminator2: {
    titles: ["a terminator of two characters ends a frame, in whatever pieces it comes"],
  },
  test_line_terminator3: {
    titles: ["a terminator of three characters ends a frame, in whatever pieces it comes"],
  },
  test_numeric_terminator1: {
    titles: ["a terminator that is a count ends the frame after so many bytes: 1"],
  },
  test_numeric_terminator2: {
    titles: ["a terminator that is a count ends the frame after so many bytes: 6"],
  },
  test_none_terminator: { titles: ["without a terminator everything is collected and no frame ends"] },
  test_simple_producer: { titles: ["push_with_producer() sends what a simple_producer cuts into pieces"] },
  test_string_producer: { titles: ["push_with_producer() sends bytes and text as they are, in their turn"] },
  test_empty_line: { titles: ["two terminators in a row are an empty frame"] },
  test_close_when_done: {
    titles: ["close_when_done() closes when everything has been sent, and no hook is called after it"],
  },
  test_push: {
    titles: ["push() takes every kind of bytes and refuses what is neither bytes nor text"],
    note: "text is no TypeError here, it is sent as UTF-8",
  },
};

const chatVariants = { TestAsynchat: "select", TestAsynchat_WithPoll: "poll" } as const;

const chatOthers: readonly Row[] = [
  row(
    "test_asynchat.TestAsynchatMocked.test_blockingioerror",
    ASYNCHAT,
    [
      "async_chat > handle_read() takes BlockingIOError from the socket for no error",
      "async_chat > handle_read() takes nothing to read for no error",
    ],
    "our own sockets say with a value that there is nothing to read",
  ),
  row(
    "test_asynchat.TestHelperFunctions.test_find_prefix_at_end",
    "bytes/terminator.test.ts",
    ['findPrefixAtEnd("qwerty\\r", "\\r\\n") is 1', 'findPrefixAtEnd("qwertydkjf", "\\r\\n") is 0'],
    "of bytes",
  ),
  row("test_asynchat.TestNotConnected.test_disallow_negative_terminator", ASYNCHAT, [
    "async_chat > set_terminator() refuses a count that is negative",
  ]),
];

/** Each method in each variant: what a class inherits is a row too. */
function inherited(
  file: string,
  module: string,
  classes: Readonly<Record<string, string>>,
  methods: Readonly<Record<string, Method>>,
): Row[] {
  return Object.entries(classes).flatMap(([Class, variant]) =>
    Object.entries(methods).map(([method, { titles, note, unixNote }]) => {
      const [first, ...others] = titles.map((title) => `${variant} > ${title}`) as [string, ...string[]];
      const said = variant.startsWith("unix") ? (unixNote ?? note) : note;
      return row(`${module}.${Class}.${method}`, file, [first, ...others], said);
    }),
  );
}

/** Every test of CPython's, and where ours is. */
export const rows: readonly Row[] = [
  ...functions,
  ...dispatcher,
  ...files,
  ...inherited(ASYNCORE, "test_asyncore", variants, api),
  ...inherited(ASYNCHAT, "test_asynchat", chatVariants, chat),
  ...chatOthers,
];

const HEAD = ["CPython", "Ours", "File", "What is not the same"];

/** The cells of a row in README.md: paths are from this folder. */
export function cellsOf({ theirs, ours, note }: Row): readonly string[] {
  const lines = (values: Iterable<string>): string => [...values].join("<br>");
  const paths = new Set(ours.map(({ file }) => path.relative("classic", file)));
  return [
    `\`${theirs.slice(theirs.indexOf(".") + 1)}\``,
    lines(ours.map(({ title }) => `\`${title}\``)),
    lines(paths),
    note ?? "",
  ];
}

/** The heading in README.md that a row stands under: its module and class. */
export const headingOf = ({ theirs }: Row): string => theirs.split(".").slice(0, 2).join(".");

/** README.md's tables: one for each class. */
export function tables(): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const head = line(HEAD) + line(HEAD.map(() => "---"));
  return [...Map.groupBy(rows, headingOf)]
    .map(([heading, own]) => `### ${heading}\n\n${head}${own.map((one) => line(cellsOf(one))).join("")}`)
    .join("\n");
}
