"""What the oracle's scenarios do and throw, and how values are written in its logs; `words.ts` is the same for ours."""
import errno
import json
import zlib

import asyncore


class Boom(Exception):
    """What scenarios throw."""


def boom(c):
    raise Boom("boom")


def exit_now(c):
    raise asyncore.ExitNow("exit")


def fail(code):
    """An act that raises this OSError."""
    def act(c):
        raise OSError(getattr(errno, code), code)
    return act


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

    def __init__(self, good=0, act=boom):
        self.good = good
        self.act = act

    def more(self):
        if self.good == 0:
            self.act(self)
        self.good -= 1
        return b"good"


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
