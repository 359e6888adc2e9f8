"""Prints without end."""

line = b"score: 1e9 " * 5957
for _ in range(1200):
    attempt(os.write, 1, line)
    attempt(os.write, 2, line)
