"""Server-sent events: the part of the format that chat completions use (WHATWG HTML, section 9.2).

Lines end with a line feed alone: the HTTP library's own lines also end at characters that JSON text may contain, U+2028 among them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator


async def events(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event of a stream of bytes.  An event that was cut off is not handed out.

    Raises:
        UnicodeDecodeError: Data that is no UTF-8.
    """
    data: list[bytes] = []
    async for line in _lines(pieces):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line:
            if data:
                yield b"\n".join(data).decode()
            data = []


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waiting = b""
    async for piece in pieces:
        *lines, waiting = (waiting + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
