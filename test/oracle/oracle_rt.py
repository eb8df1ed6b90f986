"""The oracle's runtime, Python side: runs every scenario on CPython's asyncore and prints the logs as JSON.

usage: python -W ignore oracle_rt.py BUN FAMILY SELECT_OR_POLL DIRECTORY GROUP...
`oracle-rt.ts` and `run.ts` are the same program for `asyncore/classic`.
"""
import errno
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import zlib

import asynchat
import asyncore

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET = 0.015
DEADLINE = 2.0
SCENARIOS = {}


class Boom(Exception):
    """What scenarios throw."""


Hook = str
Act = object
Term = object
loop = asyncore.loop
poll = asyncore.poll
close_all = asyncore.close_all
simple_producer = asynchat.simple_producer


def boom(c):
    raise Boom("boom")


def exit_now(c):
    raise asyncore.ExitNow("exit")


def close_it(c):
    c.close()


class Pieces:
    """A producer of these pieces."""

    def __init__(self, pieces):
        self.pieces = pieces

    def more(self):
        return self.pieces.pop(0) if self.pieces else b""


class Failing:
    """A producer that raises after `good` pieces."""

    def __init__(self, good=0):
        self.good = good

    def more(self):
        if self.good == 0:
            raise Boom("producer")
        self.good -= 1
        return b"good"


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

    # --- passes

    def loop(self, count=1, timeout=0.01):
        asyncore.loop(timeout=timeout, use_poll=self.use_poll, map=self.map, count=count)

    def quiet(self):
        """Passes until nothing happens any more."""
        start = last = time.monotonic()
        steps = self.steps
        passes = 0
        while True:
            now = time.monotonic()
            if self.steps != steps:
                steps, last, passes = self.steps, now, 0
            if (now - last >= QUIET and passes >= 3) or now - start > DEADLINE:
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

    def try_loop(self, count=1):
        self.caught(lambda: self.loop(count))

    def try_quiet(self):
        self.caught(self.quiet)

    def loop_to_the_end(self):
        asyncore.loop(timeout=0.01, use_poll=self.use_poll, map=self.map)

    def loop_other(self, map):
        asyncore.loop(timeout=0.01, use_poll=self.use_poll, map=map, count=3)

    def poll_once(self):
        asyncore.poll2(0.01, self.map) if self.use_poll else asyncore.poll(0.01, self.map)

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
        self.process.stdin.write((json.dumps(dict(op=op, id=id, **more)) + "\n").encode())
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

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

    def sends(self, data, id="p"):
        self.peer("send", id, data=data)
        self.quiet()

    def ends(self, how, id="p"):
        self.peer(how, id)
        self.quiet()

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


def show(data):
    if len(data) > 60:
        return "<%d bytes %08x>" % (len(data), zlib.crc32(data))
    return json.dumps(data.decode("latin-1"))


def plain(value):
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return show(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    return "something"


def name_of(error):
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode[error.errno]
    return type(error).__name__


class Hooks:
    """Every hook is logged; then the scenario's own, by name, else what is written here."""

    def set_up(self, t, name, hooks):
        self.t = t
        self.name = name
        self.hooks = hooks
        self.wants_read = True
        self.wants_write = False
        self.quietly = hooks.pop("quietly", False)
        self.children = []
        self.child_kind = "dispatcher"
        self.child_hooks = {}

    def say(self, hook, default=None):
        if self.quietly:
            self.t.steps += 1
        else:
            self.t.log("%s %s" % (self.name, hook))
        own = self.hooks.get(hook, default)
        if own is not None:
            return own(self)

    def take(self, size=65536):
        data = self.recv(size)
        if data:
            self.t.received(self.name, data)
        return data

    def echo(self):
        data = self.take()
        if data:
            self.send(data)

    def clear_hooks(self):
        self.hooks = {}

    def stop_reading(self):
        self.wants_read = False

    def start_reading(self):
        self.wants_read = True

    def stop_writing(self):
        self.wants_write = False

    def urgent(self):
        self.t.attempt("%s urgent" % self.name, lambda: self.socket.recv(1, socket.MSG_OOB))

    def send_urgent(self, data):
        self.socket.send(data, socket.MSG_OOB)

    def handle_error(self):
        error = sys.exc_info()[1]
        self.t.log("%s handle_error %s" % (self.name, name_of(error)))
        own = self.hooks.get("handle_error", lambda c: c.close())
        own(self)

    def handle_connect(self):
        self.say("handle_connect")

    def handle_close(self):
        self.say("handle_close", lambda c: c.close())

    def handle_expt(self):
        self.say("handle_expt")

    def log_info(self, message, type="info"):
        self.t.log("%s log_info %s: %s" % (self.name, type, message.split("<")[0].replace("python ", "").strip()))


class Logged(Hooks, asyncore.dispatcher):
    def __init__(self, t, name, hooks, sock=None):
        self.set_up(t, name, hooks)
        asyncore.dispatcher.__init__(self, sock, t.map)

    def readable(self):
        own = self.hooks.get("readable")
        return own(self) if own else self.wants_read

    def writable(self):
        own = self.hooks.get("writable")
        return own(self) if own else self.wants_write or not self.connected

    def handle_read(self):
        self.say("handle_read", lambda c: c.take())

    def handle_write(self):
        # Python's connect() of a unix socket calls handle_connect inside; ours does with the write event that follows.
        if self.wants_write or self.t.family != "unix":
            self.say("handle_write")

    def handle_accept(self):
        self.say("handle_accept", lambda c: asyncore.dispatcher.handle_accept(c))

    def handle_accepted(self, sock, addr):
        self.sock = sock
        self.say("handle_accepted", lambda c: c.adopt(sock))

    def close(self):
        own = self.hooks.get("close")
        if own:
            own(self)
        asyncore.dispatcher.close(self)

    def adopt(self, sock):
        child = KINDS[self.child_kind](self.t, "%s%d" % (self.name, len(self.children) + 1), self.child_hooks, sock)
        self.children.append(child)
        return child


class LoggedSend(Hooks, asyncore.dispatcher_with_send):
    """`dispatcher_with_send`: its writable() and handle_write() are what is tested."""

    def __init__(self, t, name, hooks, sock=None):
        self.set_up(t, name, hooks)
        asyncore.dispatcher_with_send.__init__(self, sock, t.map)

    def handle_read(self):
        self.say("handle_read", lambda c: c.take())


class LoggedChat(Hooks, asynchat.async_chat):
    """`async_chat`: collected data is joined until the terminator."""

    def __init__(self, t, name, hooks, sock=None):
        self.set_up(t, name, hooks)
        self.parts = []
        hooks = dict(hooks)
        asynchat.async_chat.__init__(self, sock, t.map)
        self.set_terminator(hooks.get("terminator", b"\n"))

    def collect_incoming_data(self, data):
        own = self.hooks.get("collect")
        if own:
            own(self, data)
        self.parts.append(data)
        self.t.steps += 1

    def found_terminator(self):
        self.t.log("%s found after %s" % (self.name, show(self.collected())))
        own = self.hooks.get("found")
        if own:
            own(self)

    def alternate(self, one, other):
        self.set_terminator(other if self.get_terminator() == one else one)

    def collected(self):
        data = b"".join(self.parts)
        self.parts = []
        return data

    def handle_close(self):
        self.say("handle_close", lambda c: asynchat.async_chat.handle_close(c))


class Bare(asyncore.dispatcher):
    """No hook of its own but what asyncore prints."""

    def __init__(self, t, name, hooks, sock=None):
        self.t = t
        self.name = name
        asyncore.dispatcher.__init__(self, sock, t.map)
        self.ignore_log_types = frozenset()

    def writable(self):
        return not self.connected

    def log_info(self, message, type="info"):
        self.t.log("%s log_info %s: %s" % (self.name, type, message.split("<")[0].replace("python ", "").strip()))

    def handle_write(self):
        # As in Logged.
        if self.t.family != "unix":
            asyncore.dispatcher.handle_write(self)


KINDS = {"dispatcher": Logged, "send": LoggedSend, "chat": LoggedChat, "bare": Bare}


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
            asyncore.socket_map.clear()
            try:
                signal.alarm(8)
                function(t)
            except Exception as error:
                t.log("the scenario raised %s" % name_of(error))
                if os.environ.get("ORACLE_DEBUG"):
                    import traceback
                    traceback.print_exc()
            signal.alarm(0)
            asyncore.close_all(t.map, True)
            t.tell("reset")
            t.answer()
            result[group][name] = t.lines()
    peer_process.stdin.close()
    peer_process.wait()
    json.dump(result, out)


if __name__ == "__main__":
    main()
