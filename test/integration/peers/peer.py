# The same receiver as peer.ts with Python's plain blocking sockets, one thread for each transfer.
# argv: how it behaves (fast, slow, chatty, half-closing, stalled). Commands and answers: see peer.ts.
# With TLS the end of a transfer is "fin" only for a close_notify with a FIN behind it.
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

SECTOR = 4096
SHIFTS = 251
SLOW_WAITS = 40
behaviour = sys.argv[1] if len(sys.argv) > 1 else "fast"


def make_noise(length):
    out = bytearray(length)
    state = 0x2545F491
    for i in range(length):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        out[i] = state >> 24
    return bytes(out)


NOISE = make_noise(SECTOR - 4 + SHIFTS)


def stream(offset, length):
    first = offset // SECTOR
    parts = []
    for k in range(first, (offset + length - 1) // SECTOR + 1):
        shift = k % SHIFTS
        parts.append(struct.pack(">I", ((k + 1) * 0x9E3779B1) & 0xFFFFFFFF))
        parts.append(NOISE[shift : shift + SECTOR - 4])
    start = offset - first * SECTOR
    return b"".join(parts)[start : start + length]


lock = threading.Lock()
resumed = {}

CERTIFICATES = os.path.join(os.path.dirname(__file__), "../../support/certificates")


def context(version, is_server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = made.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    if is_server:
        made.load_cert_chain(f"{CERTIFICATES}/server.pem", f"{CERTIFICATES}/server-key.pem")
    else:
        made.load_verify_locations(f"{CERTIFICATES}/ca.pem")
    return made


class Secure:
    """TLS over a socket, with the words of one. ssl's own sockets cannot close one direction only."""

    def __init__(self, sock, version, is_server):
        self.sock = sock
        self.came = bytearray()
        self.unsent = b""
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        name = None if is_server else "localhost"
        self.tls = context(version, is_server).wrap_bio(self.incoming, self.outgoing, is_server, name)
        self.call(self.tls.do_handshake)

    def call(self, operation, *args):
        while True:
            try:
                result = operation(*args)
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
                continue
            self.flush()
            return result

    # One record at a time: closing our direction fails when data is waiting.
    def feed(self):
        while len(self.came) < 5 or len(self.came) < 5 + int.from_bytes(self.came[3:5], "big"):
            chunk = self.sock.recv(262144)
            if not chunk:
                self.incoming.write_eof()
                return
            self.came += chunk
        end = 5 + int.from_bytes(self.came[3:5], "big")
        self.incoming.write(self.came[:end])
        del self.came[:end]

    def flush(self):
        self.unsent += self.outgoing.read()
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent, socket.MSG_DONTWAIT)
            except (BlockingIOError, TimeoutError):
                return
            self.unsent = self.unsent[sent:]

    def recv(self, size):
        try:
            chunk = self.call(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            chunk = b""
        if chunk:
            return chunk
        self.sock.settimeout(60)
        if self.came or self.sock.recv(1):
            raise ssl.SSLError("more behind close_notify")
        return b""

    def send(self, data, _flags=0):
        if not self.unsent:
            self.call(self.tls.write, data)

    sendall = send

    def shutdown(self, how):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            # That is the peer's close_notify, which comes when it comes.
            pass
        self.flush()
        self.sock.shutdown(how)

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()


def say(answer):
    with lock:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def chat(sock):
    try:
        sock.send(b"x", socket.MSG_DONTWAIT)
    except OSError:
        # Full, or reset: what recv() says counts.
        pass


def receive(number, sock, version, is_server):
    sock.settimeout(60)
    try:
        wire = sock if version is None else Secure(sock, version, is_server)
    except OSError as error:
        sock.close()
        say({"id": number, "bytes": 0, "sha256": "", "end": f"handshake: {error}", "badAt": -1})
        return
    transfer(number, wire)


def transfer(number, sock):
    digest = hashlib.sha256()
    count = 0
    bad_at = -1
    waits = 0
    if behaviour == "half-closing":
        try:
            sock.sendall(b"request")
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            # Reset already: recv() tells.
            pass
    elif behaviour == "stalled":
        resumed[number].wait(60)
    elif behaviour == "chatty":
        sock.settimeout(0.001)
    slow = behaviour in ("slow", "chatty")
    while True:
        size = 1024 if slow and waits < SLOW_WAITS else 262144
        try:
            chunk = sock.recv(size)
        except TimeoutError:
            if behaviour != "chatty":
                end = "timeout"
                break
            chat(sock)
            continue
        except ssl.SSLEOFError:
            end = "truncated"
            break
        except ssl.SSLError as error:
            end = f"broken: {error}"
            break
        except OSError:
            end = "reset"
            break
        if not chunk:
            end = "fin"
            break
        digest.update(chunk)
        if bad_at < 0:
            meant = stream(count, len(chunk))
            if meant != chunk:
                bad_at = count + next(i for i, byte in enumerate(chunk) if byte != meant[i])
        count += len(chunk)
        if behaviour == "chatty":
            chat(sock)
        if slow and waits < SLOW_WAITS:
            waits += 1
            time.sleep(0.001)
    sock.close()
    say({"id": number, "bytes": count, "sha256": digest.hexdigest(), "end": end, "badAt": bad_at})


def family_of(address):
    if isinstance(address, str):
        return socket.AF_UNIX, address
    return (socket.AF_INET6 if ":" in address[0] else socket.AF_INET), tuple(address)


def connect(number, to, version):
    family, address = family_of(to)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.connect(address)
    except OSError as error:
        say({"id": number, "bytes": 0, "sha256": "", "end": f"connect: {error}", "badAt": -1})
        return
    receive(number, sock, version, False)


def listen(number, listener, version):
    sock, _ = listener.accept()
    listener.close()
    receive(number, sock, version, True)


for line in sys.stdin:
    command = json.loads(line)
    number = command["id"]
    if command["do"] == "resume":
        resumed[number].set()
        continue
    resumed[number] = threading.Event()
    version = command.get("tls")
    if command["do"] == "connect":
        threading.Thread(target=connect, args=(number, command["to"], version), daemon=True).start()
    else:
        family, address = family_of(command["at"])
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen(1)
        name = listener.getsockname()
        say({"id": number, "listening": name if isinstance(name, str) else name[:2]})
        threading.Thread(target=listen, args=(number, listener, version), daemon=True).start()
