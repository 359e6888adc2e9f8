"""Errors of the journal and the queries.

    ArchiveError
    |-- RecordError            a record that this version cannot write or read
    |-- JournalError
    |   |-- JournalMissing     no journal where one was expected, or one where none was expected
    |   |-- JournalDamaged     bytes that are not what was written: where, and what to do
    |   |   |-- SegmentMissing
    |   |   `-- SegmentForeign
    |   |-- JournalSchema      written by a newer version
    |   |-- PositionStale      a saved position that does not fit the journal: read it from the start
    |   `-- JournalBroken      writing failed; everything acknowledged is intact
    |       `-- JournalFull    ... because the disk is full
    `-- QueryError             SQL that cannot be carried out

A message says what was expected, what was found and where, and what to do.
"""

from __future__ import annotations


class ArchiveError(Exception):
    """Base of all errors of this package that have a message for people."""


class RecordError(ArchiveError):
    """A record of an unknown kind, of a newer schema, or with a field this version does not know."""


class JournalError(ArchiveError):
    """A journal that cannot be read or written as asked."""


class JournalMissing(JournalError):
    """There is no journal in the folder, or (when creating) there is one already."""


class JournalDamaged(JournalError):
    """Stored bytes differ from what was written.  Nothing is skipped or repaired silently."""


class SegmentMissing(JournalDamaged):
    """A segment file between the first and the last is not there."""


class SegmentForeign(JournalDamaged):
    """A segment file belongs to another journal or another place of this one."""


class JournalSchema(JournalError):
    """The journal was written by a newer version of the engine."""


class PositionStale(JournalError):
    """A saved position does not name a record of this journal; whatever was derived up to it must be derived anew."""


class JournalBroken(JournalError):
    """Writing failed and the journal takes no more records.  Everything acknowledged is intact."""


class JournalFull(JournalBroken):
    """The disk is full."""


class QueryError(ArchiveError):
    """A query that cannot be carried out; one sentence says why."""
