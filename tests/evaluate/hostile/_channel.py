"""What every channel between two sandboxes has: see ``_turns``.  Part of the candidate's program."""

import ctypes
import mmap
import os
import platform

LIBRARY = os.path.dirname(os.__file__)
ARM = platform.machine() == "aarch64"
PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]


def checked(result):
    if result in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "")
    return result


def number_in(path, name):
    with open(path) as file:
        return next((int(line.split()[1]) for line in file if line.split()[0] == name), 0)


def mapped(path):
    file = os.open(path, os.O_RDONLY)
    place = checked(libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, file, 0))
    os.close(file)
    ctypes.string_at(place, 1)
    return place


class Channel:
    """Keeps what is held until it is cleared; a subclass says how."""

    def __init__(self):
        self.held = []
        self.last = 0

    def ready(self, n):
        pass

    def mark(self, n):
        pass

    def look(self, n):
        return 0

    def clear(self):
        for one in self.held:
            os.close(one) if isinstance(one, int) else one.close()
        self.held.clear()

    def change(self, value):
        """How much a value that only grows has grown since the last look."""
        self.last, before = value, self.last
        return value - before
