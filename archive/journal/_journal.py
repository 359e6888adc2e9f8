"""The durable log of a run: one writer, many readers, nothing acknowledged is ever lost.

``append`` puts a record's line into the queue and returns; a commit thread takes all that is queued, writes it with one call, syncs
once, and then acknowledges every record of the group.  *Written* means in the queue, in order; *durable* means synced.

A failed write or sync ends the journal: the file is cut back to the last durable record, ``on_error`` is told, and ``append``
raises from then on.  It never retries a sync, since after a failed one the kernel may have dropped the data and say yes the next
time.

The lock that keeps a second writer out belongs to the run, not to this module.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple
from zlib import crc32

from archive._errors import JournalBroken, JournalError, JournalFull, JournalMissing, PositionStale, RecordError
from archive.journal._reader import read_journal
from archive.journal._segments import (
    Cursor,
    Header,
    Position,
    header_line,
    journal_folder,
    read_header,
    segment_numbers,
    segment_path,
)
from archive.records._codec import decode_record, encode_record
from archive.records._records import SCHEMA_VERSION, LogEntry, Record
from archive.records._run_records import RunCreated

SEGMENT_BYTES = 64 << 20
_GROUP_BYTES = 8 << 20  # of one write
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Line(NamedTuple):
    """A queued line with its place.  ``header`` is set on the first line of a new segment."""

    data: bytes
    position: Position
    header: bytes
    on_durable: Callable[[], None] | None


class Journal:
    """The writing end.  ``create`` or ``open`` makes one; ``append`` is called by one thread.

    ``cut_bytes`` is the size of the torn tail that ``open`` removed (0: the journal ended cleanly).
    """

    def __init__(
        self,
        run: Path,
        head: Header,
        last: Position | None,
        fd: int,
        size: int,
        *,
        on_error: Callable[[JournalError], None] | None,
        segment_bytes: int,
        cut_bytes: int = 0,
    ) -> None:
        """Use ``create`` or ``open``.  ``head`` is the last segment's header, ``fd`` that file, ``size`` its length."""
        self.run = run
        self.cut_bytes = cut_bytes
        self._id = head.journal
        self._segment, self._size, self._segment_bytes = head.segment, size, segment_bytes
        self._seq = last.seq + 1 if last else 0
        self._written = self._durable = last
        self._evaluators: dict[str, str] = {}
        self._on_error = on_error
        self._error: JournalError | None = None
        self._fd, self._synced = fd, (head.segment, size)
        self._queue: SimpleQueue[_Line | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._commit_all, name="journal", daemon=True)

    @classmethod
    def create(
        cls, run: Path, *, on_error: Callable[[JournalError], None] | None = None, segment_bytes: int = SEGMENT_BYTES
    ) -> Journal:
        """A new journal in the run's folder, which is made if needed.

        ``on_error`` is called once, from the commit thread, when writing fails.  A new segment begins at ``segment_bytes``.

        Raises:
            JournalMissing: there is a journal already.
            JournalFull, JournalBroken: the first segment could not be written.
        """
        run = Path(run)
        if segment_numbers(run):
            raise JournalMissing(f"expected a folder without a journal, but {journal_folder(run)} has one; choose another folder")
        head = Header(secrets.token_hex(8), 1, SCHEMA_VERSION, 0, 0)
        line = header_line(head)
        try:
            journal_folder(run).mkdir(parents=True, exist_ok=True)
            fd = _new_segment(run, 1, line)
        except OSError as error:
            raise _broken(error, journal_folder(run)) from error
        return cls(run, head, None, fd, len(line), on_error=on_error, segment_bytes=segment_bytes)._started()

    @classmethod
    def open(
        cls,
        run: Path,
        *,
        after: Position | None = None,
        on_error: Callable[[JournalError], None] | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Journal:
        """The journal of an existing run, ready to go on.  A torn tail is cut off; ``cut_bytes`` says how much.

        Only the last segment is verified here, from ``after`` on when that lies in it: replay verifies the rest.

        Raises:
            JournalMissing, JournalDamaged, JournalSchema, PositionStale: as ``read_journal``.
            JournalBroken: the torn tail could not be cut.
        """
        run = Path(run)
        numbers = segment_numbers(run) or [1]
        if after is not None and after.segment >= numbers[-1]:
            cursor = Cursor(run, after)
        else:
            cursor = _before_last(run, numbers)
        for _ in cursor.lines():
            pass
        head, _ = read_header(run, cursor.segment)
        path = segment_path(run, cursor.segment)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            if cursor.torn:
                os.ftruncate(fd, cursor.offset)
                os.fsync(fd)
        except OSError as error:
            raise _broken(error, path) from error
        journal = cls(
            run, head, cursor.position, fd, cursor.offset, on_error=on_error, segment_bytes=segment_bytes, cut_bytes=cursor.torn
        )
        first = next(read_journal(run), None)
        if first is not None:
            journal._learn(first.record)
        return journal._started()

    def append(self, record: Record, *, at: float, on_durable: Callable[[], None] | None = None) -> LogEntry:
        """Queue a record written at Unix time ``at``; returns at once, with its sequence number.

        ``on_durable`` is called from the commit thread, in order, once the record is durable; it must be quick and not raise.  The
        returned record is what a reader will get: equal to ``record``, except that lone surrogates in texts (which are not Unicode
        and cannot be stored) become U+FFFD.

        Raises:
            JournalFull, JournalBroken: writing failed earlier, or the journal is closed.
            RecordError: a number in the record is not finite.
        """
        if self._error is not None:
            raise self._error
        self._learn(record)
        seq = self._seq
        fields = encode_record(record)
        try:
            body = self._body(seq, at, record, fields)
        except UnicodeEncodeError:
            record = decode_record(record.kind, _clean(fields))
            body = self._body(seq, at, record, encode_record(record))
        crc = crc32(body)
        data = b'{"c":"%08x","r":%b}\n' % (crc, body)
        header = b""
        last = self._written
        if last is not None and last.segment == self._segment and self._size + len(data) > self._segment_bytes:
            self._segment += 1
            header = header_line(Header(self._id, self._segment, SCHEMA_VERSION, seq, last.crc))
            self._size = len(header)
        self._written = Position(seq, self._segment, self._size, crc)
        self._size += len(data)
        self._seq += 1
        self._queue.put(_Line(data, self._written, header, on_durable))
        return LogEntry(seq, at, record)

    @property
    def written(self) -> Position | None:
        """The place of the record appended last."""
        return self._written

    @property
    def position(self) -> Position | None:
        """The place of the last durable record."""
        return self._durable

    @property
    def durable_seq(self) -> int:
        """The number of the last durable record, -1 before the first."""
        return self._durable.seq if self._durable else -1

    def wait_durable(self, seq: int, timeout_s: float | None = None) -> bool:
        """Wait until record ``seq`` is durable; False when the time is up first.

        Raises:
            JournalFull, JournalBroken: it will never be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.durable_seq >= seq or self._error is not None, timeout_s)
        if self.durable_seq >= seq:
            return True
        if self._error is not None:
            raise self._error
        return False

    def close(self) -> None:
        """Make everything appended durable and let go of the file.  Idempotent.

        Raises:
            JournalFull, JournalBroken: something appended could not be made durable.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._error is None:
            self._error = JournalBroken(f"the journal in {self.run} is closed; open it again to append")
        elif self._durable != self._written:
            raise self._error

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _started(self) -> Journal:
        self._thread.start()
        return self

    def _learn(self, record: Record) -> None:
        if isinstance(record, RunCreated):
            self._evaluators.update((problem.id, _dumps(problem.evaluator)) for problem in record.problems)

    def _body(self, seq: int, at: float, record: Record, fields: dict[str, Any]) -> bytes:
        evaluator = self._evaluators.get(fields.get("problem", ""))
        tail = f',"ev":{evaluator}' if evaluator else ""
        try:
            text = _dumps(fields)
        except ValueError as error:
            raise RecordError(f"a record holds only finite numbers, but this {record.kind} record does not: {error}") from error
        more = f",{text[1:]}" if len(text) > 2 else "}"
        return f'{{"seq":{seq},"at":{float(at)!r},"kind":"{record.kind}","v":{SCHEMA_VERSION}{tail}{more}'.encode()

    # ---------------------------------------------------------------------------------------- the commit thread

    def _commit_all(self) -> None:
        try:
            while group := self._take():
                self._commit(group)
                self._durable = group[-1].position
                with self._changed:
                    self._changed.notify_all()
                for line in group:
                    if line.on_durable is not None:
                        line.on_durable()
        except OSError as error:
            self._fail(_broken(error, segment_path(self.run, self._synced[0])))
        except BaseException:
            self._fail(JournalBroken("a callback of the journal raised; see the traceback on stderr"))
            raise

    def _take(self) -> list[_Line]:
        """All that is queued, waiting for the first; empty at the end."""
        line = self._queue.get()
        group: list[_Line] = []
        size = 0
        while line is not None:
            group.append(line)
            size += len(line.data)
            if size >= _GROUP_BYTES:
                return group
            try:
                line = self._queue.get_nowait()
            except Empty:
                return group
        if group:
            self._queue.put(None)
        return group

    def _commit(self, group: list[_Line]) -> None:
        start = 0
        for index, line in enumerate(group):
            if line.header:
                self._write(group[start:index])
                number = line.position.segment
                fd = _new_segment(self.run, number, line.header)
                os.close(self._fd)
                self._fd, self._synced, start = fd, (number, len(line.header)), index
        self._write(group[start:])

    def _write(self, lines: list[_Line]) -> None:
        if lines:
            data = b"".join([line.data for line in lines])
            _write_all(self._fd, data)
            os.fdatasync(self._fd)
            segment, size = self._synced
            self._synced = segment, size + len(data)

    def _fail(self, error: JournalError) -> None:
        with suppress(OSError):  # opening cuts a torn tail too
            os.ftruncate(self._fd, self._synced[1])
            os.fsync(self._fd)
        with self._changed:
            self._error = error
            self._changed.notify_all()
        if self._on_error is not None:
            self._on_error(error)


def _before_last(run: Path, numbers: list[int]) -> Cursor:
    """Where verifying begins when a journal is opened: behind the last record of the segment before the last.

    The last segment's header holds that record's number and CRC; its place is found by reading backwards.
    """
    if numbers == list(range(1, numbers[-1] + 1)) and len(numbers) > 1:
        header, _ = read_header(run, numbers[-1])
        data = segment_path(run, numbers[-2]).read_bytes()
        start = data.rfind(b"\n", 0, len(data) - 1) + 1
        with suppress(PositionStale):  # damaged: reading from the start says where
            return Cursor(run, Position(header.seq - 1, numbers[-2], start, header.crc))
    return Cursor(run)


def _new_segment(run: Path, number: int, line: bytes) -> int:
    """Create a segment with its header, durably; returns its file descriptor.

    It appears under its name by a rename, so that a segment never exists without a whole header.
    """
    path = segment_path(run, number)
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        _write_all(fd, line)
        os.fsync(fd)
        draft.rename(path)
        for folder in (path.parent, run):
            folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder_fd)
            finally:
                os.close(folder_fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _broken(error: OSError, path: Path) -> JournalBroken:
    intact = "everything acknowledged is intact; "
    if error.errno in _FULL:
        return JournalFull(f"the disk is full ({error.strerror}) at {path}: {intact}make room, then resume the run")
    return JournalBroken(f"writing {path} failed ({error.strerror}): {intact}mend the disk, then resume the run")


def _clean(value: Any) -> Any:
    """JSON values with lone surrogates replaced."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
