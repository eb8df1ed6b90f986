"""The channels of the oracle's scenarios: every hook is logged; `channels.ts` is the same for ours."""
import socket
import sys

import asynchat
import asyncore

from oracle_words import name_of, show


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

    def start_writing(self):
        self.wants_write = True

    def stop_writing(self):
        self.wants_write = False

    def urgent(self):
        self.t.attempt("%s urgent" % self.name, lambda: self.socket.recv(1, socket.MSG_OOB))

    def send_urgent(self, data):
        return self.socket.send(data, socket.MSG_OOB)

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
        asyncore.dispatcher.__init__(self, sock, t.given)

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


class LoggedFile(Hooks, asyncore.file_dispatcher):
    """`file_dispatcher`."""

    def __init__(self, t, name, hooks, fd):
        self.set_up(t, name, hooks)
        asyncore.file_dispatcher.__init__(self, fd, t.given)

    def readable(self):
        own = self.hooks.get("readable")
        return own(self) if own else self.wants_read

    def writable(self):
        return self.wants_write

    def handle_read(self):
        self.say("handle_read", lambda c: c.take())

    def handle_write(self):
        self.say("handle_write")

    def close(self):
        own = self.hooks.get("close")
        if own:
            own(self)
        asyncore.file_dispatcher.close(self)


class LoggedSend(Hooks, asyncore.dispatcher_with_send):
    """`dispatcher_with_send`: its writable() and handle_write() are what is tested."""

    def __init__(self, t, name, hooks, sock=None):
        self.set_up(t, name, hooks)
        asyncore.dispatcher_with_send.__init__(self, sock, t.given)

    def handle_read(self):
        self.say("handle_read", lambda c: c.take())


class LoggedChat(Hooks, asynchat.async_chat):
    """`async_chat`: collected data is joined until the terminator."""

    def __init__(self, t, name, hooks, sock=None):
        self.set_up(t, name, hooks)
        self.parts = []
        hooks = dict(hooks)
        asynchat.async_chat.__init__(self, sock, t.given)
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
        asyncore.dispatcher.__init__(self, sock, t.given)
        self.ignore_log_types = frozenset()

    def writable(self):
        return not self.connected

    def log_info(self, message, type="info"):
        self.t.log("%s log_info %s: %s" % (self.name, type, message.split("<")[0].replace("python ", "").strip()))

    def handle_write(self):
        # As in Logged.
        if self.t.family != "unix":
            asyncore.dispatcher.handle_write(self)


class Plain(asyncore.dispatcher):
    """As Bare, with the default writable() and handle_write()."""

    def __init__(self, t, name, hooks, sock=None):
        self.t = t
        self.name = name
        asyncore.dispatcher.__init__(self, sock, t.given)
        self.ignore_log_types = frozenset()

    log_info = Bare.log_info


KINDS = {"dispatcher": Logged, "send": LoggedSend, "chat": LoggedChat, "bare": Bare, "plain": Plain}
