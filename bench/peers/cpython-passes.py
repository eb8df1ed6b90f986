"""Passes of CPython's asyncore over idle channels, one pass after the other without waiting. With --poll: poll2(),
which is poll(2); without: poll(), which is select(2) and takes no descriptor above 1023."""
import asyncore
import socket
import sys
import time

from cpython_life import answering

FD_SETSIZE = 1024
RESERVED = 16
USE_POLL = "--poll" in sys.argv


class Idle(asyncore.dispatcher):
    """A connection that has nothing to send. With the default writable() a pass would find it ready, always."""

    def readable(self):
        return True

    def writable(self):
        return False


listener = asyncore.dispatcher()
listener.create_socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)


def idle(count):
    if not USE_POLL and count > FD_SETSIZE - RESERVED:
        return {"unable": "select(2) takes no descriptor above 1023"}
    # Both ends of a pair are channels.
    while len(asyncore.socket_map) - 1 < count:
        for end in socket.socketpair():
            Idle(end)
    return {}


def passes(ms):
    one_pass = asyncore.poll2 if USE_POLL else asyncore.poll
    end = time.perf_counter() + ms / 1000
    count = 0
    while time.perf_counter() < end:
        one_pass(0.0)
        count += 1
    return {"passes": count}


answering({"idle": idle, "passes": passes})
