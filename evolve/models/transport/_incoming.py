"""The bytes of an answer as they come in: what they begin as, and how long nothing but keep-alives has come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Literal

Form = Literal["events", "json", "page", ""]

_HEAD = 2048
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class Silent(TimeoutError):
    """A connection that was kept alive and said nothing."""


class Silence:
    """How long nothing has been said.  Comments, pings and empty pieces keep a connection open and say nothing.

    Args:
        limit_s: The longest that is put up with.
        clock: Seconds from any start.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._heard_at = clock()

    def heard(self) -> None:
        """Something was said."""
        self._heard_at = self._clock()

    def check(self) -> None:
        """To be called whenever anything has come and was looked at.

        Raises:
            Silent: Nothing was said for longer than the limit.
        """
        if self._clock() - self._heard_at > self._limit_s:
            raise Silent(f"nothing but keep-alives for {self._limit_s:g} s; a slow server may need a longer llm.read_timeout_s")


class Incoming:
    """The pieces of a body, to be read once.

    Args:
        pieces: As they come from the connection.
        silence: Whoever finds something said in them calls its ``heard``.

    Attributes:
        head: The first bytes that came, white space apart; at most 2 KiB.
    """

    def __init__(self, pieces: AsyncIterator[bytes], silence: Silence) -> None:
        self._pieces, self._silence = pieces, silence
        self._first: list[bytes] = []
        self.head = b""

    async def form(self) -> Form:
        """What the body begins as, whatever its header says: events, JSON, a page; "" is nothing at all.

        Raises:
            Silent: as ``Silence.check``; white space too may be sent to keep a connection alive.
        """
        async for piece in self._pieces:
            self._first.append(piece)
            self.head = piece.removeprefix(_BOM).lstrip(_SPACE)[:_HEAD]
            if self.head:
                self._silence.heard()
                break
            self._first = [b"\n"] if self._first else []  # what was white space is as good as one line end
            self._silence.check()
        if not self.head:
            return ""
        return "json" if self.head[:1] in (b"{", b"[") else "page" if self.head[:1] == b"<" else "events"

    async def begins(self, n_bytes: int) -> bytes:
        """The first bytes of all that comes, about so many."""
        found = b""
        async for piece in self:
            found += piece
            if len(found) >= n_bytes:
                break
        return found

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._first:
            yield piece
        async for piece in self._pieces:
            if len(self.head) < _HEAD:
                self.head += piece[: _HEAD - len(self.head)]
            yield piece
            self._silence.check()  # the piece has been looked at
