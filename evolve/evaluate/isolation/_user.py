"""A user of its own for each slot, where root started the engine: what such a user may not read, and why there is none.

The kernel counts for a user, whatever the namespace: descriptors on their way through sockets, pages in pipes, watches of epoll,
processes.  Sandboxes of one user see each other in these counts and can use them up.  Root can start each slot's as a user that is
nobody else; that user reads what is open to all.  Where something shown is not, sandboxes stay root's own, as before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_FILE, _FOLDER = stat.S_IROTH, stat.S_IROTH | stat.S_IXOTH


def admit(user: int, private: Path, shown: Iterable[str | Path], covered: Collection[str] = ()) -> str:
    """Let ``user`` come to what lies below ``private``; why it may not see what is ``shown``, or nothing.  Nobody sees what lies in
    folders that are ``covered``."""
    if user == 0:
        return "only root can give others"
    try:
        os.chown(private, -1, user)
        private.chmod(stat.S_IRWXU | stat.S_IXGRP)
    except OSError as error:
        return f"this user namespace has none to give ({error.strerror})"
    closed = next((path for root in shown for path in _closed(str(root), covered)), None)
    return f"{closed} is closed to other users" if closed else ""


def may_read(path: Path) -> bool:
    """Whether any user may come to a file or folder and read all of it."""
    return all(_opens(parent.stat().st_mode, stat.S_IXOTH) for parent in path.parents) and not any(_closed(str(path)))


def _closed(root: str, covered: Collection[str] = ()) -> Iterator[str]:
    """What at and below ``root``, but for ``covered`` folders, others may not read; links are passed over, for what they lead to
    has its own place."""
    mode = os.stat(root).st_mode
    if not stat.S_ISDIR(mode):
        yield from () if _opens(mode, _FILE) else (root,)
        return
    if not _opens(mode, _FOLDER):
        yield root
        return
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _closed(entry.path, covered) if entry.path not in covered else ()
            elif entry.is_file(follow_symlinks=False) and not _opens(entry.stat(follow_symlinks=False).st_mode, _FILE):
                yield entry.path


def _opens(mode: int, bits: int) -> bool:
    return mode & bits == bits
