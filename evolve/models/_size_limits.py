"""How long an answer may be.  No model writes so much; a server that is none could fill the memory, or the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator

MOST_LINE = 8 << 20  # bytes of one line of a stream
MOST_ANSWER = 128 << 20  # bytes of one answer: a stream takes some 300 a token
MOST_TEXT = 4 << 20  # characters of text in it: a million tokens
MOST_TOKENS = 10**9  # of one request: more than its bytes


class TooLong(ValueError):
    """An answer that was given up as it grew."""


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    """All bytes of an answer.

    Raises:
        TooLong: There are too many.
    """
    found: list[bytes] = []
    n_bytes = 0
    async for piece in pieces:
        n_bytes += len(piece)
        if n_bytes > MOST_ANSWER:
            raise TooLong(f"the answer has more than {MOST_ANSWER >> 20} MiB")
        found.append(piece)
    return b"".join(found)
