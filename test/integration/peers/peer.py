# The same receiver as peer.ts with Python's plain blocking sockets, one thread for each transfer.
# argv: how it behaves (fast, slow, chatty, half-closing, stalled). Commands and answers: see peer.ts.
import hashlib
import json
import socket
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


def receive(number, sock):
    digest = hashlib.sha256()
    count = 0
    bad_at = -1
    waits = 0
    sock.settimeout(60)
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


def connect(number, to):
    family, address = family_of(to)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.connect(address)
    except OSError as error:
        say({"id": number, "bytes": 0, "sha256": "", "end": f"connect: {error}", "badAt": -1})
        return
    receive(number, sock)


def listen(number, listener):
    sock, _ = listener.accept()
    listener.close()
    receive(number, sock)


for line in sys.stdin:
    command = json.loads(line)
    number = command["id"]
    if command["do"] == "resume":
        resumed[number].set()
        continue
    resumed[number] = threading.Event()
    if command["do"] == "connect":
        threading.Thread(target=connect, args=(number, command["to"]), daemon=True).start()
    else:
        family, address = family_of(command["at"])
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen(1)
        name = listener.getsockname()
        say({"id": number, "listening": name if isinstance(name, str) else name[:2]})
        threading.Thread(target=listen, args=(number, listener), daemon=True).start()
