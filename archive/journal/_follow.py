"""Following a run while it is written."""

from __future__ import annotations

from pathlib import Path

from archive.journal._reader import records
from archive.journal._segments import Cursor, Position
from archive.records._records import LogEntry


class Follower:
    """Hands out a run's records as they appear.  Never locks, never slows the writer; one thread.

    A record may be seen a moment before it is durable, so a follower shows; it does not acknowledge.
    """

    def __init__(self, run: Path, after: Position | None = None) -> None:
        """From the start, or behind ``after``.  Raises as ``read_journal``."""
        self._cursor = Cursor(run, after)

    @property
    def position(self) -> Position | None:
        """The place of the record handed out last."""
        return self._cursor.position

    def poll(self) -> list[LogEntry]:
        """The records written since the last call, up to the last newline there is now.

        Raises:
            JournalDamaged: stored bytes differ from what was written.  Also when the writer, on a full disk, took back records
                that had been handed out but could not be made durable: start a new follower.
        """
        return list(records(self._cursor))
