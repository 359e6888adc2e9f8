"""Looks at itself: its process number, its memory, its user."""

status = read("/proc/self/status").decode()
known = (os.getpid(), os.getppid(), os.getuid(), len(status), os.cpu_count())
assert all(isinstance(value, int) for value in known)
