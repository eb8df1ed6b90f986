"""The oracle's runtime, Python side: runs every scenario on CPython's asyncore and prints the logs as JSON.

usage: python -W ignore oracle_rt.py BUN FAMILY SELECT_OR_POLL DIRECTORY GROUP...
`oracle-rt.ts` and `run.ts` are the same program for `asyncore/classic`.
"""
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

import asynchat
import asyncore

# Some of it only for scenarios, which take everything from here.
from oracle_channels import KINDS, Bare, Hooks, Logged, LoggedFile
from oracle_words import Boom, Failing, Pieces, boom, close_it, exit_now, fail, name_of, plain, show

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET = 0.010
DEADLINE = 10.0
SCENARIO_DEADLINE = 30
SCENARIOS = {}


Hook = str
Act = object
Term = object
loop = asyncore.loop
poll = asyncore.poll
read = asyncore.read
write = asyncore.write
readwrite = asyncore.readwrite
close_all = asyncore.close_all
simple_producer = asynchat.simple_producer
file_wrapper = asyncore.file_wrapper
SOL_SOCKET = socket.SOL_SOCKET
SO_ERROR = socket.SO_ERROR
SO_RCVBUF = socket.SO_RCVBUF
POLLIN = select.POLLIN
POLLPRI = select.POLLPRI
POLLOUT = select.POLLOUT
POLLERR = select.POLLERR
POLLHUP = select.POLLHUP
POLLNVAL = select.POLLNVAL


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


class Test:
    """One run of one scenario."""

    def __init__(self, peer_process, family, use_poll, directory):
        self.process = peer_process
        self.family = family
        self.use_poll = use_poll
        self.directory = directory
        self.map = {}
        # What channels and functions are told of it: None for the default.
        self.given = self.map
        self.fds = []
        # Steps that the peer has not answered.
        self.asked = 0
        self.events = []
        self.paths = 0
        self.steps = 0

    # --- the log

    def log(self, text):
        self.steps += 1
        self.events.append([text, None])

    def received(self, name, data):
        """A read; joined with the one before when nothing else happened between."""
        self.steps += 1
        head = "%s recv" % name
        events = self.events
        if len(events) >= 2 and events[-1][0] == "%s handle_read" % name and events[-2][0] == head:
            events.pop()
        if events and events[-1][0] == head and events[-1][1] is not None:
            events[-1][1] += data
        else:
            events.append([head, data])

    def lines(self):
        out = []
        for text, data in self.events:
            line = text if data is None else "%s %s" % (text, show(data))
            if out and out[-1][0] == line:
                out[-1][1] += 1
            else:
                out.append([line, 1])
        return [line if count == 1 else line + " xn" for line, count in out]

    def state(self, c):
        flags = [word for word in ("connected", "accepting", "connecting") if getattr(c, word)]
        if c in self.map.values():
            flags.append("mapped")
        self.log("%s is %s" % (c.name, " ".join(flags) or "nothing"))

    def attempt(self, what, function):
        """Logs what a call returns or raises."""
        try:
            result = function()
        except Exception as error:
            self.log("%s raised %s" % (what, name_of(error)))
        else:
            self.log("%s returned %s" % (what, plain(result)))

    # --- the map

    def default_map(self):
        """From now on nobody is told of a map."""
        self.map = asyncore.socket_map
        self.given = None

    def fresh_map(self):
        """From now on everybody is given a map with which nothing has been done yet."""
        self.map = self.given = {}

    def count(self):
        """How many channels the default map has."""
        self.log("socket_map has %d" % len(asyncore.socket_map))

    def in_default(self, c):
        self.log("%s is %sin socket_map" % (c.name, "" if c in asyncore.socket_map.values() else "not "))

    # --- passes

    def loop(self, count=1, timeout=0.01):
        asyncore.loop(timeout=timeout, use_poll=self.use_poll, map=self.given, count=count)

    def loop_with_defaults(self):
        self.caught(lambda: asyncore.loop())

    def poll_with_defaults(self):
        self.caught(lambda: asyncore.poll())

    def loop_for_ever(self):
        """No timeout: each pass waits as long as it takes."""
        asyncore.loop(timeout=None, use_poll=self.use_poll, map=self.given)

    def quiet(self):
        """Passes until nothing happens any more."""
        start = last = time.monotonic()
        steps = self.steps
        passes = 0
        while True:
            now = time.monotonic()
            if self.steps != steps:
                steps, last, passes = self.steps, now, 0
            if (now - last >= QUIET and passes >= 2) or now - start > DEADLINE:
                return
            if self.map:
                self.loop(timeout=0.005)
            else:
                time.sleep(0.005)
            passes += 1

    def until(self, condition):
        end = time.monotonic() + DEADLINE
        while not condition() and time.monotonic() < end:
            if self.map:
                self.loop()
            else:
                time.sleep(0.002)
        if not condition():
            self.log("never came true")

    def caught(self, passes):
        try:
            passes()
        except Exception as error:
            self.log("the loop raised %s" % name_of(error))

    def rest(self):
        """Time without a pass, for what does not come with the peer's answer."""
        time.sleep(0.02)

    def seen(self, c):
        """What the kernel has for a channel is there; ours sees it in a turn of its event loop."""

    def becomes_connected(self, c):
        c.connected = True
        c.connecting = False

    def try_loop(self, count=1):
        self.caught(lambda: self.loop(count))

    def try_quiet(self):
        self.caught(self.quiet)

    def loop_to_the_end(self):
        asyncore.loop(timeout=0.01, use_poll=self.use_poll, map=self.given)

    def loop_other(self, map):
        asyncore.loop(timeout=0.01, use_poll=self.use_poll, map=map, count=3)

    def poll_once(self):
        asyncore.poll2(0.01, self.given) if self.use_poll else asyncore.poll(0.01, self.given)

    def timed(self, timeout, count):
        start = time.monotonic()
        self.loop(count, timeout)
        waited = time.monotonic() - start >= timeout * count * 0.8
        self.log("waited" if waited else "came back at once")

    def answer_with(self, c, what, answer):
        self.log("%s %s" % (c.name, what))
        return answer

    def forward(self, one, other):
        data = one.take()
        if data:
            other.send(data)

    def fill(self, c):
        """Sends until there is no room: the kernel takes no more, or something is kept. Says how much."""
        sent = 0
        while True:
            sent += c.send(bytes(65536)) or 65536
            if sent % 65536 or getattr(c, "out_buffer", b""):
                return sent

    def drains(self, c, sent):
        """The peer reads it all; the channel is closed when it has nothing more to write."""
        self.tell("drain", "p")
        self.until(lambda: not c.writable())
        c.close()
        self.until(self.answered)
        answer = self.answer()
        self.log("peer p got %s %s" % ("all of it" if answer["count"] == sent else "something else", answer["end"]))

    def show(self, data):
        return show(data)

    def exists(self, path):
        return os.path.exists(path)

    def same(self, one, other):
        return one == other

    def prefix(self, text, end):
        found = asynchat.find_prefix_at_end(text.encode(), end.encode())
        self.log("%s %s %d" % (json.dumps(text), json.dumps(end), found))

    # --- the peer

    def tell(self, op, id="", **more):
        self.asked += 1
        self.process.stdin.write((json.dumps(dict(op=op, id=id, **more)) + "\n").encode())
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        self.asked -= 1
        return json.loads(line)

    def answered(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def peer(self, op, id="p", **more):
        self.tell(op, id, **more)
        answer = self.answer()
        if answer.get("ok") is False:
            self.log("%s %s failed" % (id, op))
        return answer

    def tries(self, op, id="p", **more):
        """A step that may fail: how long a closed connection takes more is not asyncore's business."""
        self.tell(op, id, **more)
        self.answer()

    def peer_reads(self, count=None, id="p"):
        """The peer reads `count` bytes, or to the end, while passes go on."""
        if count is None:
            self.tell("eof", id)
        else:
            self.tell("recv", id, count=count)
        self.until(self.answered)
        answer = self.answer()
        got = show(answer["data"].encode("latin-1"))
        self.log(("peer %s got %s %s" % (id, got, answer["end"])).strip())

    def peer_takes_urgent(self, id="p"):
        """The peer takes the urgent byte, while passes go on."""
        self.tell("urgent", id)
        self.until(self.answered)
        answer = self.answer()
        self.log("peer %s got urgent %s %s" % (id, show(answer["data"].encode("latin-1")), answer["end"]))

    def peer_reads_to_mark(self, id="p"):
        """The peer reads to where the urgent byte was, while passes go on."""
        self.tell("mark", id)
        self.until(self.answered)
        answer = self.answer()
        got = show(answer["data"].encode("latin-1"))
        self.log("peer %s got %s to the mark %s" % (id, got, answer["end"]))

    def sends(self, data, id="p"):
        self.peer("send", id, data=data)
        self.quiet()

    def sends_to_a_pass(self, data, id="p"):
        """One pass, which waits for what the peer sends."""
        self.peer("send", id, data=data)
        self.loop(1, DEADLINE)

    def types(self, data, id="p"):
        """The kernel takes what is written to a terminal to the other end when it has time."""
        steps = self.steps
        self.peer("send", id, data=data)
        self.until(lambda: self.steps > steps)
        self.quiet()

    def ends(self, how, id="p"):
        self.peer(how, id)
        self.quiet()

    # --- files

    def path(self):
        self.paths += 1
        return os.path.join(self.directory, "f%d" % self.paths)

    def fifo(self):
        path = self.path()
        self.peer("fifo", "f", path=path)
        return path

    def pty(self, id="p"):
        """The path of a terminal whose master is the peer's."""
        return self.peer("pty", id)["address"]

    def regular(self, text=""):
        path = self.path()
        with open(path, "w") as file:
            file.write(text)
        return path

    def content(self, path):
        with open(path) as file:
            self.log("the file has %s" % json.dumps(file.read()))

    def opens(self, path, mode):
        """A descriptor of ours, which is closed at the end at the latest."""
        flags = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}[mode]
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
        self.fds.append(fd)
        return fd

    def pipe(self):
        """Both ends of a pipe."""
        ends = os.pipe()
        self.fds.extend(ends)
        return ends

    def closes(self, fd):
        os.close(fd)
        self.fds.remove(fd)

    def is_open(self, fd):
        try:
            os.fstat(fd)
        except OSError:
            self.log("closed")
        else:
            self.log("open")

    def is_blocking(self, fd):
        self.log("blocking" if os.get_blocking(fd) else "not blocking")

    def with_fileno(self, fd):
        """An object that has the descriptor."""
        class Holder:
            def fileno(self):
                return fd

        return Holder()

    def file(self, fd, name="f", **hooks):
        """A file_dispatcher over a descriptor, or what has one."""
        return LoggedFile(self, name, hooks, fd)

    def reader(self, peer="p", **hooks):
        """A file_dispatcher that reads what the peer writes into a FIFO."""
        path = self.fifo()
        fd = self.opens(path, "r")
        f = self.file(fd, **hooks)
        self.closes(fd)
        self.peer("open", peer, path=path, mode="w")
        return f

    def writer(self, peer="p", **hooks):
        """A file_dispatcher that writes into a FIFO what the peer reads."""
        path = self.fifo()
        self.peer("open", peer, path=path, mode="r")
        fd = self.opens(path, "w")
        f = self.file(fd, **hooks)
        self.closes(fd)
        return f

    # --- channels

    @property
    def af(self):
        return {"tcp4": socket.AF_INET, "tcp6": socket.AF_INET6, "unix": socket.AF_UNIX}[self.family]

    def free(self):
        """An address to bind to."""
        if self.family == "unix":
            self.paths += 1
            return os.path.join(self.directory, "s%d" % self.paths)
        return ("127.0.0.1" if self.family == "tcp4" else "::1", 0)

    def where(self, c):
        """The address a listening channel has got."""
        name = c.socket.getsockname()
        return name if isinstance(name, str) else name[:2]

    def peer_of(self, c):
        """The address of a channel's peer."""
        name = c.socket.getpeername()
        return name if isinstance(name, str) else name[:2]

    def peer_listens(self, op="listen", id="l"):
        address = self.peer(op, id, address=self.free())["address"]
        return address if isinstance(address, str) else tuple(address)

    def channels(self):
        return list(self.map.values())

    def other_map(self):
        return {}

    def revive(self, c, map):
        """Puts a channel that was taken out into a map: del_channel() has forgotten its descriptor."""
        c._fileno = c.socket.fileno()
        c.add_channel(map)

    def close_each(self, channels):
        for c in channels:
            c.close()

    def adopt_pair(self, s, pair):
        """A channel of what accept() gave."""
        s.adopt(pair[0])

    def nothing(self):
        return Logged(self, "c", {})

    def channel(self, kind="dispatcher", name="c", **hooks):
        """A channel with a socket that is not connected."""
        c = KINDS[kind](self, name, hooks)
        c.create_socket(self.af, socket.SOCK_STREAM)
        return c

    def client(self, address, kind="dispatcher", name="c", **hooks):
        c = self.channel(kind, name, **hooks)
        c.connect(address)
        return c

    def client_quietly(self, address):
        """A client whose connect() may raise."""
        c = self.channel()
        self.attempt("connect", lambda: c.connect(address))
        return c

    def connected(self, kind="dispatcher", name="c", peer="p", **hooks):
        """A client whose connection the peer has accepted."""
        listener = "l-" + peer
        c = self.client(self.peer_listens(id=listener), kind, name, **hooks)
        self.peer("accept", peer, listener=listener)
        self.quiet()
        return c

    def server(self, name="s", kind="dispatcher", backlog=5, child=None, **hooks):
        """A listener; `child` are the hooks of what it accepts."""
        s = Logged(self, name, hooks)
        s.child_kind = kind
        s.child_hooks = child or {}
        s.create_socket(self.af, socket.SOCK_STREAM)
        s.bind(self.free())
        s.listen(backlog)
        return s

    def bare_server(self):
        s = Bare(self, "s", {})
        s.create_socket(self.af, socket.SOCK_STREAM)
        s.bind(self.free())
        s.listen(5)
        return s

    def hangs_up(self, s):
        """Ends a listener whatever its hooks are, and what it has accepted."""
        s.clear_hooks()
        s.close()
        for child in s.children:
            child.close()

    def peer_ends(self, id="p"):
        """The peer reads to the end, which may be a reset: which of the two is timing."""
        self.tell("eof", id)
        self.until(self.answered)
        self.log("peer %s is at the end" % id if self.answer()["end"] in ("eof", "reset") else "peer %s waits" % id)

    def comes(self, s, peer="p"):
        """The peer connects to a listener."""
        self.peer("connect", peer, address=self.where(s))
        self.quiet()

    def accepted(self, kind="dispatcher", **hooks):
        """What a listener has accepted from the peer; the listener is closed."""
        s = self.server(kind=kind, child=hooks)
        self.comes(s)
        s.close()
        return s.children[0]


def too_late(*_):
    raise TimeoutError("the scenario did not end")


def main():
    bun, family, mode, directory, *groups = sys.argv[1:]
    out = sys.stdout
    sys.stdout = sys.stderr
    sys.modules["oracle_rt"] = sys.modules["__main__"]
    sys.path.insert(0, os.path.join(HERE, "scenarios"))
    signal.signal(signal.SIGALRM, too_late)
    peer_process = subprocess.Popen([bun, os.path.join(HERE, "peer.ts")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    result = {}
    for group in groups:
        SCENARIOS.clear()
        importlib.import_module(group)
        result[group] = {}
        for number, (name, function) in enumerate(SCENARIOS.items()):
            own = os.path.join(directory, "%s%d" % (group[:3], number))
            os.mkdir(own)
            t = Test(peer_process, family, mode == "poll", own)
            try:
                signal.alarm(SCENARIO_DEADLINE)
                function(t)
            except Exception as error:
                t.log("the scenario raised %s" % name_of(error))
                if os.environ.get("ORACLE_DEBUG"):
                    import traceback
                    traceback.print_exc()
            signal.alarm(0)
            for map in (t.map, asyncore.socket_map):
                for c in map.values():
                    if isinstance(c, Hooks):
                        c.clear_hooks()
                asyncore.close_all(map, True)
            for fd in t.fds:
                os.close(fd)
            t.tell("reset")
            while t.asked > 0:
                t.answer()
            result[group][name] = t.lines()
    peer_process.stdin.close()
    peer_process.wait()
    json.dump(result, out)


if __name__ == "__main__":
    main()
