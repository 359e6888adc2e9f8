"""Keys: read from the environment at this one place, and kept out of every text that leaves the package.

A server may echo the key that it refuses, and an HTTP library the header that it cannot send; what is told of a call goes to the
terminal, into the journal and into recordings.  So ``ModelReply`` and ``CallFailure`` pass their texts through ``redact``.
"""

from __future__ import annotations

import os

from evolve._errors import UsageError

_SECRET = 8  # characters from which on a key is one: local servers take "x" or "EMPTY", which texts cannot do without
_read: set[str] = set()  # all keys that this process has read


def key_in(variable: str) -> str:
    """The key that an environment variable holds; "" where it holds none.  White space around it (a file with CRLF) is no part.

    Raises:
        UsageError: It has characters that no header can carry; the sentence does not show it.
    """
    key = os.environ.get(variable, "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise UsageError(f"{variable} holds a character that no key has (a space, a line end or one beyond ASCII); set it again.")
    if len(key) >= _SECRET:
        _read.add(key)
    return key


def redact(text: str) -> str:
    """The text without the keys that were read."""
    for key in sorted(_read, key=len, reverse=True):
        if key in text:
            text = text.replace(key, "[key]")
    return text


def redact_and_repair(text: str) -> str:
    """A server's text as it may be passed on: without keys, and without halves of surrogate pairs, which are in no UTF-8.  Two
    halves that lie together become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return redact(text)
