"""The standard streams of a command, made so that whatever happens to them ends nothing: what cannot be written is dropped.

A terminal goes away (EIO), a reader stops reading (EPIPE), a disk is full (ENOSPC), a stream was closed before the start (EBADF), a
character has no place in the locale's encoding: none of these says anything of the run that was about to tell something.  They are
met at the lowest layer, below Python's buffers, so that all who write are safe: verbs, rich's thread, warnings, the interpreter
at exit.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from evolve.cli.show._text import say

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_ESCAPED = "evolve.escaped"
_PLAIN = "".join(map(chr, range(32, 127))) + "\\u0041 \\n\t\n.." + "a" * 100 + "\n"  # idna: no empty labels, none of more than 63
_ODD = "é → 点 \udcff\n"


class Outlet(io.RawIOBase):
    """A file descriptor that is written to.

    Args:
        fd: The descriptor.
        closed: Whether it was closed when the process began, so that all is lost.
        whole: Whether a hole is worse than an end: then nothing is written any more after the first loss.

    Attributes:
        lost: Why the first bytes that were lost could not be written; None as long as nothing is lost.
    """

    def __init__(self, fd: int, *, closed: bool, whole: bool) -> None:
        self._fd = fd
        self._closed = closed
        self._whole = whole
        self.lost: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        if self.lost is not None and self._whole:
            return size
        try:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return self._written(data)
        except OSError as error:
            self.lost = self.lost or error
            return size

    def _written(self, data: ReadableBuffer) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # somebody else who has the terminal made it so; to wait is what writing does elsewhere
                room = select.poll()
                room.register(self._fd, select.POLLOUT)
                room.poll()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)


def open_streams() -> Outlet:
    """Replace ``sys.stdout`` and ``sys.stderr`` of this process for good; returns where stdout goes.

    Descriptors 0 to 2 that are closed get ``/dev/null``: the next file that is opened, the journal for one, would otherwise be what
    somebody takes for a standard stream.
    """
    missing = _fill()
    if 0 in missing:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    out = Outlet(1, closed=1 in missing, whole=True)
    err = Outlet(2, closed=2 in missing, whole=False)
    asked = [stream.encoding if stream is not None else "utf-8" for stream in (sys.stdout, sys.stderr)]
    sys.stdout = _text(out, sys.stdout, by_line=out.isatty())
    sys.stderr = _text(err, sys.stderr, by_line=True)
    unfit = dict.fromkeys(encoding for encoding in asked if not is_fit(encoding))
    if unfit:
        say(f"evolve: {', '.join(unfit)} cannot write every text; this is UTF-8 (PYTHONIOENCODING=utf-8 says so)")
    return out


def _fill() -> frozenset[int]:
    """Have descriptors 0 to 2 open; returns those that were not."""
    missing = set()
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
        missing.add(fd)
    os.close(fd)
    return frozenset(missing)


def _text(outlet: Outlet, before: TextIO | None, *, by_line: bool) -> TextIO:
    """The text stream over an outlet, in the encoding that the locale asks for, or UTF-8 where that is none for all texts; what it
    lacks is escaped."""
    if before is not None:
        before.flush()
    encoding = before.encoding if before is not None and is_fit(before.encoding) else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(outlet), encoding, _ESCAPED, line_buffering=by_line)


def is_fit(encoding: str) -> bool:
    """Whether plain text in this encoding, written in pieces, is read as what was written, line by line, and no text raises.

    idna and punycode are encodings of names, unicode_escape has no line ends; UTF-16 takes no name that is not Unicode.
    """
    try:
        encoder = codecs.getincrementalencoder(encoding)(_ESCAPED)
        written = b"".join([*(encoder.encode(line) for line in _PLAIN.splitlines(keepends=True)), encoder.encode("", final=True)])
        codecs.getincrementalencoder(encoding)(_ESCAPED).encode(_ODD, final=True)
        return written.decode(encoding) == _PLAIN and len("\n".encode(encoding)) == len("a".encode(encoding))
    except UnicodeError:
        return False


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """A name of a file that the locale could not read goes out as the bytes it is, so that it can be typed; all else is escaped."""
    assert isinstance(error, UnicodeEncodeError)
    try:
        return error.object[error.start : error.end].encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


codecs.register_error(_ESCAPED, _escaped)
