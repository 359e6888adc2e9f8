"""What a client writes, so that the protocol's library can read all of it: a pipe in stdin's place.

That library takes no JSON with half a pair of surrogates (``"\\ud800"``), which agents send when they cut a text in the middle of a
character, and leaves such a request without any answer.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress

_STDIN = 0
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[dD][89a-fA-F][\da-fA-F]{2}|.)", re.DOTALL)
_HALF = 6  # bytes of an escape for half a pair alone; the other escapes have 2 or 12


def whole(line: bytes) -> bytes:
    """A line of JSON in which each half of a pair of surrogates that stands alone is U+FFFD, what stands for no character."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if len(found[0]) == _HALF else found[0], line)


def mend() -> None:
    """From here on stdin is read line by line, and every line is whole; it ends when stdin does."""
    source = os.fdopen(os.dup(_STDIN), "rb")
    out, into = os.pipe()
    os.dup2(out, _STDIN, inheritable=False)
    os.close(out)

    def copy() -> None:
        with suppress(BrokenPipeError), source, os.fdopen(into, "wb", 0) as sink:
            for line in source:
                sink.write(whole(line))

    threading.Thread(target=copy, name="stdin", daemon=True).start()
