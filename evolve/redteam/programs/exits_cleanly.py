"""Flushes its log at the end."""

import atexit

atexit.register(sys.stdout.flush)
