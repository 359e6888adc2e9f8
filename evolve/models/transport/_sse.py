"""Server-sent events: the part of the format that models are streamed in (WHATWG HTML, section 9.2).

Lines are split here, in time that grows with the length alone: the HTTP library's own lines also end at characters that JSON text
may contain, U+2028 among them, and the official clients copy all that waits with every piece.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from evolve.models._size_limits import MOST_ANSWER, MOST_LINE, TooLong

_BOM = b"\xef\xbb\xbf"


async def events(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event of a stream of bytes.  An event that was cut off, or is empty, is not handed out.

    Raises:
        UnicodeDecodeError: Data that is no UTF-8.
        TooLong: A line or the stream is longer than any that a model makes.
    """
    data: list[bytes] = []
    first = True
    async for line in _lines(pieces):
        if first:
            line, first = line.removeprefix(_BOM), False
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line:
            if any(data):
                yield b"\n".join(data).decode()
            data = []


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines that end with a line feed, a carriage return, or both."""
    waiting: list[bytes] = []  # parts of the line that has not ended
    n_waiting = n_bytes = 0
    returned = False  # the piece before ended with a carriage return, which a line feed may belong to
    async for piece in pieces:
        n_bytes += len(piece)
        if n_bytes > MOST_ANSWER:
            raise TooLong(f"the stream has more than {MOST_ANSWER >> 20} MiB")
        if not piece:
            continue
        fresh = piece[1:] if returned and piece[:1] == b"\n" else piece
        returned = piece.endswith(b"\r")
        *lines, rest = fresh.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            yield _bounded([*waiting, line], n_waiting + len(line))
            waiting, n_waiting = [], 0
        waiting.append(rest)
        n_waiting += len(rest)
        if n_waiting > MOST_LINE:
            raise _too_long()


def _bounded(parts: list[bytes], n_bytes: int) -> bytes:
    if n_bytes > MOST_LINE:
        raise _too_long()
    return b"".join(parts)


def _too_long() -> TooLong:
    return TooLong(f"a line of the stream has more than {MOST_LINE >> 20} MiB")
