r"""The journal's files: lines that can be checked without parsing, in numbered segments that name their predecessor.

A line is ``{"c":"<crc32 of r>","r":{...}}`` and a newline: plain JSON lines for any other tool, while we verify bytes.  Inside
``r`` the sequence number comes first, so one comparison of a line's first bytes checks its form, its CRC and that no record is
missing.  The first line of a segment is a header: journal id, segment number, schema, the sequence number that comes next, and
the CRC of the last line before it.

What may stand at the very end of the last segment is a *torn tail*: bytes of a write that never finished.  It is one of

- a line without its newline (the process was killed inside a write),
- bytes with a run of zeros that reaches the end of the file or fills a disk sector (the machine lost power),

and nothing valid follows it.  Everything else that does not verify is damage, for instance a whole line with one wrong byte: it may
have been acknowledged, so dropping it would be a silent loss.

This module reads; it writes nothing and takes no lock, so it may run beside a live writer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from archive._errors import JournalDamaged, JournalMissing, JournalSchema, PositionStale, SegmentForeign, SegmentMissing
from archive.records._records import SCHEMA_VERSION

BODY = slice(20, -1)  # of a line without its newline
_HEAD = b'{"c":"%08x","r":{"seq":%d,'
_CRC = slice(6, 14)
_BRACE = ord("}")
_CHUNK = 1 << 22
_SECTOR = 512
_MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record's line lies: it begins at byte ``offset`` of segment ``segment``; ``crc`` is its CRC32."""

    seq: int
    segment: int
    offset: int
    crc: int


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a segment.  ``seq`` is the next record's number; ``crc`` that of the last line before (0: none)."""

    journal: str
    segment: int
    schema: int
    seq: int
    crc: int


def journal_folder(run: Path) -> Path:
    """Where the segments of a run lie."""
    return Path(run) / "journal"


def segment_path(run: Path, segment: int) -> Path:
    return journal_folder(run) / f"{segment:06d}.jsonl"


def segment_numbers(run: Path) -> list[int]:
    """The segments that exist, ascending; empty without a journal."""
    try:
        names = [path.name for path in journal_folder(run).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name[:-6]) for name in names if name.endswith(".jsonl") and name[:-6].isdigit())


def frame(body: bytes) -> bytes:
    """The line, newline included, for the bytes of ``r``."""
    return b'{"c":"%08x","r":%b}\n' % (crc32(body), body)


def unframe(line: bytes) -> bytes | None:
    """The verified bytes of ``r`` of a line without its newline; None when it does not verify."""
    body = line[BODY]
    return body if line[:20] == b'{"c":"%08x","r":' % crc32(body) and line[-1:] == b"}" else None


def header_line(header: Header) -> bytes:
    found = {
        "journal": header.journal,
        "segment": header.segment,
        "schema": header.schema,
        "next_seq": header.seq,
        "last_crc": header.crc,
    }
    return frame(json.dumps(found, separators=(",", ":")).encode())


def read_header(run: Path, segment: int) -> tuple[Header, int]:
    """A segment's header and the offset of its first record.

    Raises:
        JournalMissing: there is no journal at all.
        SegmentMissing: this segment is missing.
        SegmentForeign: it says it is another one.
        JournalDamaged: its first line does not verify.
        JournalSchema: it was written by a newer version.
    """
    path = segment_path(run, segment)
    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_HEADER)
    except FileNotFoundError as error:
        if not segment_numbers(run):
            raise JournalMissing(
                f"expected a run with a journal, but {journal_folder(run)} has no segment; check the path"
            ) from error
        raise SegmentMissing(f"the segment {path} is missing; {_RESTORE}") from error
    body = unframe(line[:-1])
    if body is None or not line.endswith(b"\n"):
        raise JournalDamaged(f"the header of {path} does not match its checksum; {_RESTORE}")
    try:
        found = json.loads(body)
        header = Header(found["journal"], found["segment"], found["schema"], found["next_seq"], found["last_crc"])
    except (KeyError, ValueError, TypeError) as error:
        raise SegmentForeign(f"{path} does not begin with a segment header of this program; {_RESTORE}") from error
    if header.schema > SCHEMA_VERSION:
        raise JournalSchema(
            f"{path} has schema {header.schema}, and this version reads up to {SCHEMA_VERSION}; "
            "update this installation to the version that wrote the run"
        )
    if header.segment != segment:
        raise SegmentForeign(f"{path} is segment {header.segment} under another name, expected {segment}; {_RESTORE}")
    return header, len(line)


class Cursor:
    """A place in a journal that moves forward over verified lines.

    ``lines`` may be called again later to go on with what has been written since.  ``torn`` is the size of the torn tail found at
    the end of the last call (0: none).
    """

    def __init__(self, run: Path, after: Position | None = None) -> None:
        """At the journal's beginning, or behind the record at ``after``.

        Raises:
            PositionStale: the journal has another record at that place.
            JournalDamaged: the journal ends before that place, or see ``read_header``.
        """
        self.run = Path(run)
        header, first = read_header(self.run, 1)
        self.journal = header.journal
        self.torn = 0
        self.segment, self.offset, self.seq = 1, first, header.seq
        self._start, self._crc = -1, b"%08x" % header.crc
        if after is not None:
            self._go_behind(after)

    @property
    def position(self) -> Position | None:
        """The place of the last line passed; None before the first."""
        return Position(self.seq - 1, self.segment, self._start, int(self._crc, 16)) if self._start >= 0 else None

    def lines(self) -> Iterator[bytes]:
        """The bytes of ``r`` of each further record, up to the last newline there is now.

        ``position`` names the line last yielded.

        Raises:
            JournalDamaged: stored bytes differ from what was written, or a record or segment is missing.
        """
        for batch in self._batches():
            for line in batch:
                self._pass(line, 1, len(line) + 1)
                yield line[BODY]

    def batches(self) -> Iterator[list[bytes]]:
        """As ``lines``, many at once and faster: lists of whole lines without their newlines, ``line[BODY]`` being ``r``."""
        for batch in self._batches():
            self._pass(batch[-1], len(batch), sum(map(len, batch)) + len(batch))
            yield batch

    def _pass(self, last: bytes, count: int, size: int) -> None:
        self.offset += size
        self.seq += count
        self._start = self.offset - len(last) - 1
        self._crc = last[_CRC]

    def _batches(self) -> Iterator[list[bytes]]:
        self.torn = 0
        while True:
            sealed = self._next_exists()  # asked before reading: a sealed segment grows no more
            yield from self._segment_batches(sealed)
            if not sealed or self.torn:
                return
            self._advance()

    def _go_behind(self, after: Position) -> None:
        path = segment_path(self.run, after.segment)
        ends = f"the journal ends before record {after.seq}, which was saved as durable at byte {after.offset} of {path}"
        if after.segment not in segment_numbers(self.run):
            raise SegmentMissing(f"{ends}; {_RESTORE}")
        header, _ = read_header(self.run, after.segment)
        with path.open("rb") as file:
            file.seek(after.offset)
            line = file.readline()
        if not line:
            raise JournalDamaged(f"{ends}; {_RESTORE}")
        if header.journal != self.journal or not line.startswith(_HEAD % (after.crc, after.seq)) or unframe(line[:-1]) is None:
            raise PositionStale(f"byte {after.offset} of {path} does not hold record {after.seq}; read the journal from its start")
        self.segment, self.offset, self.seq = after.segment, after.offset + len(line), after.seq + 1
        self._start, self._crc = after.offset, line[_CRC]

    def _next_exists(self) -> bool:
        if segment_path(self.run, self.segment + 1).exists():
            return True
        later = [number for number in segment_numbers(self.run) if number > self.segment]
        if later and later[0] != self.segment + 1:
            missing = segment_path(self.run, self.segment + 1)
            raise SegmentMissing(f"the segment {missing} is missing, but number {later[0]} is there; {_RESTORE}")
        return bool(later)

    def _advance(self) -> None:
        number = self.segment + 1
        header, first = read_header(self.run, number)
        path = segment_path(self.run, number)
        if header.journal != self.journal:
            raise SegmentForeign(f"{path} belongs to journal {header.journal}, expected {self.journal}; {_RESTORE}")
        if (header.seq, header.crc) != (self.seq, int(self._crc, 16)):
            raise SegmentForeign(
                f"{path} continues before record {header.seq} (checksum {header.crc:08x}), but the segment before it ends before "
                f"record {self.seq} (checksum {self._crc.decode()}); {_RESTORE}"
            )
        self.segment, self.offset = number, first

    def _segment_batches(self, sealed: bool) -> Iterator[list[bytes]]:
        path = segment_path(self.run, self.segment)
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise SegmentMissing(f"the segment {path} is missing; {_RESTORE}") from error
        with file:
            if file.seek(0, 2) < self.offset:
                raise JournalDamaged(f"{path} is shorter than the {self.offset} bytes read from it before; {_RESTORE}")
            file.seek(self.offset)
            rest = b""
            while chunk := file.read(_CHUNK):
                chunk = rest + chunk
                end = chunk.rfind(b"\n")
                rest = chunk[end + 1 :]
                lines = chunk[:end].split(b"\n") if end >= 0 else []
                good = self._verified(lines)
                if good:
                    yield lines[:good] if good < len(lines) else lines
                if good < len(lines):
                    file.seek(self.offset)
                    rest = file.readall()
                    break
            if rest:
                self._judge(rest, sealed)

    def _verified(self, lines: list[bytes]) -> int:
        """How many of ``lines``, from the first on, are the next records."""
        seq = self.seq
        for line in lines:
            if not line.startswith(_HEAD % (crc32(line[BODY]), seq)) or line[-1] != _BRACE:
                break
            seq += 1
        return seq - self.seq

    def _judge(self, tail: bytes, sealed: bool) -> None:
        """Bytes that do not verify: set ``torn``, or raise."""
        path = segment_path(self.run, self.segment)
        body = unframe(tail.split(b"\n", 1)[0])
        if body is not None and b"\n" in tail:
            found = json.loads(body).get("seq")
            raise JournalDamaged(f"{path} has record {found} at byte {self.offset} where record {self.seq} belongs; {_RESTORE}")
        if sealed or not _is_torn(tail):
            raise JournalDamaged(
                f"{path} does not match its checksum at byte {self.offset} (record {self.seq}); {_RESTORE}, or give up that record "
                f"and all after it: truncate -s {self.offset} {path}, and delete the segments after it"
            )
        self.torn = len(tail)


def _is_torn(tail: bytes) -> bool:
    """Whether bytes at the end of the last segment are a write that never finished (see the module's docstring)."""
    parts = tail.split(b"\n")
    for number, part in enumerate(parts):
        start = part.rfind(b'{"c":"')
        if start >= (number == 0) and unframe(part[start:]) is not None:
            return False
    if tail.endswith(b"\0") and len(tail) - len(tail.rstrip(b"\0")) > 1:
        return True
    if b"\0" * _SECTOR in tail:
        return True
    # A line with one byte too many is not a prefix of a line: its newline was changed.
    return len(parts) == 1 and unframe(tail[:-1]) is None


_RESTORE = "restore the file from a copy"
