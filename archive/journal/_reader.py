"""Reading a journal as records.  Takes no lock; may run beside the writer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from archive._errors import RecordError
from archive.journal._segments import Cursor, Position, segment_path
from archive.records._codec import decode_record
from archive.records._records import LogEntry

_parse = json.JSONDecoder().raw_decode  # json.loads without its search for blanks and encodings


class JournalReader(Iterator[LogEntry]):
    """Records in order; ``position`` names the one yielded last, ``torn`` is the size of a torn tail once the end is reached."""

    def __init__(self, run: Path, after: Position | None = None) -> None:
        self._cursor = Cursor(run, after)
        self._records = records(self._cursor)

    def __iter__(self) -> JournalReader:
        return self

    def __next__(self) -> LogEntry:
        return next(self._records)

    @property
    def position(self) -> Position | None:
        return self._cursor.position

    @property
    def torn(self) -> int:
        return self._cursor.torn


def read_journal(run: Path, *, after: Position | None = None) -> JournalReader:
    """The verified records of the run in folder ``run``, from the start or behind ``after``.  A torn tail is left out.

    Raises (also while iterating):
        JournalMissing: the folder has no journal.
        JournalDamaged: stored bytes differ from what was written, or a record or segment is missing.
        JournalSchema, RecordError: the run was written by a newer version.
        PositionStale: ``after`` names a record that this journal does not have there.
    """
    return JournalReader(run, after)


def find_records(run: Path, kinds: Collection[str], *, mention: str = "") -> Iterator[LogEntry]:
    """The records of these kinds whose line holds the text ``mention``, in order; the others are verified but not decoded.

    Raises as ``read_journal``.
    """
    wanted = tuple(f'"kind":"{kind}"'.encode() for kind in kinds)
    text = mention.encode()
    for body in Cursor(run).lines():
        if text in body and any(kind in body for kind in wanted) and (found := decode_line(body)).record.kind in kinds:
            yield found


def records(cursor: Cursor) -> Iterator[LogEntry]:
    """The records on the lines ahead of ``cursor``.  Raises as ``read_journal``."""
    for body in cursor.lines():
        try:
            yield decode_line(body)
        except RecordError as error:
            raise RecordError(f"{error} (record {cursor.seq - 1} of {segment_path(cursor.run, cursor.segment)})") from error


def decode_line(body: bytes) -> LogEntry:
    """The record in the verified bytes of ``r``.  RecordError as ``decode_record``."""
    found, _ = _parse(body.decode())
    seq, at, kind, schema = found.pop("seq"), found.pop("at"), found.pop("kind"), found.pop("v")
    found.pop("ev", None)
    return LogEntry(seq, at, decode_record(kind, found, schema))
