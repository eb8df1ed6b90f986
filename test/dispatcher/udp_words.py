"""What is said over UDP: the same as in udp-words.ts."""

WORDS = (
    [b"a", b"", b"hello, world", bytes(range(256)), b"x" * 1472, b"", b"y" * 9000, b"z" * 65507, b"\x00" * 4]
    + [b"%d:" % size + b"q" * size for size in range(0, 40, 3)]
    + [b"end"]
)
