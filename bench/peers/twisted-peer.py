"""The servers on Twisted: echo, lines and frames, on its own protocols for each. Names one of them on the command line."""
import sys

from twisted.internet import protocol, reactor
from twisted.protocols import basic

from cpython_life import serving


class NoDelay:
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)


class Echo(NoDelay, protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


class Lines(NoDelay, basic.LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 1024 * 1024

    def lineReceived(self, line):
        self.sendLine(line)


class Frames(NoDelay, basic.Int32StringReceiver):
    def stringReceived(self, frame):
        self.sendString(frame)


kind = {"echo": Echo, "lines": Lines, "frames": Frames}[sys.argv[1]]
listener = reactor.listenTCP(0, protocol.Factory.forProtocol(kind), backlog=512, interface="127.0.0.1")
serving(listener.getHost().port)
reactor.run()
