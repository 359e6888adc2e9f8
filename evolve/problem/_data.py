"""Data too large to travel with a problem: it lies where ``problem.yaml`` says, on each machine, and is what its hash says.

What was hashed once is not read again while its size, times and place on the disk are the same; a machine remembers that across
runs.  A folder's hash is that of the list ``sha256sum`` makes of the files in it, by their paths, odd names as it writes them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shlex
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evolve._errors import EnvironmentFault
from evolve.problem._assets import cache_folder
from evolve.problem.contract._contract import Contract, Data

_CHUNK = 1 << 22
_LARGE = 1 << 30  # bytes, from which on it is said that they are being read
_TICK_S = 2.0  # a file that was changed so shortly ago may be changed again without another time
# File systems whose files the kernel makes as they are read: some never end, some wait for what never comes.
_MADE = {
    *("proc", "sysfs", "cgroup", "cgroup2", "tracefs", "debugfs", "securityfs"),
    *("configfs", "devpts", "bpf", "pstore", "efivarfs", "mqueue"),
}
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
Seen = list[list[object]]  # (path, size, times, inode) of each file


class _NotData(Exception):
    """What lies there is neither a file nor a folder of files."""


def check_data(contract: Contract, *, remembered: Path | None = None, tell: Callable[[str], None] | None = None) -> None:
    """See that the data of a problem lies here and is what its contract says.

    Args:
        remembered: a folder for hashes; default: one of this user's, on this machine.
        tell: gets a line before much is read; by default it goes to stderr.

    Raises:
        EnvironmentFault: it is missing, cannot be read, or is something else.
    """
    for data in contract.data:
        try:
            found = _hash_of(data, remembered or _memory(), tell or _to_stderr)
        except FileNotFoundError as error:
            raise EnvironmentFault(
                f"{_expected(contract, data)}, found nothing there; put it there, or a link to where it is"
            ) from error
        except _NotData as error:
            raise EnvironmentFault(
                f"{_expected(contract, data)}, found {error}; data are files and folders of them: put a copy there, or write "
                "another path into problem.yaml"
            ) from error
        except OSError as error:
            raise EnvironmentFault(
                f"{_expected(contract, data)}, found what cannot be read ({error}); type: ls -lR {shlex.quote(data.path)}"
            ) from error
        if found != data.sha256:
            raise EnvironmentFault(
                f"{_expected(contract, data)} with the SHA-256 {data.sha256}, found {found}; put there what the problem was made "
                "with, or, where what is there is right, write its hash into problem.yaml, which makes another problem"
            )


def hash_of(path: str) -> str:
    """The SHA-256 of a file or folder of data, as ``problem.yaml`` has it.

    Raises:
        OSError: it cannot be read, or is something that a sandbox could not show.
    """
    try:
        return _hash_of(Data(name="", path=path, sha256=""), _memory(), _to_stderr)
    except _NotData as error:
        raise OSError(str(error)) from error


def marks_of(contract: Contract) -> tuple[tuple[int, ...], ...]:
    """What tells, without reading, that data was replaced: inode, size and times of each file, or of the folder itself."""
    marks: list[tuple[int, ...]] = []
    for data in contract.data:
        try:
            found = os.stat(data.path)
        except OSError:
            marks.append(())
        else:
            marks.append((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return tuple(marks)


def _expected(contract: Contract, data: Data) -> str:
    return f"expected the data {data.name} of {contract.name} at {data.path} on {platform.node()}"


def _hash_of(data: Data, remembered: Path, tell: Callable[[str], None]) -> str:
    """The hash of what lies there, out of memory where it is what was read before."""
    path = os.path.realpath(data.path)
    name = hashlib.sha256(f"{platform.node()}\0{path}".encode()).hexdigest()[:32]
    with _held(remembered / f"{name}.lock"):
        seen, memory = _look(path), remembered / f"{name}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(memory.read_text(encoding="utf-8"))
            if known["seen"] == seen:
                return str(known["sha256"])
        if (size := sum(int(str(one[1])) for one in seen)) >= _LARGE:
            tell(f"{data.path}: reading {size / _LARGE:.1f} GiB, once")
        began = time.time()
        found = _read(path, [str(one[0]) for one in seen])
        if _look(path) != seen:
            raise OSError("it was changed while it was read")
        if all(int(str(one[3])) < (began - _TICK_S) * 1e9 for one in seen):
            with suppress(OSError):
                part = memory.with_suffix(f".{os.getpid()}.part")
                part.write_text(json.dumps({"path": path, "sha256": found, "seen": seen}), encoding="utf-8")
                part.rename(memory)
        return found


def _look(path: str) -> Seen:
    """What is there, as far as can be told without reading it; "" is the path of a file that is all of the data.

    Raises:
        OSError: nothing is.
        _NotData: what a sandbox could not show, or what cannot be read to its end: a link, a pipe, a file of the kernel's.
    """
    made = _kernel_devices()
    _need_data(os.lstat(path), made, "")
    names = [""] if not os.path.isdir(path) else sorted(_files(path, ""), key=os.fsencode)  # as LC_ALL=C sort -z has them
    if not names:
        raise OSError("the folder is empty")
    seen: Seen = []
    for name in names:
        found = os.lstat(os.path.join(path, name) if name else path)
        _need_data(found, made, name)
        seen.append([name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino])
    return seen


def _need_data(found: os.stat_result, made: set[int], name: str) -> None:
    """Find out that something is a file or a folder.

    Raises:
        _NotData: it is neither.
    """
    kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "")
    if found.st_dev in made:
        kind = "what the kernel makes as it is read"
    if kind:
        raise _NotData(f"{kind} in it ({name!r})" if name else kind)


def _kernel_devices() -> set[int]:
    """The devices of file systems on which nothing lies."""
    devices = set()
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            place, _, source = line.partition(" - ")
            if source.split(" ", 1)[0] in _MADE:
                major, minor = place.split(" ")[2].split(":")
                devices.add(os.makedev(int(major), int(minor)))
    return devices


def _files(folder: str, below: str) -> Iterator[str]:
    folders = [below]
    while folders:
        below = folders.pop()
        with os.scandir(os.path.join(folder, below)) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                else:
                    yield name


def _read(path: str, names: list[str]) -> str:
    if names == [""]:
        return _sha256(path)
    lines = (_line(_sha256(os.path.join(path, name)), name) for name in names)
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def _line(digest: str, name: str) -> str:
    """As ``sha256sum`` prints it: a name that would break the line is escaped, and the line begins with a backslash."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    return f"{mark}{digest}  ./{escaped}\n"


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Only one process of a machine reads it; where there is nowhere to say so, each does."""
    try:
        file = lock.open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _memory() -> Path:
    """Where hashes are remembered: beside other caches, else among temporary files; only where nobody else could write them."""
    for place in (cache_folder() / "data", Path(tempfile.gettempdir()) / f"evolve-data-{os.getuid()}"):
        with suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = place.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
            if ours and os.access(place, os.W_OK):
                return place
    return Path(os.devnull)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
