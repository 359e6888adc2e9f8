"""Undo what one sandbox left in the kernel's caches of files, so that none of them can leave word there for another.

These caches are the machine's.  Which pages of a large shared library lie in the page cache is one bit a page that any process can
set by reading, and that another reads again: by asking (``mincore``), by looking what a fault mapped beside itself, or by the time
a look takes.  Likewise a name that was looked up and does not exist is remembered by the cache of names, and the next look is
twice as fast.  Two sandboxes that share no file they can write still share those bits, and they hold more than any secret needs.

So before a sandbox that must not learn from an earlier one, the caches are made to look alike whatever was done: what the slot's
control group is charged for is thrown out, names first of all, and then every file that is shown is read, all of it.  The filter of
the strict tier refuses the calls that would throw pages out again.

What was shown is kept here for the whole process, not per trial: an accomplice may have run in an earlier trial.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SHARE = 0.5  # of the memory that is available, at most; a cache that is filled beyond it throws out what it has just read
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # a container's, as seen inside it
_RECLAIM = (("memory.force_empty", "0"), ("memory.reclaim", str(1 << 40)))  # groups of version 1, and of 2 from Linux 5.19


@dataclass(frozen=True, slots=True)
class Shown:
    """Files and folders (outside) that sandboxes see, folders in them that are covered, the memory group that sandboxes run in."""

    roots: tuple[str, ...]
    hidden: frozenset[str]
    group: Path | None


_shown: weakref.WeakKeyDictionary[object, Shown] = weakref.WeakKeyDictionary()


def remember(owner: object, roots: Iterable[str], hidden: Iterable[str], group: Path | None) -> None:
    """Note what ``owner`` shows to sandboxes as long as it lives."""
    real = dict.fromkeys(os.path.realpath(root) for root in roots)
    _shown[owner] = Shown(tuple(real), frozenset(os.path.realpath(folder) for folder in hidden), group)


def level() -> str:
    """Make the caches of what is shown look alike, whatever sandboxes did.  None may run in this slot meanwhile.

    Returns:
        "" when all of it is done, else what is not, in a sentence without a full stop.
    """
    everything = list(_shown.values())
    kept = [shown for shown in everything if not _forget(shown.group)]
    left = "no control group whose names could be thrown out of the kernel's cache" if kept else ""
    return "; ".join(filter(None, (left, _fill(everything))))


def _forget(group: Path | None) -> bool:
    """Throw out what the group is charged for and does not use: names that were looked up, pages it was the first to read."""
    for name, text in _RECLAIM:
        if group is not None and (group / name).exists():
            with suppress(OSError):  # it says so when less was there than was asked for
                (group / name).write_text(text)
            return True
    return group is not None and not group.exists()  # its factory was closed


def _fill(everything: Iterable[Shown]) -> str:
    """Read every regular file that is shown; why it was not done, or "".

    Nothing is copied: pages are spliced to ``/dev/null``, which waits for those that must come from the disk.  Opening a file also
    loads its name and inode.
    """
    found: dict[str, int] = {}
    for shown in everything:
        for root in shown.roots:
            found.update(_regular_files(root, shown.hidden))
    needed, room = sum(found.values()), int(_SHARE * _available_bytes())
    if needed > room:
        return (
            f"{needed >> 20} MiB of files that sandboxes show were not brought into memory, being more than half of what is "
            f"available ({2 * room >> 20} MiB)"
        )
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for path, size in found.items():
            _load(path, size, null)
    except OSError as error:
        return f"the files that sandboxes show could not all be read into memory ({error.strerror})"
    finally:
        os.close(null)
    return ""


def _regular_files(root: str, hidden: frozenset[str]) -> Iterator[tuple[str, int]]:
    """(path, size) of the files at and below ``root``.  Links are passed over: what they lead to has its own place or
    is not shown."""
    if os.path.isfile(root):
        yield root, os.path.getsize(root)
        return
    todo = [root]
    while todo:
        folder = todo.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo += [] if entry.path in hidden else [entry.path]
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path, entry.stat(follow_symlinks=False).st_size


def _load(path: str, size: int, null: int) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # gone, or closed to candidates too: they run as this user
        return
    try:
        while size > 0 and (sent := os.sendfile(null, file, None, size)):
            size -= sent
    finally:
        os.close(file)


def _available_bytes() -> float:
    """Memory to be had without swapping, of the machine and of the container; the page cache itself counts as such."""
    least = float("inf")
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            least = 1024.0 * int(line.split()[1])
    for place in _LIMITS:
        with suppress(OSError, ValueError):
            least = min(least, float(Path(place).read_text()))
    return least
