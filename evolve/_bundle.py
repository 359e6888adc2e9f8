"""What of a problem folder counts: which files belong to it, which decide a score, their hash, and a copy of them.

Left out of everything: hidden files, caches (``__pycache__``, ``*.pyc``), editor backups and a ``runs`` folder at the top.
Left out of the hash: ``README*``, ``LICENSE*``, ``program.md`` and ``redteam/``, which explain and test but never decide a score,
and ``problem.yaml`` itself, whose meaning (not its comments) is hashed by the loader.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve._errors import ProblemError

CONTRACT_FILE = "problem.yaml"
BUNDLE_FILE = "bundle.json"  # in a copy: the chosen params and the hashes it must load to
MAX_FOLDER_BYTES = 256 << 20


def problem_files(folder: Path) -> tuple[str, ...]:
    """The files of a problem folder as sorted relative POSIX paths.

    Raises:
        ProblemError: a symbolic link or a special file lies in the folder.
        ProblemError: the files hold more than 256 MiB together.
    """
    paths = sorted(_walk(folder, ""))
    total = sum((folder / path).stat().st_size for path in paths)
    if total > MAX_FOLDER_BYTES:
        raise ProblemError(
            f"{folder}: expected at most {MAX_FOLDER_BYTES >> 20} MiB of files, found {total >> 20} MiB; "
            "let prepare.py write large files as assets."
        )
    return tuple(paths)


def decides_score(path: str) -> bool:
    """Whether a file of the folder is part of the evaluator's hash."""
    if path in (CONTRACT_FILE, BUNDLE_FILE, "program.md"):
        return False
    return path.split("/", 1)[0] != "redteam" and not path.startswith(("README", "LICENSE"))


def hash_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """Hex digest of lines of text, unambiguous in their number and order."""
    digest = hashlib.blake2b(digest_size=8)
    for line in lines:
        data = line.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def hash_files(folder: Path, paths: Iterable[str]) -> str:
    """Hex digest over names and contents."""
    return hash_lines(f"{path}\0{hash_file(folder / path)}" for path in sorted(paths))


def copy_files(folder: Path, paths: Iterable[str], target: Path, *, link: bool = False) -> None:
    """Copy files into ``target``; with ``link`` as hard links where the file system allows it."""
    for path in paths:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if link:
            try:
                os.link(folder / path, place)
                continue
            except OSError:
                pass  # another file system, or one without links: copy
        shutil.copyfile(folder / path, place)


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder / prefix) as scan:
        entries = list(scan)
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if _ignored(entry.name, path):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            raise ProblemError(
                f"{folder / path} is a symbolic link, and a problem must hold all it needs; put the file itself there."
            )
        if stat.S_ISDIR(mode):
            yield from _walk(folder, f"{path}/")
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise ProblemError(f"{folder / path}: expected a file or a folder, found a pipe, socket or device; remove it.")


def _ignored(name: str, path: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", "~")) or path == "runs"
