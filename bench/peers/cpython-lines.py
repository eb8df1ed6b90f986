"""Line replies on CPython's asynchat: a terminator, and one push() per line. With --poll: loop(use_poll=True)."""
import asynchat
import asyncore
import socket
import sys

from cpython_life import serving


class Replier(asynchat.async_chat):
    def __init__(self, sock):
        super().__init__(sock)
        self.set_terminator(b"\n")
        self.line = []

    def collect_incoming_data(self, data):
        self.line.append(data)

    def found_terminator(self):
        self.line.append(b"\n")
        self.push(b"".join(self.line))
        self.line.clear()


class LineServer(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(512)

    def handle_accepted(self, sock, addr):
        # As the other peers have it; otherwise small replies wait for the client's acknowledgements.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Replier(sock)


server = LineServer()
serving(server.socket.getsockname()[1])
asyncore.loop(use_poll="--poll" in sys.argv)
