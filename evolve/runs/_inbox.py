"""How other processes speak to a live run: a request file in ``RUN/inbox``, written by rename, answered by a record.

A request is carried out once: its id stands in the records of its effects, and an id that is recorded is never carried out again,
whatever was killed in between.  The file is removed only when the answer is durable.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import UsageError
from evolve.problem.contract._contract import MAX_BYTES

_ESCAPED = 7  # bytes that one of a text may take in a request: a control character is escaped, and the escape once more
MAX_REQUEST_BYTES = _ESCAPED * MAX_BYTES + (1 << 20)  # so that whatever a contract allows can be told, with words about it
_SUFFIX = ".json"
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks of a run.  ``body`` is JSON text, its form given by the verb."""

    id: str
    verb: str
    body: str


def inbox_folder(run: Path) -> Path:
    """Where requests to a run lie."""
    return run / "inbox"


def post(run: Path, verb: str, body: str) -> Request:
    """Leave a request; it appears whole or not at all.

    Raises:
        UsageError: it is larger than a driver reads.
        OSError: the folder cannot be written.
    """
    folder = inbox_folder(run)
    folder.mkdir(exist_ok=True)
    request = Request(secrets.token_hex(8), verb, body)
    text = json.dumps({"verb": verb, "body": body})
    if len(text) > MAX_REQUEST_BYTES:
        raise UsageError(f"a request may have {MAX_REQUEST_BYTES} bytes, found {len(text)}; hand in less.")
    part = folder / f".{request.id}.part"
    part.write_text(text, encoding="utf-8")
    os.rename(part, folder / f"{request.id}{_SUFFIX}")
    return request


def withdraw(run: Path, request: Request) -> bool:
    """Take a request back; False when it was taken already."""
    try:
        (inbox_folder(run) / f"{request.id}{_SUFFIX}").unlink()
    except FileNotFoundError:
        return False
    return True


def pending(run: Path) -> Iterator[Request]:
    """Requests that lie in the inbox, oldest first.

    Whatever else is called like a request is taken out of the way, so that it can neither stop nor hang the run: a file or link is
    removed, a folder gets another name.  What cannot even be moved is passed over.

    Raises:
        OSError: the folder cannot be read.
    """
    folder = inbox_folder(run)
    if not folder.is_dir():
        return
    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=_left_at):
        try:
            request = _read(path)
            if request is None:
                _quarantine(path)
        except OSError:  # answered or taken back a moment ago, or not for us to read
            continue
        if request is not None:
            yield request


def _left_at(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


def _read(path: Path) -> Request | None:
    """The request in a file; None if it is none.  A link is not followed, and nothing is opened that could keep its reader waiting.

    Raises:
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        data = file.read(MAX_REQUEST_BYTES + 1)
    if len(data) > MAX_REQUEST_BYTES:
        return None
    try:
        found = json.loads(data)
        request = Request(path.stem, str(found["verb"]), str(found["body"]))
        f"{request.id}{request.verb}{request.body}".encode()  # a record could not hold lone surrogates
        return request
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _quarantine(path: Path) -> None:
    """Raises OSError where that is not possible."""
    try:
        path.unlink()
    except OSError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise
        path.rename(path.with_name(f"{path.name}.refused"))


class InboxWatcher:
    """A thread that hands each new request to ``sink`` once.

    Args:
        run: The run's folder.
        sink: Called from the thread.
        every_s: How often to look.
    """

    def __init__(self, run: Path, sink: Callable[[Request], None], *, every_s: float = 0.25) -> None:
        self._run, self._sink, self._every_s = run, sink, every_s
        self._seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="inbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            with suppress(OSError):  # a folder that cannot be read now may be read the next time
                for request in pending(self._run):
                    if request.id not in self._seen:
                        self._seen.add(request.id)
                        self._sink(request)


def body_of(request: Request) -> dict[str, object]:
    """The request's body as a mapping, of which a record can hold every part.

    Raises:
        UsageError: it is not a JSON object of finite numbers and of Unicode text.
    """
    try:
        body = json.loads(request.body or "{}", parse_float=_finite, parse_int=_short, parse_constant=_finite)
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{request.verb} takes Unicode text, found bytes that are not UTF-8 ({error.object[error.start]!a})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body of {request.verb} must be a JSON object, found {request.body[:80]!r}.") from error
    if not isinstance(body, dict):
        raise UsageError(f"the body of {request.verb} must be a JSON object, found {request.body[:80]!r}.")
    return body


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _short(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)
