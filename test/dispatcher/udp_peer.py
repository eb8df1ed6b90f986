"""CPython's asyncore on UDP, for the comparison with ours: `server`, `client PORT` or `refused PORT`.

Says in lines of JSON the server's port first, and the log of its hooks at the end: after a datagram that says "end",
or 20 seconds.
"""
import asyncore
import errno
import json
import socket
import sys
import time

from udp_words import WORDS

log = []


def word(data):
    return [len(data), data[:8].hex()]


class Channel(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket(socket.AF_INET, socket.SOCK_DGRAM)

    def writable(self):
        return False

    def handle_connect(self):
        log.append(["connect"])

    def handle_close(self):
        log.append(["close"])
        self.close()

    def handle_error(self):
        error = sys.exc_info()[1]
        log.append(["error", errno.errorcode.get(getattr(error, "errno", 0), type(error).__name__)])
        self.close()


class Server(Channel):
    def __init__(self):
        super().__init__()
        self.bind(("127.0.0.1", 0))
        print(json.dumps({"port": self.socket.getsockname()[1]}), flush=True)

    def handle_read(self):
        data, address = self.socket.recvfrom(65535)
        log.append(["read"] + word(data))
        self.socket.sendto(data, address)
        if data == b"end":
            self.close()


class Client(Channel):
    """Says one thing at a time: of several, UDP may lose some."""

    def __init__(self, port):
        super().__init__()
        self.words = list(WORDS)
        self.connect(("127.0.0.1", port))
        self.say()

    def say(self):
        self.text = self.words.pop(0)
        log.append(["sent", self.send(self.text)])

    def handle_read(self):
        # Every third one is cut off at 4 bytes; the rest of it must be gone. recv() of asyncore takes an empty
        # datagram for the end, so those are left to the socket.
        if not self.text:
            data = self.socket.recv(10)
        else:
            data = self.recv(4 if len(self.words) % 3 == 0 else 65535)
        log.append(["read"] + word(data))
        if self.words:
            self.say()
        else:
            self.close()


class Refused(Channel):
    def __init__(self, port):
        super().__init__()
        self.connect(("127.0.0.77", port))
        log.append(["sent", self.send(b"anybody?")])

    def handle_read(self):
        log.append(["read"] + word(self.recv(10)))


what = sys.argv[1]
if what == "server":
    Server()
elif what == "client":
    Client(int(sys.argv[2]))
else:
    Refused(int(sys.argv[2]))
end = time.monotonic() + 20
while asyncore.socket_map and time.monotonic() < end:
    asyncore.loop(timeout=0.5, count=1)
print(json.dumps({"log": log}), flush=True)
