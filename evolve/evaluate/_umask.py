"""The umask under which the engine makes its own files and starts candidates, whatever the evaluator or a shell has set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PLAIN = 0o022


@contextmanager
def plain_umask() -> Iterator[None]:
    """What is made inside can be read by the user that a candidate runs as; afterwards the umask is again what it was."""
    before = os.umask(_PLAIN)
    try:
        yield
    finally:
        os.umask(before)
