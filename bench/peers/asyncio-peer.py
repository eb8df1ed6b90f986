"""The servers on asyncio: echo and fanout on protocols, lines and frames on streams, as its manual shows them. Names one
of them on the command line. With --uvloop the event loop is uvloop's."""
import asyncio
import sys

from cpython_life import serving

BLOCK = 65536
MOST_KEPT = 1024 * 1024
LENGTH_BYTES = 4


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


subscribers = set()


class Participant(asyncio.Protocol):
    start = b""
    known = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        subscribers.discard(self.transport)

    def data_received(self, data):
        *lines, self.start = (self.start + data).split(b"\n")
        for line in lines:
            self.said(line)

    def said(self, line):
        if self.known:
            message = b"> " + line + b"\n"
            for subscriber in list(subscribers):
                subscriber.write(message)
                if subscriber.get_write_buffer_size() > MOST_KEPT:
                    subscriber.abort()
            return
        self.known = True
        if line == b"SUB":
            subscribers.add(self.transport)
        self.transport.write(b"ready\n")


async def reply_lines(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def reply_frames(reader, writer):
    while True:
        length = await reader.readexactly(LENGTH_BYTES)
        writer.write(length + await reader.readexactly(int.from_bytes(length, "big")))
        await writer.drain()


def until_the_end(reply):
    async def replying(reader, writer):
        try:
            await reply(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return replying


async def main(role):
    # Not a socket of our own making: asyncio only switches Nagle's algorithm off on those it has made.
    where = ("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    if role == "echo":
        server = await loop.create_server(Echo, *where, backlog=512)
    elif role == "fanout":
        server = await loop.create_server(Participant, *where, backlog=512)
    else:
        reply = {"lines": reply_lines, "frames": reply_frames}[role]
        server = await asyncio.start_server(until_the_end(reply), *where, backlog=512, limit=2 * BLOCK)
    serving(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if "--uvloop" in sys.argv:
    import uvloop

    uvloop.install()
asyncio.run(main(sys.argv[1]))
