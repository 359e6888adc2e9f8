"""Builds main.c as it is loaded, and calls it."""

import ctypes
import subprocess
import sys

BUILT = "/tmp/main.so"
FLAGS = ("-O2", "-std=c11", "-shared", "-fPIC")

built = subprocess.run(["cc", *FLAGS, "-o", BUILT, f"{__file__.rpartition('/')[0]}/main.c"], capture_output=True, text=True)
if built.returncode:
    sys.exit(f"main.c does not build:\n{built.stderr[-3000:]}")
call = ctypes.CDLL(BUILT).distance
call.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)


def distance(a, b):
    return call(a.encode(), len(a), b.encode(), len(b))
