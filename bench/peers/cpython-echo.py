"""Echo on CPython's asyncore, as its manual shows it. With --poll: loop(use_poll=True), poll(2) in place of select(2)."""
import asyncore
import socket
import sys

from cpython_life import serving


class Echo(asyncore.dispatcher_with_send):
    def handle_read(self):
        self.send(self.recv(65536))


class EchoServer(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(512)

    def handle_accepted(self, sock, addr):
        # As the other peers have it; otherwise small replies wait for the client's acknowledgements.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Echo(sock)


server = EchoServer()
serving(server.socket.getsockname()[1])
asyncore.loop(use_poll="--poll" in sys.argv)
