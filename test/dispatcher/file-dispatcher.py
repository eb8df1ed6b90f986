"""What CPython's file_dispatcher does with a pipe: prints the hooks of each scenario as JSON."""
import asyncore
import json
import os
import pty
import sys


class File(asyncore.file_dispatcher):
    def __init__(self, fd, map, name, log, takes=65536, out=b"", reads=True):
        self.name, self.log_, self.takes, self.out, self.reads = name, log, takes, out, reads
        super().__init__(fd, map)

    def readable(self):
        return self.reads

    def writable(self):
        return len(self.out) > 0

    def handle_read(self):
        count = len(self.recv(self.takes))
        self.log_.append(f"{self.name} read {count}")

    def handle_write(self):
        count = self.send(self.out[:3])
        self.out = self.out[count:]
        self.log_.append(f"{self.name} write {count}")

    def handle_close(self):
        self.log_.append(f"{self.name} close")
        self.close()

    def handle_error(self):
        self.log_.append(f"{self.name} error {sys.exc_info()[1].errno}")
        self.close()


def passes(map, count, use_poll=False):
    asyncore.loop(timeout=0.05, use_poll=use_poll, map=map, count=count)


def both_ends(log):
    map, (r, w) = {}, os.pipe()
    File(r, map, "r", log, takes=2)
    writer = File(w, map, "w", log, out=b"abcdefgh", reads=False)
    os.close(r)
    for i in range(8):
        if i == 5:
            writer.close()
            os.close(w)
        passes(map, 1)
        log.append(".")


def reader_gone_while_writing(log):
    map, (r, w) = {}, os.pipe()
    File(w, map, "w", log, out=b"abcdefgh", reads=False)
    os.close(r)
    passes(map, 3)


def reader_gone_while_idle(log):
    map, (r, w) = {}, os.pipe()
    File(w, map, "w", log)
    os.close(r)
    passes(map, 3, use_poll=True)


def write_to_a_read_end(log):
    map, (r, w) = {}, os.pipe()
    reader = File(r, map, "r", log, out=b"abc")
    passes(map, 2)
    log.append(f"sent {reader.send(b'x')}")


def regular_file(log):
    map, fd = {}, os.open(sys.argv[1], os.O_RDONLY)
    File(fd, map, "f", log, takes=4)
    passes(map, 5)


def terminal(log):
    map, (master, slave) = {}, pty.openpty()
    File(master, map, "p", log)
    os.write(slave, b"hi\n")
    passes(map, 1)
    os.close(slave)
    passes(map, 2)


found = {}
for scenario in (both_ends, reader_gone_while_writing, reader_gone_while_idle, write_to_a_read_end, regular_file, terminal):
    found[scenario.__name__] = log = []
    scenario(log)
print(json.dumps(found))
