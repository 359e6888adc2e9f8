"""Passes messages between two ends of a socket pair of its own."""

here, there = socket.socketpair()
here.sendall(b"ping")
assert there.recv(4) == b"ping"
here.close()
there.close()
