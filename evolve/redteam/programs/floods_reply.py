"""Fills every open descriptor but the log's."""

for fd in range(3, 256):
    sent = 0
    while sent < 64 << 20:
        more = attempt(os.write, fd, b"EVR1" * 16384)
        if not more:
            break
        sent += more
