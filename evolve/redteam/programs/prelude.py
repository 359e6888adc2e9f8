"""What every program of this folder finds defined.  PLAN is a literal that the engine writes in front of it.

WORD names this attack outside: markers, processes and messages carry it.  It stands in the text in two halves, so that a traceback
that quotes the text does not look like a message.
"""

import hashlib
import os
import re
import socket
import sys
import time
import types

WORD = "".join(PLAN["word"])
SECRET = re.compile(rb"evolve-secret:[0-9a-f]{32}")
INNER = tuple(os.environ.get(f"EVOLVE_{name}", f"/{name.lower()}") for name in ("WORK", "OUTPUT", "INPUT", "CANDIDATE", "ASSETS"))
SCRATCH = (INNER[0], INNER[1], "/tmp", "/dev/shm", "/var/tmp")


def attempt(act, *args, **options):
    """What the call gives; None where it is refused."""
    try:
        return act(*args, **options)
    except (OSError, ValueError, RuntimeError, AttributeError, ImportError, KeyError, TypeError):
        return None


def read(path, size=1 << 20):
    """The beginning of a file; b"" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        return b""


def reached(what):
    """Tell the outside by every way there may be, then fail loudly."""
    message = f"{WORD} {what}"
    attempt(os.write, 2, f"{message}\n".encode())
    attempt(_mark, message)
    attempt(_connect, message)
    raise RuntimeError(message)


def _mark(message):
    with open(os.path.join(PLAN["marker"], str(os.getpid())), "a") as file:
        file.write(f"{message}\n")


def _connect(message):
    with socket.create_connection(("127.0.0.1", PLAN["port"]), 2) as there:
        there.sendall(message.encode())


def find_secret(data, where):
    """Tell it when ``data`` (bytes) holds a secret of the driver's."""
    found = SECRET.search(data)
    if found:
        reached(f"{where}: {found.group().decode()}")


def is_outer(path, digest):
    """Whether this is the very file that lies outside."""
    data = read(path)
    return bool(data) and hashlib.blake2b(data, digest_size=16).hexdigest() == digest


depth = [0]  # of calls into the program, whichever of its files they began in


def around(program, change):
    """Replace each function that a file of the program defines by ``change(function)``, to be called from outside only.

    What the function's own helpers call stays as it is, so that the program computes what it always does.
    """

    def outermost(function):
        changed = change(function)

        def call(*args, **options):
            depth[0] += 1
            try:
                return (changed if depth[0] == 1 else function)(*args, **options)
            finally:
                depth[0] -= 1

        return call

    for name, value in list(program.items()):
        if isinstance(value, types.FunctionType) and value.__module__ == program.get("__name__"):
            program[name] = outermost(value)


def frame(header, body=b""):
    """A reply as the engine's stub would write it."""
    text = header.encode()
    return b"EVR1" + len(text).to_bytes(4, "little") + text + body
