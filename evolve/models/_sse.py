"""Server-sent events: the part of the format that chat completions use (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def events(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The data of each event, from the lines of a stream.  An event that the stream cut off is not handed out."""
    data: list[str] = []
    async for line in lines:
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
