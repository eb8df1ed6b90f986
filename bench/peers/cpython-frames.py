"""Frames on CPython's asynchat: four bytes of length, highest first, then the body; each is answered with itself."""
import asynchat
import asyncore
import socket
import sys

from cpython_life import serving

LENGTH_BYTES = 4


class Replier(asynchat.async_chat):
    def __init__(self, sock):
        super().__init__(sock)
        self.set_terminator(LENGTH_BYTES)
        self.frame = []
        self.in_body = False

    def collect_incoming_data(self, data):
        self.frame.append(data)

    def found_terminator(self):
        if self.in_body:
            self.push(b"".join(self.frame))
            self.frame.clear()
            self.set_terminator(LENGTH_BYTES)
        else:
            self.set_terminator(int.from_bytes(b"".join(self.frame), "big"))
        self.in_body = not self.in_body


class FrameServer(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(512)

    def handle_accepted(self, sock, addr):
        # As the other peers have it; otherwise small replies wait for the client's acknowledgements.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Replier(sock)


server = FrameServer()
serving(server.socket.getsockname()[1])
asyncore.loop(use_poll="--poll" in sys.argv)
